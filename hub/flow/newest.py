"""Which of two edits of one field is the later one, where the mapping says `conflict: newest`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.store import events
from hub.unit import Unit

TOLD = "at"
"""In an event's data: when the change was made, by the tool that it came from."""


def is_newer(unit: Unit, entity: Mapping[str, Any], name: str, at: datetime | None) -> bool:
    """Whether an edit of a field made `at` that time is later than the one that it holds now. A
    tool that does not say when counts by when it is heard of, which is now.
    """
    return at is None or at >= _edited_at(unit, entity, name)


def _edited_at(unit: Unit, entity: Mapping[str, Any], name: str) -> datetime:
    """When a field took the value that it has: by the tool's clock where that said so. An edit of
    another field since makes it no newer.
    """
    for draft in reversed(unit.noted()):
        if draft.subject == entity["id"] and name in draft.changed:
            return _moment(draft.data, unit.now)
    for row in events.of(unit.tx, subject=entity["id"]):
        if name in row["changed"]:
            return _moment(row["data"], row["time"])
    created: datetime = entity["created_at"]
    return created


def _moment(data: Mapping[str, Any], heard: datetime) -> datetime:
    return datetime.fromisoformat(data[TOLD]) if TOLD in data else heard
