"""The intake's own way into the database, and whose turn it is to write."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.cli.output import explained
from hub.store import disk, inbox
from hub.store.arrivals import Arrivals, DiskFailed
from hub.store.database import Database
from hub.store.tables import deliveries
from hub.store.turn import Turn
from tests import servers
from tests.hub.store.test_inbox import incoming
from webhooks.inbox import Unsure


def count(database: Database) -> int:
    with database.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(deliveries)) or 0


def test_batches_with_and_without_what_is_known_are_stored_alike(database: Database) -> None:
    arrivals = Arrivals(database)
    first = arrivals.store([incoming(str(at)) for at in range(100)])
    again = arrivals.store([incoming("7"), incoming("7", "other"), incoming("new")])
    assert [one.duplicate for one in first] == [False] * 100
    assert [one.duplicate for one in again] == [True, False, False]
    assert again[0].id == first[7].id
    assert count(database) == 102
    arrivals.close()
    assert not arrivals.store([incoming("after")])[0].duplicate
    arrivals.close()


def test_a_batch_that_fails_leaves_nothing_and_the_next_one_goes_in(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = Arrivals(database)
    with pytest.raises(Exception, match=r"(?i)null"):
        arrivals.store([incoming("1"), incoming("2", body_hash=None)])
    assert count(database) == 0
    assert not arrivals.store([incoming("1")])[0].duplicate
    arrivals.close()


def test_a_full_disk_refuses_and_takes_again_once_there_is_room(tmp_path: Path) -> None:
    """SQLite says so by itself: nothing is stored, and nothing has to be started anew."""
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    database.migrate()
    arrivals = Arrivals(database)
    arrivals.store([incoming("1")])
    own: Any = arrivals._own().connection
    pages = own.execute("PRAGMA page_count").fetchone()[0]
    own.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Exception, match="full"):
        arrivals.store([incoming(str(at), "x" * 50_000) for at in range(2, 10)])
    assert count(database) == 1
    # the failed connection was given up, and with it the limit
    answers = arrivals.store([incoming(str(at), "x" * 50_000) for at in range(2, 10)])
    assert not any(one.duplicate for one in answers)
    assert count(database) == 9
    arrivals.close()
    database.close()


def test_a_disk_that_fails_to_sync_is_never_believed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    database.migrate()
    arrivals = Arrivals(database)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC

    def fails(*_: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "store", fails)
        with pytest.raises(DiskFailed):
            arrivals.store([incoming("1")])
    with pytest.raises(DiskFailed) as failed:
        arrivals.store([incoming("1")])
    told = explained(failed.value)
    assert told is not None
    assert told.startswith(f"error: The disk failed to keep what was written to {tmp_path}")
    assert count(database) == 0
    database.close()


def io_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


def test_a_full_disk_is_not_a_broken_one(tmp_path: Path) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert not disk.has_failed(full, sa.make_url(f"sqlite:///{tmp_path}/hub.db"))


@pytest.mark.parametrize("code", ["WRITE", "NOMEM", "SHMSIZE", "LOCK", "TRUNCATE", "FSTAT"])
@pytest.mark.parametrize(
    ("number", "failed"), [(None, False), (errno.EIO, True), (errno.EDQUOT, False)]
)
def test_what_sqlite_calls_an_io_error_is_the_disks_where_a_small_file_fails_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, number: int | None, failed: bool
) -> None:
    def sync(descriptor: int) -> None:
        if number is not None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", sync)
    error = io_error(getattr(sqlite3, f"SQLITE_IOERR_{code}"))
    assert disk.has_failed(error, sa.make_url(f"sqlite:///{tmp_path}/hub.db")) == failed


@pytest.mark.parametrize("code", ["FSYNC", "DIR_FSYNC"])
def test_a_sync_that_failed_once_is_not_asked_again(tmp_path: Path, code: str) -> None:
    """The kernel tells of lost pages once, and calls them clean from then on."""
    error = io_error(getattr(sqlite3, f"SQLITE_IOERR_{code}"))
    assert disk.has_failed(error, sa.make_url(f"sqlite:///{tmp_path}/hub.db"))


def test_a_limit_to_the_size_of_files_refuses_and_is_no_broken_disk(tmp_path: Path) -> None:
    """A quota says the same to SQLite, which calls both an I/O error."""
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    database.migrate()
    arrivals = Arrivals(database)
    arrivals.store([incoming("1")])
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    try:
        with pytest.raises(sa.exc.OperationalError, match="I/O"):
            arrivals.store([incoming("2", "x" * 3_000_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not arrivals.store([incoming("3")])[0].duplicate
    assert count(database) == 2
    arrivals.close()
    database.close()


def test_a_log_that_readers_kept_long_begins_anew_once_it_is_over_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader's snapshot keeps SQLite from starting the log again; afterwards it stays long."""
    monkeypatch.setattr(disk, "LOG_LIMIT", 500_000)
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    database.migrate()
    arrivals = Arrivals(database)
    log = tmp_path / "hub.db-wal"
    with database.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(deliveries)) == 0
        for at in range(10):
            arrivals.store([incoming(str(at), "x" * 100_000)])
        assert log.stat().st_size > 1_000_000
    database._log._not_before = 0.0
    arrivals.store([incoming("last")])
    assert log.stat().st_size == 0
    for at in range(10, 40):
        arrivals.store([incoming(str(at), "x" * 100_000)])
        assert log.stat().st_size < 1_000_000
    assert count(database) == 41
    own: Any = arrivals._own().connection
    assert own.execute("PRAGMA journal_size_limit").fetchone()[0] == disk.LOG_KEPT
    arrivals.close()
    database.close()


