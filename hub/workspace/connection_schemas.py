"""The JSON Schema of what hub.yaml says about a connection: each connector's own configuration
model, with `env:NAME` and `secret:NAME` allowed where a value may stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from connectors.sdk import Connector
from hub.workspace.services import folders_of
from mappings.schema import DRAFT, Schema

Connectors = Mapping[str, type[Connector]]

_REFERENCE: Schema = {"type": "string", "pattern": "^(env|secret):[A-Za-z_][A-Za-z0-9_]*$"}
_ABOUT = ("description", "default", "examples")


class _Written(GenerateJsonSchema):
    """A model as a person writes it: one value where a list of one is meant."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        if inner.get("type") == "array" and "items" in inner:
            return {"anyOf": [inner, inner["items"]]}
        return inner


def connection_schemas(connectors: Connectors) -> tuple[Schema, Schema]:
    """The schema of one connection, and the definitions that it refers to."""
    definitions: Schema = {}
    choices = []
    for name in sorted(connectors):
        connector = connectors[name]
        whole = _schema_of(connector.config, name)
        definitions |= whole.pop("$defs", {})
        for key, folder in folders_of(connector).items():
            form = whole["properties"][key]
            about = {word: form[word] for word in _ABOUT if word in form}
            file = {"type": "string", "description": f"The name of a file in {folder}/."}
            whole["properties"][key] = {**about, "anyOf": [file, form]}
        whole["properties"] = {"connector": {"const": name}, **whole["properties"]}
        definitions[f"{name}_connection"] = whole
        choices.append(
            {
                "if": {"properties": {"connector": {"const": name}}, "required": ["connector"]},
                "then": {"$ref": f"#/$defs/{name}_connection"},
            }
        )
    connection = {
        "type": "object",
        "properties": {
            "connector": {
                "description": "What kind of tool it is.",
                "enum": sorted(connectors),
                "enumDescriptions": [connectors[name].title for name in sorted(connectors)],
            }
        },
        "required": ["connector"],
        "allOf": choices,
    }
    return connection, definitions


def service_schema(connectors: Connectors) -> Schema:
    """The schema of a file in services/: a part of a connection that has a file of its own."""
    definitions: Schema = {}
    found = []
    for name in sorted(connectors):
        connector = connectors[name]
        for key, folder in folders_of(connector).items():
            if folder == "services":
                whole = _schema_of(connector.config, name)
                definitions |= whole.pop("$defs", {})
                found.append(whole["properties"][key])
    return {
        "$schema": DRAFT,
        "title": "Process Hub service",
        "description": "A web service, described for the connector that reads the description.",
        **(found[0] if len(found) == 1 else {"anyOf": found}),
        "$defs": definitions,
    }


def _schema_of(model: Any, prefix: str) -> Schema:
    """A model's schema with its definitions named after its connector."""
    whole = model.model_json_schema(
        ref_template=f"#/$defs/{prefix}.{{model}}", schema_generator=_Written
    )
    whole["$defs"] = {f"{prefix}.{name}": part for name, part in whole.get("$defs", {}).items()}
    tidied: Schema = _tidied(whole)
    return tidied


def _tidied(value: Any, name: bool = False) -> Any:
    """Without titles, which only repeat the keys, and with references where a value is wanted.
    `name` says that the keys of `value` are names, not words of JSON Schema.
    """
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    if name:
        return {key: _tidied(item) for key, item in value.items()}
    found = {
        key: item
        if key in ("enum", "const", "default", "examples", "required")
        else _tidied(item, key in ("properties", "$defs", "patternProperties"))
        for key, item in value.items()
        if key != "title"
    }
    if found.get("writeOnly"):
        about = {key: found[key] for key in _ABOUT if key in found}
        return {**about, **_REFERENCE, "examples": ["env:NAME", "secret:NAME"]}
    if _is_value(found):
        about = {key: found.pop(key) for key in _ABOUT if key in found}
        return {**about, "anyOf": [found, _REFERENCE]}
    return found


def _is_value(schema: Schema) -> bool:
    """Whether it is a single value that a reference would not fit by itself."""
    if "enum" in schema or "const" in schema:
        return True
    kind = schema.get("type")
    return kind in ("integer", "number", "boolean") or (
        kind == "string" and bool({"pattern", "format", "maxLength", "minLength"} & schema.keys())
    )
