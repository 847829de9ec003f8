"""How many writes in a row were each caused by the one before it, across tools.

A write of ours may set off somebody's automation, which changes the same record, which sets off a
rule of ours or another tool's automation, and so on for ever. So every push carries its count of
hops, and a change that a tool shows soon after our own write counts one more than that write. More
than `MAX_HOPS` are not passed on, and a person is shown who wrote what.

A person's edit begins again at 0. It is one where the tool says who made it and that is somebody
we know, unless that is the account with which we write. Where a tool names nobody, nothing tells an
automation from a person in a hurry: there a record is left alone once it was written `CROWD` times
within ten minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.sdk import Record
from hub.flow.arrival import Arrival, Batch
from hub.process.people import owner
from hub.store import exceptions
from hub.store.exceptions import Trouble
from hub.store.tables import events, pushes
from hub.unit import MAX_HOPS, Unit

SOON = timedelta(minutes=1)
"""By the tool's own clock, between our write and a change that it may have caused."""
COARSE = timedelta(seconds=1)
"""What two moments of such a clock may differ by without saying anything."""
HEARD_SOON = timedelta(minutes=10)
"""By ours, between our write and hearing of such a change, where the tool tells no time."""
CROWD = 20
"""Writes to one record within `HEARD_SOON`, where nobody is named, of which no people are thought
capable.
"""
STEPS = 12
"""What a person is shown of a chain."""

Row = dict[str, Any]


@dataclass(slots=True)
class Told:
    """Whether others are told of a change, and what its event says of that."""

    goes_on: bool = True
    data: Row = field(default_factory=dict)


def stamp(record: Record | None) -> Row:
    """What a sent push keeps of the tool's answer: when that was by its clock, and by whom."""
    if record is None:
        return {}
    at = record.updated_at.isoformat() if record.updated_at else None
    return {name: value for name, value in (("at", at), ("actor", record.actor)) if value}


@contextmanager
def counted(
    unit: Unit,
    batch: Batch,
    arrival: Arrival,
    entity: Row,
    changed: Collection[str],
) -> Iterator[Told]:
    """Within this, what follows from an arrival carries its count of hops."""
    told, before = Told(), unit.hops
    push = _caused_by(unit, batch, arrival, entity) if changed else None
    if push is not None:
        named = bool(arrival.record.actor)
        if named:
            unit.hops = push["hops"] + 1
            told.data = {"after": push["id"], "hops": unit.hops}
        if unit.hops > MAX_HOPS if named else push["times"] > CROWD:
            told.goes_on = False
            told.data |= {"after": push["id"], "stopped": True}
            _show(unit, batch, arrival, entity, changed)
    elif changed and batch.loops:
        batch.anew.setdefault(entity["id"], set()).update(changed)
    try:
        yield told
    finally:
        unit.hops = before


def _caused_by(unit: Unit, batch: Batch, arrival: Arrival, entity: Row) -> Row | None:
    """The write of ours that a change answers; None where it is somebody's own."""
    if arrival.row["kind"] == "again":
        return None
    if batch.written is None:
        ids = {*batch.links, entity["id"]}
        batch.written = _last_writes(unit.tx, ids, unit.now - HEARD_SOON)
    push = batch.written.get((entity["id"], arrival.row["connection"]))
    if push is None or not _soon(arrival, push) or _by_a_person(unit, arrival, push):
        return None
    return push


def _last_writes(
    tx: Connection, entities: Collection[str], since: datetime
) -> dict[tuple[str, str], Row]:
    """The last write that went to each tool since then, by entity and connection, and how many
    (`times`) there were.
    """
    columns = pushes.c
    statement = (
        sa.select(
            columns.id, columns.entity_id, columns.connection, columns.hops, columns.sent_at,
            columns.result,
        )
        .where(
            columns.entity_id.in_(sorted(entities)),
            columns.status == "sent",
            columns.sent_at > since,
            columns.entity_type != "message",
        )
        .order_by(columns.position)
    )  # fmt: skip
    found: dict[tuple[str, str], Row] = {}
    for row in tx.execute(statement).mappings():
        key = (row["entity_id"], row["connection"])
        found[key] = {**row, "times": found[key]["times"] + 1 if key in found else 1}
    return found


def _soon(arrival: Arrival, push: Mapping[str, Any]) -> bool:
    """Whether a change came so soon after a write that the write may have caused it."""
    wrote, changed = (push["result"] or {}).get("at"), arrival.record.updated_at
    if wrote and changed:
        return -COARSE <= changed - datetime.fromisoformat(wrote) <= SOON
    heard: datetime = arrival.read_at or arrival.row["received_at"]
    sent: datetime = push["sent_at"]
    return heard - sent <= HEARD_SOON


def _by_a_person(unit: Unit, arrival: Arrival, push: Mapping[str, Any]) -> bool:
    actor = arrival.record.actor
    if not actor or actor == (push["result"] or {}).get("actor"):
        return False
    return unit.snapshot.party_for(arrival.row["connection"], actor) is not None


def _show(
    unit: Unit, batch: Batch, arrival: Arrival, entity: Row, changed: Collection[str]
) -> None:
    """Name who wrote what, and when."""
    connection = arrival.row["connection"]
    fields = set(changed)
    for one in exceptions.open_of(unit.tx, entity["id"], "loop"):
        fields.update(one["data"].get("fields", ()))
    batch.loops = [one for one in batch.loops if one["subject"] != entity["id"]]
    chain = _chain(unit.tx, entity["id"])
    names = ", ".join(sorted(changed))
    who = arrival.record.actor
    last = f"{connection}{f' ({who})' if who else ''} changed {names}"
    chain.append({"at": unit.now.isoformat(), "what": last})
    steps = "\n".join(f"{one['at'][11:19]} {one['what']}" for one in chain)
    unit.trouble(
        Trouble(
            "loop",
            f"'{entity.get('title') or entity['id']}' goes round in circles",
            f"Each of these was set off by the one before it:\n{steps}\nThe last one was taken in"
            " and passed on to nobody. Mend the rule or the tool's automation, then retry this:"
            " every tool is brought up to what holds here. It closes by itself once somebody edits"
            f" {names}, here or there, or all sides agree.",
            severity="high",
            subject=entity["id"],
            owner=owner(unit, entity.get("accountable")),
            place=connection,
            data={"connection": connection, "chain": chain, "case": entity.get("case_id"),
                  "fields": sorted(fields)},
        )
    )  # fmt: skip


def _chain(tx: Connection, entity: str) -> list[Row]:
    """What happened to an entity last, the oldest first."""
    found = tx.execute(
        sa.select(events.c.time, events.c.type, events.c.actor, events.c.changed, events.c.data)
        .where(
            events.c.subject == entity,
            sa.or_(events.c.type == "push.sent", events.c.type.like("%.updated"),
                   events.c.type.in_(("task.completed", "task.reopened"))),
        )
        .order_by(events.c.position.desc())
        .limit(STEPS)
    ).all()  # fmt: skip
    return [{"at": row.time.isoformat(), "what": _said(row)} for row in reversed(found)]


def _said(row: sa.Row[Any]) -> str:
    if row.type == "push.sent":
        names = ", ".join(row.data.get("fields", ()))
        return f"Process Hub wrote {names} to {row.data.get('connection')}"
    rules = [one["rule"] for one in row.data.get("rules", ())]
    then = f" (rules: {', '.join(rules)})" if rules else ""
    what = ", ".join(f"{name} to {values.get('after')!r}" for name, values in row.changed.items())
    return f"{row.actor.get('name')} changed {what}{then}"
