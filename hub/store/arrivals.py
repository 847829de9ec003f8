"""The way of the intake's batches into the database: on a connection of its own, before everybody
else's turn, and on PostgreSQL as one COPY that is its own transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from hub.store import dialect, disk, inbox
from hub.store.database import Database
from webhooks.inbox import Incoming, Stored, Unsure

CAREFUL = 20
"""Batches that look before they leap, after one that held something known."""
_DEADLOCKS = 3


class DiskFailed(RuntimeError):
    """The disk could not make a commit durable: nothing that this process says about what is stored
    can be relied on any more.
    """


class Arrivals:
    """Stores batches, from one thread. Raises whatever the database raises; Unsure where it was
    lost while it committed; DiskFailed from the first failure to make something durable on, for
    ever.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._careful = 0
        self._committing = False
        self._failed: DiskFailed | None = None

    def store(self, batch: Sequence[Incoming]) -> list[Stored]:
        """Store a batch in one transaction: see `inbox.store`."""
        if self._failed is not None:
            raise self._failed
        attempts = 0
        while True:
            self._committing = False
            try:
                return self._store(batch)
            except Exception as error:
                self.close()
                attempts += 1
                if disk.has_failed(error, self._database.engine.url):
                    self._failed = DiskFailed(
                        "The disk failed to keep what was written to"
                        f" {self._database.engine.url.database}. Nothing was accepted that is not"
                        " kept. Look at the system's log and the disk, then start the hub again."
                    )
                    raise self._failed from error
                if self._committing and dialect.is_lost_connection(error):
                    raise Unsure(str(error).partition("\n")[0]) from error
                # two processes may store the same deliveries in another order
                if not dialect.is_deadlock(error) or attempts > _DEADLOCKS:
                    raise

    def _store(self, batch: Sequence[Incoming]) -> list[Stored]:
        with self._database.turn(first=True):
            connection = self._own()
            if not dialect.is_sqlite(connection):
                if not self._careful:
                    stored = inbox.store_at_once(connection, batch, self._commits)
                    if stored is not None:
                        return stored
                    self._committing = False
                    self._careful = CAREFUL
                self._careful -= 1
                with self._database.write() as tx:
                    answers = inbox.store(tx, batch)
                    self._commits()
                return answers
            with connection.begin():
                return inbox.store(connection, batch)

    def _commits(self) -> None:
        self._committing = True

    def _own(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.connect_alone()
        return self._connection

    def close(self) -> None:
        """Give the connection up; the next batch opens another."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.invalidate()
            connection.close()
        except DBAPIError:
            pass  # it is gone already
