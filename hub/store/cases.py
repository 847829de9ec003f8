"""Cases with their steps, handoffs and decisions, and the definitions that running cases keep."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.store import dialect, seats
from hub.store.tables import (
    case_items,
    cases,
    decisions,
    definitions,
    exceptions,
    handoffs,
    steps,
)
from hub.store.types import to_json

RUNNING = ("active", "suspended")
Row = dict[str, Any]


def load(tx: Connection, ids: Collection[str], *, lock: bool = False) -> dict[str, Row]:
    """Cases by id; `lock` holds them, in id order, until the transaction ends."""
    if not ids:
        return {}
    statement = sa.select(cases).where(cases.c.id.in_(ids)).order_by(cases.c.id)
    if lock:
        statement = dialect.for_update(statement, tx)
    return {row["id"]: dict(row) for row in tx.execute(statement).mappings()}


def lock(tx: Connection, id: str) -> Row | None:
    """One case, held until the transaction ends. Of one that is a part of another, that is held
    too, and first: who ends a case ends its parts, and a part that ends moves its case.
    """
    whole = sa.select(cases.c.parent_case).where(cases.c.id == id).scalar_subquery()
    statement = (
        sa.select(cases).where(sa.or_(cases.c.id == id, cases.c.id == whole)).order_by(cases.c.id)
    )
    found = tx.execute(dialect.for_update(statement, tx)).mappings().all()
    return next((dict(row) for row in found if row["id"] == id), None)


def running(tx: Connection, process: str, key: str) -> str | None:
    """The id of the running case of a process with this key. Whoever asks may then start one: two
    who ask at once take turns.
    """
    dialect.critical_section(tx, f"case:{process}/{key}")
    return tx.scalar(
        sa.select(cases.c.id).where(
            cases.c.process == process, cases.c.key == key, cases.c.status.in_(RUNNING)
        )
    )


def outdated(
    tx: Connection, process: str, version: str, ids: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Ids and titles of the running cases of a process that have another version of it, the oldest
    first; of these, if any are named.
    """
    statement = sa.select(cases.c.id, cases.c.title).where(
        cases.c.process == process,
        cases.c.process_version != version,
        cases.c.status.in_(RUNNING),
    )
    if ids:
        statement = statement.where(cases.c.id.in_(ids))
    return [(id, title) for id, title in tx.execute(statement.order_by(cases.c.id))]


def insert(tx: Connection, row: Row) -> None:
    tx.execute(sa.insert(cases).values(**row))


def save(tx: Connection, row: Row) -> None:
    """Write a case that was loaded with a lock."""
    values = {name: value for name, value in row.items() if name != "id"}
    tx.execute(sa.update(cases).where(cases.c.id == row["id"]).values(**values))


def list_cases(
    tx: Connection,
    *,
    status: str | None = None,
    process: str | None = None,
    health: str | None = None,
    q: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Row]:
    """Cases, last started first."""
    statement = sa.select(cases).order_by(cases.c.started_at.desc(), cases.c.id.desc())
    for column, value in (
        (cases.c.status, status),
        (cases.c.process, process),
        (cases.c.health, health),
    ):
        if value:
            statement = statement.where(column == value)
    if q:
        statement = statement.where(cases.c.title.icontains(q, autoescape=True))
    if before:
        statement = statement.where(
            sa.tuple_(cases.c.started_at, cases.c.id)
            < sa.tuple_(sa.literal(before[0], cases.c.started_at.type), sa.literal(before[1]))
        )
    return [dict(row) for row in tx.execute(statement.limit(limit)).mappings()]


def add_item(tx: Connection, case: str, item: str) -> None:
    """Point a case to an item; harmless when it does already."""
    dialect.insert_or_ignore(tx, case_items, [{"case_id": case, "item_id": item}])


def items_of(tx: Connection, ids: Collection[str]) -> dict[str, list[str]]:
    """Item ids per case."""
    found: dict[str, list[str]] = {}
    for row in tx.execute(sa.select(case_items).where(case_items.c.case_id.in_(ids))):
        found.setdefault(row.case_id, []).append(row.item_id)
    return found


# ------------------------------------------------------------------------------------- definitions


def keep_definition(
    tx: Connection, process: str, file: str, text: str, now: datetime, *, listens: bool = False
) -> str:
    """Store a definition's text once; its version is the hash of it, and running cases keep
    theirs. `listens`: a step of it waits for events.
    """
    version = hashlib.sha256(f"{process}\n{text}".encode()).hexdigest()[:16]
    dialect.insert_or_ignore(
        tx,
        definitions,
        [
            {
                "version": version,
                "process": process,
                "file": file,
                "text": text,
                "created_at": now,
                "listens": listens,
            }
        ],
    )
    return version


def definition(tx: Connection, version: str) -> tuple[str, str] | None:
    """File name and text of a definition."""
    row = tx.execute(
        sa.select(definitions.c.file, definitions.c.text).where(definitions.c.version == version)
    ).first()
    return (row[0], row[1]) if row else None


# ------------------------------------------------------------------------------------------- steps


