"""Listening: a change that is noticed is pulled at once, by one process, and turns come anyway."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.sdk import TransientError, UnsupportedError, Watcher
from connectors.sdk.records import Cursor
from hub.flow import connections
from hub.flow.pull import pull
from hub.jobs.broker import Jobs
from hub.jobs.listening import Listeners
from hub.store import cursors
from tests.hub.club import THING, ClubConnector, ClubSandbox
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

KEY = ("club", "thing")


class Ears(ClubConnector, Watcher):
    """A club that is listened to. What is put into `heard` is what `wait` comes to."""

    def setup(self) -> None:
        super().setup()
        self.heard: queue.Queue[bool | Exception] = queue.Queue()
        self.asked: list[Cursor] = []

    def wait(self, object: str, cursor: Cursor, timeout: float) -> bool:
        self.asked.append(cursor)
        found = self.heard.get(timeout=20)
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        self.heard.put(False)
        super().close()


@pytest.fixture
def world(make: MakeWorld, club: ClubSandbox, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(worlds.CONNECTORS, "club", Ears)
    return make({"club": club}, {"mappings/thing.yaml": THING})


@pytest.fixture
def jobs(world: World) -> Iterator[Jobs]:
    """Jobs that pull right away what they are woken for."""
    jobs = Jobs(world.hub)
    jobs.wake_pull = lambda *key: pull(world.hub, *key) and None  # type: ignore[method-assign]
    yield jobs
    jobs.stop()


def ears(world: World) -> Ears:
    connector = world.hub.live.current().connector("club")
    assert isinstance(connector, Ears)
    return connector


def test_a_change_that_is_heard_is_pulled_before_its_turn(
    world: World, jobs: Jobs, club: ClubSandbox
) -> None:
    """And listening goes on from where that pull ended."""
    world.pull()
    listener = Listeners(world.hub, jobs)
    row = club.put("thing", title="New")["row"]
    assert pull(world.hub, *KEY).busy  # it is not its turn
    ears(world).heard.put(True)
    assert listener.turn(KEY, ears(world)) == 0.0
    world.work()
    assert world.task["title"] == "New"
    ears(world).heard.put(False)
    listener.turn(KEY, ears(world))
    assert ears(world).asked == [{}, {"after": row}]


def test_silence_pulls_nothing(world: World, jobs: Jobs, club: ClubSandbox) -> None:
    world.pull()
    before = len(club.calls)
    ears(world).heard.put(False)
    assert Listeners(world.hub, jobs).turn(KEY, ears(world)) == 0.0
    assert len(club.calls) == before


def test_one_process_listens(world: World, jobs: Jobs) -> None:
    """The other looks again later, and takes over from one that has stopped."""
    world.pull()
    first, second = Listeners(world.hub, jobs), Listeners(world.hub, jobs)
    ears(world).heard.put(False)
    first.turn(KEY, ears(world))
    assert second.turn(KEY, ears(world)) > 0
    assert len(ears(world).asked) == 1
    first.stop()
    ears(world).heard.put(False)
    assert second.turn(KEY, ears(world)) == 0.0


def test_before_the_first_pull_there_is_nothing_to_listen_from(world: World, jobs: Jobs) -> None:
    assert Listeners(world.hub, jobs).turn(KEY, ears(world)) > 0
    assert ears(world).asked == []


def test_an_account_that_cannot_be_listened_to_is_asked_once(
    world: World, jobs: Jobs, club: ClubSandbox
) -> None:
    """Until it is configured anew."""
    world.pull()
    listener = Listeners(world.hub, jobs)
    ears(world).heard.put(UnsupportedError("This account has no ears."))
    listener.turn(KEY, ears(world))
    assert listener.wanted() == {}
    world.apply({"mappings/thing.yaml": THING + "  labels: $.labels\n"})
    assert listener.wanted() == {KEY: ears(world)}


def test_trouble_rests_and_is_left_to_the_pulls(world: World, jobs: Jobs) -> None:
    world.pull()
    ears(world).heard.put(TransientError("Club is being moved."))
    assert Listeners(world.hub, jobs).turn(KEY, ears(world)) > 10
    assert world.exceptions() == []


def test_a_paused_connection_is_not_listened_to(world: World, jobs: Jobs) -> None:
    with world.hub.unit() as unit:
        connections.pause(unit, "club", "on purpose")
    assert Listeners(world.hub, jobs).wanted() == {}


def test_a_connection_whose_circuit_is_open_is_not_listened_to(world: World, jobs: Jobs) -> None:
    world.pull()
    with world.hub.unit() as unit:
        connections.note_trouble(unit, "club", "It answered 502.", times=5)
    assert Listeners(world.hub, jobs).wanted() == {}
    with world.hub.unit() as unit:
        connections.note_success(unit, "club")
    assert Listeners(world.hub, jobs).wanted() == {KEY: ears(world)}


def test_a_thread_listens_until_its_connector_is_closed(world: World, jobs: Jobs) -> None:
    """One per object, however often it is looked for."""
    world.pull()
    connector: Any = ears(world)
    listener = Listeners(world.hub, jobs)
    for _ in range(3):
        listener.refresh()
    [(thread, _)] = listener._threads.values()
    connector.heard.put(False)
    listener.stop()
    connector.close()
    thread.join(20)
    assert not thread.is_alive()
    assert sum(one.name == "listen-club" for one in threading.enumerate()) == 0


def test_leases_of_the_dead_are_given_back(world: World, jobs: Jobs) -> None:
    world.pull()
    ears(world).heard.put(False)
    Listeners(world.hub, jobs).turn(KEY, ears(world))
    with world.hub.database.write() as tx:
        cursors.recover_pulls(tx)
    ears(world).heard.put(False)
    assert Listeners(world.hub, jobs).turn(KEY, ears(world)) == 0.0
