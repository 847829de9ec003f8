"""Seats of decisions: who is asked, for whom, and the voice that each gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ids import new_id
from hub.store.tables import cases, decisions, seats, steps

Row = dict[str, Any]

OPEN = sa.or_(decisions.c.outcome.is_(None), decisions.c.outcome == "expired")
"""Decisions that can still be taken."""
VOICE = ("outcome", "given_by", "given_by_kind", "channel", "comment", "evidence_hash", "given_at")
"""The columns of a voice: all of them are empty until it is given."""


def new_seat(decision: str, position: int, party: str, role: str | None) -> Row:
    """A seat whose voice is still to be given."""
    return {
        "id": new_id("sea"),
        "decision_id": decision,
        "position": position,
        "party": party,
        "on_behalf_of": None,
        "role": role,
        "note": None,
        "named_by": None,
        "asked_at": None,
        "asked_on": None,
        **dict.fromkeys(VOICE),
    }


def insert(tx: Connection, rows: Sequence[Row]) -> None:
    if rows:
        tx.execute(sa.insert(seats), list(rows))


def of(tx: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """The seats of each of these decisions, in their order. Whoever changes them holds the case."""
    found: dict[str, list[Row]] = {id: [] for id in ids}
    if not ids:
        return found
    statement = (
        sa.select(seats)
        .where(seats.c.decision_id.in_(ids))
        .order_by(seats.c.decision_id, seats.c.position, seats.c.id)
    )
    for row in tx.execute(statement).mappings():
        found[row["decision_id"]].append(dict(row))
    return found


def save(tx: Connection, row: Row) -> None:
    """Write a seat of a case that is locked."""
    values = {name: value for name, value in row.items() if name not in ("id", "decision_id")}
    tx.execute(sa.update(seats).where(seats.c.id == row["id"]).values(**values))


def remove(tx: Connection, ids: Sequence[str]) -> None:
    """Take seats away in which no voice was given."""
    if ids:
        tx.execute(sa.delete(seats).where(seats.c.id.in_(ids), seats.c.given_by.is_(None)))


def note_asked(tx: Connection, id: str, now: datetime, hash: str) -> None:
    tx.execute(sa.update(seats).where(seats.c.id == id).values(asked_at=now, asked_on=hash))


def seated_before(tx: Connection, revision: int, limit: int = 200) -> list[Mapping[str, Any]]:
    """Open decisions of running cases whose people are those of an older revision: their id and
    their case's.
    """
    statement = (
        sa.select(decisions.c.id, decisions.c.case_id)
        .join(cases, cases.c.id == decisions.c.case_id)
        .join(steps, steps.c.id == decisions.c.step_id)
        .where(
            OPEN,
            decisions.c.seated_under < revision,
            steps.c.status == "active",
            cases.c.status == "active",
        )
        .order_by(decisions.c.seated_under, decisions.c.id)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def begun(tx: Connection, limit: int = 500) -> list[Mapping[str, Any]]:
    """Open decisions of running cases in which somebody has given a voice: their id, their case's,
    and the hashes of what was last shown to who gave one (`shown`).
    """
    statement = (
        sa.select(decisions.c.id, decisions.c.case_id, seats.c.asked_on, seats.c.evidence_hash)
        .join(seats, seats.c.decision_id == decisions.c.id)
        .join(cases, cases.c.id == decisions.c.case_id)
        .where(OPEN, seats.c.given_by.is_not(None), cases.c.status == "active")
        .order_by(decisions.c.id)
        .limit(limit)
    )
    found: dict[str, Row] = {}
    for row in tx.execute(statement).mappings():
        one = found.setdefault(
            row["id"], {"id": row["id"], "case_id": row["case_id"], "shown": set()}
        )
        one["shown"].add((row["evidence_hash"], row["asked_on"]))
    return list(found.values())


def held_by(parties: Collection[str], roles: Collection[str] = ()) -> sa.ColumnElement[bool]:
    """Decisions with a seat of one of these parties, or of one of these roles."""
    mine = [seats.c.party.in_(parties), seats.c.on_behalf_of.in_(parties)]
    if roles:
        mine.append(seats.c.role.in_(roles))
    return decisions.c.id.in_(sa.select(seats.c.decision_id).where(sa.or_(*mine)))
