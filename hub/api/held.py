"""The task or item that a request is to change."""

from __future__ import annotations

from hub.api.errors import not_found
from hub.store import sameness, work
from hub.unit import Unit


def held(unit: Unit, kind: str, id: str) -> work.Row:
    """An entity, or the one that it was merged into, locked. Raises Problem 404."""
    there = sameness.answers_for(unit.tx, id)
    found = work.load(unit.tx, kind, [there], lock=True).get(there)
    if found is None:
        raise not_found(kind, id)
    return found
