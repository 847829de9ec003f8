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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.store import dialect, rows
from hub.store.types import to_json

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
    def columns(self) -> tuple[str, ...]:
        """What a claim reads."""
        return rows.columns(self.table, self.unread)


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


def claim(
    tx: Connection,
    queue: Queue,
    limit: int,
    without: Sequence[str] = (),
    *,
    only: str | None = None,
) -> Claim:
    """Take up to `limit` rows that may be worked on now, oldest first; none of the connections
    `without`, or those of one `only`.
    """
    table = queue.table
    dialect.critical_section(tx, f"claim:{table.name}")
    now = dialect.database_now(tx)
    fence, until = secrets.randbits(62), now + queue.lease
    found = _unblocked(tx, queue, now, _ANY, limit, without, only)
    if not found:
        return Claim(queue, fence, until, ())
    if any([row["claims"] for row in found]):  # without one, whatever is worn comes after these
        worn = found[0]["claims"]
        size = limit if worn == 0 else max(1, limit // 10) if worn == 1 else 1
        found = _unblocked(tx, queue, now, worn, size, without, only)
    worn_out = 2 + CRASHES  # one batch, one smaller batch, then alone
    poison = [row for row in found if row["claims"] >= worn_out]
    taken = _within(queue, [row for row in found if row["claims"] < worn_out])
    if poison:
        tx.execute(
            sa.update(table)
            .where(table.c.position.in_([row["position"] for row in poison]))
            .values(
                status=queue.aside,
                claims=1,  # what it was meant to do may have happened: a retry looks first
                lease_until=None,
                error="every worker that took this row died",
            )
        )
    if taken:
        written = dialect.written_moment(tx)
        tx.exec_driver_sql(
            _texts(queue, tx.dialect.name).take,
            (fence, written(until), _listed(tx, [row["position"] for row in taken])),
        )
    return Claim(queue, fence, until, taken, poison)


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


_ANY = 1_000_000
"""More claims than any row has."""


def _unblocked(
    tx: Connection,
    queue: Queue,
    now: datetime,
    most_claims: int,
    limit: int,
    without: Sequence[str],
    only: str | None,
) -> Sequence[RowMapping]:
    """Free rows in front of whatever blocks their lane: a leased, worn or waiting row."""
    kind = tx.dialect.name
    texts, moment = _texts(queue, kind), dialect.written_moment(tx)(now)
    late = (moment,) if queue.holds_up else ()
    values = (moment, most_claims, *late, moment, moment, most_claims)
    if only is not None:
        found = tx.exec_driver_sql(texts.unblocked_only, (*values, only, limit))
    elif without:
        found = tx.exec_driver_sql(texts.unblocked_without, (*values, _listed(tx, without), limit))
    else:
        found = tx.exec_driver_sql(texts.unblocked, (*values, limit))
    taken = rows.from_driver(queue.table, queue.columns, kind)(found.fetchall())
    return cast("list[RowMapping]", taken)  # dicts, which do for whoever reads rows by name


def _listed(tx: Connection, values: Sequence[Any]) -> Any:
    """Values for one mark of a statement: see `_Texts.among`."""
    return to_json(values) if dialect.is_sqlite(tx) else [*values]


@dataclass(frozen=True, slots=True)
class _Texts:
    """The statements of a queue, written once. The word for ready is written out, so that a
    partial index is found. `held` takes positions, fence and now.
    """

    among: str
    mark: str
    unblocked: str
    unblocked_without: str
    unblocked_only: str
    take: str
    held: str
    due: str
    due_without: str


@cache
def _texts(queue: Queue, kind: str) -> _Texts:
    table, sqlite = queue.table.name, kind == "sqlite"
    mark = "?" if sqlite else "%s"
    among = "IN (SELECT value FROM json_each(?))" if sqlite else "= ANY(%s)"
    besides = "NOT IN (SELECT value FROM json_each(?))" if sqlite else "<> ALL(%s)"
    # all that is put together here are names and words of ours
    # left to itself, SQLite may look through all that waits for the few that are taken
    hint = f"INDEXED BY ix_{table}_taken" if sqlite else ""
    heads = (
        f"SELECT lane, position FROM {table} {hint} WHERE status = '{queue.ready}'"  # noqa: S608
        f" AND claims > 0 AND (lease_until >= {mark} OR claims > {mark})"
    )
    if queue.holds_up:
        heads += (
            f" UNION ALL SELECT lane, position FROM {table}"  # noqa: S608
            f" WHERE status = '{queue.ready}' AND next_attempt_at > {mark}"
        )
    columns = ", ".join(f'q."{name}"' for name in queue.columns)
    free = (
        f"SELECT {columns} FROM {table} AS q"  # noqa: S608 - as above
        f" LEFT JOIN (SELECT lane, min(position) AS head FROM ({heads}) AS taken GROUP BY lane)"
        f" AS blocked ON blocked.lane = q.lane WHERE q.status = '{queue.ready}'"
        f" AND q.next_attempt_at <= {mark} AND (q.lease_until IS NULL OR q.lease_until < {mark})"
        f" AND (blocked.head IS NULL OR q.position < blocked.head) AND q.claims <= {mark}"
    )
    end = f"ORDER BY q.position LIMIT {mark}"
    due = (
        f"SELECT 1 FROM {table} WHERE status = '{queue.ready}' AND next_attempt_at <= {mark}"  # noqa: S608
        f" AND (lease_until IS NULL OR lease_until < {mark})"
    )
    return _Texts(
        among,
        mark,
        f"{free} {end}",
        f"{free} AND q.connection {besides} {end}",
        f"{free} AND q.connection = {mark} {end}",
        f"UPDATE {table} SET claims = claims + 1, fence = {mark}, lease_until = {mark}"  # noqa: S608
        f" WHERE position {among}",
        f"WHERE position {among} AND fence = {mark} AND lease_until >= {mark}",
        f"{due} LIMIT 1",
        f"{due} AND connection {besides} LIMIT 1",
    )


def _set_held(
    tx: Connection,
    claim: Claim,
    positions: Sequence[int],
    now: datetime,
    values: Mapping[str, Any],
    counts: str = "",
    by: int = 1,
) -> int:
    """Write these values to rows that are still held, and count; how many rows."""
    table, names, kind = claim.queue.table, tuple(values), tx.dialect.name
    [written] = rows.to_driver(table, names, kind)([values])
    held = (_listed(tx, positions), claim.fence, dialect.written_moment(tx)(now))
    return tx.exec_driver_sql(
        _set_text(claim.queue, names, f"{counts} = {counts} + {by}" if counts else "", kind),
        (*written, *held),
    ).rowcount


@lru_cache(1000)
def _set_text(queue: Queue, names: tuple[str, ...], counts: str, kind: str) -> str:
    texts = _texts(queue, kind)
    told = [f'"{name}" = {texts.mark}' for name in names]
    told += [counts] if counts else []
    return f"UPDATE {queue.table.name} SET {', '.join(told)} {texts.held}"  # noqa: S608 - our names


def finish(
    tx: Connection, claim: Claim, positions: Sequence[int], status: str, **values: Any
) -> None:
    """Give rows their final status. Raises LostLease, so that nothing of this transaction
    happens, if any was lost.
    """
    if not positions:
        return
    now = dialect.database_now(tx)
    told = {"status": status, "lease_until": None, **values}
    done = _set_held(tx, claim, positions, now, told, counts="attempts")
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
    queue, texts = claim.queue, _texts(claim.queue, tx.dialect.name)
    held = (_listed(tx, [position]), claim.fence, dialect.written_moment(tx)(now))
    attempts = tx.exec_driver_sql(
        f"SELECT attempts FROM {queue.table.name} {texts.held}",  # noqa: S608 - our names
        held,
    ).scalar()
    if attempts is None:
        raise LostLease("The row was taken over.")
    attempts += 1 if counted else 0
    aside = counted and attempts >= queue.max_attempts
    told = {
        "status": queue.aside if aside else queue.ready,
        "attempts": attempts,
        "claims": 1 if unsure else 0,
        "error": error,
        "lease_until": None,
        "next_attempt_at": now + timedelta(seconds=delay),
    }
    if not _set_held(tx, claim, [position], now, told):
        raise LostLease("The row was taken over.")
    return aside


def renew(tx: Connection, claim: Claim, positions: Sequence[int]) -> bool:
    """Hold rows for another lease. False if any of them was taken over."""
    now = dialect.database_now(tx)
    until = {"lease_until": now + claim.queue.lease}
    return _set_held(tx, claim, positions, now, until) == len(positions)


def release(tx: Connection, claim: Claim, positions: Sequence[int], delay: float = 0.0) -> None:
    """Give rows back untouched, as if this claim had never been; those before it, of processes that
    died, still count.
    """
    if positions:
        now = dialect.database_now(tx)
        told = {"lease_until": None, "next_attempt_at": now + timedelta(seconds=delay)}
        _set_held(tx, claim, positions, now, told, counts="claims", by=-1)


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
    held = tx.execute(
        sa.select(columns.position, columns.lease_until).where(
            columns.status == queue.ready, columns.lease_until.is_not(None)
        )
    ).all()
    for row in held:
        tx.execute(
            sa.update(queue.table)
            .where(columns.position == row.position)
            .values(lease_until=None, next_attempt_at=row.lease_until - queue.lease + settle)
        )
    return len(held)


def ready_count(tx: Connection, queue: Queue) -> int:
    """How many rows still wait, claimed ones included."""
    return tx.scalar(sa.select(sa.func.count()).where(queue.table.c.status == queue.ready)) or 0


def due_count(tx: Connection, queue: Queue, without: Sequence[str] = ()) -> int:
    """Whether anything could be claimed now (1) or not (0), but of the connections `without`."""
    moment = dialect.written_moment(tx)(dialect.database_now(tx))
    texts = _texts(queue, tx.dialect.name)
    if without:
        values = (moment, moment, _listed(tx, without))
        return tx.exec_driver_sql(texts.due_without, values).scalar() or 0
    return tx.exec_driver_sql(texts.due, (moment, moment)).scalar() or 0


def work_row(now: datetime, lane: str, status: str) -> dict[str, Any]:
    """The work columns of a new row. `now` is the database's, as all that is waited for here."""
    return {"lane": lane[:600], "status": status, "next_attempt_at": now}
