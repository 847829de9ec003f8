"""Lists in pages: an opaque cursor leads on from the last one seen, whatever is added meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from hub.api.errors import Problem

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(description="`next` of the page before; opaque.", max_length=2000)
]


class Page(BaseModel, Generic[Item]):
    """Some of a list, and the cursor that leads on; `next` null: this is the end."""

    items: list[Item]
    next: str | None = Field(None, description="Send as `cursor` for the next page.")


def write_cursor(kind: str, *position: Any) -> str:
    """A cursor behind this position of this kind of list."""
    plain = [one.isoformat() if isinstance(one, datetime) else one for one in position]
    text = json.dumps([kind, *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(kind: str, cursor: str, *types: type) -> tuple[Any, ...]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        # altchars and validate: the lenient decoder would drop what it does not know
        text = base64.b64decode(padded.encode(), altchars=b"-_", validate=True)
        found = json.loads(text)
        if not isinstance(found, list) or found[:1] != [kind] or len(found) != len(types) + 1:
            raise ValueError("another list's cursor")
        values: list[Any] = []
        for value, wanted in zip(found[1:], types, strict=True):
            if wanted is datetime:
                moment = datetime.fromisoformat(value)
                if moment.tzinfo is None:
                    raise ValueError("a moment needs a zone")
                values.append(moment)
                continue
            if type(value) is not wanted or (type(value) is int and not 0 <= value < 2**62):
                raise ValueError("not what was written")
            values.append(value)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Problem(
            400,
            "cursor_invalid",
            "This cursor is not one of this list. Send `next` of the page before, unchanged.",
        ) from None
    return tuple(values)


def at_moment(kind: str, cursor: str | None) -> tuple[datetime, str] | None:
    """The (moment, id) that a cursor stands for; None without one. Raises Problem
    `cursor_invalid`.
    """
    if cursor is None:
        return None
    moment, id = _read(kind, cursor, datetime, str)
    return moment, id


def at_name(kind: str, cursor: str | None) -> tuple[str, str] | None:
    """The (name, id) that a cursor stands for. Raises Problem `cursor_invalid`."""
    if cursor is None:
        return None
    name, id = _read(kind, cursor, str, str)
    return name, id


def at_account(kind: str, cursor: str | None) -> tuple[str, str, str] | None:
    """The (connection, object, id) that a cursor stands for. Raises Problem `cursor_invalid`."""
    if cursor is None:
        return None
    connection, object, id = _read(kind, cursor, str, str, str)
    return connection, object, id


def at_position(kind: str, cursor: str | None) -> int | None:
    """The position that a cursor stands for. Raises Problem `cursor_invalid`."""
    if cursor is None:
        return None
    (position,) = _read(kind, cursor, int)
    return int(position)


def at_positions(kind: str, cursor: str | None) -> tuple[int, int] | None:
    """The two positions that a cursor stands for. Raises Problem `cursor_invalid`."""
    if cursor is None:
        return None
    first, second = _read(kind, cursor, int, int)
    return first, second


def cut(
    rows: Sequence[Row], limit: int, kind: str, position: Callable[[Row], Sequence[Any]]
) -> tuple[list[Row], str | None]:
    """The page out of `limit + 1` rows, and the cursor behind it if there are more."""
    shown = list(rows[:limit])
    if len(rows) <= limit:
        return shown, None
    return shown, write_cursor(kind, *position(shown[-1]))
