"""What fields each account has, as far as `discover` told: one row per connection and object that a
mapping speaks of, with what follows from what changed.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect
from hub.store.queue import LostLease
from hub.store.tables import links, schemas

PATIENCE = timedelta(hours=1)
"""An account is asked at most so often because a field failed."""

Row = dict[str, Any]
Key = tuple[str, str]
"""A connection and one of its objects."""


def rows(tx: Connection, connection: str | None = None) -> dict[Key, Row]:
    """What is known, by connection and object."""
    statement = sa.select(schemas)
    if connection is not None:
        statement = statement.where(schemas.c.connection == connection)
    return {
        (row["connection"], row["object"]): dict(row) for row in tx.execute(statement).mappings()
    }


def row(tx: Connection, connection: str, object: str, *, lock: bool = False) -> Row | None:
    """What is known of one object; `lock` holds it until the transaction ends."""
    statement = sa.select(schemas).where(_of(connection, object))
    if lock:
        statement = dialect.for_update(statement, tx)
    found = tx.execute(statement).mappings().first()
    return dict(found) if found else None


def due(tx: Connection) -> list[Key]:
    """Whose time has come, and that nobody sees to."""
    now = dialect.database_now(tx)
    statement = (
        sa.select(schemas.c.connection, schemas.c.object)
        .where(
            schemas.c.due_at <= now,
            sa.or_(schemas.c.lease_until.is_(None), schemas.c.lease_until < now),
        )
        .order_by(schemas.c.due_at)
    )
    return [(one.connection, one.object) for one in tx.execute(statement)]


def known(tx: Connection) -> set[Key]:
    """The connections and objects that there is a row for."""
    statement = sa.select(schemas.c.connection, schemas.c.object)
    return {(one.connection, one.object) for one in tx.execute(statement)}


def drifts(tx: Connection) -> dict[Key, Row]:
    """What follows from what changed, by connection and object."""
    statement = sa.select(schemas.c.connection, schemas.c.object, schemas.c.drift)
    return {(one.connection, one.object): one.drift for one in tx.execute(statement)}


def keep(tx: Connection, keys: Iterable[Key], now: datetime) -> None:
    """Make sure that there is a row for each, to be asked at once."""
    due = dialect.database_now(tx)
    dialect.insert_or_ignore(
        tx,
        schemas,
        [
            {
                "connection": connection,
                "object": object,
                "fields": {},
                "drift": {},
                "changed_at": now,
                "due_at": due,
            }
            for connection, object in keys
        ],
    )


def forget(tx: Connection, keys: Iterable[Key]) -> None:
    """No mapping speaks of these any more."""
    for connection, object in keys:
        tx.execute(sa.delete(schemas).where(_of(connection, object)))


def claim(tx: Connection, connection: str, object: str, lease: timedelta) -> int | None:
    """The turn to ask, if it is time and nobody else does: a fence."""
    dialect.critical_section(tx, f"discover:{connection}/{object}")
    now = dialect.database_now(tx)
    found = row(tx, connection, object)
    if found is None or found["due_at"] > now:
        return None
    if found["lease_until"] and found["lease_until"] >= now:
        return None
    fence = random.randbits(62)
    tx.execute(
        sa.update(schemas)
        .where(_of(connection, object))
        .values(fence=fence, lease_until=now + lease)
    )
    return fence


def finish(
    tx: Connection, connection: str, object: str, fence: int, again: timedelta, **values: Any
) -> None:
    """Give the turn back, with what was learned. Raises LostLease."""
    done = tx.execute(
        sa.update(schemas)
        .where(_of(connection, object), schemas.c.fence == fence)
        .values(lease_until=None, due_at=dialect.database_now(tx) + again, **values)
    )
    if not done.rowcount:
        raise LostLease(f"Somebody else asks {connection} about {object} now.")


def ask(tx: Connection, connection: str, object: str | None = None) -> None:
    """Have the account asked soon, about one object or all."""
    mine = schemas.c.connection == connection if object is None else _of(connection, object)
    tx.execute(sa.update(schemas).where(mine).values(due_at=dialect.database_now(tx)))


def ask_unless(tx: Connection, connection: str, object: str, since: datetime) -> None:
    """Have the account asked soon about an object, unless it was asked since then."""
    tx.execute(
        sa.update(schemas)
        .where(
            _of(connection, object),
            sa.or_(schemas.c.seen_at.is_(None), schemas.c.seen_at < since),
            schemas.c.due_at > dialect.database_now(tx),
        )
        .values(due_at=dialect.database_now(tx))
    )


def later(tx: Connection, now: datetime) -> datetime:
    """A moment that tells a change from all before it, whosever clock was ahead."""
    newest: datetime | None = tx.scalar(sa.select(sa.func.max(schemas.c.changed_at)))
    return max(now, newest + timedelta(microseconds=1)) if newest else now


def had(tx: Connection, connection: str, object: str, ids: Sequence[str]) -> set[str]:
    """The top-level fields that any of these records had when it was last heard."""
    statement = sa.select(links.c.data).where(
        links.c.connection == connection,
        links.c.object == object,
        links.c.external_id.in_(list(ids)),
    )
    return {name for data in tx.scalars(statement) if isinstance(data, Mapping) for name in data}


def links_after(tx: Connection, connection: str, object: str, after: str, limit: int) -> list[Row]:
    """Links of an object in the order of their ids, those after one of them."""
    statement = (
        sa.select(links)
        .where(links.c.connection == connection, links.c.object == object, links.c.id > after)
        .order_by(links.c.id)
        .limit(limit)
    )
    return [dict(row) for row in tx.execute(statement).mappings()]


def write(tx: Connection, connection: str, object: str, values: Mapping[str, Any]) -> None:
    tx.execute(sa.update(schemas).where(_of(connection, object)).values(**values))


def _of(connection: str, object: str) -> sa.ColumnElement[bool]:
    return sa.and_(schemas.c.connection == connection, schemas.c.object == object)
