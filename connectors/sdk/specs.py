"""Hold what a connector sends, and what its sandbox answers, against the vendor's own description
of its API, so that the two cannot drift from the truth together.

    sandbox.faults.keep = 1000
    ...  # let the connector do everything it can
    description = Description.read(Path("openapi.json"))
    assert description.findings(sandbox.faults.exchanges, allowed) == []

Reads OpenAPI 3.x, Swagger 2 and Google's discovery format; the latter two are first said in OpenAPI
3.1, which openapi-core (the extra `test`) then judges. Stricter than the descriptions mean to be:
an object that names its properties has no others, unless it says that it may.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from connectors.sdk.faults import Exchange
from connectors.sdk.records import Json

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
SINGLE = ("boolean", "integer", "number", "string")
SURPLUS = "unevaluatedProperties"
LONG = 60
"""Characters of a value that a finding shows."""


class Description:
    """One vendor's API, as its description says."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        """`document` is the parsed description. Raises ValueError for what is none."""
        if document.get("kind") == "discovery#restDescription":
            document = _from_discovery(document)
        elif document.get("swagger") == "2.0":
            document = _from_swagger(document)
        elif not str(document.get("openapi", "")).startswith("3."):
            raise ValueError("This is no OpenAPI 3, Swagger 2 or Google discovery description.")
        self._said = _Dialect(document).convert()
        self._operations = sorted(
            (Operation(self._said, path, method) for path, method in _operations(self._said)),
            key=lambda one: -one.plain,
        )

    @classmethod
    def read(cls, file: Path) -> Description:
        """The description in a JSON or YAML file."""
        text = file.read_bytes()
        if file.suffix == ".json":
            return cls(json.loads(text))
        # megabytes of YAML take half a minute without the loader that is written in C
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return cls(yaml.load(text, Loader=loader))  # noqa: S506 - a safe loader, either way

    def findings(
        self, exchanges: Iterable[Exchange], allowed: Mapping[str, str] | None = None
    ) -> list[str]:
        """What the description knows nothing of, or differently, each once: "POST /path: why".

        `allowed` are regular expressions that a finding may begin with, each with its reason: what
        a description is too old for, or gets wrong. One that nothing needs is a finding too.
        """
        unused = dict(allowed or {})
        found: dict[str, None] = {}
        for one in exchanges:
            for finding in self.judge(one):
                excuses = [pattern for pattern in allowed or () if re.match(pattern, finding)]
                for pattern in excuses:
                    unused.pop(pattern, None)
                if not excuses:
                    found[finding] = None
        return [*found, *(f"Allowed and not needed: {pattern}" for pattern in unused)]

    def judge(self, exchange: Exchange) -> Iterator[str]:
        """The findings of one exchange."""
        operation = self.operation(exchange)
        if operation is None:
            what = "method" if self._at(exchange) else "path"
            yield f"{exchange.method} {exchange.path}: no such {what}"
            return
        for reason in operation.judge(exchange):
            yield f"{exchange.method} {operation.pattern}: {reason}"

    def operation(self, exchange: Exchange) -> Operation | None:
        """What is asked for here, None for what is not described."""
        method = exchange.method.lower()
        return next((one for one in self._at(exchange) if one.method == method), None)

    def _at(self, exchange: Exchange) -> list[Operation]:
        return [one for one in self._operations if one.path.fullmatch(exchange.path)]


