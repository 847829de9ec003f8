"""The disk under a SQLite database: whether it failed, and how long its write-ahead log may get."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

log = structlog.get_logger("hub.store")

_NOT_SYNCED = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)


def has_failed(error: BaseException, url: sa.URL) -> bool:
    """Whether this error of the database says that its disk keeps nothing any more: it failed to
    sync, or something else failed and writing a small file beside the database fails the same way.

    What SQLite calls an I/O error is often none of the disk's: a quota, a limit to the size of
    files, no memory, no room for a mapping. That passes. PostgreSQL stops by itself.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if not type(cause).__module__.startswith(("sqlite3", "pysqlite3")):
        return False
    code = getattr(cause, "sqlite_errorcode", None)
    if code in _NOT_SYNCED:
        return True
    input_or_output = "I/O" in str(cause) if code is None else code & 0xFF == sqlite3.SQLITE_IOERR
    return input_or_output and not _keeps(url)


def _keeps(url: sa.URL) -> bool:
    """Whether the folder of a database takes a small file and says that it is on the disk. Any
    other trouble than a failed disk counts as taking it.
    """
    if not url.database or url.database == ":memory:":
        return True
    try:
        with tempfile.TemporaryFile(dir=Path(url.database).parent) as file:
            file.write(b"probe" * 1000)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno != errno.EIO
    return True


LOG_KEPT = 32 * 1024 * 1024
"""Bytes that the write-ahead log keeps of its file once it begins anew."""
LOG_LIMIT = 64 * 1024 * 1024
"""Bytes from which on writers wait a moment for readers, so that the log can begin anew. SQLite by
itself lets it grow for as long as readers overlap.
"""
LOG_ALARM = 1024 * 1024 * 1024
PATIENCE = 0.05
"""Seconds that writers wait for readers."""
REST = 5.0
"""Seconds until they wait again, where that was in vain."""


class WriteAheadLog:
    """Keeps the write-ahead log of one SQLite database from growing without an end. To be asked by
    whoever has just written, while no other thread of this process writes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file = f"{engine.url.database}-wal"
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._not_before = 0.0
        self._alarmed = False

    def keep_short(self) -> None:
        """Have a log that is too long written back and begun anew, unless readers are in the way.
        Raises nothing: what was written before is written.
        """
        size = self._size()
        if size <= LOG_LIMIT or time.monotonic() < self._not_before:
            return
        self._not_before = time.monotonic() + REST
        try:
            done = self._begin_anew()
        except (SQLAlchemyError, self._driver_error) as error:
            log.warning("the write-ahead log cannot be shortened", error=str(error))
            return
        if done:
            self._not_before = 0.0
            self._alarmed = False
        elif size > LOG_ALARM and not self._alarmed:
            self._alarmed = True
            log.warning(
                "the write-ahead log grows, as somebody has been reading for long", bytes=size
            )

    def _begin_anew(self) -> bool:
        with (
            closing(self._engine.raw_connection()) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute("PRAGMA busy_timeout")
            before = cursor.fetchall()[0][0]
            cursor.execute(f"PRAGMA busy_timeout={int(PATIENCE * 1000)}")
            try:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return bool(cursor.fetchall()[0][0] == 0)
            finally:
                cursor.execute(f"PRAGMA busy_timeout={before}")

    def _size(self) -> int:
        try:
            return os.stat(self._file).st_size
        except OSError:
            return 0
