"""How people stand: who is away until when, who acts for them, and what somebody who is not there
any more still has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ids import new_id
from hub.store import dialect
from hub.store.exceptions import OPEN
from hub.store.tables import (
    absences,
    cases,
    decisions,
    exceptions,
    handoffs,
    parties,
    seats,
    standings,
    steps,
    tasks,
)
from hub.store.work import FINISHED

Row = dict[str, Any]
RUNNING = ("active", "suspended")
UNFINISHED = ("available", "active", "failed")
_CHUNK = 500


# ---------------------------------------------------------------------------------------- absences


def add_absence(
    tx: Connection,
    party: str,
    from_day: str,
    until_day: str,
    note: str | None,
    told_by: Mapping[str, Any],
    now: datetime,
) -> Row:
    """Note that a person is away from one day to another, both included (YYYY-MM-DD)."""
    row: Row = {
        "id": new_id("abs"),
        "party": party,
        "from_day": from_day,
        "until_day": until_day,
        "note": note,
        "told_by": dict(told_by),
        "told_at": now,
        "ended_at": None,
        "changed_at": now,
    }
    tx.execute(sa.insert(absences).values(**row))
    return row


def end_absence(tx: Connection, id: str, now: datetime) -> bool:
    """Take an absence back. False: it was already, or there is none."""
    return bool(
        tx.execute(
            sa.update(absences)
            .where(absences.c.id == id, absences.c.ended_at.is_(None))
            .values(ended_at=now, changed_at=now)
        ).rowcount
    )


def absence(tx: Connection, id: str) -> Row | None:
    """One absence, taken back or not."""
    row = tx.execute(sa.select(absences).where(absences.c.id == id)).mappings().first()
    return dict(row) if row else None


def absences_from(tx: Connection, day: str, party: str | None = None) -> list[Row]:
    """Absences that are not over on a day, the first first."""
    statement = (
        sa.select(absences)
        .where(absences.c.ended_at.is_(None), absences.c.until_day >= day)
        .order_by(absences.c.from_day, absences.c.id)
    )
    if party:
        statement = statement.where(absences.c.party == party)
    return [dict(row) for row in tx.execute(statement).mappings()]


def told_absences(tx: Connection) -> dict[str, tuple[tuple[str, str], ...]]:
    """First and last days of the absences that people told, by party."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    statement = sa.select(absences.c.party, absences.c.from_day, absences.c.until_day).where(
        absences.c.ended_at.is_(None)
    )
    for party, first, last in tx.execute(statement):
        found[party] = (*found.get(party, ()), (first, last))
    return found


# --------------------------------------------------------------------------------------- standings


def stored(tx: Connection, ids: Collection[str] | None = None) -> dict[str, Row]:
    """The standing of people as it was last seen to, by party; of all where no ids are given."""
    statement = sa.select(standings)
    if ids is not None:
        if not ids:
            return {}
        statement = statement.where(standings.c.party.in_(ids))
    return {row["party"]: dict(row) for row in tx.execute(statement).mappings()}


def not_there(tx: Connection, ids: Collection[str]) -> dict[str, Row]:
    """Those of these parties who are away or gone."""
    if not ids:
        return {}
    rows = tx.execute(
        sa.select(standings).where(standings.c.party.in_(ids), standings.c.standing != "present")
    )
    return {row["party"]: dict(row) for row in rows.mappings()}


def keep(tx: Connection, rows: Sequence[Row]) -> None:
    """Note how people stand now, and that it has been seen to."""
    for row in rows:
        dialect.upsert(
            tx, standings, row, ["party"],
            ["standing", "acting", "until_day", "roles", "changed_at"],
        )  # fmt: skip


# ------------------------------------------------------------------------------ what somebody has


def cases_run(tx: Connection) -> bool:
    """Whether any case runs."""
    found = tx.execute(sa.select(cases.c.id).where(cases.c.status.in_(RUNNING)).limit(1)).first()
    return found is not None


def cases_of(tx: Connection, ids: Collection[str]) -> list[Row]:
    """Running cases that these parties answer for, locked in id order."""
    statement = (
        sa.select(cases)
        .where(cases.c.accountable.in_(ids), cases.c.status.in_(RUNNING))
        .order_by(cases.c.id)
    )
    return [dict(row) for row in tx.execute(dialect.for_update(statement, tx)).mappings()]


