"""What the hub keeps about itself: workspace revisions, the state of connections,
timers, leases.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect
from hub.store.tables import (
    connections,
    leases,
    revisions,
    steps,
    timers,
)

Row = dict[str, Any]

# --------------------------------------------------------------------------------------- revisions


def add_revision(
    tx: Connection, files: Mapping[str, str], digest: str, origin: str, author: str, now: datetime
) -> int:
    """Store a workspace as the newest revision; its number."""
    made = tx.execute(
        sa.insert(revisions).values(
            hash=digest, files=dict(files), origin=origin, author=author, created_at=now
        )
    )
    key = made.inserted_primary_key
    assert key is not None  # noqa: S101 - an identity column always comes back
    number: int = key[0]
    return number


def newest_revision(tx: Connection) -> RowMapping | None:
    return (
        tx.execute(sa.select(revisions).order_by(revisions.c.number.desc()).limit(1))
        .mappings()
        .first()
    )


def revision(tx: Connection, number: int) -> RowMapping | None:
    return tx.execute(sa.select(revisions).where(revisions.c.number == number)).mappings().first()


def revision_at(tx: Connection, moment: datetime) -> int | None:
    """The number of the revision that was in force at a moment; None before the first."""
    number: int | None = tx.scalar(
        sa.select(sa.func.max(revisions.c.number)).where(revisions.c.created_at <= moment)
    )
    return number


def newest_number(tx: Connection) -> int:
    """The number of the revision in force; 0 before the first."""
    return tx.scalar(sa.select(sa.func.max(revisions.c.number))) or 0


def configuration_stamp(tx: Connection) -> tuple[int, Any, Any, Any, Any, Any]:
    """The revision in force (0 before the first), when a stored secret last changed, when a vendor
    last handed one over, when the fields of an account last changed, when somebody last told that
    they are away, and when it last changed who is who in a tool: as the driver tells, to be
    compared. Every transaction of the pipeline asks.
    """
    row = tx.exec_driver_sql(
        "SELECT (SELECT max(number) FROM revisions), (SELECT max(changed_at) FROM secrets),"
        " (SELECT max(secret_at) FROM subscriptions), (SELECT max(changed_at) FROM schemas),"
        " (SELECT max(changed_at) FROM absences), (SELECT max(changed_at) FROM accounts)"
    ).one()
    return row[0] or 0, row[1], row[2], row[3], row[4], row[5]


def list_revisions(tx: Connection, limit: int = 50) -> Sequence[RowMapping]:
    """Revisions, newest first, without their files."""
    columns = [column for column in revisions.c if column.name != "files"]
    return (
        tx.execute(sa.select(*columns).order_by(revisions.c.number.desc()).limit(limit))
        .mappings()
        .all()
    )


# ------------------------------------------------------------------------------------- connections


def keep_connections(tx: Connection, names: Sequence[str]) -> None:
    """Make sure that every configured connection has a state."""
    dialect.insert_or_ignore(tx, connections, [{"name": name} for name in names])


def connection_states(tx: Connection) -> dict[str, Row]:
    """State per connection."""
    return {row["name"]: dict(row) for row in tx.execute(sa.select(connections)).mappings()}


def paused(tx: Connection) -> set[str]:
    """Names of the connections that a person must resume."""
    return set(tx.scalars(sa.select(connections.c.name).where(connections.c.status == "paused")))


def capturing(tx: Connection) -> set[str]:
    """Names of the connections whose deliveries are collected as samples at the moment."""
    return set(capture_until(tx))


def capture_until(tx: Connection) -> dict[str, datetime]:
    """The connections whose deliveries are collected as samples for a while, and until when."""
    until = connections.c.capture_until
    now = dialect.database_now(tx)
    return {
        name: when
        for name, when in tx.execute(sa.select(connections.c.name, until).where(until >= now))
    }


def set_capture(tx: Connection, name: str, lasting: timedelta | None) -> datetime | None:
    """Collect a connection's deliveries for so long, by the database's clock, or (None) no more;
    until when.
    """
    until = dialect.database_now(tx) + lasting if lasting else None
    keep_connections(tx, [name])
    tx.execute(sa.update(connections).where(connections.c.name == name).values(capture_until=until))
    return until


def set_connection(
    tx: Connection, name: str, status: str, reason: str | None, now: datetime
) -> bool:
    """Pause or resume. False: it was so already."""
    return bool(
        tx.execute(
            sa.update(connections)
            .where(connections.c.name == name, connections.c.status != status)
            .values(status=status, reason=reason, failures=0, changed_at=now)
        ).rowcount
    )


def note_success(tx: Connection, name: str, now: datetime) -> bool:
    """The vendor answered as it should. True if it is paused all the same."""
    status = tx.scalar(
        sa.update(connections)
        .where(connections.c.name == name)
        .values(failures=0, last_error=None, last_ok_at=now)
        .returning(connections.c.status)
    )
    return bool(status == "paused")


def note_failure(tx: Connection, name: str, error: str) -> int:
    """The vendor did not; how many times in a row that makes."""
    failures = tx.scalar(
        sa.update(connections)
        .where(connections.c.name == name)
        .values(failures=connections.c.failures + 1, last_error=error[:2000])
        .returning(connections.c.failures)
    )
    return failures or 0


# ------------------------------------------------------------------------------------------ timers


def set_timer(
    tx: Connection, kind: str, subject: str, occurrence: int, due_at: datetime, data: Row
) -> None:
    """Set a timer once; setting the same occurrence again changes nothing."""
    dialect.insert_or_ignore(
        tx,
        timers,
        [
            {
                "id": new_id("tmr"),
                "kind": kind,
                "subject": subject,
                "occurrence": occurrence,
                "due_at": due_at,
                "status": "set",
                "data": data,
            }
        ],
    )


def due_timers(
    tx: Connection, now: datetime, kinds: Collection[str], limit: int = 200
) -> list[Row]:
    """Timers of these kinds whose time has come, locked. Those of a step that rests with its case
    stay set until it goes on.
    """
    rests = sa.exists().where(steps.c.id == timers.c.subject, steps.c.suspended)
    statement = (
        sa.select(timers)
        .where(
            timers.c.status == "set",
            timers.c.due_at <= now,
            timers.c.kind.in_(kinds),
            sa.not_(rests),
        )
        .order_by(timers.c.due_at)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(dialect.for_update(statement, tx)).mappings()]


def end_timers(tx: Connection, ids: Sequence[str], status: str = "fired") -> None:
    if ids:
        tx.execute(sa.update(timers).where(timers.c.id.in_(ids)).values(status=status))


def stop_timers(tx: Connection, subject: str) -> None:
    """Nothing more will be said about this subject."""
    tx.execute(
        sa.update(timers)
        .where(timers.c.subject == subject, timers.c.status.in_(("set", "paused")))
        .values(status="stopped")
    )


# ------------------------------------------------------------------------------------------ leases


def hold(tx: Connection, name: str, holder: str, lease: timedelta) -> bool:
    """Take or keep a named lease: True while this holder leads."""
    dialect.critical_section(tx, f"lease:{name}")
    now = dialect.database_now(tx)
    row = tx.execute(sa.select(leases).where(leases.c.name == name)).mappings().first()
    if row is None:
        tx.execute(sa.insert(leases).values(name=name, holder=holder, fence=1, until=now + lease))
        return True
    if row["holder"] != holder and row["until"] >= now:
        return False
    fence = row["fence"] + (row["holder"] != holder)
    tx.execute(
        sa.update(leases)
        .where(leases.c.name == name)
        .values(holder=holder, fence=fence, until=now + lease)
    )
    return True


def let_go(tx: Connection, name: str, holder: str) -> None:
    """Give a lease up, so that the next one need not wait."""
    tx.execute(sa.delete(leases).where(leases.c.name == name, leases.c.holder == holder))
