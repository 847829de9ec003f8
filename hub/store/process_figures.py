"""What the figures of processes are made of, each in one scan: times, who held what, what was done
again, handoffs, exceptions, proposals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store.tables import cases, decisions, exceptions, handoffs, held, proposals, steps, tasks

Row = dict[str, Any]
Selected = sa.Select[Any]


def _of(statement: Selected, process: str | None) -> Selected:
    return statement.where(cases.c.process == process) if process else statement


def _rows(tx: Connection, statement: sa.Executable) -> list[Row]:
    result = tx.execute(statement)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


def case_times(tx: Connection, process: str | None) -> list[Row]:
    """Each case's times."""
    statement = sa.select(
        cases.c.process, cases.c.status, cases.c.started_at, cases.c.completed_at, cases.c.due_by
    )
    return _rows(tx, _of(statement, process))


def step_times(tx: Connection, process: str | None) -> list[Row]:
    """Each step run that began: its times, and when its case ended."""
    statement = (
        sa.select(
            cases.c.process, steps.c.key, steps.c.title, steps.c.status, steps.c.round,
            steps.c.started_at, steps.c.completed_at, steps.c.due_by, steps.c.case_id,
            cases.c.completed_at.label("case_completed_at"),
        )
        .join(cases, cases.c.id == steps.c.case_id)
        .where(steps.c.started_at.is_not(None))
    )  # fmt: skip
    return _rows(tx, _of(statement, process))


def held_steps(tx: Connection, process: str | None) -> Iterator[Row]:
    """Per process, step, side and party: microseconds that are over (`micros`), and one row for
    each stretch that goes on (`since`).
    """
    about = (cases.c.process, steps.c.key, held.c.side, held.c.party)
    statement = (
        sa.select(*about, sa.func.sum(held.c.micros).label("micros"))
        .join(steps, steps.c.id == held.c.subject)
        .join(cases, cases.c.id == held.c.case_id)
        .where(held.c.until.is_not(None))
        .group_by(*about)
    )
    yield from _rows(tx, _of(statement, process))
    statement = (
        sa.select(*about, held.c.since)
        .join(steps, steps.c.id == held.c.subject)
        .join(cases, cases.c.id == held.c.case_id)
        .where(held.c.until.is_(None))
    )
    yield from _rows(tx, _of(statement, process))


def held_cases(tx: Connection, process: str | None) -> Iterator[Row]:
    """The same of cases as a whole, per side and party."""
    about = (held.c.side, held.c.party)
    statement = (
        sa.select(*about, sa.func.sum(held.c.micros).label("micros"))
        .join(cases, cases.c.id == held.c.subject)
        .where(held.c.until.is_not(None))
        .group_by(*about)
    )
    yield from _rows(tx, _of(statement, process))
    statement = (
        sa.select(*about, held.c.since)
        .join(cases, cases.c.id == held.c.subject)
        .where(held.c.until.is_(None))
    )
    yield from _rows(tx, _of(statement, process))


def accepted_handoffs(tx: Connection, process: str | None) -> list[Row]:
    """When handoffs were offered and accepted, with the step they were about."""
    statement = (
        sa.select(cases.c.process, steps.c.key, handoffs.c.offered_at, handoffs.c.answered_at)
        .join(cases, cases.c.id == handoffs.c.case_id)
        .join(steps, steps.c.id == handoffs.c.step_id, isouter=True)
        .where(handoffs.c.status == "accepted", handoffs.c.answered_at.is_not(None))
    )
    return _rows(tx, _of(statement, process))


def exceptions_by_type(tx: Connection, process: str | None) -> Sequence[tuple[str, int]]:
    """How many exceptions cases, their steps and their tasks ever had, by type."""
    found: dict[str, int] = {}
    ways = (
        sa.select(exceptions.c.type, sa.func.count().label("times")).join(
            cases, cases.c.id == exceptions.c.subject
        ),
        sa.select(exceptions.c.type, sa.func.count().label("times"))
        .join(steps, steps.c.id == exceptions.c.subject)
        .join(cases, cases.c.id == steps.c.case_id),
        sa.select(exceptions.c.type, sa.func.count().label("times"))
        .join(tasks, tasks.c.id == exceptions.c.subject)
        .join(cases, cases.c.id == tasks.c.case_id),
    )
    for statement in ways:
        for row in _rows(tx, _of(statement, process).group_by(exceptions.c.type)):
            found[row["type"]] = found.get(row["type"], 0) + row["times"]
    return sorted(found.items())


def proposals_by_status(tx: Connection, process: str | None) -> list[tuple[str, str, int]]:
    """(kind, status, count) of proposals; of one process, those about its cases, steps, tasks and
    decisions.
    """
    columns = (proposals.c.kind, proposals.c.status)
    statement = sa.select(*columns, sa.func.count()).group_by(*columns)
    if process:
        mine = sa.select(cases.c.id).where(cases.c.process == process)
        targets = sa.union_all(
            mine,
            *(
                sa.select(table.c.id).where(table.c.case_id.in_(mine))
                for table in (steps, tasks, decisions)
            ),
        )
        statement = statement.where(proposals.c.target.in_(targets))
    return [(row[0], row[1], row[2]) for row in tx.execute(statement.order_by(*columns))]
