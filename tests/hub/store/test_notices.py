"""What intake answered without a row is kept in bounds, whoever sends how much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from hub.hub import Hub
from hub.intake.noticing import STRANGERS, Noticing
from hub.store import inbox, notices, running
from hub.store.database import Database
from hub.store.tables import notices as table
from tests.hub.store.test_inbox import incoming
from webhooks.noticed import Notice, Outcome

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def notice(connection: str = "github", outcome: Outcome = "refused", **more: Any) -> Notice:
    values: dict[str, Any] = {
        "connection": connection, "at": NOW, "outcome": outcome, "code": "signature_invalid",
        "part": "signature", "reason": "The signature does not match the body.", "method": "POST",
        "path": "/webhooks/github", "size": 12, "remote": "127.0.0.1", "headers": {"host": "h"},
    }  # fmt: skip
    return Notice(**(values | more))


@pytest.fixture
def noticing(database: Database) -> Noticing:
    hub = SimpleNamespace(database=database, clock=lambda: NOW)
    return Noticing(cast("Hub", hub), "https://hub.test")


def send(noticing: Noticing, one: Notice) -> None:
    """As the intake does."""
    if noticing.wanted(one.connection, one.outcome, one.code):
        noticing.note(one)


def test_the_last_of_each_connection_and_outcome_are_kept(
    database: Database, noticing: Noticing
) -> None:
    for number in range(notices.KEPT + 30):
        send(noticing, notice(reason=f"no. {number}"))
        if number % 20 == 0:
            noticing.flush()
        send(noticing, notice("slack", "duplicate", code="duplicate"))
    noticing.flush()
    with database.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 2 * notices.KEPT
        newest = notices.of(tx, "github", limit=1)[0]
        assert newest["reason"] == f"no. {notices.KEPT + 29}"
        assert newest["headers"] == {"host": "h"}
        counted = {(one.connection, one.code): one.count for one in notices.counts(tx)}
    assert counted == {("github", "signature_invalid"): 130, ("slack", "duplicate"): 130}


def test_a_flood_between_two_writes_costs_a_count_each(
    database: Database, noticing: Noticing
) -> None:
    for _ in range(50_000):
        send(noticing, notice())
    noticing.flush()
    noticing.flush()
    with database.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == notices.KEPT
        (count,) = notices.counts(tx)
    assert count.count == 50_000


def test_many_connections_at_once_stay_in_bounds_too(
    database: Database, noticing: Noticing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(15):
        for _ in range(notices.KEPT):
            send(noticing, notice(f"connection-{number}"))
    noticing.flush()
    with database.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 1000
        assert sum(one.count for one in notices.counts(tx)) == 1500


def test_of_addresses_of_no_connection_a_few_are_named_and_the_rest_counted(
    database: Database, noticing: Noticing
) -> None:
    named = [noticing.wanted("", "refused", "connection_unknown") for _ in range(STRANGERS + 3)]
    assert named == [True] * STRANGERS + [False] * 3
    noticing.flush()
    with database.read() as tx:
        (count,) = notices.counts(tx, "")
    assert (count.code, count.count) == ("connection_unknown", STRANGERS + 3)


def test_what_follows_a_position_comes_oldest_first(database: Database) -> None:
    with database.write() as tx:
        notices.keep(tx, [notice(reason=str(number)) for number in range(5)], [])
        seen = notices.of(tx, "github", limit=3)[-1]["position"]
        following = notices.of(tx, "github", after=seen, limit=10)
    assert [one["reason"] for one in following] == ["3", "4"]


def test_the_thread_writes_by_itself_and_the_rest_at_its_end(
    database: Database, noticing: Noticing
) -> None:
    noticing.start()
    send(noticing, notice())
    noticing.stop()
    with database.read() as tx:
        assert notices.newest(tx) == 1


def test_a_database_that_cannot_be_written_stops_nothing(
    tmp_path: Path, database: Database, noticing: Noticing, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE notices RENAME TO elsewhere"))
    send(noticing, notice(reason="quoting a secret"))
    noticing.stop()
    assert "secret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("outcome", ["duplicate", "handshake"])
def test_a_connection_that_refused_everything_is_found(
    database: Database, noticing: Noticing, outcome: Outcome
) -> None:
    with database.write() as tx:
        inbox.store(tx, [incoming("1", received_at=NOW - timedelta(hours=3))])
    send(noticing, notice())
    send(noticing, notice("slack"))
    send(noticing, notice("slack", outcome, code=outcome))
    noticing.flush()
    with database.read() as tx:
        hour = NOW - timedelta(hours=1)
        found = notices.refusing(tx, hour)
        assert {name: row["part"] for name, row in found.items()} == {"github": "signature"}
        assert notices.refusing(tx, NOW + timedelta(minutes=1)) == {}
    with database.write() as tx:
        inbox.store(tx, [incoming("2")])
        assert notices.refusing(tx, hour) == {}


def test_a_connection_captures_for_a_while(database: Database) -> None:
    with database.write() as tx:
        assert running.set_capture(tx, "github", timedelta(minutes=5)) is not None
        assert running.capturing(tx) == {"github"}
        running.set_capture(tx, "github", timedelta(seconds=-1))
        assert running.capturing(tx) == set()
        running.set_capture(tx, "github", timedelta(minutes=5))
        assert running.set_capture(tx, "github", None) is None
        assert running.capturing(tx) == set()
