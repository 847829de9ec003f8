"""Nudges: what people were told, what they will be told later, and what they snoozed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ids import new_id
from hub.store import dialect
from hub.store.nudge_tables import nudges, snoozes

KEEP = timedelta(days=90)
Row = dict[str, Any]


def insert(tx: Connection, row: Row) -> str:
    """Note a nudge that waits or was sent; its id."""
    id = new_id("ndg")
    tx.execute(sa.insert(nudges).values(id=id, **row))
    return id


def sent_on(tx: Connection, party: str, day: str, since: datetime) -> list[datetime]:
    """When a party was written to on a day of theirs, or since a moment, oldest first; each digest
    once.
    """
    moments = tx.scalars(
        sa.select(sa.func.min(nudges.c.sent_at, type_=nudges.c.sent_at.type))
        .where(
            nudges.c.party == party,
            nudges.c.status == "sent",
            sa.or_(nudges.c.day == day, nudges.c.sent_at > since),
            nudges.c.sent_at > since - timedelta(days=2),
        )
        .group_by(nudges.c.sent_as)
    )
    return sorted(moments)


def gathering(tx: Connection, party: str) -> datetime | None:
    """When the next of what waits for a party goes; what was snoozed waits for itself."""
    moment: datetime | None = tx.scalar(
        sa.select(sa.func.min(nudges.c.due_at, type_=nudges.c.due_at.type)).where(
            nudges.c.party == party, nudges.c.status == "waiting", nudges.c.why != "snoozed"
        )
    )
    return moment


def due(tx: Connection, now: datetime, limit: int = 500) -> list[Row]:
    """What waits and may go now, locked; by party, in the order in which it came."""
    statement = (
        sa.select(nudges)
        .where(nudges.c.status == "waiting", nudges.c.due_at <= now)
        .order_by(nudges.c.due_at)
        .limit(limit)
    )
    rows = [dict(row) for row in tx.execute(dialect.skip_locked(statement, tx)).mappings()]
    return sorted(rows, key=lambda row: (row["party"], row["created_at"], row["id"]))


def end(tx: Connection, ids: Collection[str], status: str, **values: Any) -> None:
    """Mark nudges as `sent` or `dropped`; what they would have said is not kept."""
    if ids:
        tx.execute(
            sa.update(nudges)
            .where(nudges.c.id.in_(ids))
            .values(status=status, message=None, **values)
        )


def delay(tx: Connection, ids: Collection[str], until: datetime, why: str) -> None:
    if ids:
        tx.execute(sa.update(nudges).where(nudges.c.id.in_(ids)).values(due_at=until, why=why))


def list_nudges(
    tx: Connection,
    *,
    party: str | None = None,
    subject: str | None = None,
    status: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Row]:
    """Nudges, the newest first."""
    statement = sa.select(nudges).order_by(nudges.c.created_at.desc(), nudges.c.id.desc())
    for column, value in (
        (nudges.c.party, party),
        (nudges.c.subject, subject),
        (nudges.c.status, status),
    ):
        if value:
            statement = statement.where(column == value)
    if before:
        statement = statement.where(
            sa.tuple_(nudges.c.created_at, nudges.c.id)
            < sa.tuple_(sa.literal(before[0], nudges.c.created_at.type), sa.literal(before[1]))
        )
    return [dict(row) for row in tx.execute(statement.limit(limit)).mappings()]


def forget(tx: Connection, older_than: datetime, limit: int) -> int:
    """Drop what was sent or dropped long ago; how many."""
    old = (
        sa.select(nudges.c.id)
        .where(nudges.c.status != "waiting", nudges.c.created_at < older_than)
        .limit(limit)
    )
    gone = tx.execute(sa.delete(nudges).where(nudges.c.id.in_(old))).rowcount
    tx.execute(sa.delete(snoozes).where(snoozes.c.until < older_than))
    return gone


# ---------------------------------------------------------------------------------------- snoozes


def snooze(tx: Connection, party: str, subject: str, until: datetime, now: datetime) -> None:
    """Remind a party of this no sooner; a later word replaces an earlier one."""
    row = {"party": party, "subject": subject, "until": until, "created_at": now}
    dialect.upsert(tx, snoozes, row, ("party", "subject"), ("until", "created_at"))


def snoozed(
    tx: Connection, party: str, subjects: Sequence[str], now: datetime
) -> dict[str, datetime]:
    """Until when, by subject, of what is snoozed still."""
    rows = tx.execute(
        sa.select(snoozes.c.subject, snoozes.c.until).where(
            snoozes.c.party == party, snoozes.c.subject.in_(subjects), snoozes.c.until > now
        )
    )
    return {subject: until for subject, until in rows}
