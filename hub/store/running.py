"""What the hub keeps about itself: workspace revisions, the state of connections, pull cursors,
timers, leases.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect
from hub.store.queue import LostLease
from hub.store.tables import (
    connections,
    cursors,
    leases,
    revisions,
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


def configuration_stamp(tx: Connection) -> tuple[int, Any, Any]:
    """The revision in force (0 before the first), when a stored secret last changed, and when a
    vendor last handed one over: as the driver tells, to be compared. Every transaction of the
    pipeline asks.
    """
    row = tx.exec_driver_sql(
        "SELECT (SELECT max(number) FROM revisions), (SELECT max(changed_at) FROM secrets),"
        " (SELECT max(secret_at) FROM subscriptions)"
    ).one()
    return row[0] or 0, row[1], row[2]


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
            .values(status=status, reason=reason, failures=0, changed_at=now, limited_until=None)
        ).rowcount
    )


def note_success(tx: Connection, name: str, now: datetime) -> bool:
    """The vendor answered as it should. True if it is paused all the same."""
    status = tx.scalar(
        sa.update(connections)
        .where(connections.c.name == name)
        .values(failures=0, last_error=None, last_ok_at=now, limited_until=None)
        .returning(connections.c.status)
    )
    return bool(status == "paused")


def note_failure(
    tx: Connection, name: str, error: str, limited_until: datetime | None = None
) -> int:
    """The vendor did not; how many times in a row that makes. `limited_until`: it asked us to slow
    down.
    """
    tx.execute(
        sa.update(connections)
        .where(connections.c.name == name)
        .values(
            failures=connections.c.failures + 1,
            last_error=error[:2000],
            limited_until=limited_until,
        )
    )
    return tx.scalar(sa.select(connections.c.failures).where(connections.c.name == name)) or 0


# ----------------------------------------------------------------------------------------- cursors


def claim_pull(
    tx: Connection, connection: str, object: str, lease: timedelta, *, force: bool = False
) -> tuple[dict[str, Any], int] | None:
    """The cursor and a fence to pull with, if it is time (or `force`) and nobody else is
    pulling.
    """
    dialect.critical_section(tx, f"pull:{connection}/{object}")
    now = dialect.database_now(tx)
    dialect.insert_or_ignore(
        tx,
        cursors,
        [{"connection": connection, "object": object, "cursor": {}, "next_pull_at": now}],
    )
    mine = sa.and_(cursors.c.connection == connection, cursors.c.object == object)
    row = tx.execute(sa.select(cursors).where(mine)).mappings().one()
    if row["lease_until"] and row["lease_until"] >= now:
        return None
    if not force and row["next_pull_at"] > now:
        return None
    fence = random.randbits(62)
    tx.execute(sa.update(cursors).where(mine).values(fence=fence, lease_until=now + lease))
    return dict(row["cursor"]), fence


def move_cursor(
    tx: Connection,
    connection: str,
    object: str,
    fence: int,
    cursor: Mapping[str, Any],
    lease: timedelta,
) -> None:
    """Move the watermark with the rows of its page; keeps the lease alive. Raises LostLease."""
    now = dialect.database_now(tx)
    done = tx.execute(
        sa.update(cursors)
        .where(
            cursors.c.connection == connection, cursors.c.object == object, cursors.c.fence == fence
        )
        .values(cursor=dict(cursor), lease_until=now + lease)
    ).rowcount
    if not done:
        raise LostLease(f"Somebody else pulls {connection}/{object} now.")


def end_pull(
    tx: Connection,
    connection: str,
    object: str,
    fence: int,
    next_in: timedelta,
    as_of: datetime | None = None,
) -> None:
    """Give the lease back and set the next pull. `as_of`: whatever changed before then was read."""
    now = dialect.database_now(tx)
    values: Row = {"lease_until": None, "next_pull_at": now + next_in}
    if as_of is not None:
        values["pulled_at"] = as_of
    tx.execute(
        sa.update(cursors)
        .where(
            cursors.c.connection == connection, cursors.c.object == object, cursors.c.fence == fence
        )
        .values(**values)
    )


def recover_pulls(tx: Connection) -> None:
    """Give back what the dead pulled or listened to; only for a process that knows it is alone."""
    tx.execute(sa.delete(leases).where(leases.c.name.startswith("listen:")))
    tx.execute(
        sa.update(cursors).where(cursors.c.lease_until.is_not(None)).values(lease_until=None)
    )


def pull_soon(tx: Connection, connection: str, object: str) -> None:
    """Ask for a pull at the next tick."""
    now = dialect.database_now(tx)
    dialect.upsert(
        tx,
        cursors,
        {"connection": connection, "object": object, "cursor": {}, "next_pull_at": now},
        ["connection", "object"],
        ["next_pull_at"],
    )


def pull_all_soon(tx: Connection, connection: str) -> None:
    """Ask for a pull of everything that was ever pulled from a connection."""
    now = dialect.database_now(tx)
    tx.execute(
        sa.update(cursors)
        .where(cursors.c.connection == connection, cursors.c.next_pull_at > now)
        .values(next_pull_at=now)
    )


def pull_afresh(tx: Connection, connection: str, object: str) -> bool:
    """Ask for a pull from the very beginning at the next tick. False: one is under way just now."""
    dialect.critical_section(tx, f"pull:{connection}/{object}")
    now = dialect.database_now(tx)
    mine = sa.and_(cursors.c.connection == connection, cursors.c.object == object)
    if tx.scalar(sa.select(cursors.c.lease_until).where(mine, cursors.c.lease_until >= now)):
        return False
    pull_soon(tx, connection, object)
    tx.execute(sa.update(cursors).where(mine).values(cursor={}))
    return True


def cursor_state(tx: Connection, connection: str, object: str) -> RowMapping | None:
    """How far an object has been pulled; None before the first time."""
    return (
        tx.execute(
            sa.select(cursors).where(cursors.c.connection == connection, cursors.c.object == object)
        )
        .mappings()
        .first()
    )


def all_cursors(tx: Connection) -> Sequence[RowMapping]:
    return tx.execute(sa.select(cursors)).mappings().all()


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


def due_timers(tx: Connection, now: datetime, limit: int = 200) -> list[Row]:
    """Timers whose time has come, locked."""
    statement = (
        sa.select(timers)
        .where(timers.c.status == "set", timers.c.due_at <= now)
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
        .where(timers.c.subject == subject, timers.c.status == "set")
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
