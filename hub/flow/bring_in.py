"""Records come in: fetched where thin, mapped inward, merged with what is known, and routed, in
one transaction per batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import RowMapping

from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    PayloadError,
    RateLimitError,
    Record,
    Source,
    TransientError,
)
from hub.failpoints import reach
from hub.flow import connections
from hub.flow.agree import base_on
from hub.flow.arrival import Arrival, Batch, batch_of
from hub.flow.arrive import arrive, where
from hub.flow.identity import OWN_ID, identified
from hub.flow.order import yard_of
from hub.flow.quarantine import set_aside
from hub.flow.stage import TURN, Rows, Stride, in_halves, take
from hub.hub import Hub
from hub.live import Snapshot
from hub.participants import replies
from hub.process.people import owner
from hub.store import dialect, queue, records, running, work
from hub.store.exceptions import Trouble
from hub.store.tables import pushes
from hub.unit import Unit, connector_actor
from mappings.expressions import ExpressionError

log = structlog.get_logger("hub.bring_in")

STRIDE = Stride(most=500)
WAITS = (TransientError, AuthError, ConfigError)
"""What is nobody's fault among the records: they wait until it is over."""
PATIENCE = timedelta(hours=1)
"""How long a comment waits for the record it hangs on."""
SHARE = 1 / 3
"""Part of a lease after which what was not read yet is left to the next claim."""
Row = dict[str, Any]


def bring_in(hub: Hub) -> int:
    """Bring in waiting records, batch after batch for a moment; how many are done with."""
    done, until = 0, time.monotonic() + TURN
    claim = take(hub, records.RECORDS, STRIDE.size)
    while claim:
        ahead: list[queue.Claim] | None = [] if time.monotonic() < until else None
        done += _batch(hub, claim, ahead)
        claim = ahead[0] if ahead else None
    return done


def _batch(hub: Hub, claim: queue.Claim, ahead: list[queue.Claim] | None) -> int:
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                set_aside(unit, row, "Every process that worked on it died.", deadly=True)
    if not claim.rows:
        return len(claim.poison)
    reach("bring_in.claimed")
    fetched, held_back = _fetch(hub, claim)
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


# ---------------------------------------------------------------------------- thin records, read
# now


@dataclass(frozen=True, slots=True)
class Read:
    """A record as the tool showed it, and when it was asked for."""

    record: Record
    at: datetime


def _fetch(hub: Hub, claim: queue.Claim) -> tuple[dict[int, Read], set[int]]:
    """Read what deliveries only named, outside any transaction; and the rows that must wait
    because that failed, or took too long to go on under this claim.
    """
    snapshot = hub.live.current()
    wanted: dict[tuple[str, str], list[RowMapping]] = {}
    for row in claim.rows:
        object = row["object"]
        if row["kind"] == "answer":
            object = _directory(snapshot, row)
        if object and row["kind"] in ("fetch", "answer"):
            wanted.setdefault((row["connection"], object), []).append(row)
    read: dict[int, Read] = {}
    waiting: set[int] = set()
    paused: set[str] = set()
    if wanted:
        with hub.database.read() as tx:
            paused = running.paused(tx)
    until = time.monotonic() + claim.queue.lease.total_seconds() * SHARE
    for (connection, object), rows in wanted.items():
        if connection in paused:
            _wait_for_resume(hub, claim, rows)
            waiting |= {row["position"] for row in rows}
            continue
        left = [rows]
        while left:
            some = left.pop()
            try:
                read |= _read(hub, snapshot, connection, object, some)
            except ConnectorError as error:
                if len(some) > 1 and not isinstance(error, WAITS):
                    half = len(some) // 2
                    left += [some[half:], some[:half]]
                    continue
                if isinstance(error, WAITS):  # whatever is left would meet the same
                    some = [row for group in (some, *left) for row in group]
                    left.clear()
                _hold_back(hub, claim, connection, some, error)
                waiting |= {row["position"] for row in some}
            if left and time.monotonic() > until:
                late = [row["position"] for group in left for row in group]
                with hub.database.write() as tx:
                    queue.release(tx, claim, late)
                waiting.update(late)
                left.clear()
    return read, waiting


def _read(
    hub: Hub, snapshot: Snapshot, connection: str, object: str, rows: Sequence[RowMapping]
) -> dict[int, Read]:
    """The records that rows name, by position; one that is not there any more is deleted. Raises
    ConnectorError, also for a bug of the connector.
    """
    ids = list(dict.fromkeys(_wanted(row) for row in rows))
    at = hub.clock()
    try:
        connector = snapshot.connector(connection)
        if not isinstance(connector, Source):
            raise ConfigError(f"The connection '{connection}' cannot be read.")
        found = {record.id: record for record in connector.fetch(object, ids)}
    except ConnectorError:
        raise
    except Exception as error:
        log.exception("connector failed", connection=connection)
        raise PayloadError(f"The connector failed: {type(error).__name__}: {error}") from error
    gone = {id: Record(object, id, {}, deleted=True) for id in ids if id not in found}
    there = found | gone
    return {row["position"]: Read(there[_wanted(row)], at) for row in rows}


def _wanted(row: RowMapping) -> str:
    """What is read for a row: the record that it names, or whoever answered."""
    return str(row["payload"]["sender"] if row["kind"] == "answer" else row["external_id"])


