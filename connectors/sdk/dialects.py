"""Descriptions of APIs in their dialects (OpenAPI 3.0, Swagger 2, Google's discovery format), said
in one: OpenAPI 3.1, with every object closed that names its properties.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from connectors.sdk.records import Json

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
JSON = "application/json"
CLOSED = "unevaluatedProperties"


def one_dialect(document: Mapping[str, Json]) -> dict[str, Json]:
    """A parsed description in OpenAPI 3.1: paths with the servers' in front, parameters, bodies and
    answers in each operation. Raises ValueError for what is no description, or is in several files.
    """
    if document.get("kind") == "discovery#restDescription":
        document = _from_discovery(document)
    elif document.get("swagger") == "2.0":
        document = _from_swagger(document)
    elif not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("This is no OpenAPI 3, Swagger 2 or Google discovery description.")
    return _Dialect(document).convert()


class _Dialect:
    """One document of OpenAPI 3 on its way."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._root = document
        self._prefix = urlsplit(document.get("servers", [{"url": ""}])[0]["url"]).path.rstrip("/")

    def convert(self) -> dict[str, Json]:
        said = {
            name: part
            for name, part in self._root.items()
            if name not in ("paths", "security", "servers", "components")
        }
        components = dict(self._root.get("components", {}))
        components["schemas"] = self._open(components.get("schemas", {}))
        for group in ("definitions", "schemas"):  # where Swagger and discovery have them
            if group in said:
                said[group] = self._open(said[group])
        for group in ("parameters", "requestBodies", "responses", "headers"):
            if group in components:
                components[group] = {
                    name: self._part(part) for name, part in components[group].items()
                }
        paths = {
            self._prefix + path: {
                method: self._operation(item, item[method]) for method in METHODS if method in item
            }
            for path, item in self._root["paths"].items()
        }
        return {**said, "openapi": "3.1.0", "components": components, "paths": paths}

    def _open(self, schemas: Mapping[str, Json]) -> dict[str, Json]:
        return {name: self._schema(schema, False) for name, schema in schemas.items()}

    def _operation(self, item: Mapping[str, Json], operation: Mapping[str, Json]) -> Json:
        both = [*operation.get("parameters", ()), *item.get("parameters", ())]
        parameters = [self._part(self._resolve(one)) for one in both]
        for one in parameters:
            one.pop("deprecated", None)  # a warning, and it still works
        answers = {
            str(status): self._part(self._resolve(answer))
            for status, answer in operation["responses"].items()
        }
        for status in {"204", "205", "304"} & set(answers):
            answers[status].pop("content", None)  # HTTP has none there
        body = operation.get("requestBody")
        return {
            "parameters": parameters,
            "responses": answers,
            **({"requestBody": self._part(self._resolve(body))} if body else {}),
        }

    def _resolve(self, part: Json) -> Json:
        while "$ref" in part:
            ref, part = part["$ref"], self._root
            for name in ref.removeprefix("#/").split("/"):
                name = name.replace("~1", "/").replace("~0", "~")
                if not isinstance(part, dict) or name not in part:
                    raise ValueError(f"The description has nothing at {ref}.")
                part = part[name]
        return part

    def _part(self, part: Json) -> Json:
        """A parameter, body, answer or header with its schemas converted."""
        if not isinstance(part, dict):
            return part
        said = {name: value for name, value in part.items() if name not in ("example", "examples")}
        if "schema" in said:
            # openapi-core sees nothing beside a $ref, which may stand at the top only then
            said["schema"] = self._schema(self._resolve(said["schema"]), True)
        for group in ("content", "headers"):
            if isinstance(said.get(group), dict):
                said[group] = {name: self._part(value) for name, value in said[group].items()}
        return said

    def _schema(self, schema: Json, closed: bool) -> Json:
        """`closed` where a value stands; not in what is one of several parts of a value."""
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            said: dict[str, Json] = {"$ref": schema["$ref"]}
        else:
            said = {
                name: part for name, part in schema.items() if name not in ("example", "examples")
            }
            for group in ("properties", "patternProperties"):
                if group in said:
                    said[group] = {
                        name: self._schema(part, True) for name, part in said[group].items()
                    }
            for one in ("items", "additionalProperties"):
                if one in said:
                    said[one] = self._schema(said[one], True)
            for several in ("allOf", "anyOf", "oneOf"):
                if several in said:
                    said[several] = [self._schema(part, False) for part in said[several]]
            for limit, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
                if said.get(strict) is True:
                    said[strict] = said.pop(limit)
                elif said.get(strict) is False:
                    del said[strict]
            if said.pop("nullable", False) or said.pop("x-nullable", False):
                said = _or_null(said)
        if closed and self._names_properties(schema):
            said[CLOSED] = False
        return said

    def _names_properties(self, schema: Json) -> bool:
        """Whether anything beyond what it names can be told: it says nothing of others itself."""
        if isinstance(schema, dict) and "additionalProperties" in self._resolve(schema):
            return False
        return any("properties" in part for part in self._parts(schema, set()))

    def _parts(self, schema: Json, seen: set[int]) -> Iterator[Mapping[str, Json]]:
        if not isinstance(schema, dict) or id(schema) in seen:
            return
        seen.add(id(schema))
        schema = self._resolve(schema)
        yield schema
        for several in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(several, ()):
                yield from self._parts(part, seen)


