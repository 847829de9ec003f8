"""How far each object of a connection was pulled: the watermark, the pull of everything that is
under way, and whose turn it is.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.store import dialect
from hub.store.queue import LostLease
from hub.store.tables import cursors, leases

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Everything:
    """A pull of everything that is under way: where it is, since when, and how far."""

    cursor: Row
    since: datetime
    seen: int


@dataclass(frozen=True, slots=True)
class Held:
    """A pull that this process may do: the watermark, the fence that the turn goes by, the pull of
    everything that is under way, and the row of all that.
    """

    cursor: Row
    fence: int
    everything: Everything | None
    row: Row


def claim_pull(
    tx: Connection, connection: str, object: str, lease: timedelta, *, force: bool = False
) -> Held | None:
    """The turn to pull, if it is time (or `force`) and nobody else is pulling."""
    dialect.critical_section(tx, f"pull:{connection}/{object}")
    now = dialect.database_now(tx)
    dialect.insert_or_ignore(
        tx,
        cursors,
        [{"connection": connection, "object": object, "cursor": {}, "next_pull_at": now}],
    )
    mine = _cursor_of(connection, object)
    row = tx.execute(sa.select(cursors).where(mine)).mappings().one()
    if row["lease_until"] and row["lease_until"] >= now:
        return None
    if not force and row["next_pull_at"] > now:
        return None
    fence = random.randbits(62)
    tx.execute(sa.update(cursors).where(mine).values(fence=fence, lease_until=now + lease))
    under_way = None
    if row["full_cursor"] is not None:
        under_way = Everything(dict(row["full_cursor"]), row["full_since"], row["full_seen"])
    return Held(dict(row["cursor"]), fence, under_way, dict(row))


def _cursor_of(connection: str, object: str, fence: int | None = None) -> sa.ColumnElement[bool]:
    mine = sa.and_(cursors.c.connection == connection, cursors.c.object == object)
    return mine if fence is None else sa.and_(mine, cursors.c.fence == fence)


def _write_cursor(tx: Connection, connection: str, object: str, fence: int, values: Row) -> None:
    """Raises LostLease."""
    mine = _cursor_of(connection, object, fence)
    if not tx.execute(sa.update(cursors).where(mine).values(**values)).rowcount:
        raise LostLease(f"Somebody else pulls {connection}/{object} now.")


def keep_turn(tx: Connection, connection: str, object: str, fence: int, lease: timedelta) -> None:
    """Keep the lease alive. Raises LostLease."""
    values = {"lease_until": dialect.database_now(tx) + lease}
    _write_cursor(tx, connection, object, fence, values)


def move_cursor(
    tx: Connection,
    connection: str,
    object: str,
    fence: int,
    cursor: Mapping[str, Any],
    lease: timedelta,
) -> None:
    """Move the watermark with the rows of its page; keeps the lease alive. Raises LostLease."""
    values = {"cursor": dict(cursor), "lease_until": dialect.database_now(tx) + lease}
    _write_cursor(tx, connection, object, fence, values)


def begin_everything(
    tx: Connection, connection: str, object: str, fence: int, now: datetime
) -> Everything:
    """Begin to pull everything, whatever was known of an earlier one. Raises LostLease."""
    values = {"full_cursor": {}, "full_since": now, "full_seen": 0}
    _write_cursor(tx, connection, object, fence, values)
    return Everything({}, now, 0)


def move_everything(
    tx: Connection,
    connection: str,
    object: str,
    fence: int,
    at: Everything,
    total: int | None,
    lease: timedelta,
) -> None:
    """As `move_cursor`, of a pull of everything. `total`: how many records there are, if the
    vendor told.
    """
    values: Row = {
        "full_cursor": dict(at.cursor),
        "full_seen": at.seen,
        "lease_until": dialect.database_now(tx) + lease,
    }
    if total is not None:
        values["total"] = total
    _write_cursor(tx, connection, object, fence, values)


def end_everything(
    tx: Connection, connection: str, object: str, fence: int, at: Everything, now: datetime
) -> None:
    """Everything was pulled: what follows is what changed since. Raises LostLease."""
    row = tx.execute(sa.select(cursors).where(_cursor_of(connection, object, fence))).mappings()
    known = row.first()
    values: Row = {"full_cursor": None, "full_since": None, "full_at": now, "total": at.seen}
    if known is not None and not known["cursor"]:
        values["cursor"] = dict(at.cursor)
    _write_cursor(tx, connection, object, fence, values)


def scope_of(tx: Connection, connection: str, object: str) -> str | None:
    """The settings, as a digest, under which a pull of everything last showed all that is linked;
    None before the first one.
    """
    return tx.scalar(sa.select(cursors.c.scope).where(_cursor_of(connection, object)))


def keep_scope(tx: Connection, connection: str, object: str, scope: str) -> None:
    """Whatever a pull of everything under these settings does not show is missed."""
    tx.execute(sa.update(cursors).where(_cursor_of(connection, object)).values(scope=scope))


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
    tx.execute(sa.update(cursors).where(_cursor_of(connection, object, fence)).values(**values))


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
    """Ask for a pull of everything at the next tick. False: a pull is under way just now."""
    dialect.critical_section(tx, f"pull:{connection}/{object}")
    now = dialect.database_now(tx)
    mine = _cursor_of(connection, object)
    if tx.scalar(sa.select(cursors.c.lease_until).where(mine, cursors.c.lease_until >= now)):
        return False
    pull_soon(tx, connection, object)
    tx.execute(sa.update(cursors).where(mine).values(full_cursor={}, full_since=now, full_seen=0))
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
