"""Linking an entity to a record of a tool by hand, unlinking it, and linking it to another one.

An unlinked record stays as it is and is left alone: nothing of it comes in any more, as a new
entity or otherwise, until somebody links it again or asks for it to become one of its own.
"""

from __future__ import annotations

from typing import Any, Literal

from hub.flow.matching import not_agreed
from hub.flow.noted import where
from hub.process.answers import Refused
from hub.store import cursors, outbox, records, sameness, work
from hub.store.records import NewRecord
from hub.unit import Unit

Row = dict[str, Any]
Then = Literal["leave", "new"]
"""What becomes of an unlinked record: it is left alone, or becomes an entity of its own."""


class Taken(Refused):
    """That record is linked to another entity."""

    def __init__(self, entity: str, message: str) -> None:
        super().__init__("already_linked", message)
        self.entity = entity


def check_free(unit: Unit, entity: Row, connection: str) -> None:
    """Raises Refused where an entity has a record in a tool, or is being created there."""
    link = work.link_of(unit.tx, entity["id"], connection)
    if link is not None:
        raise Refused(
            "already_linked",
            f"It is linked to {connection} already ({link['object']} {link['external_id']});"
            " unlink it first, or relink it to another record.",
        )
    if any(
        row["op"] == "create" and row["connection"] == connection
        for row in outbox.waiting_for(unit.tx, entity["id"])
    ):
        raise Refused("already_linked", f"It is being created in {connection} just now.")


def link_record(
    unit: Unit, kind: str, entity: Row, connection: str, object: str | None, external_id: str
) -> None:
    """Link an entity to a record that is there, and have that read. Raises Refused."""
    object = _object(unit, kind, connection, object)
    taken = work.links_by_external(unit.tx, connection, object, [external_id])
    if taken:
        other = taken[external_id]["entity_id"]
        raise Taken(
            other,
            f"That {object} is linked to {other} already. Unlink it there first, or merge the two.",
        )
    link = work.new_link(kind, entity["id"], connection, object, external_id, unit.now)
    link["hub_base"] = not_agreed(unit, link, entity)
    work.insert_links(unit.tx, [link])
    sameness.ask_again(unit.tx, (connection, object, external_id), entity["id"])
    unit.emit("link.added", entity["id"], case=entity.get("case_id"), data=where(link))
    _read_it(unit, connection, object, external_id)


def _object(unit: Unit, kind: str, connection: str, object: str | None) -> str:
    if connection not in unit.snapshot.workspace.connections:
        said = f"There is no connection '{connection}'."
        raise Refused("validation_failed", said, 422, {"connection": said})
    found = [
        name
        for (of, name), mapping in unit.snapshot.workspace.mappings.items()
        if of == connection and mapping.spec.entity == kind and object in (None, name)
    ]
    if len(found) == 1:
        return found[0]
    said = f"'{connection}' has no mapping to {kind}s{f' from {object}' if object else ''}."
    if found:
        said = f"Name one of: {', '.join(sorted(found))}."
    raise Refused("validation_failed", said, 422, {"object": said})


def _read_it(unit: Unit, connection: str, object: str, external_id: str) -> None:
    """Have the record read, the quickest way that its connector has."""
    capability = unit.snapshot.offers(connection).get(object)
    if capability is not None and capability.fetch:
        wanted = NewRecord(connection, object, external_id, "fetch", {}, "link")
        records.enqueue(unit.tx, [wanted], unit.now)
    elif capability is not None and capability.pull:
        cursors.pull_afresh(unit.tx, connection, object)


def unlink(
    unit: Unit, kind: str, entity: Row, connection: str, then: Then, by: str | None = None
) -> Row | None:
    """Unlink an entity from its record in a tool, which stays there as it is; the link that was,
    None where it was only about to be created. Raises Refused.
    """
    link = work.link_of(unit.tx, entity["id"], connection)
    waiting = [
        row
        for row in outbox.waiting_for(unit.tx, entity["id"])
        if row["connection"] == connection and row["lease_until"] is None
    ]
    if link is None and not waiting:
        raise Refused("not_linked", f"This {kind} is not linked to {connection}.", 404)
    outbox.supersede(unit.tx, [row["position"] for row in waiting], by or "unlinked")
    if link is None:
        return None
    work.remove_link(unit.tx, link["id"])
    record = (connection, link["object"], link["external_id"])
    sameness.part(unit.tx, record, [entity["id"]], unit.now, alone=then == "leave")
    unit.emit(
        "link.removed", entity["id"], case=entity.get("case_id"), data={**where(link), "then": then}
    )
    if then == "new" and not link["remote_deleted"]:
        _read_it(unit, *record)
    return link


def relink(
    unit: Unit, kind: str, entity: Row, connection: str, object: str | None, external_id: str
) -> None:
    """Link an entity to another record of a tool than it is linked to; the former is left alone.
    Raises Refused.
    """
    link = work.link_of(unit.tx, entity["id"], connection)
    if link is not None:
        if link["external_id"] == external_id and object in (None, link["object"]):
            return
        unlink(unit, kind, entity, connection, "leave")
        object = object or link["object"]
    link_record(unit, kind, entity, connection, object, external_id)


def ask_for(unit: Unit, connection: str, object: str, external_id: str) -> None:
    """Have a record that was unlinked become an entity of its own. Raises Refused."""
    if not sameness.ask_again(unit.tx, (connection, object, external_id)):
        raise Refused(
            "not_left_alone", f"{object} {external_id} of {connection} was not unlinked here.", 404
        )
    _read_it(unit, connection, object, external_id)
