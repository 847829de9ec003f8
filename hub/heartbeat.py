"""Whether a hub takes deliveries on this database, and where: commands that run beside it ask."""

from __future__ import annotations

import fcntl
from datetime import timedelta

import sqlalchemy as sa

from hub.hub import Hub
from hub.store import dialect, running
from hub.store.tables import leases

NAME = "intake"
LASTS = timedelta(seconds=60)
EVERY = 20.0
"""Seconds between two beats."""
LONGEST = 60
"""Characters of an address that the lease can hold."""


def beat(hub: Hub, public_url: str) -> None:
    """Say that intake is up. Processes of one hub have one address and say it together."""
    with hub.database.write() as tx:
        running.hold(tx, NAME, public_url[:LONGEST], LASTS)


def stop(hub: Hub, public_url: str) -> None:
    """Say that it is no more; another process says otherwise within seconds."""
    with hub.database.write() as tx:
        running.let_go(tx, NAME, public_url[:LONGEST])


def address(hub: Hub) -> str | None:
    """How senders reach the hub that is running; None: none runs. Empty where the address is too
    long to be told.
    """
    if not hub.settings.scaled and not _held(hub):
        return None  # one that was killed has left its lease, but not its lock
    with hub.database.read() as tx:
        now = dialect.database_now(tx)
        holder = tx.scalar(
            sa.select(leases.c.holder).where(leases.c.name == NAME, leases.c.until >= now)
        )
    if holder is None:
        return None
    return str(holder) if len(holder) < LONGEST else ""


def _held(hub: Hub) -> bool:
    """Whether a hub holds the workspace's lock."""
    try:
        with (hub.settings.home / "hub.lock").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