def _or_null(schema: dict[str, Json]) -> dict[str, Json]:
    if not isinstance(schema.get("type"), str):
        return {"anyOf": [schema, {"type": "null"}]}
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            schema[several] = [*schema[several], {"type": "null"}]
    return {**schema, "type": [schema["type"], "null"]}


def _from_swagger(document: Mapping[str, Json]) -> dict[str, Json]:
    """Swagger 2 in the words of OpenAPI 3; its schemas stay under `definitions`."""

    def parameter(one: Mapping[str, Json]) -> dict[str, Json]:
        about = ("name", "in", "required", "description", "collectionFormat")
        schema = {name: part for name, part in one.items() if name not in about}
        repeated = (
            {"explode": one["collectionFormat"] == "multi"} if "collectionFormat" in one else {}
        )
        return {
            "name": one["name"],
            "in": one["in"],
            "required": one.get("required", False),
            "schema": schema,
            **repeated,
        }

    def operation(item: Mapping[str, Json], said: Mapping[str, Json]) -> dict[str, Json]:
        every = [*said.get("parameters", ()), *item.get("parameters", ())]
        fields = [one for one in every if one["in"] == "formData"]
        bodies = [one for one in every if one["in"] == "body"]
        schema = bodies[0].get("schema", {}) if bodies else _object(map(parameter, fields))
        kinds = said.get("consumes", document.get("consumes", [JSON]))
        answers = {
            status: {"description": "", "content": {JSON: {"schema": answer["schema"]}}}
            if "schema" in answer
            else {"description": ""}
            for status, answer in said["responses"].items()
        }
        return {
            "parameters": [
                parameter(one) for one in every if one["in"] not in ("formData", "body")
            ],
            "responses": answers,
            **({"requestBody": _body(schema, kinds)} if fields or bodies else {}),
        }

    return {
        "openapi": "3.0.0",
        "servers": [{"url": document.get("basePath", "")}],
        "definitions": document.get("definitions", {}),
        "paths": {
            path: {method: operation(item, item[method]) for method in METHODS if method in item}
            for path, item in document["paths"].items()
        },
    }


def _object(fields: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    named = {one["name"]: one for one in fields}
    return {
        "type": "object",
        "properties": {name: one["schema"] for name, one in named.items()},
        "required": [name for name, one in named.items() if one["required"]],
    }


def _body(schema: Json, kinds: Iterable[str]) -> dict[str, Json]:
    return {"content": {kind: {"schema": schema} for kind in kinds}}


def _from_discovery(document: Mapping[str, Json]) -> dict[str, Json]:
    """Google's discovery format in the words of OpenAPI 3; its schemas stay under `schemas`.

    https://developers.google.com/discovery/v1/reference/apis
    """

    def schema(part: Json) -> Json:
        if isinstance(part, list):
            return [schema(one) for one in part]
        if not isinstance(part, dict):
            return part
        said = {name: schema(value) for name, value in part.items()}
        if isinstance(said.get("$ref"), str):
            said["$ref"] = f"#/schemas/{said['$ref'].removeprefix('#/schemas/')}"
        if said.get("type") == "any":
            del said["type"]
        return said

    def parameter(name: str, one: Mapping[str, Json]) -> dict[str, Json]:
        kind = {key: one[key] for key in ("type", "format", "enum", "pattern") if key in one}
        repeated = {"type": "array", "items": kind} if one.get("repeated") else kind
        return {
            "name": name,
            "in": one["location"],
            "required": one.get("required", False),
            "schema": repeated,
        }

    def methods(resource: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
        yield from resource.get("methods", {}).values()
        for part in resource.get("resources", {}).values():
            yield from methods(part)

    paths: dict[str, dict[str, Json]] = {}
    common = [parameter(name, one) for name, one in document.get("parameters", {}).items()]
    for method in methods(document):
        own = [parameter(name, one) for name, one in method.get("parameters", {}).items()]
        said: dict[str, Json] = {
            "parameters": [*own, *common],
            # of errors it says nothing
            "responses": {"200": {"description": ""}, "4XX": {"description": ""}},
        }
        if "request" in method:
            said["requestBody"] = _body(schema({"$ref": method["request"]["$ref"]}), [JSON])
        if "response" in method:
            answer = {"schema": schema({"$ref": method["response"]["$ref"]})}
            said["responses"]["200"]["content"] = {JSON: answer}
        path = "/" + (method.get("flatPath") or method["path"])
        paths.setdefault(path, {})[method["httpMethod"].lower()] = said
    return {
        "openapi": "3.0.0",
        "servers": [{"url": "/" + document.get("servicePath", "").strip("/")}],
        "schemas": schema(document["schemas"]),
        "paths": paths,
    }
