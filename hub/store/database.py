"""The database: reading snapshots and writing transactions, and its schema brought up to date."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect
from hub.store.disk import WriteAheadLog
from hub.store.turn import Turn


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
        self._turn = Turn() if dialect.is_sqlite(self.engine) else None
        self._log = WriteAheadLog(self.engine)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = dialect.Guard(self.engine)
        self._joined = threading.local()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot."""
        if (joined := self._joint()) is not None:
            yield joined
            return
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of it, or nothing if the block raises."""
        if (joined := self._joint()) is not None:
            with joined.begin_nested():
                yield joined
        else:
            with self.turn(), self._writer.begin() as connection:
                yield connection

    def turn(self, *, first: bool = False) -> AbstractContextManager[None]:
        """Alone among the writers of this process, where the database takes one only. Whoever asks
        to be `first` waits for one transaction at most.
        """
        return nullcontext() if self._turn is None else self._held(self._turn, first)

    @contextmanager
    def _held(self, turn: Turn, first: bool) -> Iterator[None]:
        with turn.held(first=first):
            yield
            self._log.keep_short()

    def connect_alone(self) -> Connection:
        """A connection for one thread to keep: on SQLite for transactions of writing, to be begun
        in its `turn`; on PostgreSQL each statement is a transaction. To be closed by whoever asked.
        """
        if self._turn is not None:
            return self._writer.connect()
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """One transaction for everything that this thread reads and writes inside: each `write` is
        a part of it that may be undone alone, and `afterwards` waits for its commit.
        """
        later: list[Callable[[], None]] = []
        with self.write() as connection:
            self._joined.connection, self._joined.later = connection, later
            try:
                yield connection
            finally:
                self._joined.connection = None
        for call in later:
            call()

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call it once what this thread has written is there for others to see: at once, or at the
        end of `together`. Dropped where that is undone.
        """
        if self._joint() is None:
            call()
        else:
            self._joined.later.append(call)

    def _joint(self) -> Connection | None:
        return getattr(self._joined, "connection", None)

    @contextmanager
    def rehearse(self) -> Iterator[Connection]:
        """A transaction that sees its own writes and is always undone. Keep it as short as any
        other: it holds the same locks. Raises RuntimeError where somebody commits it.
        """
        if self._joint() is not None:
            raise RuntimeError("A rehearsal is no part of another transaction.")
        with self.turn(), self._writer.connect() as connection:
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
        place = Path(__file__).parent / "migrations"
        if self._schema() == max(file.stem[:4] for file in place.glob("versions/[0-9]*.py")):
            return
        # only who needs it pays for it: this takes a fifth of the time that a hub needs to start
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(place))
        with self.write() as connection:
            dialect.critical_section(connection, "migrate")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _schema(self) -> str | None:
        """The newest migration that this database has seen."""
        with self.read() as tx:
            if not sa.inspect(tx).has_table("alembic_version"):
                return None
            version: str | None = tx.exec_driver_sql(
                "SELECT version_num FROM alembic_version"
            ).scalar()
            return version

    def close(self) -> None:
        self.engine.dispose()
        self._guard.close()


def _refuse(connection: Connection) -> None:
    raise RuntimeError("A rehearsal is never committed.")