class Operation:
    """One method of one path."""

    def __init__(self, document: Mapping[str, Json], pattern: str, method: str) -> None:
        self.pattern = pattern
        self.method = method
        literal = re.split(r"\{\w+\}", pattern)
        self.plain = len("".join(literal))
        """Characters of the path that are no variables: the more, the better it fits."""
        self.path = re.compile("([^/]+)".join(re.escape(part) for part in literal))
        self._names = re.findall(r"\{(\w+)\}", pattern)
        self._document = document
        self._said = document["paths"][pattern][method]

    @cached_property
    def _core(self) -> Any:
        from openapi_core import Config, OpenAPI

        # only this operation: openapi-core walks through all paths for every request
        small = {
            **self._document,
            "servers": [{"url": "https://vendor.test"}],
            "paths": {self.pattern: {self.method: self._said}},
        }
        return OpenAPI.from_dict(small, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]

    def judge(self, exchange: Exchange) -> Iterator[str]:
        """What is wrong with the request, then with the answer, of an exchange with this path."""
        from openapi_core.testing import MockRequest, MockResponse

        query = parse_qsl(exchange.query, keep_blank_values=True)
        request = MockRequest(
            "https://vendor.test",
            self.method,
            exchange.path,
            path_pattern=self.pattern,
            args=query,  # type: ignore[arg-type] # a name may come more than once
            view_args=self._variables(exchange.path),
            headers=dict(exchange.headers),
            data=exchange.body or None,
            content_type=exchange.headers.get("content-type", JSON),
        )
        # what the vendor refuses too is no drift
        if exchange.status not in (400, 422):
            yield from self._odd_in_query([name for name, _ in query])
            yield from self._unknown_in_body(exchange)
            yield from _reasons("request", self._core.iter_request_errors(request))
        if not self._answers(exchange.status):
            if exchange.status < 400:
                yield f"answer {exchange.status}: no such status"
            return
        response = MockResponse(
            exchange.answer,
            exchange.status,
            headers=dict(exchange.answer_headers),
            content_type=exchange.answer_headers.get("content-type", ""),
        )
        errors = self._core.iter_response_errors(request, response)
        yield from _reasons(f"answer {exchange.status}", errors)

    def _variables(self, path: str) -> dict[str, str]:
        found = self.path.fullmatch(path)
        return dict(zip(self._names, map(unquote, found.groups() if found else ()), strict=True))

    def _odd_in_query(self, names: list[str]) -> Iterator[str]:
        known = {one["name"]: one for one in self._said["parameters"] if one["in"] == "query"}
        for name in sorted(set(names)):
            if name not in known:
                yield f"query {name}: no such parameter"
            # openapi-core reads one of them
            elif names.count(name) > 1 and known[name].get("schema", {}).get("type") in SINGLE:
                yield f"query {name}: given more than once"

    def _unknown_in_body(self, exchange: Exchange) -> Iterator[str]:
        content = self._said.get("requestBody", {}).get("content", {})
        if exchange.body and not content:
            yield "request body: takes none"
        elif FORM in content and exchange.headers.get("content-type", "").startswith(FORM):
            # openapi-core reads the described names only
            known = content[FORM].get("schema", {}).get("properties", {})
            for name in sorted(set(dict(parse_qsl(exchange.body.decode()))) - set(known)):
                yield f"request body {name}: no such parameter"

    def _answers(self, status: int) -> bool:
        told = {str(one).upper() for one in self._said["responses"]}
        return bool(told & {str(status), f"{status // 100}XX", "DEFAULT"})


def _reasons(where: str, errors: Iterable[Exception]) -> Iterator[str]:
    from jsonschema.exceptions import best_match

    for error in errors:
        cause = error.__cause__ or error
        reasons = getattr(cause, "schema_errors", None)
        # a parameter's place stands in the error around it
        name = getattr(error, "name", "")
        places = [tuple(one.absolute_path) for one in reasons or ()]
        for reason in reasons or ():
            deepest = best_match([reason]) or reason
            parts = (name, *deepest.absolute_path)
            place = "".join(
                "[]" if isinstance(part, int) else f".{part}" for part in parts if part != ""
            )
            if deepest.validator in ("additionalProperties", SURPLUS):
                at = tuple(deepest.absolute_path)
                for surplus in re.findall(r"'([^']+)'", deepest.message.partition("(")[2]):
                    # what is wrong itself may count as unknown too
                    if not any(one[: len(at) + 1] == (*at, surplus) for one in places):
                        yield f"{where} {place}.{surplus}: no such property"
                continue
            value = repr(deepest.instance)
            shown = value if len(value) < LONG else f"{value[:LONG]}…"
            yield f"{where} {place}: {deepest.message.replace(value, shown)}"
        if not reasons:
            yield f"{where} {name}: {cause}"


def _operations(document: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    for path, item in document["paths"].items():
        yield from ((path, method) for method in METHODS if method in item)


# ------------------------------------------------------------------------ everything in OpenAPI 3.1


class _Dialect:
    """OpenAPI 3.0 said in 3.1, every object closed that names its properties."""

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
                part = part[name.replace("~1", "/").replace("~0", "~")]
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
            said[SURPLUS] = False
        return said

    def _names_properties(self, schema: Json, depth: int = 0) -> bool:
        if not isinstance(schema, dict) or depth > 20:
            return False
        schema = self._resolve(schema)
        if not depth and "additionalProperties" in schema:
            return False  # it says itself what else it may have
        return bool(schema.get("properties")) or any(
            self._names_properties(part, depth + 1)
            for several in ("allOf", "anyOf", "oneOf")
            for part in schema.get(several, ())
        )


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
