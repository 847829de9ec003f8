"""The JSON Schema of a mapping file, for editors: made of the tables that the reader, the check and
the compiler use, so that it cannot say something else than they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from mappings.canonical import HAS_CUSTOM, MAPPED_FIELDS, CanonicalField, ValueType
from mappings.keys import (
    CONFLICTS,
    DELETES_IN,
    DELETES_KEYS,
    DELETES_OUT,
    DIRECTIONS,
    FIELD_KEYS,
    IDENTITY_KEYS,
    MATCH_KEYS,
    OTHERWISE,
    TEST_KEYS,
    TOP_KEYS,
    Keys,
)
from mappings.transforms import TRANSFORMS, Param, Transform
from mappings.transforms.times import NAMED_FORMATS

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

FIELDS: Mapping[str, Keys] = {
    "task": {
        "title": "What is to be done, in one line.",
        "description": "The same at length, in Markdown.",
        "status": "How far it is.",
        "assignee": "Who does it.",
        "requester": "Who asked for it.",
        "waiting_on": "Whose turn it is.",
        "due": "When it must be done: a date or a moment.",
        "start_by": "When it should be begun: a date or a moment.",
        "priority": "How much it presses.",
        "labels": "Words it is found by.",
    },
    "item": {
        "kind": "What it is: deal, order, invoice, account.",
        "title": "What it is called.",
        "stage": "How far it is, in the tool's own words.",
        "owner": "Who looks after it.",
        "amount": "What it is worth, with the currency.",
        "date": "Its date: when it closes, is due, was signed.",
    },
    "party": {
        "kind": "A person, a group, an organisation or a system.",
        "name": "What they are called.",
        "email": "Their address.",
        "handle": "What the tool's records call them, where that is not the id of their own.",
        "login": "Another name that they have there.",
        "side": "Whether they work here, or are an outsider.",
        "status": "Whether they still have the account.",
    },
    "comment": {
        "author": "Who said it.",
        "body": "What was said, in Markdown.",
        "visibility": "Whether the customer may see it.",
        "created_at": "When it was said.",
    },
}
"""What each canonical field is; a test holds this beside MAPPED_FIELDS."""

_VALUE: Mapping[ValueType, Schema] = {
    "text": {"type": ["string", "number"]},
    "markdown": {"type": ["string", "number"]},
    "party": {"type": "string"},
    "due": {"type": ["string", "number", "object"]},
    "date": {"type": ["string", "number"]},
    "moment": {"type": ["string", "number"]},
    "money": {"type": ["string", "number", "object"]},
    "labels": {"type": ["string", "array"]},
    "any": {},
    "enum": {},
}
"""What a constant or a default of a field may be written as."""

_SINGLE = ["string", "number", "boolean", "null"]
_PATH: Schema = {
    "type": "string",
    "pattern": r"^\$",
    "maxLength": 500,
    "examples": ["$.title", "$.fields.due", "$.labels[*].name", "$['Due date']"],
}


def mapping_schema() -> Schema:
    """The schema of a file in mappings/, with the transforms that are registered now."""
    entities = list(MAPPED_FIELDS)
    kinds = sorted({field.type for fields in MAPPED_FIELDS.values() for field in fields.values()})
    definitions: Schema = {"transforms": _chain()}
    for kind in kinds:
        if kind != "enum":
            definitions[f"{kind}_field"] = _field(CanonicalField("", kind))
    definitions["any_field"] = _field(CanonicalField("", "any"))
    for entity, fields in MAPPED_FIELDS.items():
        for field in fields.values():
            if field.type == "enum":
                definitions[f"{entity}_{field.name}"] = _field(field)
        definitions[f"{entity}_fields"] = _fields([entity])
    definitions["fields"] = _fields(entities)
    return {
        "$schema": DRAFT,
        "title": "Process Hub mapping",
        "description": "One kind of record of a tool and what it becomes here, both ways.",
        "type": "object",
        "properties": _top(entities),
        "additionalProperties": False,
        "required": ["mapping"],
        "allOf": [
            {"if": {"required": ["extends"]}, "else": {"required": ["object", "entity", "fields"]}},
            {
                "if": {"anyOf": [{"required": ["extends"]}, {"required": ["connector"]}]},
                "else": {"required": ["connection"]},
            },
            {"not": {"required": ["connection", "connector"]}},
            *(
                {
                    "if": {"properties": {"entity": {"const": entity}}, "required": ["entity"]},
                    "then": {"properties": {"fields": {"$ref": f"#/$defs/{entity}_fields"}}},
                }
                for entity in entities
            ),
            {
                "if": {"not": {"required": ["entity"]}},
                "then": {"properties": {"fields": {"$ref": "#/$defs/fields"}}},
            },
        ],
        "$defs": definitions,
    }


def described(keys: Keys, forms: Mapping[str, Schema]) -> Schema:
    """The properties of an object: each key's form with its description."""
    return {key: {"description": about, **forms[key]} for key, about in keys.items()}


