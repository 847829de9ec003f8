"""Figures about the hub's own work: how much waits, how old it is, and what flowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import inbox, outbox, records
from hub.store.queue import Queue
from hub.store.tables import cases, deliveries, events, exceptions

QUEUES: tuple[tuple[str, Queue], ...] = (
    ("deliveries", inbox.DELIVERIES),
    ("records", records.RECORDS),
    ("pushes", outbox.PUSHES),
)

Counted = Sequence[tuple[Any, ...]]
"""Rows of labels, each with its count last."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one queue for one connection. `oldest` is when its first row came."""

    queue: str
    connection: str
    count: int
    oldest: datetime | None
    next_attempt: datetime | None
    """The earliest moment at which any of it is tried."""


def waiting(tx: Connection) -> list[Waiting]:
    """Per queue and connection, what is not done with."""
    found = []
    for name, queue in QUEUES:
        columns = queue.table.c
        born = columns.created_at if name == "pushes" else columns.received_at
        for row in tx.execute(
            sa.select(
                columns.connection,
                sa.func.count(),
                sa.func.min(born, type_=born.type),
                sa.func.min(columns.next_attempt_at, type_=columns.next_attempt_at.type),
            )
            .where(columns.status == queue.ready)
            .group_by(columns.connection)
        ):
            found.append(Waiting(name, *row))
    return found


def quarantined(tx: Connection) -> dict[str, int]:
    """Rows set aside, by queue."""
    return {
        name: tx.scalar(sa.select(sa.func.count()).where(queue.table.c.status == queue.aside)) or 0
        for name, queue in QUEUES
    }


def _grouped(tx: Connection, *columns: sa.ColumnElement[Any]) -> Counted:
    return [
        tuple(row) for row in tx.execute(sa.select(*columns, sa.func.count()).group_by(*columns))
    ]


def deliveries_by_status(tx: Connection) -> Counted:
    """(connection, status, count)."""
    return _grouped(tx, deliveries.c.connection, deliveries.c.status)


def pushes_by_status(tx: Connection) -> Counted:
    """(connection, status, count)."""
    columns = outbox.PUSHES.table.c
    return _grouped(tx, columns.connection, columns.status)


def open_exceptions(tx: Connection) -> Counted:
    """(type, severity, count)."""
    return [
        tuple(row)
        for row in tx.execute(
            sa.select(exceptions.c.type, exceptions.c.severity, sa.func.count())
            .where(exceptions.c.status.in_(("open", "acknowledged")))
            .group_by(exceptions.c.type, exceptions.c.severity)
        )
    ]


def running_cases(tx: Connection) -> Counted:
    """(process, health, count) of cases that run."""
    return [
        tuple(row)
        for row in tx.execute(
            sa.select(cases.c.process, cases.c.health, sa.func.count())
            .where(cases.c.status.in_(("active", "suspended")))
            .group_by(cases.c.process, cases.c.health)
        )
    ]


def event_count(tx: Connection) -> int:
    """How many events were ever stored: they are append-only, so the last position tells."""
    return tx.scalar(sa.select(sa.func.max(events.c.position))) or 0
