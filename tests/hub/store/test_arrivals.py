"""The intake's own way into the database, and whose turn it is to write."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.store import dialect, inbox
from hub.store.arrivals import Arrivals, DiskFailed
from hub.store.database import Database
from hub.store.tables import deliveries
from hub.store.turn import Turn
from tests.hub.store.test_inbox import incoming


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
    with pytest.raises(DiskFailed):
        arrivals.store([incoming("1")])
    assert count(database) == 0
    database.close()


def test_a_full_disk_is_not_a_broken_one() -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert not dialect.is_disk_failure(full)


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
