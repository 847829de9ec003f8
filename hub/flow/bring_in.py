"""Records come in: fetched where thin, mapped inward, merged with what is known, and routed, in
one transaction per batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from connectors.sdk import (
    Record,
)
from hub.failpoints import reach
from hub.flow import matching, moved, people
from hub.flow.agree import base_on
from hub.flow.arrival import Arrival, Batch, batch_of
from hub.flow.arrive import arrive
from hub.flow.fetch import Read, email_of, fetch
from hub.flow.identity import OWN_ID, identified
from hub.flow.noted import where
from hub.flow.order import yard_of
from hub.flow.quarantine import set_aside
from hub.flow.stage import Ahead, Rows, Stride, in_halves, turn
from hub.hub import Hub
from hub.participants import replies
from hub.process.people import owner
from hub.store import cursors, dialect, queue, records, work
from hub.store.exceptions import Trouble
from hub.store.tables import pushes
from hub.unit import Unit, connector_actor

log = structlog.get_logger("hub.bring_in")

STRIDE = Stride(most=500)
PATIENCE = timedelta(hours=1)
"""How long a comment waits for the record it hangs on."""
Row = dict[str, Any]


def bring_in(hub: Hub) -> int:
    """Bring in waiting records, batch after batch for a moment; how many are done with."""
    return turn(hub, records.RECORDS, STRIDE, _batch)


def _batch(hub: Hub, claim: queue.Claim, ahead: Ahead) -> int:
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                set_aside(unit, row, "Every process that worked on it died.", deadly=True)
    if not claim.rows:
        return len(claim.poison)
    reach("bring_in.claimed")
    fetched, held_back = fetch(hub, claim)
    rows = [row for row in claim.rows if row["position"] not in held_back]
    done = in_halves(
        hub,
        claim,
        rows,
        lambda unit, some: _bring(unit, claim, some, fetched),
        set_aside,
        stride=STRIDE,
        ahead=ahead,
    )
    reach("bring_in.committed")
    return len(claim.poison) + len(held_back) + done


def _bring(unit: Unit, claim: queue.Claim, rows: Rows, fetched: Mapping[int, Read]) -> None:
    done: list[int] = []
    arrivals: list[Arrival] = []
    for row in rows:
        read = fetched.get(row["position"])
        connection, object = row["connection"], row["object"]
        if row["kind"] == "pull":
            cursors.pull_soon(unit.tx, connection, object)
            done.append(row["position"])
            continue
        if row["kind"] == "answer":
            email = email_of(unit.snapshot, connection, read.record if read else None)
            actor = connector_actor(connection, row["payload"].get("sender"))
            with unit.acting(actor, cause=row["delivery"], origin=connection):
                replies.on_answer(unit, connection, row["payload"], email)
            done.append(row["position"])
            continue
        if row["kind"] == "again":
            record = Record(object, row["external_id"], {})
        else:
            record = read.record if read else records.record_of(row["payload"])
        if object == "message":
            with unit.acting(connector_actor(connection, record.actor), origin=connection):
                replies.on_message(unit, connection, record)
            done.append(row["position"])
            continue
        mapping = unit.snapshot.mapping(connection, object)
        if mapping is None:
            done.append(row["position"])
            continue
        if row["kind"] != "again" and isinstance(record.data, Mapping):
            record = identified(mapping, record)
        arrivals.append(Arrival(row, record, mapping, read_at=read.at if read else None))
    attach(unit, arrivals)
    batch, waiting = take_in(unit, arrivals)
    for arrival in waiting:
        _wait_for_parent(unit, claim, arrival)
    late = {arrival.row["position"] for arrival in waiting}
    for why, positions in batch.ward.kept_rows().items():
        queue.finish(unit.tx, claim, positions, records.RECORDS.aside, error=why)
        late.update(positions)
    done += [one.row["position"] for one in arrivals if one.row["position"] not in late]
    batch.save(unit)
    queue.finish(unit.tx, claim, done, "done")


def attach(unit: Unit, arrivals: Sequence[Arrival]) -> None:
    """Give each record its link and its entity, as they are stored; the entities are locked.

    Where others write at the same time, a link may change until its entity is locked: then it is
    read again, until nothing is new. A link is written by those only who hold its entity.
    """
    _find_links(unit, arrivals)
    moved.follow(unit, arrivals)
    if dialect.is_sqlite(unit.tx):
        _load_entities(unit, arrivals, {})
    else:
        _load_entities(unit, arrivals, matching.may_be(unit, arrivals))
        locked = {arrival.link["entity_id"] for arrival in arrivals if arrival.link}
        while late := _read_again(unit, arrivals, locked):
            _load_entities(unit, late, {})


def take_in(unit: Unit, arrivals: Sequence[Arrival]) -> tuple[Batch, list[Arrival]]:
    """Merge attached records into their entities, in order. What is to be stored, and the records
    that must wait for their parents.
    """
    batch = batch_of(unit, arrivals)
    batch.yard = yard_of(unit, arrivals)
    matching.look_around(unit, batch, arrivals)
    waiting: list[Arrival] = []
    known: dict[tuple[str, str, str], tuple[Row, Row]] = {}
    actors: dict[tuple[str, str | None], Row] = {}
    for arrival in arrivals:
        row = arrival.row
        where = (row["connection"], row["object"], arrival.record.id)
        if where in known:
            arrival.link, arrival.entity = known[where]
        by = (row["connection"], arrival.record.actor)
        if (actor := actors.get(by)) is None:  # one for all: it is written as JSON once
            actor = actors[by] = connector_actor(*by)
        with unit.acting(actor, cause=row["delivery"], origin=row["connection"]):
            waits_for_parent = not arrive(unit, batch, arrival)
        if waits_for_parent:
            waiting.append(arrival)
        elif arrival.link is not None and arrival.entity is not None:
            known[where] = (arrival.link, arrival.entity)
            kind = arrival.mapping.spec.entity or "task"
            batch.entities.setdefault(kind, {})[arrival.entity["id"]] = arrival.entity
            batch.touched_links[arrival.link["id"]] = arrival.link
    if batch.people:
        people.take_in(unit, batch)
    return batch, waiting


def _wait_for_parent(unit: Unit, claim: queue.Claim, arrival: Arrival) -> None:
    """Its parent may be under way. If it never comes (a filter keeps it out), one exception per
    connection says how many comments that concerns.
    """
    row = arrival.row
    age = unit.now - row["received_at"]
    why = f"its parent {arrival.record.parent} is not here"
    if age < PATIENCE:
        delay = min(300.0, max(5.0, age.total_seconds()))
        queue.postpone(unit.tx, claim, row["position"], why, delay, counted=False)
        return
    queue.finish(unit.tx, claim, [row["position"]], records.RECORDS.aside, error=why)
    unit.trouble(
        Trouble(
            "unrouted",
            f"{row['connection']} has a {row['object']} on something that is not here",
            f"{row['object']} {arrival.record.id} hangs on {arrival.record.parent}, which never"
            " came. Pull its connection in full, or waive this if it is kept out on purpose.",
            severity="low",
            subject=row["connection"],
            owner=owner(unit),
            place=f"parent/{row['object']}",
            data={
                "connection": row["connection"],
                "object": row["object"],
                "external_id": arrival.record.id,
            },
            failed_under=unit.snapshot.revision,
        )
    )


def _find_links(unit: Unit, arrivals: Iterable[Arrival]) -> None:
    """Attach the link of each record: by its external id, or by the key that our own create left
    in it.
    """
    groups: dict[tuple[str, str], list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault((arrival.row["connection"], arrival.row["object"]), []).append(arrival)
    for (connection, object), some in groups.items():
        found = work.links_by_external(
            unit.tx, connection, object, {arrival.record.id for arrival in some}
        )
        strangers: dict[str, list[Arrival]] = {}
        for arrival in some:
            arrival.link = found.get(arrival.record.id)
            if arrival.link is None and arrival.record.deleted and arrival.mapping.spec.identity:
                # nothing is left of it to say who it was, but what the connector called it
                own = arrival.record.address.get(OWN_ID, arrival.record.id)
                arrival.link = work.link_by_address(unit.tx, connection, object, OWN_ID, str(own))
            if arrival.link is None and arrival.record.key:
                strangers.setdefault(arrival.record.key, []).append(arrival)
        if not strangers:
            continue
        ours = unit.tx.execute(
            sa.select(
                pushes.c.key, pushes.c.entity_type, pushes.c.entity_id, pushes.c.fields
            ).where(
                pushes.c.connection == connection,
                pushes.c.object == object,
                pushes.c.key.in_(list(strangers)),
                pushes.c.entity_id.is_not(None),
            )
        ).all()
        linked = work.links_of(unit.tx, [row.entity_id for row in ours])
        for row in ours:
            here = [
                link
                for link in linked.get(row.entity_id, ())
                if link["connection"] == connection and link["object"] == object
            ]
            first = strangers[row.key][0]
            if any(not link["remote_deleted"] for link in here) or first.record.deleted:
                continue  # somebody copied our text, hidden key and all: a record of its own
            if here:  # it was deleted there, and somebody put it back
                moved.take_over(unit, here[0], first)
                first.link = here[0]
                continue
            # our own create came back before its answer did: this is the entity it was for
            link = work.new_link(
                row.entity_type, row.entity_id, connection, object, first.record.id, unit.now
            )
            if isinstance(row.fields, Mapping):
                base_on(unit, link, first.mapping, first.record, row.fields)
            work.insert_links(unit.tx, [link])
            unit.emit("link.added", row.entity_id, data=where(link))
            for arrival in strangers[row.key]:
                if arrival.record.id == first.record.id:
                    arrival.link = link


def _read_again(unit: Unit, arrivals: Sequence[Arrival], locked: set[str]) -> list[Arrival]:
    """Attach each record's link as it is now; the records whose entities are not locked yet, which
    then count as locked.
    """
    groups: dict[tuple[str, str], list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault((arrival.row["connection"], arrival.row["object"]), []).append(arrival)
    held = {arrival.entity["id"]: arrival.entity for arrival in arrivals if arrival.entity}
    late: list[Arrival] = []
    lost: list[Arrival] = []
    for (connection, object), some in groups.items():
        ids = [(one.link["external_id"] if one.link else one.record.id) for one in some]
        found = work.links_by_external(unit.tx, connection, object, set(ids))
        for arrival, id in zip(some, ids, strict=True):
            arrival.link = link = found.get(id)
            arrival.entity = held.get(link["entity_id"]) if link else None
            if link is None:
                lost.append(arrival)
            elif link["entity_id"] not in locked:
                late.append(arrival)
    moved.find_again(unit, lost)
    locked |= {arrival.link["entity_id"] for arrival in late if arrival.link}
    return late


def _load_entities(
    unit: Unit, arrivals: Iterable[Arrival], also: Mapping[str, Collection[str]]
) -> None:
    """Attach and lock the entities of linked records, and lock others `also`, in id order, so that
    two workers cannot deadlock.
    """
    by_kind: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.link is not None:
            by_kind.setdefault(arrival.link["entity_type"], []).append(arrival)
    for kind in sorted({*by_kind, *also}):
        some = by_kind.get(kind, ())
        ids = {arrival.link["entity_id"] for arrival in some if arrival.link}
        found = work.load(unit.tx, kind, ids.union(also.get(kind, ())), lock=True)
        for arrival in some:
            assert arrival.link is not None  # noqa: S101 - grouped by it above
            arrival.entity = found.get(arrival.link["entity_id"])
