"""The work queue that deliveries, records and pushes share: lanes, leases, fencing and poison.

A row is *ready* in one status. `claim` hands a batch to one worker under a lease on the database's
clock and a fence that only
this claim knows; whoever finishes must still hold both. Within a lane rows go in order, and a head
that is leased or
waiting blocks its lane only.

A worker that dies leaves its lease to expire. `claims` counts, before the attempt, how often a row
was
taken without coming back: such rows are taken in a smaller batch and then alone, and after
`CRASHES` times
alone a row is poison: it is set aside and the rest goes on. `attempts` counts what was tried and
ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.store import dialect

CRASHES = 3
LEASE = timedelta(seconds=60)


class LostLease(RuntimeError):
    """The rows were taken over by another worker: roll back, they are somebody else's now."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A table with the work columns, its words for ready and set aside, and its patience."""

    table: sa.Table
    ready: str
    aside: str
    max_attempts: int = 3
    lease: timedelta = LEASE
    holds_up: bool = True
    """Whether a row that waits for its time holds up those behind it in its lane."""
    unread: tuple[str, ...] = ()
    """Columns that a claim leaves where they are."""
    weight: str | None = None
    """The column that tells how heavy a row is, where rows differ a lot."""
    most: int = 0
    """What the rows of one claim may weigh together; a single one may weigh more."""

    @property
    def columns(self) -> list[sa.Column[Any]]:
        """What a claim reads."""
        return [column for column in self.table.c if column.name not in self.unread]


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that one worker may work on until `until`. `poison`: rows just set aside instead."""

    queue: Queue
    fence: int
    until: datetime
    rows: Sequence[RowMapping]
    poison: Sequence[RowMapping] = ()

    def __bool__(self) -> bool:
        return bool(self.rows) or bool(self.poison)


def claim(tx: Connection, queue: Queue, limit: int, *conditions: sa.ColumnElement[bool]) -> Claim:
    """Take up to `limit` rows that may be worked on now, oldest first."""
    table = queue.table
    columns = table.c
    dialect.critical_section(tx, f"claim:{table.name}")
    now = dialect.database_now(tx)
    free = sa.and_(
        columns.status == queue.ready,
        columns.next_attempt_at <= now,
        sa.or_(columns.lease_until.is_(None), columns.lease_until < now),
        *conditions,
    )
    open_ = columns.status == queue.ready

    def unblocked(most_claims: int) -> sa.Select[Any]:
        """Free rows in front of whatever blocks their lane: a leased, worn or waiting row."""
        taken = sa.and_(
            columns.claims > sa.literal_column("0"),  # literal, or SQLite overlooks its index
            sa.or_(columns.lease_until >= now, columns.claims > most_claims),
        )
        blocking = [sa.select(columns.lane, columns.position).where(open_, taken)]
        if queue.holds_up:
            late = columns.next_attempt_at > now
            blocking.append(sa.select(columns.lane, columns.position).where(open_, late))
        heads = sa.union_all(*blocking).subquery()
        blocked = (
            sa.select(heads.c.lane, sa.func.min(heads.c.position).label("position"))
            .group_by(heads.c.lane)
            .subquery()
        )
        return (
            sa.select(*queue.columns)
            .outerjoin(blocked, blocked.c.lane == columns.lane)
            .where(
                free,
                sa.or_(blocked.c.position.is_(None), columns.position < blocked.c.position),
            )
            .order_by(columns.position)
        )

    first = unblocked(1_000_000).with_only_columns(columns.claims).limit(1)
    worn = tx.scalar(first)
    fence, until = secrets.randbits(62), now + queue.lease
    if worn is None:
        return Claim(queue, fence, until, ())
    size = limit if worn == 0 else max(1, limit // 10) if worn == 1 else 1
    rows = tx.execute(unblocked(worn).where(columns.claims <= worn).limit(size)).mappings().all()
    worn_out = 2 + CRASHES  # one batch, one smaller batch, then alone
    poison = [row for row in rows if row["claims"] >= worn_out]
    rows = _within(queue, [row for row in rows if row["claims"] < worn_out])
    if poison:
        tx.execute(
            sa.update(table)
            .where(columns.position.in_([row["position"] for row in poison]))
            .values(
                status=queue.aside,
                claims=1,  # what it was meant to do may have happened: a retry looks first
                lease_until=None,
                error="every worker that took this row died",
            )
        )
    if rows:
        tx.execute(
            sa.update(table)
            .where(columns.position.in_([row["position"] for row in rows]))
            .values(
                claims=columns.claims + 1,
                fence=fence,
                lease_until=until,
            )
        )
    return Claim(queue, fence, until, rows, poison)


def _within(queue: Queue, rows: list[RowMapping]) -> list[RowMapping]:
    """The first of them, as many as may be claimed together."""
    if queue.weight is None:
        return rows
    weight = 0
    for at, row in enumerate(rows):
        weight += row[queue.weight]
        if weight > queue.most and at:
            return rows[:at]
    return rows


def _held(claim: Claim, positions: Sequence[int], now: datetime) -> sa.ColumnElement[bool]:
    columns = claim.queue.table.c
    return sa.and_(
        columns.position.in_(positions), columns.fence == claim.fence, columns.lease_until >= now
    )


def finish(
    tx: Connection, claim: Claim, positions: Sequence[int], status: str, **values: Any
) -> None:
    """Give rows their final status. Raises LostLease, so that nothing of this transaction
    happens, if any was lost.
    """
    if not positions:
        return
    done = tx.execute(
        sa.update(claim.queue.table)
        .where(_held(claim, positions, dialect.database_now(tx)))
        .values(
            status=status, lease_until=None, attempts=claim.queue.table.c.attempts + 1, **values
        )
    ).rowcount
    if done != len(positions):
        raise LostLease(f"{len(positions) - done} of {len(positions)} rows were taken over.")


def postpone(
    tx: Connection,
    claim: Claim,
    position: int,
    error: str,
    delay: float,
    *,
    counted: bool = True,
    unsure: bool = False,
) -> bool:
    """Try one row again after `delay` seconds. True if it was set aside instead, having used up its
    attempts.

    `counted=False` for a delay that is nobody's fault (a rate limit, a paused connection).
    `unsure` keeps in mind that an attempt may have had its effect, as after a crash.
    """
    now = dialect.database_now(tx)
    columns = claim.queue.table.c
    attempts = tx.execute(sa.select(columns.attempts).where(_held(claim, [position], now))).scalar()
    if attempts is None:
        raise LostLease("The row was taken over.")
    attempts += 1 if counted else 0
    aside = counted and attempts >= claim.queue.max_attempts
    done = tx.execute(
        sa.update(claim.queue.table)
        .where(_held(claim, [position], now))
        .values(
            status=claim.queue.aside if aside else claim.queue.ready,
            attempts=attempts,
            claims=1 if unsure else 0,
            error=error,
            lease_until=None,
            next_attempt_at=now + timedelta(seconds=delay),
        )
    ).rowcount
    if not done:
        raise LostLease("The row was taken over.")
    return aside


def renew(tx: Connection, claim: Claim, positions: Sequence[int]) -> bool:
    """Hold rows for another lease. False if any of them was taken over."""
    now = dialect.database_now(tx)
    done = tx.execute(
        sa.update(claim.queue.table)
        .where(_held(claim, positions, now))
        .values(lease_until=now + claim.queue.lease)
    ).rowcount
    return done == len(positions)


def release(tx: Connection, claim: Claim, positions: Sequence[int], delay: float = 0.0) -> None:
    """Give rows back untouched, as if they had never been claimed."""
    if positions:
        now = dialect.database_now(tx)
        tx.execute(
            sa.update(claim.queue.table)
            .where(_held(claim, positions, now))
            .values(claims=0, lease_until=None, next_attempt_at=now + timedelta(seconds=delay))
        )


def hurry(tx: Connection, queue: Queue, *conditions: sa.ColumnElement[bool]) -> int:
    """Let rows that wait for their time go at once; how many."""
    columns = queue.table.c
    now = dialect.database_now(tx)
    return tx.execute(
        sa.update(queue.table)
        .where(columns.status == queue.ready, columns.next_attempt_at > now, *conditions)
        .values(next_attempt_at=now)
    ).rowcount


SETTLE = timedelta(seconds=10)
"""How long a request of a process that died may still be under way at a vendor."""


def recover(tx: Connection, queue: Queue, settle: timedelta = timedelta(0)) -> int:
    """Give back at once what the dead left leased; only for a process that knows it is alone. How
    many rows.

    `settle` is how long after its claim a row must rest before somebody looks whether it had its
    effect.
    """
    columns = queue.table.c
    rows = tx.execute(
        sa.select(columns.position, columns.lease_until).where(
            columns.status == queue.ready, columns.lease_until.is_not(None)
        )
    ).all()
    for row in rows:
        tx.execute(
            sa.update(queue.table)
            .where(columns.position == row.position)
            .values(lease_until=None, next_attempt_at=row.lease_until - queue.lease + settle)
        )
    return len(rows)


def ready_count(tx: Connection, queue: Queue) -> int:
    """How many rows still wait, claimed ones included."""
    return tx.scalar(sa.select(sa.func.count()).where(queue.table.c.status == queue.ready)) or 0


def due_count(tx: Connection, queue: Queue) -> int:
    """Whether anything could be claimed now (1) or not (0)."""
    now = dialect.database_now(tx)
    columns = queue.table.c
    return (
        tx.scalar(
            sa.select(sa.literal(1))
            .where(
                columns.status == queue.ready,
                columns.next_attempt_at <= now,
                sa.or_(columns.lease_until.is_(None), columns.lease_until < now),
            )
            .limit(1)
        )
        or 0
    )


def work_row(now: datetime, lane: str, status: str) -> dict[str, Any]:
    """The work columns of a new row. `now` is the database's, as all that is waited for here."""
    return {"lane": lane[:600], "status": status, "next_attempt_at": now}
