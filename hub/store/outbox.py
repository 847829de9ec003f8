"""What goes out: intended writes, one row each, in the transaction that made them necessary.

An update names the fields to bring over and takes their values when it is sent, so that all edits
of an entity that wait for one tool are a single row: those that come after the first are noted as
carried by it. What is being sent just now carries nothing more; the next row goes out after it. The
idempotency key is made once, with the row, and stays the same for every attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
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


Row = dict[str, Any]


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
    hops: int = 0
    """How many writes in a row were each caused by the one before it."""


def enqueue(tx: Connection, batch: Sequence[NewPush], now: datetime) -> None:
    """Queue writes. Those of one entity to one connection keep their order, and its updates that
    wait become one; messages each go their own way.
    """
    if not batch:
        return
    ready_at = dialect.database_now(tx)
    waiting = _waiting(tx, [one for one in batch if _joins(one)])
    new: list[Row] = []
    for one in batch:
        row = {
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
            "hops": one.hops,
            "result": None,
            "created_at": now,
            **queue.work_row(ready_at, _lane(one), PUSHES.ready),
        }
        new.append(row)
        if not _joins(one):
            continue
        carrier = waiting.setdefault(_target(row), row)
        if carrier is not row:
            _carry(carrier, row)
            row |= {"status": "superseded", "result": {"by": carrier["id"]}}
    rows.insert(tx, pushes, new)
    for carrier in waiting.values():
        if carrier.get("grown"):
            tx.execute(
                sa.update(pushes)
                .where(pushes.c.id == carrier["id"])
                .values({name: carrier[name] for name in _CARRIED})
            )


_CARRIED = ("fields", "cause", "hops")
Target = tuple[str, str, str | None]
"""Connection, object and entity."""


def _joins(push: NewPush) -> bool:
    return push.op == "update" and push.entity_type != "message"


def _target(row: Mapping[str, Any]) -> Target:
    return row["connection"], row["object"], row["entity_id"]


def _waiting(tx: Connection, updates: Sequence[NewPush]) -> dict[Target, Row]:
    """The updates of these entities that wait and that nobody is sending, the oldest of each.

    Whoever claims one of them meanwhile waits until our edit is there to be sent; one that is being
    claimed already is left to go, and the edit goes after it.
    """
    if not updates:
        return {}
    columns = pushes.c
    statement = (
        sa.select(
            columns.id, columns.connection, columns.object, columns.entity_id,
            *(columns[name] for name in _CARRIED),
        )
        .where(
            columns.entity_id.in_({one.entity_id for one in updates if one.entity_id}),
            columns.status == PUSHES.ready,
            columns.op == "update",
            columns.entity_type != "message",
            columns.lease_until.is_(None),
        )
        .order_by(columns.position)
    )  # fmt: skip
    found: dict[Target, Row] = {}
    for row in tx.execute(dialect.skip_locked(statement, tx)).mappings():
        found.setdefault(_target(dict(row)), dict(row))
    return found


def _carry(carrier: Row, row: Row) -> None:
    """Have one update bring over what another would have; an edit that nothing of ours caused
    starts its count of hops again.
    """
    fields = carrier["fields"]
    if isinstance(fields, list):  # else it was begun before: what it carried then is kept
        fields = sorted({*fields, *row["fields"]})
    mends = str(row["cause"] or "").startswith("exc_")
    cause = row["cause"] if mends else carrier["cause"]
    hops = max(carrier["hops"], row["hops"]) if row["hops"] else 0
    if (fields, cause, hops) != tuple(carrier[name] for name in _CARRIED):
        carrier |= {"fields": fields, "cause": cause, "hops": hops}
        if "status" not in carrier:  # it is stored already
            carrier["grown"] = True


def outdo(tx: Connection, by: Mapping[tuple[str, str], str]) -> Sequence[RowMapping]:
    """Updates went through: those of the same entities and connections that had failed before are
    carried by them now. `by` has the pushes that did it; the answer is which they were.
    """
    if not by:
        return []
    columns = pushes.c
    found = (
        tx.execute(
            sa.select(
                columns.id, columns.entity_id, columns.connection, columns.trouble, columns.position
            ).where(
                columns.entity_id.in_({entity for entity, _ in by}),
                columns.status == PUSHES.aside,
                columns.op == "update",
                columns.entity_type != "message",
            )
        )
        .mappings()
        .all()
    )
    outdone = [row for row in found if (row["entity_id"], row["connection"]) in by]
    for row in outdone:
        carrier = by[row["entity_id"], row["connection"]]
        tx.execute(
            sa.update(pushes)
            .where(columns.position == row["position"], columns.status == PUSHES.aside)
            .values(status="superseded", trouble=None, result={"by": carrier})
        )
    return outdone


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


def waits(tx: Connection, connection: str) -> bool:
    """Whether a write to a connection could be sent now."""
    now = dialect.database_now(tx)
    return bool(
        tx.scalar(
            sa.select(sa.literal(1))
            .where(
                pushes.c.status == PUSHES.ready,
                pushes.c.connection == connection,
                pushes.c.next_attempt_at <= now,
                sa.or_(pushes.c.lease_until.is_(None), pushes.c.lease_until < now),
            )
            .limit(1)
        )
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


def to_be_created(tx: Connection, entity: str) -> set[str]:
    """The connections in which an entity was to be made and is not known to be yet: it waits, was
    begun, or failed and may be tried again.
    """
    return set(
        tx.scalars(
            sa.select(pushes.c.connection).where(
                pushes.c.entity_id == entity,
                pushes.c.op == "create",
                pushes.c.status.in_((PUSHES.ready, "unknown", PUSHES.aside)),
            )
        )
    )


def being_created(tx: Connection, entities: Collection[str]) -> set[tuple[str, str]]:
    """Which of these entities are about to be there in a connection, or may be by now: a create
    was begun of which nobody knows the end.
    """
    begun = sa.or_(pushes.c.lease_until.is_not(None), pushes.c.claims > 0)
    statement = sa.select(pushes.c.entity_id, pushes.c.connection).where(
        pushes.c.entity_id.in_(list(entities)),
        pushes.c.op == "create",
        sa.or_(pushes.c.status == "unknown", sa.and_(pushes.c.status == PUSHES.ready, begun)),
    )
    return {(row.entity_id, row.connection) for row in tx.execute(statement)} if entities else set()


def begun_updates(tx: Connection, entity: str, connection: str) -> Sequence[RowMapping]:
    """The fields (and `result`) of updates of an entity that may have arrived in a connection, as
    they were begun and nobody knows how they ended.
    """
    statement = sa.select(
        pushes.c.fields, pushes.c.result, pushes.c.claims, pushes.c.lease_until
    ).where(
        pushes.c.entity_id == entity,
        pushes.c.connection == connection,
        pushes.c.op == "update",
        pushes.c.status.in_((PUSHES.ready, "unknown", PUSHES.aside)),
    )
    return [
        row
        for row in tx.execute(statement).mappings()
        if row["lease_until"] or row["claims"] or (row["result"] or {}).get("sent")
    ]


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


def retry(tx: Connection, id: str) -> bool:
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
                trouble=None,
            )
        ).rowcount
    )


def retry_like(tx: Connection, trouble: str) -> int:
    """Send all that failed of the same again, each with its old key; how many."""
    return tx.execute(
        sa.update(pushes)
        .where(pushes.c.trouble == trouble, pushes.c.status == PUSHES.aside)
        .values(
            status=PUSHES.ready,
            next_attempt_at=dialect.database_now(tx),
            attempts=0,
            error=None,
            trouble=None,
        )
    ).rowcount


def like(tx: Connection, trouble: str) -> int:
    """How many failed of the same and were not tried again."""
    statement = sa.select(sa.func.count()).where(
        pushes.c.trouble == trouble, pushes.c.status == PUSHES.aside
    )
    return tx.scalar(statement) or 0


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
