"""What the screens ask across aggregates: who needs attention first, how many of what, and what
happened around a case.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.store.cases import RUNNING
from hub.store.exceptions import OPEN
from hub.store.tables import (
    cases,
    deliveries,
    events,
    exceptions,
    handoffs,
    links,
    pushes,
    records,
    steps,
)

Row = dict[str, Any]
_URGENCY = sa.case(
    (cases.c.status.not_in(RUNNING), 9),
    (cases.c.health == "blocked", 0),
    (cases.c.health == "overdue", 1),
    (cases.c.health == "at_risk", 2),
    else_=3,
)


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What the list of cases is narrowed by. `status` None: running ones; `waiting_on`: some
    active step waits there.
    """

    status: str | None = None
    health: str | None = None
    process: str | None = None
    waiting_on: str | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Running cases by what they suffer from, and open exceptions."""

    active: int
    overdue: int
    blocked: int
    external: int
    exceptions: int


def _waiting(on: str) -> sa.ColumnElement[bool]:
    return (
        sa.select(steps.c.id)
        .where(steps.c.case_id == cases.c.id, steps.c.status == "active", steps.c.waiting_on == on)
        .exists()
    )


def list_cases(tx: Connection, narrow: CaseFilter, *, limit: int, offset: int = 0) -> list[Row]:
    """Cases, those that need somebody first; finished ones last, the newest first."""
    statement = sa.select(cases).order_by(
        _URGENCY,
        sa.case((cases.c.status.not_in(RUNNING), 0), else_=1),
        sa.case((cases.c.due_by.is_(None), 1), else_=0),
        sa.case((cases.c.status.in_(RUNNING), cases.c.due_by), else_=None),
        cases.c.started_at.desc(),
        cases.c.id,
    )
    if narrow.status is None:
        statement = statement.where(cases.c.status.in_(RUNNING))
    elif narrow.status != "all":
        statement = statement.where(cases.c.status == narrow.status)
    for column, value in ((cases.c.health, narrow.health), (cases.c.process, narrow.process)):
        if value:
            statement = statement.where(column == value)
    if narrow.waiting_on:
        statement = statement.where(_waiting(narrow.waiting_on))
    if narrow.q:
        statement = statement.where(
            sa.or_(
                cases.c.title.icontains(narrow.q, autoescape=True),
                cases.c.key.icontains(narrow.q, autoescape=True),
            )
        )
    return [dict(row) for row in tx.execute(statement.limit(limit).offset(offset)).mappings()]


def counts(tx: Connection) -> Counts:
    """The figures on top of the dashboard."""

    def number(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        running = sa.select(sa.func.count()).select_from(cases)
        return running.where(cases.c.status.in_(RUNNING), *conditions).scalar_subquery()

    trouble = (
        sa.select(sa.func.count()).select_from(exceptions).where(exceptions.c.status.in_(OPEN))
    ).scalar_subquery()
    row = tx.execute(
        sa.select(
            number(),
            number(cases.c.health == "overdue"),
            number(cases.c.health == "blocked"),
            number(_waiting("external")),
            trouble,
        )
    ).one()
    return Counts(*row)


def any_case(tx: Connection) -> bool:
    """Whether there has ever been one."""
    return tx.scalar(sa.select(cases.c.id).limit(1)) is not None


def processes(tx: Connection) -> list[str]:
    """Processes that have cases."""
    return list(tx.scalars(sa.select(cases.c.process).distinct().order_by(cases.c.process)))


def timeline(
    tx: Connection, case: str, about: Collection[str], *, limit: int
) -> Sequence[RowMapping]:
    """Events of a case and of the entities it is about, the newest first."""
    return (
        tx.execute(
            sa.select(events)
            .where(sa.or_(events.c.case_id == case, events.c.subject.in_(list(about))))
            .order_by(events.c.position.desc())
            .limit(limit)
        )
        .mappings()
        .all()
    )


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits for a connection: coming in, going out, and what was given up."""

    incoming: int = 0
    outgoing: int = 0
    failed: int = 0


def depths(tx: Connection) -> dict[str, Depth]:
    """How much waits, by connection."""
    found: dict[str, list[int]] = {}
    for place, table, status in (
        (0, deliveries, ("accepted",)),
        (0, records, ("pending",)),
        (1, pushes, ("pending",)),
        (2, pushes, ("failed", "unknown")),
    ):
        statement = (
            sa.select(table.c.connection, sa.func.count())
            .where(table.c.status.in_(status))
            .group_by(table.c.connection)
        )
        for connection, number in tx.execute(statement):
            found.setdefault(connection, [0, 0, 0])[place] += number
    return {connection: Depth(*numbers) for connection, numbers in found.items()}


def linked(tx: Connection) -> list[str]:
    """Connections that hold tasks."""
    return list(
        tx.scalars(
            sa.select(links.c.connection)
            .where(links.c.entity_type == "task")
            .distinct()
            .order_by(links.c.connection)
        )
    )


def step_cases(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """The case of each step."""
    if not ids:
        return {}
    rows = tx.execute(sa.select(steps.c.id, steps.c.case_id).where(steps.c.id.in_(ids)))
    return {row.id: row.case_id for row in rows}


def offers(tx: Connection, party: str, limit: int = 50) -> Sequence[RowMapping]:
    """Handoffs that a party has not answered yet, the oldest first."""
    statement = (
        sa.select(handoffs)
        .where(handoffs.c.to_party == party, handoffs.c.status == "offered")
        .order_by(handoffs.c.offered_at)
        .limit(limit)
    )
    return tx.execute(statement).mappings().all()


def exception_titles(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """Titles of exceptions."""
    if not ids:
        return {}
    rows = tx.execute(
        sa.select(exceptions.c.id, exceptions.c.title).where(exceptions.c.id.in_(ids))
    )
    return {row.id: row.title for row in rows}
