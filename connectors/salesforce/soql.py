"""SOQL text, record ids and timestamps: the pure half of talking to Salesforce."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ESCAPES = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}


def is_id(text: str) -> bool:
    """Whether `text` has the shape of a record id, 15 or 18 characters."""
    return _ID.fullmatch(text) is not None


def id18(text: str) -> str:
    """The 18 character form of a record id; anything else comes back as it is.

    The last three characters encode which of the first fifteen are capitals, so that the id
    survives systems that ignore case.
    """
    if len(text) != 15 or not is_id(text):
        return text
    suffix = ""
    for start in (0, 5, 10):
        part = text[start : start + 5]
        suffix += _CHECK[sum(1 << place for place, c in enumerate(part) if c.isupper())]
    return text + suffix


def quoted(text: str) -> str:
    """A SOQL string literal."""
    return "'" + "".join(_ESCAPES.get(character, character) for character in text) + "'"


def quoted_list(texts: Iterable[str]) -> str:
    return "(" + ",".join(quoted(text) for text in texts) + ")"


def moment(text: str) -> datetime:
    """A Salesforce timestamp (`2026-03-01T10:00:00.000+0000`, or with `Z`) as a moment in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def literal(when: datetime) -> str:
    """A SOQL datetime literal, which is also our form of a version: text order is time order."""
    stamp = when.astimezone(UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{stamp.microsecond // 1000:03d}Z"


def select(
    fields: Sequence[str],
    name: str,
    where: str = "",
    order: str = "",
    limit: int | None = None,
) -> str:
    """One SELECT statement. `where` and `order` are SOQL already, with their values quoted."""
    text = " ".join(["SELECT", ", ".join(fields), "FROM", name])
    if where:
        text += f" WHERE {where}"
    if order:
        text += f" ORDER BY {order}"
    if limit is not None:
        text += f" LIMIT {limit}"
    return text