def word(choices: Keys, default: str | None = None) -> Schema:
    """One of some words, each with what it means."""
    told = {"enum": list(choices), "enumDescriptions": list(choices.values())}
    return told if default is None else {**told, "default": default}


def _object(keys: Keys, forms: Mapping[str, Schema], **more: Any) -> Schema:
    return {
        "type": "object",
        "properties": described(keys, forms),
        "additionalProperties": False,
        **more,
    }


def _top(entities: list[str]) -> Schema:
    name = {"type": "string", "minLength": 1}
    forms: Mapping[str, Schema] = {
        "mapping": name | {"examples": ["github-issue"]},
        "connection": name,
        "connector": name,
        "extends": name | {"examples": ["github-issue"]},
        "object": name | {"examples": ["issue"]},
        "entity": {"enum": entities},
        "filter": {"type": ["string", "boolean"], "examples": ["!has(record.pull_request)"]},
        "direction": word(DIRECTIONS, "both"),
        "conflict": word(CONFLICTS, "review"),
        "fields": {"type": "object"},
        "deletes": _object(
            DELETES_KEYS,
            {"in": word(DELETES_IN, "tombstone"), "out": word(DELETES_OUT, "never")},
        ),
        "identity": _object(IDENTITY_KEYS, dict.fromkeys(IDENTITY_KEYS, _PATH)),
        "match": _match(),
        "tests": {"type": "array", "items": _example()},
    }
    return described(TOP_KEYS, forms)


def _match() -> Schema:
    """A field, a list of fields, or a list of such lists; or null, for what is inherited."""
    name = {"type": "string", "minLength": 1, "examples": ["custom.order_no"]}
    some = {"type": "array", "items": name, "minItems": 1, "examples": [["title", "due"]]}
    several = {"type": "array", "items": some, "minItems": 1}
    forms = {key: {"anyOf": [name, some, several]} for key in MATCH_KEYS}
    return {"anyOf": [_object(MATCH_KEYS, forms, minProperties=1), {"type": "null"}]}


def _example() -> Schema:
    forms: Mapping[str, Schema] = {
        "given": {"type": ["string", "object"], "examples": ["samples/issue.json"]},
        "expect": {"anyOf": [{"type": "object"}, {"const": "filtered"}]},
        "roundtrip": {"type": "boolean", "default": False},
        "back": {"type": "object"},
    }
    return _object(TEST_KEYS, forms, required=["given"])


# -------------------------------------------------------------------------------------- fields


def _fields(entities: list[str]) -> Schema:
    """The fields of an entity; of several, where a file leaves its entity to what it extends."""
    properties: Schema = {}
    for entity in entities:
        for name, field in MAPPED_FIELDS[entity].items():
            kind = f"{entity}_{name}" if field.type == "enum" else f"{field.type}_field"
            form = {"description": FIELDS[entity][name], "$ref": f"#/$defs/{kind}"}
            # two entities may have a field of one name; either form is right then
            properties[name] = (
                form
                if name not in properties or properties[name] == form
                else {"anyOf": [properties[name], form]}
            )
    custom = any(entity in HAS_CUSTOM for entity in entities)
    own = {"description": "A field of your own.", "$ref": "#/$defs/any_field"}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"patternProperties": {r"^custom(\.[^.\s]+)+$": own}} if custom else {}),
    }


