"""What tables have in common, wherever they are kept: headers, keys, and what a cell can hold.

Dates are text (`2026-03-01`), moments are text with a zone, numbers and booleans are themselves.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class CellError(ValueError):
    """A value that a cell cannot hold; the message says why, `field` where."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def headers_of(cells: Sequence[Any]) -> dict[str, int]:
    """Header to column, counted from 1. Blank headers are passed over. Of several with one name
    nobody can tell which is meant, so that none has it: they are called `Name (1)`, `Name (2)`.
    """
    names = [" ".join(str(cell).split()) if cell is not None else "" for cell in cells]
    often = Counter(names)
    found: dict[str, int] = {}
    for column, name in enumerate(names, start=1):
        if not name:
            continue
        unique, count = name, 0
        while unique in found or (often[unique] > 1 and unique == name):
            count += 1
            unique = f"{name} ({count})"
        found[unique] = column
    return found


def key_of(value: Any) -> str:
    """The text of a key cell: `12` and `12.0` are one key, `00012` is another. Empty: no key."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).upper()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _CONTROL.sub("", str(value)).strip()


def as_date(text: str) -> date | None:
    """The calendar date that a text is, exactly; else None."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def as_moment(text: str, zone: ZoneInfo) -> datetime | None:
    """The local time of a text that is a moment, exactly; else None."""
    try:
        moment = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
        if moment is not None and moment.tzinfo is not None:
            moment = moment.astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return moment


def plain(value: Any, limit: int) -> Any:
    """A JSON value as one that a cell of `limit` characters can hold; None for an empty one.

    Lists become text with commas, objects JSON. Raises CellError.
    """
    if value is None or isinstance(value, bool | int | float):
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            raise CellError("is not a finite number")
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
            value = str(value)  # a cell would round it
        return value
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        value = ", ".join(value)
    elif not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    value = _CONTROL.sub("", value.replace("\r\n", "\n"))
    if len(value) > limit:
        raise CellError(f"has {len(value)} characters; a cell holds {limit}")
    return value or None
