"""Conflicts that end by themselves: both sides say the same by now, or one took its edit back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.flow.merge import Merged, same
from hub.live import Snapshot
from hub.store import exceptions, records, work
from hub.store.records import NewRecord
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped

Row = dict[str, Any]
MISSING = object()


@dataclass(frozen=True, slots=True)
class Agreed:
    """A field that is in conflict no more. `raw` is what the tool holds; where we took our edit
    back (`withdrawn`), what it holds is still to come in.
    """

    field: str
    value: Any
    raw: Any
    withdrawn: bool


def settled_by(
    link: Mapping[str, Any], mapped: Mapped, merged: Merged, review: Collection[str]
) -> list[str]:
    """The fields under review about which a record that came in leaves nothing to decide: it says
    what we say, or what was agreed before, so that only we have edited it. After the merge.
    """
    return [
        name
        for name in sorted(review)
        if name in mapped.values
        and name not in merged.conflicts
        and mapped.raw.get(name, MISSING) == link["remote_base"].get(name, MISSING)
    ]


def ended_here(
    snapshot: Snapshot,
    mapping: CompiledMapping,
    link: Mapping[str, Any],
    current: Mapping[str, Any],
    unsettled: Iterable[Mapping[str, Any]],
) -> dict[str, Agreed]:
    """The conflicts, by exception, that edits of ours ended: we say what the tool says, or what was
    agreed before.
    """
    open_ = [one for one in unsettled if one["type"] == "sync_conflict"]
    if not open_ or not link["data"]:
        return {}
    mapped = mapping.inward(link["data"], snapshot, link["connection"])
    found = {}
    for one in open_:
        name = one["data"]["field"]
        if name not in mapped.values or name not in current:
            continue
        ours, base = current[name], link["hub_base"].get(name, MISSING)
        alike = same(name, mapped.values[name], ours)
        if alike or (base is not MISSING and same(name, base, ours)):
            found[one["id"]] = Agreed(name, ours, mapped.raw.get(name), withdrawn=not alike)
    return found


def agree(unit: Unit, planned: Row, agreed: Mapping[str, Agreed]) -> None:
    """Both sides of these fields say the same, or soon will: judged by the link as it was `planned`
    by. Where the tool was heard of since, that is what counts, and the next write judges anew.
    """
    links = work.links_of(unit.tx, [planned["entity_id"]]).get(planned["entity_id"], ())
    link = next((one for one in links if one["id"] == planned["id"]), None)
    if not agreed or link is None or link["data"] != planned["data"]:
        return
    for id, one in agreed.items():
        if not one.withdrawn:
            link["remote_base"] = {**link["remote_base"], one.field: one.raw}
            link["hub_base"] = {**link["hub_base"], one.field: one.value}
        _over(unit, id, one.field)
    link["updated_at"] = unit.now
    work.save_links(unit.tx, [link])
    if any(one.withdrawn for one in agreed.values()):
        again = NewRecord(
            link["connection"], link["object"], link["external_id"], "again",
            {"entity": link["entity_id"]}, "push",
        )  # fmt: skip
        records.enqueue(unit.tx, [again], unit.now)


def end(unit: Unit, entity: str, connection: str, field: str) -> None:
    """Close the conflict about a field of an entity with one tool."""
    for row in exceptions.open_of(unit.tx, entity, "sync_conflict"):
        if (row["data"].get("connection"), row["data"].get("field")) == (connection, field):
            _over(unit, row["id"], field)


def _over(unit: Unit, exception: str, field: str) -> None:
    why = f"both sides agree about {field} again"
    if exceptions.close(unit.tx, exception, "resolved", unit.now, None, why):
        unit.emit("exception.resolved", exception, data={"why": why, "field": field})
