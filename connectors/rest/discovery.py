"""The fields of an object, read off a page of its records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from connectors.sdk import Field
from connectors.sdk.records import Json

DEEPEST = 3
"""Levels of mappings that are looked into."""
MOST = 500
"""Fields that are told."""
Kind = Literal["text", "number", "boolean", "date", "datetime", "choice", "list", "user", "object"]
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([.,]\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)?")


def fields_of(rows: Sequence[Mapping[str, Any]]) -> list[Field]:
    """Every field that any of the rows has, members of mappings with dots. A field that is never
    filled is taken for text.
    """
    found: dict[str, Kind | None] = {}
    for row in rows:
        for name, value in _named(row, "", 1):
            kind = _kind(value)
            known = found.get(name)
            if kind is None or known == kind:
                found.setdefault(name, kind)
            else:
                found[name] = kind if known is None else "text"
    return [Field(name, kind or "text", known="seen") for name, kind in list(found.items())[:MOST]]


def _named(row: Mapping[str, Any], before: str, level: int) -> Iterator[tuple[str, Json]]:
    for name, value in row.items():
        yield f"{before}{name}", value
        if isinstance(value, dict) and level < DEEPEST:
            yield from _named(value, f"{before}{name}.", level + 1)


def _kind(value: Json) -> Kind | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "object"
    if _DATE.fullmatch(value):
        return "date"
    return "datetime" if _DATETIME.fullmatch(value) else "text"
