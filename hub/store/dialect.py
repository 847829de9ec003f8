"""Everything that differs between SQLite and PostgreSQL: the driver, the pragmas, the clock, the
locks and upserts.
"""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from hub.store.disk import LOG_KEPT
from hub.store.types import moment_text

SAFE_SQLITE = (3, 51, 3)
"""Versions 3.7.0 to 3.51.2 can corrupt a database in WAL mode when two checkpoints race."""

Lock = Literal["update", "none"]


def _sqlite_driver() -> Any:
    """The newest SQLite there is: the wheel where it installs, else the one this Python was
    built with.
    """
    try:
        return import_module("pysqlite3.dbapi2")
    except ImportError:
        return sqlite3


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite library that the store would use."""
    version: tuple[int, ...] = tuple(_sqlite_driver().sqlite_version_info)
    return version


def create_engine(url: str) -> Engine:
    """An engine for a database URL. `postgres://` and `postgresql://` mean psycopg 3."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_size=12, pool_pre_ping=True
        )
    if parsed.get_backend_name() != "sqlite":
        raise ValueError("The database must be SQLite or PostgreSQL.")
    engine = sa.create_engine(
        parsed, module=_sqlite_driver(), connect_args={"timeout": 30, "check_same_thread": False}
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = (
        None  # transactions begin where we say, not where the driver guesses
    )
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # else INSERT OR REPLACE would take an event away past the rule that none is (append_only)
    cursor.execute("PRAGMA recursive_triggers=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.execute("PRAGMA cache_size=-4000")
    cursor.execute(f"PRAGMA journal_size_limit={LOG_KEPT}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def is_sqlite(connection: Connection | Engine) -> bool:
    return connection.dialect.name == "sqlite"


def database_now(connection: Connection) -> datetime:
    """The database's clock: the only one that leases are measured by."""
    if is_sqlite(connection):
        return datetime.now(UTC)  # the same machine, the same clock
    moment: datetime = connection.scalar(sa.select(sa.func.clock_timestamp()))  # type: ignore[assignment]
    return moment.astimezone(UTC)


_clocks: WeakKeyDictionary[sa.Dialect, tuple[datetime, float]] = WeakKeyDictionary()
"""What a PostgreSQL's clock said, and when by ours."""
CLOCK_SECONDS = 5.0


def recent_now(connection: Connection) -> datetime:
    """The database's clock without asking it each time: never ahead of it, behind by no more than a
    question takes. For work that may begin at once.
    """
    if is_sqlite(connection):
        return datetime.now(UTC)
    asked, at = _clocks.get(connection.dialect, (None, 0.0))
    passed = time.monotonic() - at
    if asked is None or passed > CLOCK_SECONDS:
        asked, passed = database_now(connection), 0.0
        _clocks[connection.dialect] = asked, time.monotonic()
    return asked + timedelta(seconds=passed)


SKEW = timedelta(milliseconds=100)
"""Machines that keep time agree better than this."""


def skew(now: datetime) -> timedelta:
    """What to add to this machine's clock to have the database's, which says `now`. Nothing where
    they agree as well as can be told.
    """
    off = now - datetime.now(UTC)
    return off if abs(off) > SKEW else timedelta(0)


def written_moment(connection: Connection) -> Callable[[datetime], Any]:
    """How the driver takes a moment in UTC: see `Moment`."""
    return moment_text if is_sqlite(connection) else _as_it_is


def _as_it_is(moment: datetime) -> datetime:
    return moment


def critical_section(connection: Connection, name: str) -> None:
    """Let one transaction at a time past this line. A SQLite writer is alone already."""
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(zlib.crc32(name.encode()))))


def enter_at_once(connection: Connection, name: str) -> bool:
    """Go past this line until the end of the transaction, unless another process is there. Always
    true where a SQLite writer is alone already.
    """
    if is_sqlite(connection):
        return True
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key))))


def is_deadlock(error: BaseException) -> bool:
    """Whether a transaction failed only because another one wanted the same the other way round."""
    return getattr(_cause(error), "sqlstate", None) == "40P01"