def _field(field: CanonicalField) -> Schema:
    """A path, a set of keys, or null for an inherited field that is dropped."""
    value = dict(_VALUE[field.type])
    meant: Schema = {"type": _SINGLE}
    back: Schema = {"type": "object", "additionalProperties": {}}
    otherwise: Schema = {"default": "exception", "examples": list(OTHERWISE)}
    if field.type == "enum":
        choices = [str(choice) for choice in field.choices]
        value = {"enum": [*choices, None]}
        meant = {"enum": [*choices, None]}
        back["propertyNames"] = {"enum": choices}
        back["properties"] = {choice: {} for choice in choices}
        otherwise = {"enum": [*OTHERWISE, *choices, None], "default": "exception"}
    forms: Mapping[str, Schema] = {
        "from": {"anyOf": [_PATH, {"type": "array", "items": _PATH, "minItems": 1}]},
        "value": value,
        "text": {"type": "string", "examples": ["${record.first} ${record.last}"]},
        "if": {"type": ["string", "boolean"], "examples": ["record.kind == 'bug'"]},
        "values": {"type": "object", "additionalProperties": meant},
        "back": back,
        "otherwise": otherwise,
        "system_of_record": {"type": "string", "minLength": 1, "examples": ["hub"]},
        "direction": word(DIRECTIONS),
        "conflict": word(CONFLICTS),
        "as": {"$ref": "#/$defs/transforms"},
        "to": _PATH,
        "default": value,
    }
    origins = ("from", "value", "text")
    # one schema for all three: editors say more about a wrong key than where one of several must
    # fit; what is about objects lets paths and null pass
    return {
        "type": ["string", "object", "null"],
        "pattern": _PATH["pattern"],
        "maxLength": _PATH["maxLength"],
        "properties": described(FIELD_KEYS, forms),
        "additionalProperties": False,
        "anyOf": [{"required": [origin]} for origin in origins],
        "allOf": [
            {"not": {"type": "object", "required": list(pair)}} for pair in combinations(origins, 2)
        ],
    }


# ---------------------------------------------------------------------------------- transforms


def _chain() -> Schema:
    """One transform, by name or with parameters, or a list of them."""
    alone = {
        name: transform.about
        for name, transform in TRANSFORMS.items()
        if not any(param.required for param in transform.params.values())
    }
    step = {
        "anyOf": [
            word(alone),
            {
                "type": "object",
                "properties": {name: _use(each) for name, each in TRANSFORMS.items()},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }
    return {"anyOf": [*step["anyOf"], {"type": "array", "items": step}]}


def _use(transform: Transform) -> Schema:
    """What stands behind a transform's name: its parameters, or the one it has a short form for."""
    named: Schema = {
        "type": "object",
        "properties": {name: _parameter(param) for name, param in transform.params.items()},
        "additionalProperties": False,
    }
    needed = [name for name, param in transform.params.items() if param.required]
    if needed:
        named["required"] = needed
    forms = [named]
    if transform.short is not None:
        forms.insert(0, _parameter(transform.params[transform.short]))
    if not needed:
        forms.append({"type": "null"})
    return {"description": transform.about, "anyOf": forms}


def _parameter(param: Param) -> Schema:
    form = dict(_PARAMETERS[param.kind])
    if param.choices:
        form = {"enum": list(param.choices)}
    return {"description": param.about, **form} if param.about else form


_PARAMETERS: Mapping[str, Schema] = {
    "text": {"type": "string"},
    "number": {"type": "integer"},
    "flag": {"type": "boolean"},
    "words": {
        "anyOf": [
            {"type": ["string", "integer"]},
            {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1},
        ]
    },
    "path_or_text": {"type": "string", "examples": ["CHF", "$.currency"]},
    "pattern": {"type": "string", "examples": ["No ([0-9]+)"]},
    "format": {
        "anyOf": [{"enum": list(NAMED_FORMATS)}, {"type": "string", "pattern": "%"}],
    },
    "zone": {"type": "string", "examples": ["Europe/Zurich"]},
    "table": {
        "type": "object",
        "additionalProperties": {"type": _SINGLE},
        "minProperties": 1,
    },
    "value": {"type": _SINGLE},
}
"""Per kind of parameter, how it is written."""
