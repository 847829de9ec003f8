"""What came in: deliveries as they arrived, and the remote records they (or a pull) spoke of,
one row per record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from connectors.sdk import Record
from hub.ids import new_id
from hub.store import dialect, queue
from hub.store.tables import deliveries, records
from webhooks.inbox import Incoming, Stored

DELIVERIES = queue.Queue(deliveries, ready="accepted", aside="quarantined")
RECORDS = queue.Queue(records, ready="pending", aside="quarantined")


def store(tx: Connection, batch: Sequence[Incoming]) -> list[Stored]:
    """Store a batch: per delivery, in order, the row that holds it and whether it did already.

    The same delivery id with another body is stored beside the first with the verdict `altered`,
    never dropped.
    """
    now = dialect.database_now(tx)
    keys = {key for one in batch if (key := _dedupe(one))}
    known = {
        row.dedupe: (row.id, row.body_hash)
        for row in tx.execute(
            sa.select(deliveries.c.dedupe, deliveries.c.id, deliveries.c.body_hash).where(
                deliveries.c.dedupe.in_(keys)
            )
        )
    }
    rows: list[dict[str, Any]] = []
    answers: list[Stored] = []
    for one in batch:
        dedupe = _dedupe(one)
        verdict: str = one.verdict
        first = known.get(dedupe) if dedupe else None
        if first and first[1] == one.body_hash:
            answers.append(Stored(first[0], True))
            continue
        if first:
            verdict, dedupe = "altered", f"{dedupe}\n{one.body_hash}"
            again = known.get(dedupe) or _find(tx, dedupe)
            if again:
                answers.append(Stored(again[0], True))
                continue
        new = new_id("dlv")
        rows.append(
            {
                "id": new,
                "connection": one.connection,
                "delivery_id": one.delivery_id,
                "dedupe": dedupe,
                "received_at": one.received_at,
                "method": one.method,
                "url": one.url,
                "headers": dict(one.headers),
                "body": one.body,
                "body_hash": one.body_hash,
                "size": len(one.body),
                "verdict": verdict,
                **queue.work_row(
                    now, one.connection, "captured" if one.capture else DELIVERIES.ready
                ),
            }
        )
        if dedupe:
            known[dedupe] = (new, one.body_hash)
        answers.append(Stored(new))
    if not rows:
        return answers
    dialect.insert_or_ignore(tx, deliveries, rows)
    lost = _overtaken(tx, rows)
    return [Stored(lost[one.id], True) if one.id in lost else one for one in answers]


def _dedupe(one: Incoming) -> str | None:
    return f"{one.connection}\n{one.delivery_id}"[:400] if one.delivery_id else None


def _overtaken(tx: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Another process may have stored a delivery between our look and our insert: our id to its.

    Where it stored another body under the same delivery id, ours is kept beside it as `altered`.
    """
    ours = {row["dedupe"]: row for row in rows if row["dedupe"]}
    if not ours:
        return {}
    lost: dict[str, str] = {}
    beside: list[dict[str, Any]] = []
    for there in tx.execute(
        sa.select(deliveries.c.dedupe, deliveries.c.id, deliveries.c.body_hash).where(
            deliveries.c.dedupe.in_(ours)
        )
    ):
        mine = ours[there.dedupe]
        if there.id == mine["id"]:
            continue
        if there.body_hash == mine["body_hash"]:
            lost[mine["id"]] = there.id
        else:
            other = f"{there.dedupe}\n{mine['body_hash']}"
            beside.append({**mine, "verdict": "altered", "dedupe": other})
    dialect.insert_or_ignore(tx, deliveries, beside)
    return lost | (_overtaken(tx, beside) if beside else {})


def _find(tx: Connection, dedupe: str) -> tuple[str, str] | None:
    row = tx.execute(
        sa.select(deliveries.c.id, deliveries.c.body_hash).where(deliveries.c.dedupe == dedupe)
    ).first()
    return (row[0], row[1]) if row else None


def replay(tx: Connection, delivery: str) -> str | None:
    """Queue a copy of a stored delivery for processing; the original stays as it was. None:
    there is none.
    """
    row = tx.execute(sa.select(deliveries).where(deliveries.c.id == delivery)).mappings().first()
    if row is None:
        return None
    now, new = dialect.database_now(tx), new_id("dlv")
    kept = ("connection", "delivery_id", "received_at", "method", "url", "headers", "body",
            "body_hash", "size", "verdict")  # fmt: skip
    tx.execute(
        sa.insert(deliveries).values(
            {name: row[name] for name in kept}
            | {"id": new, "dedupe": None, "replay_of": row["replay_of"] or delivery}
            | queue.work_row(now, row["connection"], DELIVERIES.ready)
        )
    )
    return new


def delivery(tx: Connection, id: str) -> RowMapping | None:
    """One stored delivery."""
    return tx.execute(sa.select(deliveries).where(deliveries.c.id == id)).mappings().first()


def list_deliveries(
    tx: Connection,
    *,
    connection: str | None = None,
    status: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Sequence[RowMapping]:
    """Deliveries, newest first, without their bodies."""
    columns = [column for column in deliveries.c if column.name != "body"]
    statement = sa.select(*columns).order_by(deliveries.c.position.desc()).limit(limit)
    if connection:
        statement = statement.where(deliveries.c.connection == connection)
    if status:
        statement = statement.where(deliveries.c.status == status)
    if before:
        statement = statement.where(deliveries.c.position < before)
    return tx.execute(statement).mappings().all()


# ------------------------------------------------------------------------------------------ records


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
    return Record(**values)


def lane_of(connection: str, object: str, external_id: str) -> str:
    """The lane of a remote record: what is said of it is brought in in order."""
    return f"{connection}/{object}/{external_id}"[:600]


def enqueue(tx: Connection, batch: Sequence[NewRecord], received_at: datetime) -> None:
    """Queue records to be brought in; each remote record is its own lane."""
    if batch:
        now = dialect.database_now(tx)
        tx.execute(
            sa.insert(records),
            [
                {
                    "connection": one.connection,
                    "object": one.object,
                    "external_id": one.external_id[:400],
                    "kind": one.kind,
                    "payload": dict(one.payload),
                    "source": one.source,
                    "delivery": one.delivery,
                    "received_at": one.received_at or received_at,
                    **queue.work_row(
                        now,
                        lane_of(one.connection, one.object, one.external_id),
                        RECORDS.ready,
                    ),
                }
                for one in batch
            ],
        )


def retry_records(tx: Connection, connection: str, external_id: str) -> int:
    """Take records that were set aside in again; how many there were."""
    return _retry(
        tx, records.c.connection == connection, records.c.external_id == external_id[:400]
    )


def retry_lanes(tx: Connection, lanes: Collection[str]) -> int:
    """The same by lane, for many; how many there were."""
    return _retry(tx, records.c.lane.in_(sorted(lanes)))


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
        .where(records.c.status == RECORDS.aside, records.c.lane.in_(sorted(lanes)))
        .values(status="done")
    )


def forget_done(tx: Connection, older_than: datetime, limit: int = 5000) -> int:
    """Drop records long since brought in; deliveries stay for replay. How many went."""
    old = (
        sa.select(records.c.position)
        .where(records.c.status == "done", records.c.received_at < older_than)
        .limit(limit)
    )
    return tx.execute(sa.delete(records).where(records.c.position.in_(old))).rowcount
