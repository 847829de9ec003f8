"""Pages ahead: one is fetched while the one before it is stored, and never more than that."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from connectors.sdk import ObjectSpec, Page, Record, TransientError
from hub.flow import pull as pulling
from hub.flow.pull import one_ahead, pull
from hub.store import records
from hub.store import tables as t
from hub.store.queue import LostLease
from hub.store.records import NewRecord
from tests.hub.club import THING, ClubConnector, ClubSandbox
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

Source = Callable[..., Iterator[Page]]
GOOD = 10.0
"""Seconds that nothing here takes."""


class Records(list[Record]):
    """A page's records, which can be watched."""


@pytest.fixture
def world(make: MakeWorld, club: ClubSandbox) -> World:
    return make({"club": club}, {"mappings/thing.yaml": THING})


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Callable[[Source], None]:
    """Have the connector pull so."""
    return lambda made: monkeypatch.setattr(
        ClubConnector, "pull", lambda self, object, cursor, fields: made()
    )


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool shows no single record, which would settle the order of two states."""
    spec = ObjectSpec("Thing", pull=True, webhook=True)
    offers = classmethod(lambda cls, settings: {"thing": spec})
    monkeypatch.setattr(ClubConnector, "offers", offers)


def page(number: int) -> Page:
    record = Record("thing", str(number), {"title": f"Thing {number}"}, version=f"{number:04d}")
    return Page(Records([record]), {"after": number})


def stored(world: World) -> list[str]:
    return [row["external_id"] for row in world.all(t.records)]


def cursor(world: World) -> Any:
    [row] = world.all(t.cursors)
    return row["cursor"]


def test_the_next_page_is_fetched_while_one_is_stored(
    world: World, source: Callable[[Source], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the two waits until the other is under way."""
    fetching, storing = threading.Event(), threading.Event()

    def pages() -> Iterator[Page]:
        yield page(1)
        fetching.set()
        assert storing.wait(GOOD)
        yield page(2)

    store = pulling._store_page

    def watched(*args: Any) -> None:
        storing.set()
        assert fetching.wait(GOOD)
        store(*args)

    source(pages)
    monkeypatch.setattr(pulling, "_store_page", watched)
    result = pull(world.hub, "club", "thing", force=True)
    assert (result.error, result.seen) == (None, 2)
    assert stored(world) == ["1", "2"]


def test_two_pages_are_alive_at_most(world: World, source: Callable[[Source], None]) -> None:
    """However many there are."""
    alive: list[weakref.ref[Records]] = []
    most = 0

    def pages() -> Iterator[Page]:
        nonlocal most
        for number in range(60):
            made = page(number)
            assert isinstance(made.records, Records)
            alive.append(weakref.ref(made.records))
            most = max(most, sum(one() is not None for one in alive))
            yield made
            del made

    source(pages)
    assert pull(world.hub, "club", "thing", force=True).seen == 60
    assert most == 2
    assert sum(one() is not None for one in alive) == 0


def test_pages_before_a_failure_are_kept(world: World, source: Callable[[Source], None]) -> None:
    """And the next pull goes on behind them."""

    def pages() -> Iterator[Page]:
        yield page(1)
        yield page(2)
        raise TransientError("Club is being moved.")

    source(pages)
    result = pull(world.hub, "club", "thing", force=True)
    assert result.error == "Club is being moved."
    assert stored(world) == ["1", "2"]
    assert cursor(world) == {"after": 2}


def test_a_bug_in_a_connector_is_told_as_before(
    world: World, source: Callable[[Source], None]
) -> None:
    def pages() -> Iterator[Page]:
        yield page(1)
        raise KeyError("oops")

    source(pages)
    result = pull(world.hub, "club", "thing", force=True)
    assert "KeyError" in (result.error or "")
    assert stored(world) == ["1"]


def test_a_lost_lease_ends_the_source(
    world: World, source: Callable[[Source], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page that was fetched ahead is dropped: whoever took over reads it again."""
    fetched: list[int] = []
    ended = threading.Event()

    def pages() -> Iterator[Page]:
        try:
            for number in range(1, 1000):
                fetched.append(number)
                yield page(number)
        finally:
            ended.set()

    store = pulling._store_page

    def taken_over(hub: Any, result: Any, some: Page, *rest: Any) -> None:
        if some.cursor["after"] == 3:
            raise LostLease("somebody else pulls club/thing now")
        store(hub, result, some, *rest)

    source(pages)
    monkeypatch.setattr(pulling, "_store_page", taken_over)
    result = pull(world.hub, "club", "thing", force=True)
    assert (result.busy, ended.is_set(), fetched[-1]) == (True, True, 4)
    assert cursor(world) == {"after": 2}


def test_a_source_is_ended_on_the_thread_that_reads_it() -> None:
    """A generator may hold what belongs to a thread; what it raises at its end is no failure."""
    threads: list[str] = []

    def pages() -> Iterator[Page]:
        threads.append(threading.current_thread().name)
        try:
            while True:
                yield page(1)
        finally:
            threads.append(threading.current_thread().name)
            raise OSError("cannot say good-bye")

    with one_ahead(pages()) as ahead:
        assert next(ahead).cursor == {"after": 1}
    assert len(set(threads)) == 1
    assert len(threads) == 2
    assert threads[0] != threading.current_thread().name


def test_a_source_may_be_a_plain_iterator() -> None:
    with one_ahead(iter([page(1), page(2)])) as ahead:
        assert [one.cursor["after"] for one in ahead] == [1, 2]


@pytest.mark.usefixtures("unreadable")
def test_a_page_that_was_asked_for_before_a_webhook_of_the_same_second_changes_nothing(
    world: World, source: Callable[[Source], None]
) -> None:
    """Versions are whole seconds at many vendors, and pages take time."""
    told = Record("thing", "1", {"title": "Told by webhook"}, version="0001")

    def pages() -> Iterator[Page]:
        yield page(1)

    source(pages)
    world.pull("club")
    world.work()

    def slow() -> Iterator[Page]:
        world.clock.ahead += timedelta(seconds=1)
        world.bring(told, connection="club")
        world.work()
        yield Page([Record("thing", "1", {"title": "Read before"}, version="0001")], {"after": 2})

    source(slow)
    world.pull("club")
    world.work()
    assert [row["title"] for row in world.tasks()] == ["Told by webhook"]

    def later() -> Iterator[Page]:
        yield Page([Record("thing", "1", {"title": "Read later"}, version="0001")], {"after": 3})

    world.clock.ahead += timedelta(seconds=1)
    source(later)
    world.pull("club")
    world.work()
    assert [row["title"] for row in world.tasks()] == ["Read later"]


@pytest.mark.usefixtures("unreadable")
def test_of_two_states_of_one_second_the_one_heard_of_later_holds(
    world: World, source: Callable[[Source], None]
) -> None:
    """A delivery waited in the inbox while the record was looked up."""

    def heard(title: str, seconds: int) -> None:
        record = Record("thing", "1", {"title": title}, version="0001")
        new = NewRecord("club", "thing", "1", "state", records.state_of(record), "webhook", "x")
        with world.hub.database.write() as tx:
            records.enqueue(tx, [new], world.clock() + timedelta(seconds=seconds))
        world.work()

    heard("First", 0)
    heard("Looked up", 20)
    heard("Waited meanwhile", 10)
    assert [row["title"] for row in world.tasks()] == ["Looked up"]
    heard("Then edited", 30)
    assert [row["title"] for row in world.tasks()] == ["Then edited"]