def steps_of(tx: Connection, ids: Collection[str]) -> list[Row]:
    """Unfinished steps of running cases that these parties answer for or, where active, do; with
    the case's `process_version` and its accountable as `case_accountable`.
    """
    statement = (
        sa.select(
            steps,
            cases.c.process_version,
            cases.c.accountable.label("case_accountable"),
            cases.c.title.label("case_title"),
        )
        .join(cases, cases.c.id == steps.c.case_id)
        .where(
            cases.c.status.in_(RUNNING),
            sa.or_(
                sa.and_(steps.c.accountable.in_(ids), steps.c.status.in_(UNFINISHED)),
                sa.and_(steps.c.responsible.in_(ids), steps.c.status.in_(("active",))),
            ),
        )
        .order_by(steps.c.case_id, steps.c.id)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def loose_tasks_of(tx: Connection, ids: Collection[str]) -> list[str]:
    """Open tasks that belong to no step and that these parties answer for."""
    return list(
        tx.scalars(
            sa.select(tasks.c.id)
            .where(
                tasks.c.accountable.in_(ids),
                tasks.c.step_id.is_(None),
                tasks.c.status.not_in(FINISHED),
            )
            .order_by(tasks.c.id)
        )
    )


def seat_anew(tx: Connection, ids: Collection[str]) -> None:
    """Have the open decisions that these parties are asked seated by who is there now."""
    asked = sa.select(seats.c.decision_id).where(seats.c.party.in_(ids), seats.c.given_by.is_(None))
    tx.execute(
        sa.update(decisions)
        .where(
            sa.or_(decisions.c.decider.in_(ids), decisions.c.id.in_(asked)),
            sa.or_(decisions.c.outcome.is_(None), decisions.c.outcome == "expired"),
        )
        .values(seated_under=0)
    )


def handoffs_to(tx: Connection, ids: Collection[str]) -> list[Row]:
    """Unanswered handoffs that were offered to these parties."""
    statement = (
        sa.select(handoffs)
        .where(
            handoffs.c.to_party.in_(ids),
            handoffs.c.status.in_(("offered", "expired")),
            handoffs.c.closed.is_(None),
        )
        .order_by(handoffs.c.id)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def exceptions_of(tx: Connection, ids: Collection[str]) -> list[Row]:
    """Open exceptions that these parties own."""
    statement = (
        sa.select(exceptions)
        .where(exceptions.c.owner.in_(ids), exceptions.c.status.in_(OPEN))
        .order_by(exceptions.c.id)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def set_case_accountable(tx: Connection, to: Mapping[str, str], now: datetime) -> None:
    """Whoever answers for these cases from now on, by case."""
    for some in _groups(to):
        party, ids = some
        tx.execute(
            sa.update(cases)
            .where(cases.c.id.in_(ids))
            .values(accountable=party, version=cases.c.version + 1, updated_at=now)
        )


def set_step(tx: Connection, column: str, to: Mapping[str, str]) -> None:
    """The `accountable` or `responsible` of these steps from now on, by step."""
    for party, ids in _groups(to):
        tx.execute(sa.update(steps).where(steps.c.id.in_(ids)).values({column: party}))


def set_owner(tx: Connection, to: Mapping[str, str]) -> None:
    """Who looks at these exceptions from now on, by exception."""
    for party, ids in _groups(to):
        tx.execute(sa.update(exceptions).where(exceptions.c.id.in_(ids)).values(owner=party))


def leave(tx: Connection, ids: Collection[str]) -> None:
    """These people work here no more."""
    if ids:
        tx.execute(sa.update(parties).where(parties.c.id.in_(ids)).values(active=False))


def _groups(to: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Ids by whom they go to, in statements of a size that every database takes."""
    found: dict[str, list[str]] = {}
    for id, party in to.items():
        found.setdefault(party, []).append(id)
    return [
        (party, ids[at : at + _CHUNK])
        for party, ids in found.items()
        for at in range(0, len(ids), _CHUNK)
    ]
