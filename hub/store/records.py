"""The remote records that deliveries or a pull spoke of: one row per record that must wait for its
turn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.sdk import Record
from hub.store import dialect, queue, rows
from hub.store.tables import records

RECORDS = queue.Queue(records, ready="pending", aside="quarantined")


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A remote record to bring in. `kind`: `state` (here it is), `fetch` (read it), `again` (map
    what was last heard of it) or `pull` (pull its object).
    """

    connection: str
    object: str
    external_id: str
    kind: str
    payload: Mapping[str, Any]
    source: str
    delivery: str | None = None
    received_at: datetime | None = None
    """When the delivery that holds it came; None: now."""
    record: Record | None = None
    """The record itself, which then is the payload."""


def state_of(record: Record) -> dict[str, Any]:
    """A record as plain JSON."""
    payload: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    payload["updated_at"] = record.updated_at.isoformat() if record.updated_at else None
    return payload


_FIELDS = tuple(one.name for one in fields(Record))


def record_of(payload: Mapping[str, Any]) -> Record:
    """The record that `state_of` wrote."""
    values = dict(payload)
    if values.get("updated_at"):
        values["updated_at"] = datetime.fromisoformat(values["updated_at"])
    values["former"] = tuple(values.get("former", ()))  # JSON knows lists only
    return Record(**values)


def lane_of(connection: str, object: str, external_id: str) -> str:
    """The lane of a remote record: what is said of it is brought in in order."""
    return f"{connection}/{object}/{external_id}"[:600]


def enqueue(tx: Connection, batch: Sequence[NewRecord], received_at: datetime) -> None:
    """Queue records to be brought in; each remote record is its own lane."""
    if batch:
        now = dialect.database_now(tx)
        new = [_row(one, now, received_at, RECORDS.ready) for one in batch]
        rows.insert(tx, records, new)


def keep_aside(tx: Connection, batch: Sequence[tuple[NewRecord, str]], now: datetime) -> None:
    """Keep records that were tried once and cannot be brought in, each with the reason."""
    if batch:
        tried = {"claims": 1, "attempts": 1}
        kept = [
            {**_row(one, now, now, RECORDS.aside), **tried, "error": why[:2000]}
            for one, why in batch
        ]
        rows.insert(tx, records, kept)


def _row(one: NewRecord, now: datetime, received_at: datetime, status: str) -> dict[str, Any]:
    return {
        "connection": one.connection,
        "object": one.object,
        "external_id": one.external_id[:400],
        "kind": one.kind,
        "payload": dict(one.payload) if one.record is None else state_of(one.record),
        "source": one.source,
        "delivery": one.delivery,
        "received_at": one.received_at or received_at,
        **queue.work_row(now, lane_of(one.connection, one.object, one.external_id), status),
    }


def busy_lanes(tx: Connection, lanes: Collection[str]) -> set[str]:
    """Those lanes in which something waits or is being worked on: what comes now comes after it."""
    waiting = f"status != 'done' AND status = '{RECORDS.ready}'"  # as its index has it
    found = rows.select(tx, records, "lane", lanes, names=("lane",), where=waiting)
    return {row["lane"] for row in found}


_OPEN = records.c.status != sa.literal_column("'done'")  # literal, or SQLite overlooks its index


def retry_records(tx: Connection, connection: str, external_id: str) -> int:
    """Take records that were set aside in again; how many there were."""
    return _retry(
        tx, records.c.connection == connection, records.c.external_id == external_id[:400]
    )


def retry_lanes(tx: Connection, lanes: Collection[str]) -> int:
    """The same by lane, for many; how many there were."""
    return _retry(tx, records.c.lane.in_(sorted(lanes)), _OPEN)


def retry_orphans(tx: Connection, connection: str, object: str) -> int:
    """Take records in again whose parent never came; how many there were."""
    return _retry(tx, records.c.connection == connection, records.c.object == object)


def _retry(tx: Connection, *conditions: sa.ColumnElement[bool]) -> int:
    return tx.execute(
        sa.update(records)
        .where(records.c.status == RECORDS.aside, *conditions)
        .values(
            status=RECORDS.ready,
            next_attempt_at=dialect.database_now(tx),
            claims=0,
            attempts=0,
            error=None,
        )
    ).rowcount


def let_go(tx: Connection, lanes: Collection[str]) -> None:
    """Be done with what was set aside of records that a newer state has come of since."""
    tx.execute(
        sa.update(records)
        .where(records.c.status == RECORDS.aside, records.c.lane.in_(sorted(lanes)), _OPEN)
        .values(status="done")
    )


def forget_done(tx: Connection, older_than: datetime, limit: int) -> int:
    """Drop records long since brought in, so many at most; deliveries stay for replay. How many
    went.
    """
    old = (
        sa.select(records.c.position)
        .where(records.c.status == "done", records.c.received_at < older_than)
        .limit(limit)
    )
    return tx.execute(sa.delete(records).where(records.c.position.in_(old))).rowcount
