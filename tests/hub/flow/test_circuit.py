"""A tool that does not answer is left alone, and nobody else is held up; afterwards one attempt is
made, by whoever comes first.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.sdk import RateLimitError, Record, TransientError
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import connections
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.outcome import backoff
from hub.flow.pull import due, pull
from hub.store import circuits, dialect, records
from hub.store import tables as t
from hub.store.circuits import Circuit
from hub.store.records import NewRecord
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World


def circuit(world: World, name: str = "github") -> Circuit:
    with world.hub.database.read() as tx:
        return circuits.circuits(tx)[name]


def break_down(github: GithubSandbox, requests: int = 1000) -> None:
    github.faults.status = [502] * requests


def trip(world: World, github: GithubSandbox) -> None:
    """Let writes fail until the circuit opens."""
    break_down(github)
    for n in range(2):
        world.create("github", title=f"Waits {n}")
    for _ in range(5):
        if circuit_is_open(world):
            return
        due_now(world)
        deliver(world.hub)
    raise AssertionError("it does not open")


def circuit_is_open(world: World) -> bool:
    with world.hub.database.read() as tx:
        found = circuits.circuits(tx).get("github")
    return found is not None and found.state == "open"


def due_now(world: World) -> None:
    """Let rows that wait for their own time go, whatever their connections may do."""
    with world.hub.database.write() as tx:
        now = dialect.database_now(tx)
        tx.execute(t.pushes.update().values(next_attempt_at=now))


def let_time_pass(world: World) -> None:
    """The moment until which the circuit is open has come."""
    with world.hub.database.write() as tx:
        now = dialect.database_now(tx)
        past = now - timedelta(seconds=1)
        tx.execute(t.connections.update().values(open_until=past, limited_until=None))


@pytest.fixture(autouse=True)
def _counting(github: GithubSandbox) -> None:
    github.faults.keep = 1000


@pytest.fixture(autouse=True)
def _open_for_long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No circuit is half open before a test lets time pass, however slow the machine is."""
    if "world" in request.fixturenames or "make" in request.fixturenames:
        monkeypatch.setattr(circuits, "FIRST", 600.0)


def asked(github: GithubSandbox) -> int:
    """Requests so far."""
    return len(github.faults.exchanges)


