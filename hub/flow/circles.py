"""Loops that end by themselves: somebody said anew what went round, or the tools agree about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from hub.flow import change
from hub.flow.merge import same
from hub.store import exceptions, work
from hub.unit import Unit

Row = dict[str, Any]
_MISSING = object()


def end(
    unit: Unit,
    loops: Iterable[Row],
    entities: Mapping[str, Row],
    anew: Mapping[str, Collection[str]],
) -> None:
    """Close those of these open loops that are over, once all is stored. `anew`: the fields, by
    entity, that somebody edited, rather than something that answered a write of ours.

    Over is what every tool holds as we do. In a single tool that is so from the first (it fights a
    rule, say), so there somebody must have edited it since.
    """
    for row in loops:
        entity = entities.get(str(row["subject"]))
        fields = row["data"].get("fields", ())
        if entity is None or not fields:
            continue
        told = [agrees for name in fields for agrees in _held_alike(unit, entity, name)]
        said = set(anew.get(entity["id"], ())).intersection(fields)
        if all(told) and (said or len(told) > len(fields)):
            names = ", ".join(fields)
            why = f"somebody edited {names}" if said else f"all sides agree about {names} again"
            if exceptions.close(unit.tx, row["id"], "resolved", unit.now, None, why):
                unit.emit("exception.resolved", row["id"], data={"why": why, "fields": fields})


def _held_alike(unit: Unit, entity: Row, name: str) -> list[bool]:
    """For each tool that is told of a field, whether it was last agreed on as it is now."""
    now = change.value_of(entity, name)
    found = []
    for link in work.links_of(unit.tx, [entity["id"]]).get(entity["id"], ()):
        mapping = unit.snapshot.mapping(link["connection"], link["object"])
        if mapping is None or link["remote_deleted"] or name not in mapping.written:
            continue
        held = link["hub_base"].get(name, _MISSING)
        found.append(now in (None, "", []) if held is _MISSING else same(name, held, now))
    return found
