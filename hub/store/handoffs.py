"""Handoffs as rows: what was offered to whom, by when it is to be accepted, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect
from hub.store.tables import comments, handoffs

Row = dict[str, Any]
OPEN = ("offered", "expired")
"""States in which a handoff can be accepted, unless it is closed."""


def load(tx: Connection, id: str, *, lock: bool = False) -> Row | None:
    """One handoff; `lock` holds it until the transaction ends."""
    statement = sa.select(handoffs).where(handoffs.c.id == id)
    if lock:
        statement = dialect.for_update(statement, tx)
    row = tx.execute(statement).mappings().first()
    return dict(row) if row else None


def answer(
    tx: Connection, id: str, status: str, by: str | None, note: str | None, now: datetime
) -> bool:
    """Accept or decline what is open. False: it is not open to that. Declining is for what is
    still offered; what expired can be accepted late.
    """
    values: Row = {"status": status, "answered_at": now, "answered_by": by, "chase_at": None}
    if note:
        values["note"] = note
    open_to = OPEN if status == "accepted" else ("offered",)
    return bool(
        tx.execute(
            sa.update(handoffs)
            .where(handoffs.c.id == id, handoffs.c.status.in_(open_to), handoffs.c.closed.is_(None))
            .values(**values)
        ).rowcount
    )


def expire(tx: Connection, id: str) -> bool:
    """Nobody answered in time: it can still be accepted. False: it is not offered any more."""
    return bool(
        tx.execute(
            sa.update(handoffs)
            .where(handoffs.c.id == id, handoffs.c.status == "offered")
            .values(status="expired", chase_at=None)
        ).rowcount
    )


def chase_next(tx: Connection, id: str, at: datetime | None) -> None:
    """When something is done next about its not being answered."""
    tx.execute(sa.update(handoffs).where(handoffs.c.id == id).values(chase_at=at))


def give_time(tx: Connection, id: str, due_by: datetime, chase_at: datetime) -> None:
    """By when it is to be accepted: for what was offered without a time."""
    tx.execute(
        sa.update(handoffs).where(handoffs.c.id == id).values(due_by=due_by, chase_at=chase_at)
    )


def open_of(
    tx: Connection, *, steps: Collection[str] = (), tasks: Collection[str] = (), case: str = ""
) -> list[Row]:
    """Handoffs of these steps or tasks, or of a case, that can be answered, the oldest first."""
    about: list[sa.ColumnElement[bool]] = []
    if steps:
        about.append(handoffs.c.step_id.in_(steps))
    if tasks:
        about.append(handoffs.c.task_id.in_(tasks))
    if case:
        about.append(handoffs.c.case_id == case)
    if not about:
        return []
    statement = (
        sa.select(handoffs)
        .where(sa.or_(*about), handoffs.c.status.in_(OPEN), handoffs.c.closed.is_(None))
        .order_by(handoffs.c.offered_at, handoffs.c.id)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def close(tx: Connection, ids: Collection[str], why: str, note: str | None = None) -> None:
    """These cannot be answered any more, and say why: `superseded` or `moot`. What was offered is
    expired by that.
    """
    if not ids:
        return
    values: Row = {"status": "expired", "closed": why, "chase_at": None}
    if note:
        values["note"] = note
    tx.execute(sa.update(handoffs).where(handoffs.c.id.in_(ids)).values(**values))


def to_chase(tx: Connection, now: datetime, limit: int = 200) -> list[Row]:
    """Unanswered handoffs about which something is to be done now, locked, the oldest first."""
    statement = (
        sa.select(handoffs)
        .where(handoffs.c.chase_at <= now)
        .order_by(handoffs.c.chase_at)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(dialect.for_update(statement, tx)).mappings()]


def comment_counts(tx: Connection, tasks: Collection[str]) -> dict[str, int]:
    """How many comments tasks have."""
    if not tasks:
        return {}
    counted = (
        sa.select(comments.c.task, sa.func.count())
        .where(comments.c.task.in_(tasks))
        .group_by(comments.c.task)
    )
    return {task: number for task, number in tx.execute(counted)}
