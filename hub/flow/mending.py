"""What a whole field waited with while the tool's was gone, or another: once it fits again, every
record of the object is mapped again as it was last heard, what was edited here meanwhile is sent,
and the tool is read afresh for what it could not say.

Nothing is mapped here: a batch of records is put into the queues in the transaction that notes how
far it came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hub.failpoints import reach
from hub.flow import change
from hub.flow.quarantine import is_outward
from hub.hub import Hub
from hub.store import cursors, exceptions, records, schemas, work
from hub.store.records import NewRecord
from hub.store.schemas import Key
from hub.unit import Unit

BATCH = 500
Row = dict[str, Any]


def begun(before: Mapping[str, Any] | None, fields: Collection[str]) -> Row:
    """The note that these fields are to be mended, with those that already are."""
    return {"fields": sorted({*fields, *(before or {}).get("fields", ())}), "after": ""}


def go_on(hub: Hub, key: Key) -> bool:
    """One batch of what waits. False if there was nothing to do for now."""
    connection, object = key
    with hub.unit() as unit:
        row = schemas.row(unit.tx, connection, object, lock=True)
        mend = row["drift"].get("mend") if row else None
        if row is None or not mend:
            return False
        drift = dict(row["drift"])
        links = schemas.links_after(unit.tx, connection, object, mend["after"], BATCH)
        if links:
            _again(unit, key, links, mend["fields"])
            drift["mend"] = {**mend, "after": links[-1]["id"]}
            schemas.write(unit.tx, connection, object, {"drift": drift})
        else:
            spec = unit.snapshot.offers(connection).get(object)
            pulls = spec is not None and spec.pull
            if pulls and not cursors.pull_afresh(unit.tx, connection, object):
                return False  # a pull is under way: it may have begun too early
            del drift["mend"]
            now = schemas.later(unit.tx, unit.now)
            schemas.write(unit.tx, connection, object, {"drift": drift, "changed_at": now})
    reach("drift.mended")
    hub.wake("bring_in")
    hub.wake("deliver")
    return True


def _again(unit: Unit, key: Key, links: list[Row], fields: Collection[str]) -> None:
    connection, object = key
    there = [link for link in links if not link["remote_deleted"]]
    records.enqueue(
        unit.tx,
        [
            NewRecord(
                connection,
                object,
                link["external_id"],
                "again",
                {"entity": link["entity_id"]},
                "drift",
            )
            for link in there
        ],
        unit.now,
    )
    mapping = unit.snapshot.mapping(connection, object)
    names = mapping.written.intersection(fields) if mapping else frozenset()
    if not names:
        return
    by_kind: dict[str, set[str]] = {}
    for link in there:
        by_kind.setdefault(link["entity_type"], set()).add(link["entity_id"])
    entities = {
        id: entity
        for kind, ids in sorted(by_kind.items())
        for id, entity in work.load(unit.tx, kind, ids).items()
    }
    refused = [
        one["id"]
        for one in exceptions.open_of(unit.tx, [*entities], *exceptions.UNMAPPED)
        if is_outward(one)
        and one["data"].get("connection") == connection
        and one["data"].get("field") in names
    ]
    if refused:
        exceptions.tried(unit.tx, refused, 0)  # under this revision, but by another account
    for link in there:
        entity = entities.get(link["entity_id"])
        if entity is None:
            continue
        base = link["hub_base"]
        edited = {
            name
            for name in names
            if base.get(name) != (value := change.value_of(entity, name))
            and not (name not in base and value in (None, [], ""))
        }
        if edited:
            change.tell(unit, link, edited)