def _directory(snapshot: Snapshot, row: RowMapping) -> str | None:
    """The object that tells the address of whoever pressed a button, where `identities` does not
    say who that is.
    """
    connection, answer = row["connection"], row["payload"]
    if not answer.get("token") or snapshot.party_for(connection, str(answer["sender"])):
        return None
    for (name, object), mapping in snapshot.workspace.mappings.items():
        spec = snapshot.offers(connection).get(object)
        if name == connection and mapping.spec.entity == "party" and spec and spec.fetch:
            return object
    return None


def _email(snapshot: Snapshot, connection: str, record: Record | None) -> str | None:
    """The address of a person in a tool."""
    mapping = snapshot.mapping(connection, record.object) if record else None
    if record is None or mapping is None or record.deleted:
        return None
    try:
        if not mapping.matches(record.data):
            return None
    except ExpressionError:
        return None
    found = mapping.inward(record.data, snapshot, connection).values.get("email")
    return str(found) if found else None


def _wait_for_resume(hub: Hub, claim: queue.Claim, rows: Sequence[RowMapping]) -> None:
    with hub.database.write() as tx:
        for row in rows:
            queue.postpone(
                tx, claim, row["position"], "the connection is paused", 60.0, counted=False
            )


def _hold_back(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    rows: Sequence[RowMapping],
    error: ConnectorError,
) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error)
        waits = isinstance(error, WAITS)
        delay = error.retry_after if isinstance(error, RateLimitError) else 15.0
        for row in rows:
            if queue.postpone(
                unit.tx, claim, row["position"], str(error)[:2000], delay, counted=not waits
            ):
                set_aside(unit, row, error)


# ------------------------------------------------------------------------------------ one
# transaction


def _bring(unit: Unit, claim: queue.Claim, rows: Rows, fetched: Mapping[int, Read]) -> None:
    done: list[int] = []
    arrivals: list[Arrival] = []
    for row in rows:
        read = fetched.get(row["position"])
        connection, object = row["connection"], row["object"]
        if row["kind"] == "pull":
            running.pull_soon(unit.tx, connection, object)
            done.append(row["position"])
            continue
        if row["kind"] == "answer":
            email = _email(unit.snapshot, connection, read.record if read else None)
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
    _load_entities(unit, arrivals)
    if not dialect.is_sqlite(unit.tx):
        locked = {arrival.link["entity_id"] for arrival in arrivals if arrival.link}
        while late := _read_again(unit, arrivals, locked):
            _load_entities(unit, late)


def take_in(unit: Unit, arrivals: Sequence[Arrival]) -> tuple[Batch, list[Arrival]]:
    """Merge attached records into their entities, in order. What is to be stored, and the records
    that must wait for their parents.
    """
    batch = batch_of(unit, arrivals)
    batch.yard = yard_of(unit, arrivals)
    waiting: list[Arrival] = []
    known: dict[tuple[str, str, str], tuple[Row, Row]] = {}
    for arrival in arrivals:
        row = arrival.row
        where = (row["connection"], row["object"], arrival.record.id)
        if where in known:
            arrival.link, arrival.entity = known[where]
        actor = connector_actor(row["connection"], arrival.record.actor)
        with unit.acting(actor, cause=row["delivery"], origin=row["connection"]):
            waits_for_parent = not arrive(unit, batch, arrival)
        if waits_for_parent:
            waiting.append(arrival)
        elif arrival.link is not None and arrival.entity is not None:
            known[where] = (arrival.link, arrival.entity)
            kind = arrival.mapping.spec.entity or "task"
            batch.entities.setdefault(kind, {})[arrival.entity["id"]] = arrival.entity
            batch.touched_links[arrival.link["id"]] = arrival.link
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
            if any(
                link["connection"] == connection and link["object"] == object
                for link in linked.get(row.entity_id, ())
            ):
                continue  # somebody copied our text, hidden key and all: a record of its own
            # our own create came back before its answer did: this is the entity it was for
            first = strangers[row.key][0]
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
    late = []
    for (connection, object), some in groups.items():
        ids = [(one.link["external_id"] if one.link else one.record.id) for one in some]
        found = work.links_by_external(unit.tx, connection, object, set(ids))
        for arrival, id in zip(some, ids, strict=True):
            arrival.link = link = found.get(id)
            arrival.entity = held.get(link["entity_id"]) if link else None
            if link is not None and link["entity_id"] not in locked:
                late.append(arrival)
    locked |= {arrival.link["entity_id"] for arrival in late if arrival.link}
    return late


def _load_entities(unit: Unit, arrivals: Iterable[Arrival]) -> None:
    """Attach and lock the entities of linked records, in id order, so that two workers cannot
    deadlock.
    """
    by_kind: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.link is not None:
            by_kind.setdefault(arrival.link["entity_type"], []).append(arrival)
    for kind in sorted(by_kind):
        ids = {arrival.link["entity_id"] for arrival in by_kind[kind] if arrival.link}
        found = work.load(unit.tx, kind, ids, lock=True)
        for arrival in by_kind[kind]:
            assert arrival.link is not None  # noqa: S101 - grouped by it above
            arrival.entity = found.get(arrival.link["entity_id"])
