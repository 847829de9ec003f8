"""What intake answered without a row in the inbox: the last of each connection and outcome, and how
many there were of each kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect
from hub.store.tables import deliveries, notice_counts, notices
from webhooks.noticed import Notice

KEPT = 100
"""Notices of one connection and outcome."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many answers of one kind there were, and when the first and the last of them."""

    connection: str
    outcome: str
    code: str
    count: int
    first_at: datetime
    last_at: datetime


def keep(tx: Connection, batch: Sequence[Notice], counts: Sequence[Count]) -> None:
    """Add notices and counts, and drop what is more than KEPT."""
    if batch:
        tx.execute(sa.insert(notices), [asdict(one) for one in batch])
    for connection, outcome in sorted({(one.connection, one.outcome) for one in batch}):
        same = (notices.c.connection == connection, notices.c.outcome == outcome)
        oldest = tx.scalar(
            sa.select(notices.c.position)
            .where(*same)
            .order_by(notices.c.position.desc())
            .offset(KEPT - 1)
            .limit(1)
        )
        if oldest is not None:
            tx.execute(sa.delete(notices).where(*same, notices.c.position < oldest))
    for one in counts:
        dialect.insert_or_ignore(tx, notice_counts, [{**asdict(one), "count": 0}])
        tx.execute(
            sa.update(notice_counts)
            .where(
                notice_counts.c.connection == one.connection,
                notice_counts.c.outcome == one.outcome,
                notice_counts.c.code == one.code,
            )
            .values(count=notice_counts.c.count + one.count, last_at=one.last_at)
        )


def of(
    tx: Connection,
    connection: str,
    *,
    outcome: str | None = None,
    after: int | None = None,
    limit: int = 10,
) -> list[dict[str, Any]]:
    """The newest notices of a connection, newest first; with `after` those that follow this
    position, oldest first.
    """
    statement = sa.select(notices).where(notices.c.connection == connection).limit(limit)
    if outcome is not None:
        statement = statement.where(notices.c.outcome == outcome)
    if after is None:
        statement = statement.order_by(notices.c.position.desc())
    else:
        statement = statement.where(notices.c.position > after).order_by(notices.c.position)
    return [dict(row) for row in tx.execute(statement).mappings()]


def newest(tx: Connection) -> int:
    """The position of the newest notice, 0 before the first."""
    return tx.scalar(sa.select(sa.func.max(notices.c.position))) or 0


def counts(
    tx: Connection, connection: str | None = None, outcome: str | None = None
) -> list[Count]:
    """How many of what, the latest first. `connection` "" is what was sent to none."""
    statement = sa.select(notice_counts).order_by(notice_counts.c.last_at.desc())
    if connection is not None:
        statement = statement.where(notice_counts.c.connection == connection)
    if outcome is not None:
        statement = statement.where(notice_counts.c.outcome == outcome)
    return [Count(**row) for row in tx.execute(statement).mappings()]


def refusing(tx: Connection, since: datetime) -> dict[str, dict[str, Any]]:
    """Connections that refused everything since a moment: each with its last refusal. One that took
    a delivery, knew one already or answered a handshake meanwhile is not among them.
    """
    refused: dict[str, dict[str, Any]] = {}
    fine = set(
        tx.scalars(
            sa.select(notice_counts.c.connection).where(
                notice_counts.c.outcome != "refused", notice_counts.c.last_at >= since
            )
        )
    )
    for one in counts(tx, outcome="refused"):
        if one.last_at < since or not one.connection:
            continue
        if one.connection in fine or one.connection in refused:
            continue
        last = next(iter(of(tx, one.connection, outcome="refused", limit=1)), None)
        taken = (
            sa.select(deliveries.c.received_at)
            .where(deliveries.c.connection == one.connection, deliveries.c.replay_of.is_(None))
            .order_by(deliveries.c.position.desc())
            .limit(1)
        )
        newest = tx.scalar(taken)
        if last is not None and (newest is None or newest < since):
            refused[one.connection] = last
    return refused
