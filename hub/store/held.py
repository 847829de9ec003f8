"""Who held the ball: one stretch of time after the other per step and per case, written in the
transaction that changes it; and how long completed runs took.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.store import dialect
from hub.store.tables import cases, durations, handoffs, held, proposals, steps, tasks, timers

Row = dict[str, Any]

RECENT = 200
"""Completed runs of a step that a forecast looks at, the newest."""


def micros(took: timedelta) -> int:
    """A length of time as a whole number of microseconds."""
    return (took.days * 86400 + took.seconds) * 1_000_000 + took.microseconds


# ---------------------------------------------------------------------------------------- stretches


def open_of(tx: Connection, cases_: Collection[str]) -> dict[str, Row]:
    """The stretches of these cases and their steps that go on, by subject."""
    statement = sa.select(held).where(held.c.case_id.in_(cases_), held.c.until.is_(None))
    return {row["subject"]: dict(row) for row in tx.execute(statement).mappings()}


def of(tx: Connection, cases_: Collection[str]) -> dict[str, list[RowMapping]]:
    """All stretches of these cases and their steps, by subject, in order."""
    found: dict[str, list[RowMapping]] = {}
    statement = sa.select(held).where(held.c.case_id.in_(cases_)).order_by(held.c.position)
    for row in tx.execute(statement).mappings():
        found.setdefault(row["subject"], []).append(row)
    return found


def task_statuses(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """The status of each of these tasks."""
    rows = tx.execute(sa.select(tasks.c.id, tasks.c.status).where(tasks.c.id.in_(ids)))
    return {row.id: row.status for row in rows} if ids else {}


def offers(tx: Connection, ids: Collection[str]) -> dict[str, RowMapping]:
    """Those of these handoffs that nobody has accepted yet."""
    statement = sa.select(handoffs.c.id, handoffs.c.from_party, handoffs.c.to_party).where(
        handoffs.c.id.in_(ids), handoffs.c.status.in_(("offered", "expired"))
    )
    return {row["id"]: row for row in tx.execute(statement).mappings()} if ids else {}


def close(tx: Connection, ended: Sequence[tuple[Row, datetime]]) -> None:
    """End stretches, each at a moment that is not before it began."""
    if ended:
        tx.execute(
            sa.update(held)
            .where(held.c.position == sa.bindparam("_position"))
            .values(until=sa.bindparam("_until"), micros=sa.bindparam("_micros")),
            [
                {
                    "_position": row["position"],
                    "_until": until,
                    "_micros": micros(until - row["since"]),
                }
                for row, until in ended
            ],
        )


def begin(tx: Connection, rows: Sequence[Row]) -> None:
    """Store stretches; closed ones have `until`."""
    if rows:
        tx.execute(
            sa.insert(held),
            [
                {
                    **row,
                    "until": row.get("until"),
                    "micros": micros(row["until"] - row["since"]) if row.get("until") else None,
                }
                for row in rows
            ],
        )


# ---------------------------------------------------------------------------------------- durations


def note_duration(tx: Connection, rows: Sequence[Row]) -> None:
    """Keep how long runs took, once each."""
    dialect.insert_or_ignore(tx, durations, list(rows))


def recent(
    tx: Connection, process: str, key: str, clock: str | None = None
) -> tuple[str, list[tuple[float, str]]]:
    """How many seconds the newest completed runs of a step took, each with its case, and by which
    kind of clock: the given one, or that of the newest run.
    """
    statement = (
        sa.select(durations.c.seconds, durations.c.case_id, durations.c.clock)
        .where(durations.c.process == process, durations.c.key == key)
        .order_by(durations.c.ended_at.desc())
        .limit(RECENT)
    )
    rows = tx.execute(statement).all()
    kind = clock or (rows[0].clock if rows else "elapsed")
    return kind, [(row.seconds, row.case_id) for row in rows if row.clock == kind]


# ------------------------------------------------------------------------------------------- clocks


def set_clock(tx: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the clocks of `steps` or `cases` that are locked."""
    target = {"steps": steps, "cases": cases}[table]
    names = ["paused_at", "paused_for", "paused_why", "due", "due_by"]
    names += ["waiting_on", "at_risk"] if table == "steps" else ["health", "version", "updated_at"]
    if rows:
        tx.execute(
            sa.update(target)
            .where(target.c.id == sa.bindparam("_id"))
            .values({name: sa.bindparam(f"_{name}") for name in names}),
            [{"_id": row["id"], **{f"_{name}": row[name] for name in names}} for row in rows],
        )


def timers_of(tx: Connection, subject: str, kinds: Collection[str], status: str) -> list[Row]:
    """Timers of these kinds and this status."""
    statement = sa.select(timers).where(
        timers.c.subject == subject, timers.c.kind.in_(kinds), timers.c.status == status
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def stop_the_clock(tx: Connection, subject: str, kinds: Collection[str]) -> None:
    """No timer of these kinds fires until it goes on."""
    tx.execute(
        sa.update(timers)
        .where(timers.c.subject == subject, timers.c.kind.in_(kinds), timers.c.status == "set")
        .values(status="paused")
    )


def set_again(tx: Connection, moved: Sequence[tuple[str, datetime]]) -> None:
    """Let paused timers go on, each with the moment that it is due at now."""
    if moved:
        tx.execute(
            sa.update(timers)
            .where(timers.c.id == sa.bindparam("_id"))
            .values(status="set", due_at=sa.bindparam("_due_at")),
            [{"_id": id, "_due_at": due_at} for id, due_at in moved],
        )


# ----------------------------------------------------------------------------------------- forecast


def promised(
    tx: Connection, now: datetime, after: tuple[datetime, str] | None, limit: int
) -> list[Row]:
    """Active steps of active cases whose due is ahead and whose clock runs, that nobody was warned
    of: those that are due first; `after` is the (due_by, id) of the last one seen.
    """
    statement = (
        sa.select(
            steps.c.id, steps.c.case_id, steps.c.key, steps.c.run, steps.c.title,
            steps.c.responsible, steps.c.started_at, steps.c.due_by, steps.c.paused_for,
            cases.c.process, cases.c.process_version,
        )
        .join(cases, cases.c.id == steps.c.case_id)
        .where(
            steps.c.status == "active",
            steps.c.due_by > now,
            steps.c.at_risk == sa.false(),
            steps.c.paused_at.is_(None),
            cases.c.status == "active",
        )
        .order_by(steps.c.due_by, steps.c.id)
        .limit(limit)
    )  # fmt: skip
    if after is not None:
        due_by, id = after
        statement = statement.where(
            sa.or_(steps.c.due_by > due_by, sa.and_(steps.c.due_by == due_by, steps.c.id > id))
        )
    return [dict(row) for row in tx.execute(statement).mappings()]


def warnings(tx: Connection, targets: Collection[str], kind: str) -> list[Row]:
    """Open proposals of a kind about these."""
    statement = sa.select(proposals).where(
        proposals.c.target.in_(targets),
        proposals.c.kind == kind,
        proposals.c.status == "proposed",
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def expire(tx: Connection, ids: Collection[str]) -> None:
    """Proposals that are moot: nobody answers them any more."""
    tx.execute(
        sa.update(proposals)
        .where(proposals.c.id.in_(ids), proposals.c.status == "proposed")
        .values(status="expired")
    )