def steps_of(tx: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """Steps per case, in the order they were made."""
    found: dict[str, list[Row]] = {id: [] for id in ids}
    for row in tx.execute(
        sa.select(steps).where(steps.c.case_id.in_(ids)).order_by(steps.c.id)
    ).mappings():
        found[row["case_id"]].append(dict(row))
    return found


def step(tx: Connection, id: str) -> Row | None:
    """One step."""
    row = tx.execute(sa.select(steps).where(steps.c.id == id)).mappings().first()
    return dict(row) if row else None


def run_as(tx: Connection, subcase: str) -> list[Row]:
    """The active steps that a case is run as."""
    statement = (
        sa.select(steps)
        .where(steps.c.subcase == subcase, steps.c.status == "active")
        .order_by(steps.c.case_id, steps.c.id)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def some_steps(tx: Connection, ids: Collection[str]) -> dict[str, Row]:
    """Steps by id."""
    if not ids:
        return {}
    found = tx.execute(sa.select(steps).where(steps.c.id.in_(ids))).mappings()
    return {row["id"]: dict(row) for row in found}


def insert_steps(tx: Connection, rows: Sequence[Row]) -> None:
    if rows:
        tx.execute(sa.insert(steps), rows)


def save_step(tx: Connection, row: Row) -> None:
    """Write a step of a case that is locked."""
    values = {name: value for name, value in row.items() if name not in ("id", "case_id")}
    tx.execute(sa.update(steps).where(steps.c.id == row["id"]).values(**values))


def overdue_steps(tx: Connection, now: datetime, limit: int = 200) -> list[Row]:
    """Active steps of running cases whose time is up and of which nobody was told since, the
    latest first.
    """
    told = sa.exists().where(
        exceptions.c.subject == steps.c.id,
        exceptions.c.type == "overdue",
        exceptions.c.opened_at >= steps.c.due_by,
    )
    statement = (
        sa.select(steps)
        .join(cases, cases.c.id == steps.c.case_id)
        .where(
            steps.c.status == "active",
            steps.c.due_by < now,
            sa.or_(steps.c.paused_at.is_(None), steps.c.due_by < steps.c.paused_at),
            cases.c.status == "active",
            sa.not_(told),
        )
        .order_by(steps.c.due_by)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


# ---------------------------------------------------------------------------------------- handoffs


def insert_handoff(tx: Connection, row: Row) -> None:
    tx.execute(sa.insert(handoffs).values(**row))


def handoff(tx: Connection, id: str) -> Row | None:
    row = tx.execute(sa.select(handoffs).where(handoffs.c.id == id)).mappings().first()
    return dict(row) if row else None


def handoffs_of(tx: Connection, case: str) -> Sequence[RowMapping]:
    """A case's handoffs, oldest first."""
    return (
        tx.execute(
            sa.select(handoffs).where(handoffs.c.case_id == case).order_by(handoffs.c.offered_at)
        )
        .mappings()
        .all()
    )


def list_handoffs(
    tx: Connection,
    *,
    status: str | None = None,
    to: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Row]:
    """Handoffs, newest first; `before` is the (offered_at, id) of the last one seen."""
    statement = (
        sa.select(handoffs)
        .order_by(handoffs.c.offered_at.desc(), handoffs.c.id.desc())
        .limit(limit)
    )
    for column, value in ((handoffs.c.status, status), (handoffs.c.to_party, to)):
        if value:
            statement = statement.where(column == value)
    if before:
        statement = statement.where(
            sa.tuple_(handoffs.c.offered_at, handoffs.c.id)
            < sa.tuple_(sa.literal(before[0], handoffs.c.offered_at.type), sa.literal(before[1]))
        )
    return [dict(row) for row in tx.execute(statement).mappings()]


# --------------------------------------------------------------------------------------- decisions


def evidence_hash(evidence: Mapping[str, Any]) -> str:
    """What a decider is shown, as one value: a decision names it, and is refused if it changed."""
    return hashlib.sha256(to_json(evidence).encode()).hexdigest()


def insert_decision(tx: Connection, row: Row) -> None:
    tx.execute(sa.insert(decisions).values(**row))


def decision(tx: Connection, id: str, *, lock: bool = False) -> Row | None:
    statement = sa.select(decisions).where(decisions.c.id == id)
    if lock:
        statement = dialect.for_update(statement, tx)
    row = tx.execute(statement).mappings().first()
    return dict(row) if row else None


def save_decision(tx: Connection, row: Row) -> None:
    """Write a decision that was loaded with a lock."""
    values = {name: value for name, value in row.items() if name != "id"}
    tx.execute(sa.update(decisions).where(decisions.c.id == row["id"]).values(**values))


def list_decisions(
    tx: Connection,
    *,
    case: str | None = None,
    open_only: bool = False,
    decider: str | None = None,
    concerning: sa.ColumnElement[bool] | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> list[Row]:
    """Decisions, newest first; `before` is the (created_at, id) of the last one seen, `concerning`
    a condition such as `seats.held_by`. An expired one is open: it can still be taken.
    """
    statement = (
        sa.select(decisions)
        .order_by(decisions.c.created_at.desc(), decisions.c.id.desc())
        .limit(limit)
    )
    if before:
        statement = statement.where(
            sa.tuple_(decisions.c.created_at, decisions.c.id)
            < sa.tuple_(sa.literal(before[0], decisions.c.created_at.type), sa.literal(before[1]))
        )
    if case:
        statement = statement.where(decisions.c.case_id == case)
    if decider:
        statement = statement.where(seats.held_by([decider]))
    if concerning is not None:
        statement = statement.where(concerning)
    if open_only:
        statement = statement.where(seats.OPEN)
    return [dict(row) for row in tx.execute(statement).mappings()]
