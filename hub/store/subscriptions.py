"""Webhook registrations at vendors: one row per connection, leased to whoever works on it, with the
secrets that were handed over.
"""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import access, dialect
from hub.store.queue import LostLease
from hub.store.tables import subscriptions

Row = dict[str, Any]
ABOUT = "subscription"
"""What an exception says that is about a registration, not about its connection."""
LEASE = timedelta(minutes=5)
"""How long registering may take; meanwhile a handshake may hand over a secret."""
KEPT = 20
"""Secrets kept per connection, the newest first: several are good while they rotate, and where a
vendor hands one over for each thing that it watches.
"""


def rows(tx: Connection) -> dict[str, Row]:
    """Every registration, by connection."""
    return {row["connection"]: dict(row) for row in tx.execute(sa.select(subscriptions)).mappings()}


def keep(tx: Connection, connection: str, revision: int, now: datetime) -> None:
    """Have a row for a connection that wants a registration."""
    dialect.insert_or_ignore(
        tx,
        subscriptions,
        [
            {
                "connection": connection,
                "status": "wanted",
                "revision": revision,
                "next_attempt_at": now,
            }
        ],
    )


def claim(tx: Connection, connection: str) -> tuple[Row, int] | None:
    """The row as it is now, and a fence to work on it with; None: somebody else does."""
    dialect.critical_section(tx, f"subscription:{connection}")
    now = dialect.database_now(tx)
    mine = subscriptions.c.connection == connection
    row = tx.execute(sa.select(subscriptions).where(mine)).mappings().first()
    if row is None or (row["lease_until"] is not None and row["lease_until"] >= now):
        return None
    fence = random.randbits(62)
    tx.execute(sa.update(subscriptions).where(mine).values(fence=fence, lease_until=now + LEASE))
    return dict(row), fence


def finish(tx: Connection, connection: str, fence: int, **values: Any) -> None:
    """Give the lease back with what is known now. Raises LostLease."""
    done = tx.execute(
        sa.update(subscriptions)
        .where(subscriptions.c.connection == connection, subscriptions.c.fence == fence)
        .values(lease_until=None, **values)
    ).rowcount
    if not done:
        raise LostLease(f"Somebody else sees to the webhooks of {connection} now.")


def remove(tx: Connection, connection: str, fence: int) -> None:
    """Forget a registration that has ended."""
    tx.execute(
        sa.delete(subscriptions).where(
            subscriptions.c.connection == connection, subscriptions.c.fence == fence
        )
    )


def note_told(tx: Connection, connection: str) -> bool:
    """A person is being told that it does not work; False: that was done."""
    return bool(
        tx.execute(
            sa.update(subscriptions)
            .where(subscriptions.c.connection == connection, subscriptions.c.told.is_(False))
            .values(told=True)
        ).rowcount
    )


def hurry(tx: Connection, connection: str, now: datetime) -> None:
    """Try again at once what failed."""
    tx.execute(
        sa.update(subscriptions)
        .where(subscriptions.c.connection == connection, subscriptions.c.attempts > 0)
        .values(next_attempt_at=now)
    )


def recover(tx: Connection) -> None:
    """Give back the leases of the dead; only for a process that knows it is alone."""
    tx.execute(sa.update(subscriptions).values(lease_until=None))


# ----------------------------------------------------------------------------------------- secrets


def secrets_of(tx: Connection, key: bytes, connection: str) -> list[str]:
    """The secrets that the vendor handed over, the newest first. Raises WrongKey."""
    sealed = tx.scalar(
        sa.select(subscriptions.c.sealed).where(subscriptions.c.connection == connection)
    )
    if sealed is None:
        return []
    found: list[str] = json.loads(access.unseal(key, sealed, f"The webhook secret of {connection}"))
    return found


def add_secret(tx: Connection, key: bytes, connection: str, secret: str) -> None:
    """Keep a secret beside those there are. Every process takes it up within a second."""
    dialect.critical_section(tx, "handed-over secrets")
    known = secrets_of(tx, key, connection)
    if secret in known:
        return
    kept: Sequence[str] = [secret, *known][:KEPT]
    # what has changed is known by the newest of these moments, so they only ever grow
    newest = tx.scalar(sa.select(sa.func.max(subscriptions.c.secret_at)))
    now = dialect.database_now(tx)
    if newest is not None and newest >= now:
        now = newest + timedelta(microseconds=1)
    tx.execute(
        sa.update(subscriptions)
        .where(subscriptions.c.connection == connection)
        .values(sealed=access.seal(key, json.dumps(kept)), secret_at=now)
    )


def handed_over_name(connection: str) -> str:
    """The name under which the secrets are stored, one a line, that a vendor handed over to a
    connection which does not register by itself; `hub secret list` shows it.
    """
    return f"{connection}.webhook"


def awaits_secret(tx: Connection, connection: str) -> bool:
    """Whether a registration is under way: only then a handshake may hand over a secret, as anybody
    can send one.
    """
    return bool(
        tx.scalar(
            sa.select(sa.literal(1)).where(
                subscriptions.c.connection == connection,
                subscriptions.c.lease_until >= dialect.database_now(tx),
            )
        )
    )
