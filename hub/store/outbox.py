"""What goes out: intended writes, one row each, in the transaction that made them necessary.

An update names the fields to bring over and takes their values when it is sent, so that rows
coalesce to current state. The
idempotency key is made once, with the row, and stays the same for every attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect, queue, rows
from hub.store.tables import pushes

PUSHES = queue.Queue(pushes, ready="pending", aside="failed", max_attempts=100)


def new_key() -> str:
    """An idempotency key."""
    return new_id("hub").replace("_", "-")


@dataclass(frozen=True, slots=True)
class NewPush:
    """An intended write to one connection."""

    connection: str
    object: str
    op: str
    entity_type: str
    entity_id: str | None
    fields: Mapping[str, Any] | Sequence[str]
    external_id: str | None = None
    cause: str | None = None
    correlation: str | None = None
    key: str = field(default_factory=new_key)


def enqueue(tx: Connection, batch: Sequence[NewPush], now: datetime) -> None:
    """Queue writes. Those of one entity to one connection keep their order; messages each go
    their own way.
    """
    if batch:
        ready_at = dialect.database_now(tx)
        rows.insert(
            tx,
            pushes,
            [
                {
                    "id": new_id("psh"),
                    "connection": one.connection,
                    "object": one.object,
                    "op": one.op,
                    "entity_type": one.entity_type,
                    "entity_id": one.entity_id,
                    "external_id": one.external_id,
                    "fields": one.fields if isinstance(one.fields, Mapping) else sorted(one.fields),
                    "key": one.key,
                    "cause": one.cause,
                    "correlation": one.correlation,
                    "created_at": now,
                    **queue.work_row(ready_at, _lane(one), PUSHES.ready),
                }
                for one in batch
            ],
        )


def _lane(push: NewPush) -> str:
    if push.entity_type != "message":
        return f"{push.connection}/{push.entity_id}"
    about = push.fields.get("hub", {}) if isinstance(push.fields, Mapping) else {}
    return f"{push.connection}/{about.get('of', push.key)}"  # an update follows its message


def note_creates(tx: Connection, claim: queue.Claim, sent: Mapping[int, Mapping[str, Any]]) -> None:
    """Keep, before creates are sent, which values they carry, by position: if one comes back by
    another way than its answer, they tell our own words from a person's. Raises LostLease.
    """
    for position, values in sent.items():
        done = tx.execute(
            sa.update(pushes)
            .where(pushes.c.position == position, pushes.c.fence == claim.fence)
            .values(fields=dict(values))
        ).rowcount
        if not done:
            raise queue.LostLease("The push was taken over.")


def supersede(tx: Connection, positions: Sequence[int], by: str) -> None:
    """Mark waiting updates as carried along by a newer one."""
    if positions:
        tx.execute(
            sa.update(pushes)
            .where(pushes.c.position.in_(positions), pushes.c.status == "pending")
            .values(status="superseded", lease_until=None, result={"by": by})
        )


def waiting_for(tx: Connection, entity: str) -> Sequence[RowMapping]:
    """Writes of an entity that have not gone out yet."""
    return (
        tx.execute(
            sa.select(pushes).where(
                pushes.c.entity_id == entity, pushes.c.status.in_(("pending", "unknown"))
            )
        )
        .mappings()
        .all()
    )


def push(tx: Connection, id: str) -> RowMapping | None:
    """One push."""
    return tx.execute(sa.select(pushes).where(pushes.c.id == id)).mappings().first()


def list_pushes(
    tx: Connection,
    *,
    connection: str | None = None,
    status: str | None = None,
    entity: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Sequence[RowMapping]:
    """Pushes, newest first."""
    statement = sa.select(pushes).order_by(pushes.c.position.desc()).limit(limit)
    for column, value in (
        (pushes.c.connection, connection),
        (pushes.c.status, status),
        (pushes.c.entity_id, entity),
    ):
        if value:
            statement = statement.where(column == value)
    if before:
        statement = statement.where(pushes.c.position < before)
    return tx.execute(statement).mappings().all()


def retry(tx: Connection, id: str, now: datetime) -> bool:
    """Send a failed or unknown push again, with its old key. False: it is neither.

    A failed one whose effect may have happened is looked up first; of an unknown one that was done,
    and a person who looked says that it did not.
    """
    looked = pushes.c.status == "unknown"
    return bool(
        tx.execute(
            sa.update(pushes)
            .where(pushes.c.id == id, pushes.c.status.in_(("failed", "unknown")))
            .values(
                status="pending",
                next_attempt_at=dialect.database_now(tx),
                claims=sa.case((looked, 0), else_=pushes.c.claims),
                attempts=0,
                error=None,
            )
        ).rowcount
    )


def retry_creates(tx: Connection, wanted: Set[tuple[str, str]]) -> int:
    """Send creates of entities in connections again that failed; how many there were."""
    entities = sorted({entity for entity, _ in wanted})
    failed = tx.execute(
        sa.select(pushes.c.position, pushes.c.entity_id, pushes.c.connection).where(
            pushes.c.entity_id.in_(entities),
            pushes.c.op == "create",
            pushes.c.status == PUSHES.aside,
        )
    )
    positions = [row.position for row in failed if (row.entity_id, row.connection) in wanted]
    return tx.execute(
        sa.update(pushes)
        .where(pushes.c.position.in_(positions), pushes.c.status == PUSHES.aside)
        .values(
            status=PUSHES.ready,
            next_attempt_at=dialect.database_now(tx),
            attempts=0,
            error=None,
        )
    ).rowcount


def settle(tx: Connection, id: str) -> bool:
    """A person says that an unknown push did arrive. False: it is not unknown."""
    return bool(
        tx.execute(
            sa.update(pushes)
            .where(pushes.c.id == id, pushes.c.status == "unknown")
            .values(status="sent", result={"settled": "by a person"})
        ).rowcount
    )
