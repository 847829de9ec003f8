"""The vault: what a vendor hands out once is kept, sealed, and renewed by one at a time."""

from __future__ import annotations

import multiprocessing
import threading
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event

import pytest
import sqlalchemy as sa

from connectors.sdk import ConfigError, Token
from connectors.sdk.auth import Consent
from hub.store import tables, vault
from hub.store.database import Database
from hub.store.vault import StoredVault

KEY = b"a-key-of-tests-that-is-long-enough"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOKEN = Token("access-1", 1234.5, "refresh-1")
CONSENT = Consent("https://club.test/authorize?x=1", "state-1", "verifier-1", "http://hub/back")


def test_a_token_comes_back_as_it_was_kept(database: Database) -> None:
    """Also in the process that is started next."""
    kept = StoredVault(database, KEY)
    assert kept.load("club") is None
    kept.save("club", Token("access-0"))
    kept.save("club", TOKEN)
    again = Database(database.url)
    assert StoredVault(again, KEY).load("club") == TOKEN
    again.close()
    assert kept.load("another") is None


def test_nobody_reads_a_token_in_the_database(database: Database) -> None:
    StoredVault(database, KEY).save("club", TOKEN)
    with database.read() as tx:
        [row] = tx.execute(sa.select(tables.vault)).all()
    assert "access-1" not in str(row)
    assert "refresh-1" not in str(row)


def test_another_secret_key_is_a_matter_of_configuration(database: Database) -> None:
    """It pauses the connection and says what to do."""
    StoredVault(database, KEY).save("club", TOKEN)
    with pytest.raises(ConfigError, match="HUB_SECRET_KEY"):
        StoredVault(database, b"another-key-that-is-long-enough").load("club")


def test_the_lock_lets_one_thread_in_and_stops_no_transaction(database: Database) -> None:
    """Whoever holds it waits for a vendor; everybody else works on."""
    kept = StoredVault(database, KEY)
    inside, order = threading.Event(), []

    def second() -> None:
        with kept.locked("club"):
            order.append("second")

    with kept.locked("club"):
        thread = threading.Thread(target=second)
        thread.start()
        with kept.locked("another"), database.write() as tx:
            tx.execute(sa.insert(tables.connections).values(name="other"))
        kept.save("club", TOKEN)
        inside.set()
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def _hold(url: str, inside: Event, leave: Event) -> None:
    database = Database(url)
    with StoredVault(database, KEY).locked("club"):
        inside.set()
        leave.wait(30)
    database.close()


def test_the_lock_lets_one_process_in(database: Database) -> None:
    """And ends with a process that is killed."""
    context = multiprocessing.get_context("spawn")
    inside, leave, entered = context.Event(), context.Event(), threading.Event()
    other = context.Process(target=_hold, args=(database.url, inside, leave))
    other.start()
    assert inside.wait(30)

    def enter() -> None:
        with StoredVault(database, KEY).locked("club"):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.3)
    other.kill()
    other.join(20)
    assert entered.wait(20)
    thread.join(20)


def test_an_agreement_is_finished_once_and_in_time(database: Database) -> None:
    with database.write() as tx:
        until = vault.keep_consent(tx, KEY, "club", CONSENT, NOW)
    assert until == NOW + timedelta(minutes=10)
    with database.read() as tx:
        [row] = tx.execute(sa.select(tables.consents)).all()
    assert "state-1" not in str(row)
    assert "verifier-1" not in str(row)
    with database.write() as tx:
        assert vault.take_consent(tx, KEY, "state-2", NOW) is None
        assert vault.take_consent(tx, KEY, "state-1", NOW) == ("club", CONSENT)
        assert vault.take_consent(tx, KEY, "state-1", NOW) is None


def test_an_agreement_comes_to_nothing_after_ten_minutes(database: Database) -> None:
    with database.write() as tx:
        until = vault.keep_consent(tx, KEY, "club", CONSENT, NOW)
        assert vault.take_consent(tx, KEY, "state-1", until) is None