_GONE = ("08", "57P01", "57P02", "57P03")
"""SQLSTATEs of a connection, or a server, that is no more."""


def is_lost_connection(error: BaseException) -> bool:
    """Whether PostgreSQL, or the way to it, was gone before it answered: what it was asked to
    commit is committed, or not.
    """
    cause = _cause(error)
    if not type(cause).__module__.startswith("psycopg"):
        return isinstance(cause, OSError)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_GONE)
    return type(cause).__name__ in ("OperationalError", "InterfaceError")


def _cause(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


PATIENCE = 120
"""Seconds to wait for whoever is inside a guarded place: longer than any token request takes."""


class Guard:
    """Places that one of all processes may be in, held across a network call. A process that dies
    lets go.

    PostgreSQL: an advisory lock on a connection of its own, which is in no transaction meanwhile
    (a pooler in front of the server must pool sessions, not transactions). SQLite: a locked file
    beside the database, as `hub pull` may run beside `hub up`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own: Engine | None = None
        if not is_sqlite(engine):
            self._own = sa.create_engine(
                engine.url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT"
            )

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Inside until the block ends. Raises TimeoutError."""
        digest = hashlib.sha256(name.encode()).digest()
        if self._own is None:
            with _locked_file(self._engine.url.database, digest.hex()[:16]):
                yield
            return
        with self._own.connect() as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{PATIENCE}s'")
            # a machine that vanished is noticed within two minutes, and its lock with it
            for knob, value in (("idle", 60), ("interval", 15), ("count", 4)):
                connection.exec_driver_sql(f"SET tcp_keepalives_{knob} = {value}")
            key = int.from_bytes(digest[:8], signed=True)
            try:
                connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
            except OperationalError as error:
                raise TimeoutError(f"Somebody has held '{name}' for {PATIENCE} s.") from error
            yield

    def close(self) -> None:
        if self._own is not None:
            self._own.dispose()


@contextmanager
def _locked_file(database: str | None, name: str) -> Iterator[None]:
    if not database or database == ":memory:":
        yield
        return
    with Path(f"{database}.{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def for_update(statement: sa.Select[Any], connection: Connection) -> sa.Select[Any]:
    """Lock the rows read until the end of the transaction. A SQLite writer holds the whole file."""
    return statement if is_sqlite(connection) else statement.with_for_update()


def skip_locked(statement: sa.Select[Any], connection: Connection) -> sa.Select[Any]:
    """The same, without the rows that somebody else has locked."""
    return statement if is_sqlite(connection) else statement.with_for_update(skip_locked=True)


def insert_or_ignore(
    connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]
) -> None:
    """Insert what does not collide with a unique key, silently leaving out the rest."""
    if rows:
        make = sqlite.insert if is_sqlite(connection) else postgresql.insert
        connection.execute(make(table).on_conflict_do_nothing(), list(rows))


def upsert(
    connection: Connection,
    table: sa.Table,
    row: dict[str, Any],
    keys: Sequence[str],
    change: Sequence[str],
) -> None:
    """Insert the row, or change the named columns of the one that has the same keys."""
    make = sqlite.insert if is_sqlite(connection) else postgresql.insert
    statement = make(table).values(**row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(keys), set_={name: statement.excluded[name] for name in change}
        )
    )


def durability_problems(connection: Connection) -> list[str]:
    """What about this database could lose an acknowledged delivery, in words for `hub doctor`.
    Empty: nothing.
    """
    problems = []
    if is_sqlite(connection):
        version = sqlite_version()
        if version < SAFE_SQLITE:
            problems.append(
                f"SQLite {'.'.join(map(str, version))} can corrupt its write-ahead log."
                " Install the package pysqlite3 (3.51.3 or newer), or use PostgreSQL."
            )
        if connection.exec_driver_sql("PRAGMA synchronous").scalar() != 2:
            problems.append("PRAGMA synchronous is not FULL.")
    else:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            value = connection.exec_driver_sql(f"SHOW {name}").scalar()
            if value == "off":
                problems.append(f"PostgreSQL runs with {name} = off; turn it on.")
    return problems
