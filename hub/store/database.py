"""The database: reading snapshots and writing transactions, and its schema brought up to date."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from hub.store import dialect


class Database:
    """One database. Safe to use from many threads; never held across a network call."""

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = dialect.create_engine(url)
        self._writer = self.engine.execution_options(writing=True)
        # SQLite takes one writer: queue here, fairly, rather than in its busy loop
        self._turn = threading.Lock() if dialect.is_sqlite(self.engine) else None
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = dialect.Guard(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of it, or nothing if the block raises."""
        if self._turn is None:
            with self._writer.begin() as connection:
                yield connection
        else:
            with self._turn, self._writer.begin() as connection:
                yield connection

    @contextmanager
    def rehearse(self) -> Iterator[Connection]:
        """A transaction that sees its own writes and is always undone. Keep it as short as any
        other: it holds the same locks. Raises RuntimeError where somebody commits it.
        """
        with self._turn or nullcontext(), self._writer.connect() as connection:
            sa.event.listen(connection, "commit", _refuse)
            transaction = connection.begin()
            try:
                yield connection
            finally:
                transaction.rollback()

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Let one of all threads and processes in, for as long as a network call may take, without
        a transaction. Not re-entrant. Raises TimeoutError where another does not come to an end.
        """
        with self._locks[name], self._guard.held(name):
            yield

    def migrate(self) -> None:
        """Bring the schema to this version's. Safe when several processes start at once."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            dialect.critical_section(connection, "migrate")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        self.engine.dispose()
        self._guard.close()


def _refuse(connection: Connection) -> None:
    raise RuntimeError("A rehearsal is never committed.")
