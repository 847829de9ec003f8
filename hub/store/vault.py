"""The vault: OAuth tokens of connections, encrypted, and what an agreement under way needs to be
finished.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.sdk import ConfigError, Token, TransientError
from connectors.sdk.auth import Consent
from hub.store import access, dialect
from hub.store.database import Database
from hub.store.tables import consents, vault

CONSENT_LIFETIME = timedelta(minutes=10)
"""How long a person may take to agree."""


class StoredVault:
    """The tokens of connections in the hub's database, shared by all its processes."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    def load(self, connection: str) -> Token | None:
        """The newest token. Raises ConfigError where the hub's secret key is another one."""
        with self._database.read() as tx:
            sealed = tx.scalar(sa.select(vault.c.sealed).where(vault.c.connection == connection))
        if sealed is None:
            return None
        try:
            values = json.loads(access.unseal(self._key, sealed, f"The sign-in of {connection}"))
        except access.WrongKey as error:
            raise ConfigError(str(error)) from None
        return Token(**values)

    def save(self, connection: str, token: Token) -> None:
        """Store it; it is on disk when this returns."""
        sealed = access.seal(self._key, json.dumps(asdict(token)))
        with self._database.write() as tx:
            now = dialect.database_now(tx)
            row = {"connection": connection, "sealed": sealed, "changed_at": now}
            dialect.upsert(tx, vault, row, ["connection"], ["sealed", "changed_at"])

    @contextmanager
    def locked(self, connection: str) -> Iterator[None]:
        """Hold while renewing. Raises TransientError where another renews without end."""
        try:
            with self._database.locked(f"vault:{connection}"):
                yield
        except TimeoutError:
            raise TransientError(
                f"Another process signs {connection} in and does not come to an end."
            ) from None


# ---------------------------------------------------------------------------------------- consents


def keep_consent(
    tx: Connection, key: bytes, connection: str, consent: Consent, now: datetime
) -> datetime:
    """Remember an agreement that was begun, until the moment returned."""
    tx.execute(sa.delete(consents).where(consents.c.expires_at <= now))
    until = now + CONSENT_LIFETIME
    tx.execute(
        sa.insert(consents).values(
            state=access.digest(consent.state),
            connection=connection,
            sealed=access.seal(key, json.dumps(asdict(consent))),
            expires_at=until,
        )
    )
    return until


def take_consent(
    tx: Connection, key: bytes, state: str, now: datetime
) -> tuple[str, Consent] | None:
    """The connection and the beginning that an answer belongs to, once; None: unknown, used or too
    late. Raises WrongKey.
    """
    found = tx.execute(
        sa.delete(consents)
        .where(consents.c.state == access.digest(state))
        .returning(consents.c.connection, consents.c.sealed, consents.c.expires_at)
    ).first()
    if found is None or found.expires_at <= now:
        return None
    values = json.loads(access.unseal(key, found.sealed, f"The sign-in of {found.connection}"))
    return found.connection, Consent(**values)
