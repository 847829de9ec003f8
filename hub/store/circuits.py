"""Which tools are called now: a circuit per connection, in SQL, so that all workers go by it.

It is *closed* while a tool answers. Failures in a row open it: nothing is sent or read until
`open_until`. Then it is *half open*: one caller at a time tries, and holds it shut for the others
while it does; an answer closes the circuit, a failure opens it for longer. `trips` counts how often
in a row it was opened, 0 while it is closed. A tool that asked us to slow down is left alone until
`limited_until`. All moments are the database's.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect
from hub.store.tables import connections

FAILURES = 5
"""In a row, after which a circuit opens."""
FIRST = 15.0
"""Seconds for which it opens at first; each time after a failed trial that is doubled."""
MOST = 900.0
TRIAL = timedelta(seconds=90)
"""How long one caller may try while the others wait; then somebody else does."""

State = Literal["closed", "open", "half open"]


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a connection may be called. `until`: when that changes, if it does so by itself."""

    name: str
    state: State
    trips: int
    failures: int
    why: str | None
    until: datetime | None = None
    limited_until: datetime | None = None


def closed(name: str) -> Circuit:
    """One of which nothing is known."""
    return Circuit(name, "closed", 0, 0, None)


def circuits(tx: Connection) -> dict[str, Circuit]:
    """The circuits of all connections that were ever used."""
    columns = connections.c
    now = dialect.database_now(tx)
    found = {}
    for row in tx.execute(
        sa.select(
            columns.name, columns.trips, columns.open_until, columns.limited_until,
            columns.failures, columns.last_error,
        )
    ):  # fmt: skip
        ahead = row.open_until if row.open_until and row.open_until > now else None
        state: State = "closed" if not row.trips else "open" if ahead else "half open"
        limited = row.limited_until if row.limited_until and row.limited_until > now else None
        why = row.last_error if row.failures or row.trips else None
        found[row.name] = Circuit(
            row.name, state, row.trips, row.failures, why, ahead if row.trips else None, limited
        )
    return found


def shut(tx: Connection) -> dict[str, datetime | None]:
    """The connections that nobody may call, and until when: paused ones and those on trial have no
    such moment.
    """
    columns = connections.c
    now = dialect.database_now(tx)
    rows = tx.execute(
        sa.select(columns.name, columns.status, columns.open_until, columns.limited_until).where(
            sa.or_(
                columns.status == "paused",
                columns.trips > 0,
                columns.limited_until > now,
            )
        )
    )
    return {
        row.name: None
        if row.status == "paused"
        else max(
            (one for one in (row.open_until, row.limited_until) if one and one > now), default=None
        )
        for row in rows
    }


def half_open(tx: Connection) -> list[str]:
    """The connections that somebody should try now."""
    columns = connections.c
    return list(tx.scalars(sa.select(columns.name).where(_on_trial(tx)).order_by(columns.name)))


def _on_trial(tx: Connection) -> sa.ColumnElement[bool]:
    columns = connections.c
    now = dialect.database_now(tx)
    return sa.and_(
        columns.status != "paused",
        columns.trips > 0,
        sa.or_(columns.open_until.is_(None), columns.open_until <= now),
        sa.or_(columns.limited_until.is_(None), columns.limited_until <= now),
    )


def begin_trial(tx: Connection, name: str) -> bool:
    """Be the one who tries; False: somebody else is, or it is not time."""
    now = dialect.database_now(tx)
    return bool(
        tx.execute(
            sa.update(connections)
            .where(connections.c.name == name, _on_trial(tx))
            .values(open_until=now + TRIAL)
        ).rowcount
    )


def call_off(tx: Connection, name: str) -> None:
    """A trial that was begun called nobody: the next one may try at once."""
    now = dialect.database_now(tx)
    tx.execute(
        sa.update(connections)
        .where(connections.c.name == name, connections.c.trips > 0)
        .values(open_until=now)
    )


def admit(tx: Connection, name: str) -> Literal["go", "try", "wait"]:
    """Whether a connection may be called now: as usual, as the one trial, or not at all."""
    if name not in shut(tx):
        return "go"
    return "try" if begin_trial(tx, name) else "wait"


@dataclass(frozen=True, slots=True)
class Failed:
    """What a failure made of a circuit. `opened`: the seconds for which it was opened just now."""

    failures: int
    trips: int
    opened: float | None = None


def fail(tx: Connection, name: str, why: str, *, times: int = 1, on_trial: bool = False) -> Failed:
    """Count failures that say that a tool is in trouble, and open its circuit if that is too many
    or the trial failed.
    """
    columns = connections.c
    failures, trips = tx.execute(
        sa.update(connections)
        .where(columns.name == name)
        .values(failures=columns.failures + times, last_error=why[:2000])
        .returning(columns.failures, columns.trips)
    ).one()
    if not on_trial and (trips or failures < FAILURES):
        return Failed(failures, trips)
    lasting = lasts(trips)
    now = dialect.database_now(tx)
    tx.execute(
        sa.update(connections)
        .where(columns.name == name)
        .values(trips=trips + 1, open_until=now + timedelta(seconds=lasting))
    )
    return Failed(failures, trips + 1, lasting)


def lasts(trips: int) -> float:
    """Seconds for which a circuit opens that was opened so often in a row before: spread over the
    upper half, so that hubs and connections that failed together do not come back together.
    """
    most = min(MOST, FIRST * 2.0 ** min(trips, 20))
    return random.uniform(most / 2, most)  # noqa: S311 - nothing to guess here


def limit(tx: Connection, name: str, seconds: float) -> datetime:
    """A tool wants to be left alone for so long; until when. One wish does not shorten another."""
    columns = connections.c
    until = dialect.database_now(tx) + timedelta(seconds=seconds)
    tx.execute(
        sa.update(connections)
        .where(
            columns.name == name,
            sa.or_(columns.limited_until.is_(None), columns.limited_until < until),
        )
        .values(limited_until=until)
    )
    return until


def close(tx: Connection, names: Collection[str]) -> list[str]:
    """Call these as usual again; those whose circuits were not closed."""
    columns = connections.c
    return list(
        tx.scalars(
            sa.update(connections)
            .where(columns.name.in_(list(names)), columns.trips > 0)
            .values(trips=0, open_until=None)
            .returning(columns.name)
        )
    )


def forget_limit(tx: Connection, name: str) -> None:
    """A person says that a tool need not be left alone any longer."""
    tx.execute(sa.update(connections).where(connections.c.name == name).values(limited_until=None))
