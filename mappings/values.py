"""The last step inward: a value in the form of its canonical field, or why it has none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mappings.canonical import HAS_CUSTOM, MAPPED_FIELDS, CanonicalField
from mappings.paths import kind_of
from mappings.transforms import Fault, Scope, Step, text_of
from mappings.transforms.step import AS_IT_IS, Usual
from mappings.transforms.times import TimeError, is_canonical, moment_text, read_time

MAX_DEPTH = 50
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NEVER_NULL = frozenset({"status", "waiting_on", "visibility", "kind"})
"""Fields with a list of choices that an entity cannot be without. `kind` of an item is free text
and may be null."""

_CLEAN = frozenset({"date", "datetime", "decimal", "integer", "number", "boolean"})
"""Transforms whose outcome any store can hold."""

IMPLIED: Mapping[str, str] = {"party": "party", "money": "money", "labels": "labels"}
"""The transform that a field of this type applies when its `as` does not."""


def canonical_field(entity: str, name: str) -> CanonicalField | None:
    """The definition of a field, with `custom.*` where the entity has it; else None."""
    known = MAPPED_FIELDS.get(entity, {}).get(name)
    if known is None and entity in HAS_CUSTOM and re.fullmatch(r"custom(\.[^.\s]+)+", name):
        return CanonicalField(name, "any")
    return known


def clean_text(text: str) -> str:
    """The text, if every store and tool can hold it. NUL and lone surrogates raise Fault."""
    # ASCII without NUL is nearly everything, and encoding is much faster than searching
    if (text.isascii() or encodes(text)) and "\x00" not in text:
        return text
    bad = _UNSTORABLE.search(text)
    if bad is None:
        return text
    what = "a NUL character" if bad[0] == "\x00" else "half of a surrogate pair"
    raise Fault(f"the text holds {what} at position {bad.start() + 1}")


def encodes(text: str) -> bool:
    """Whether a text is UTF-8 throughout: it holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean_json(value: Any, depth: int = 0) -> Any:
    """A JSON value that can be stored as it is. Raises Fault."""
    kind = value.__class__
    if kind is str:
        return clean_text(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        if value.bit_length() > 1024:
            raise Fault("the number has more than 300 digits")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise Fault("the number is not finite")
        return value
    if depth > MAX_DEPTH:
        raise Fault(f"the value is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_json(item, depth + 1) for item in value]
    raise Fault(f"{kind.__name__} is not a JSON value")


def closing_step(field: CanonicalField, last: str = "") -> Step:
    """What turns the outcome of the transforms (the `last` by name) into the field's form. It is
    never given null.
    """
    if field.type == "due" and last in ("date", "datetime"):
        # what these give needs no second reading
        return _one_time("date" if last == "date" else "at")
    if field.type == "any" and last in _CLEAN:
        return lambda value, scope: value
    if field.type == "labels" and last == "labels":
        return _clean_labels
    return {
        "text": _text,
        "markdown": _text,
        "party": _party,
        "due": _due,
        "date": _date,
        "moment": _moment,
        "money": _money,
        "labels": _labels,
        "any": _any,
        "enum": _choice(field),
    }[field.type]


_STORABLE = (
    "{value}.__class__ is str"
    " and ({value}.isascii() or {encodes}({value})) and '\\0' not in {value}"
)
_TEXT = Usual("{value} if " + _STORABLE + " else None", {"encodes": encodes})
_SCALAR = Usual(
    "{value} if " + _STORABLE + " or {value} is True or {value} is False"
    " or {value}.__class__ is int and {value}.bit_length() < 1024 else None",
    {"encodes": encodes},
)


def usual_closing(field: CanonicalField, last: str = "") -> Usual | None:
    """`closing_step` for the usual value."""
    if field.type == "due" and last in ("date", "datetime"):
        key = "date" if last == "date" else "at"
        return Usual("{{'" + key + "': {value}}} if {value} is not None else None")
    if field.type == "any":
        return AS_IT_IS if last in _CLEAN else _SCALAR
    if field.type == "labels" and last == "labels":
        return Usual("{storable_words}({value})", {"storable_words": storable_words})
    if field.type == "enum":
        source = "{value} if {value}.__class__ is str and {value} in {choices} else None"
        return Usual(source, {"choices": frozenset(map(str, field.choices))})
    if field.type in ("text", "markdown", "party"):
        return _TEXT
    if field.type in ("due", "date", "moment"):
        return Usual("{canonical}({value})", {"canonical": _CANONICAL_TIME[field.type]})
    return None


def storable_words(words: list[str] | None) -> list[str] | None:
    """A list of texts, if every store can hold them."""
    if words is None:
        return None
    together = "".join(words)
    return words if (together.isascii() or encodes(together)) and "\0" not in together else None


def _canonical_due(value: Any) -> dict[str, str] | None:
    if value.__class__ is not str or not is_canonical(value):
        return None
    return {"date" if len(value) == 10 else "at": value}


def _canonical_date(value: Any) -> str | None:
    return value if value.__class__ is str and len(value) == 10 and is_canonical(value) else None


def _canonical_moment(value: Any) -> str | None:
    return value if value.__class__ is str and len(value) == 20 and is_canonical(value) else None


_CANONICAL_TIME = {"due": _canonical_due, "date": _canonical_date, "moment": _canonical_moment}


def may_be_null(field: CanonicalField) -> bool:
    """Whether an entity can be without this field."""
    return not field.required and not (field.type == "enum" and field.name in _NEVER_NULL)


def _any(value: Any, scope: Scope) -> Any:
    return clean_json(value)


def _text(value: Any, scope: Scope) -> Any:
    return clean_text(value if value.__class__ is str else text_of(value))


def _choice(field: CanonicalField) -> Step:
    choices = frozenset(map(str, field.choices))
    listed = ", ".join(map(str, field.choices))

    def step(value: Any, scope: Scope) -> Any:
        if value.__class__ is str and value in choices:
            return value
        if value == "" and may_be_null(field):
            return None
        shown = text_of(value) if isinstance(value, (str, int, float)) else kind_of(value)
        raise Fault(f"'{shown[:60]}' is none of {listed}", "unmapped_value")

    return step


def _time(value: Any) -> Any:
    try:
        return read_time(value)
    except TimeError as error:
        raise Fault(str(error)) from None


def _due(value: Any, scope: Scope) -> Any:
    if value == "":
        return None
    if isinstance(value, dict) and len(value) == 1 and value.keys() <= {"date", "at"}:
        value = next(iter(value.values()))
    found = _time(value)
    if isinstance(found, datetime):
        return {"at": moment_text(found)}
    return {"date": found.isoformat()}


def _one_time(key: str) -> Step:
    def step(value: Any, scope: Scope) -> Any:
        if not isinstance(value, str):
            raise Fault(f"expected one date, found {kind_of(value)}")
        return {key: value}

    return step


def _date(value: Any, scope: Scope) -> Any:
    if value == "":
        return None
    found = _time(value)
    return (found.date() if isinstance(found, datetime) else found).isoformat()


def _moment(value: Any, scope: Scope) -> Any:
    if value == "":
        return None
    found = _time(value)
    if not isinstance(found, datetime):
        raise Fault(f"{found.isoformat()} is a date without a time")
    return moment_text(found)


def _party(value: Any, scope: Scope) -> Any:
    if not isinstance(value, str):
        raise Fault(f"expected one person, found {kind_of(value)}")
    return clean_text(value)


def _money(value: Any, scope: Scope) -> Any:
    if not isinstance(value, dict) or "value" not in value:
        raise Fault(f"expected an amount, found {kind_of(value)}")
    return clean_json(value)


def _labels(value: Any, scope: Scope) -> Any:
    if not isinstance(value, list):
        raise Fault(f"expected a list of labels, found {kind_of(value)}")
    return [
        clean_text(item if item.__class__ is str else text_of(item))
        for item in value
        if item is not None
    ]


def _clean_labels(value: Any, scope: Scope) -> Any:
    return storable_words(value) or [clean_text(word) for word in value]