class Gone(Exception):
    """As psycopg tells of a server that is no more."""


Gone.__module__, Gone.__name__ = "psycopg", "OperationalError"


@pytest.mark.scaled
def test_a_server_that_is_lost_while_it_commits_leaves_nobody_sure(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are there although nobody was told: they must not be stored a second time."""
    from psycopg import Copy

    with servers.fresh_database(postgres_server) as url:
        database = Database(url)
        database.migrate()
        arrivals = Arrivals(database)
        end = Copy.__exit__

        def end_and_lose(copy: Any, *error: Any) -> None:
            end(copy, *error)
            raise Gone("server closed the connection unexpectedly")

        def lose(*_: Any) -> None:
            raise Gone("server closed the connection unexpectedly")

        with monkeypatch.context() as patch:
            patch.setattr(Copy, "__exit__", end_and_lose)
            with pytest.raises(Unsure):
                arrivals.store([incoming(None)])
        assert count(database) == 1
        arrivals._careful = 1
        with monkeypatch.context() as patch:
            patch.setattr(sa.engine.RootTransaction, "commit", lose)
            with pytest.raises(Unsure):
                arrivals.store([incoming(None)])
        with monkeypatch.context() as patch:
            # before the end nothing can be stored, and the next attempt may be made at once
            patch.setattr(Copy, "write_row", lose)
            with pytest.raises(Gone):
                arrivals.store([incoming(None)])
        assert len(arrivals.store([incoming(None)])) == 1
        assert count(database) == 2
        arrivals.close()
        database.close()


def test_turns_go_in_order_and_the_first_waits_for_one_only() -> None:
    """With everybody waiting: first, then another, then first again."""
    turn, order = Turn(), []
    waiting: list[threading.Thread] = []

    def queue(name: str, *, first: bool) -> None:
        def run() -> None:
            with turn.held(first=first):
                order.append(name)

        before = len(turn._first) + len(turn._others)
        thread = threading.Thread(target=run)
        waiting.append(thread)
        thread.start()
        while len(turn._first) + len(turn._others) == before:
            threading.Event().wait(0.001)

    with turn.held():
        for name in ("a", "b", "c"):
            queue(name, first=False)
        for name in ("1", "2"):
            queue(name, first=True)
    for thread in waiting:
        thread.join(10)
    assert order == ["1", "a", "2", "b", "c"]
    with turn.held(first=True):
        order.append("free")
    assert order[-1] == "free"