def test_a_tool_that_fails_in_a_row_is_left_alone_and_others_go_on(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    """Its rows are not claimed: no attempt is counted, and what goes elsewhere goes."""
    world = make({"github": github, "tracker": tracker})
    trip(world, github)
    opened = circuit(world)
    assert (opened.state, opened.trips) == ("open", 1)
    assert "502" in str(opened.why)
    assert world.kinds() == ["connection"]
    before, rows = asked(github), world.pushes(t.pushes.c.connection == "github")
    world.create("github", title="Later")
    world.create("tracker", title="Elsewhere")
    for _ in range(5):
        due_now(world)
        deliver(world.hub)
    assert asked(github) == before
    assert [row["Title"] for row in tracker.rows()] == ["Elsewhere"]
    after = {row["id"]: row for row in world.pushes(t.pushes.c.connection == "github")}
    for row in rows:
        assert (after[row["id"]]["attempts"], after[row["id"]]["claims"]) == (
            row["attempts"], row["claims"],
        )  # fmt: skip
    [event] = world.events("connection.unreachable")
    assert event["subject"] == "github"


def test_one_write_tries_and_its_success_lets_all_others_go(
    world: World, github: GithubSandbox
) -> None:
    trip(world, github)
    github.faults.status = []
    let_time_pass(world)
    due_now(world)
    assert circuit(world).state == "half open"
    world.settle()
    assert circuit(world).state == "closed"
    assert sorted(issue["title"] for issue in github.issues()) == ["Waits 0", "Waits 1"]
    assert world.exceptions() == []
    assert len(world.events("connection.reachable")) == 1


def test_a_trial_that_fails_is_a_single_push_and_opens_the_circuit_for_longer(
    world: World, github: GithubSandbox
) -> None:
    trip(world, github)
    for trips in (2, 3, 4):
        let_time_pass(world)
        due_now(world)
        before = {row["id"]: row["attempts"] for row in world.pushes()}
        deliver(world.hub)
        deliver(world.hub)
        tried = [row for row in world.pushes() if row["attempts"] != before[row["id"]]]
        assert len(tried) == 1
        assert (circuit(world).state, circuit(world).trips) == ("open", trips)
    [shown] = world.exceptions()
    assert shown["count"] == 4
    assert len(world.events("connection.unreachable")) == 1


def test_the_time_doubles_with_jitter_up_to_a_quarter_of_an_hour() -> None:
    for trips, most in ((0, 15.0), (1, 30.0), (3, 120.0), (6, 900.0), (5000, 900.0)):
        found = [circuits.lasts(trips) for _ in range(300)]
        assert most / 2 <= min(found) < max(found) <= most
        assert max(found) - min(found) > most / 4


def test_the_wait_between_attempts_doubles_with_jitter() -> None:
    for attempts, most in ((0, 2.0), (3, 16.0), (9, 900.0), (5000, 900.0)):
        found = [backoff(attempts) for _ in range(300)]
        assert most / 2 <= min(found) < max(found) <= most
        assert max(found) - min(found) > most / 4


def test_only_one_of_many_workers_tries(world: World, github: GithubSandbox) -> None:
    """Eight come at once: one request, one attempt."""
    trip(world, github)
    for n in range(10):
        world.create("github", title=f"More {n}")
    let_time_pass(world)
    due_now(world)
    before = {row["id"]: row["attempts"] for row in world.pushes()}
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        deliver(world.hub)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tried = [row for row in world.pushes() if row["attempts"] != before[row["id"]]]
    assert len(tried) == 1
    assert circuit(world).trips == 2


def test_a_record_that_is_refused_opens_nothing(world: World, github: GithubSandbox) -> None:
    """Ten titles of 257 letters: GitHub says no to each, and is well."""
    for n in range(10):
        world.create("github", title=f"{n}" + "x" * 256)
    world.work()
    assert circuit(world).state == "closed"
    assert "connection" not in world.kinds()


def test_one_record_that_always_fails_does_not_keep_others_from_going(
    world: World, github: GithubSandbox
) -> None:
    """Answers in between say that the tool is well."""
    with world.hub.unit() as unit:
        for _ in range(20):
            connections.note_trouble(unit, "github", "It answered 500.")
            connections.note_success(unit, "github")
    assert circuit(world).state == "closed"
    assert world.exceptions() == []


@pytest.mark.parametrize("write", [True, False])
def test_a_pause_that_a_tool_asks_for_is_kept_by_all_of_its_rows(
    world: World, github: GithubSandbox, write: bool
) -> None:
    """429 with Retry-After on one write, or on a pull: nothing else is sent before."""
    github.faults.on = "write" if write else "read"
    github.faults.status, github.faults.retry_after = [429], "300"
    if write:
        world.create("github", title="First")
        deliver(world.hub)
    else:
        assert pull(world.hub, "github", "issue").error
    limited = circuit(world)
    assert limited.limited_until is not None
    assert limited.state == "closed"
    github.faults.status, github.faults.on = [], "any"
    world.create("github", title="Second")
    before = asked(github)
    due_now(world)
    for _ in range(3):
        deliver(world.hub)
    assert due(world.hub) == []
    assert pull(world.hub, "github", "issue").busy
    assert asked(github) == before
    assert all(row["attempts"] == 0 for row in world.pushes())
    world.settle()
    titles = sorted(issue["title"] for issue in github.issues())
    assert titles == (["First", "Second"] if write else ["Second"])


def test_a_pause_of_a_year_is_a_day_and_a_person_is_told(
    world: World, github: GithubSandbox
) -> None:
    with world.hub.unit() as unit:
        error = RateLimitError("GitHub asks us to slow down.", 365 * 86_400.0)
        connections.note_failure(unit, "github", error)
    until = circuit(world).limited_until
    assert until is not None
    assert timedelta(hours=23) < until - world.clock() <= timedelta(days=1, minutes=1)
    [shown] = world.exceptions()
    assert shown["title"] == "github wants to be left alone"
    assert "365 days" in shown["detail"]
    with world.hub.unit() as unit:
        connections.resume(unit, "github")
    assert circuit(world).limited_until is None
    assert world.exceptions() == []


def test_what_is_read_waits_too_and_a_pull_tries_where_no_write_waits(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    github.open_issue("One")
    connector = type(world.hub.live.current().connector("github"))

    def down(*_: Any) -> Any:
        raise TransientError("GitHub does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(connector, "pull", down)
        for _ in range(5):
            assert pull(world.hub, "github", "issue", force=True).error
        assert circuit(world).state == "open"
        assert due(world.hub) == []
        assert pull(world.hub, "github", "issue").busy
        let_time_pass(world)
        make_pulls_due(world)
        assert ("github", "issue") in due(world.hub)
        assert pull(world.hub, "github", "issue").error
        assert (circuit(world).state, circuit(world).trips) == ("open", 2)
    let_time_pass(world)
    make_pulls_due(world)
    world.create("github", title="Waits")
    assert pull(world.hub, "github", "issue").busy  # the write comes first
    assert deliver(world.hub) == 1
    assert circuit(world).state == "closed"
    assert pull(world.hub, "github", "issue").error is None


def make_pulls_due(world: World) -> None:
    with world.hub.database.write() as tx:
        now = dialect.database_now(tx)
        tx.execute(t.cursors.update().values(next_pull_at=now))


def test_what_a_delivery_only_named_is_not_read_meanwhile(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record waits without an attempt; the first of them tries."""
    read: list[str] = []

    def fetch(_: Any, object: str, ids: Any) -> list[Record]:
        read.extend(ids)
        return [Record(object, id, {}, deleted=True) for id in ids]

    monkeypatch.setattr(type(world.hub.live.current().connector("github")), "fetch", fetch)
    trip(world, github)
    with world.hub.unit() as unit:
        records.enqueue(
            unit.tx, [NewRecord("github", "comment", "7", "fetch", {}, "webhook", "x")], unit.now
        )
    bring_in(world.hub)
    assert read == []
    [row] = world.all(t.records)
    assert (row["status"], row["attempts"]) == ("pending", 0)
    github.faults.status = []
    let_time_pass(world)
    with world.hub.database.write() as tx:
        tx.execute(t.records.update().values(next_attempt_at=dialect.database_now(tx)))
    assert bring_in(world.hub) == 1
    assert read == ["7"]
    [row] = world.all(t.records)
    assert row["status"] == "done"
    assert circuit(world).state == "closed"
