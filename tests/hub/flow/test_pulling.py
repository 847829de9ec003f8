"""Pages ahead: they are fetched while those before them are stored, up to a number of records."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.sdk import ObjectSpec, Page, Record, TransientError
from hub.flow import pull as pulling
from hub.flow.ahead import Asked, ahead, pages_ahead
from hub.flow.pull import pull
from hub.store import cursors, records
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
    return [row["external_id"] for row in world.all(t.links)]


def cursor(world: World) -> Any:
    """Where the pull of everything is that a first pull is."""
    [row] = world.all(t.cursors)
    return row["full_cursor"]


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

    store = pulling.take_pages

    def watched(*args: Any) -> Any:
        storing.set()
        assert fetching.wait(GOOD)
        return store(*args)

    source(pages)
    monkeypatch.setattr(pulling, "take_pages", watched)
    result = pull(world.hub, "club", "thing", force=True)
    assert (result.error, result.seen) == (None, 2)
    assert stored(world) == ["1", "2"]


@pytest.mark.parametrize("many", [1, 10])
def test_so_many_records_are_alive_at_most(many: int) -> None:
    """However many there are, and however small the pages: what is worked on, what waits for it,
    and the page under way.
    """
    alive: list[weakref.ref[Records]] = []
    most = 0

    def living() -> int:
        return sum(len(one) for ref in alive if (one := ref()) is not None)

    def pages() -> Iterator[Page]:
        nonlocal most
        for number in range(600 // many):
            made = Page(Records([page(number).records[0]] * many), {"after": number})
            assert isinstance(made.records, Records)
            alive.append(weakref.ref(made.records))
            most = max(most, living())
            yield made
            del made

    seen = 0
    with ahead(pages(), lambda: datetime.now(UTC), enough=30) as read:
        for some in read:
            seen += sum(len(one.page.records) for one in some)
            del some
    assert seen == 600
    assert most <= 30 + 30 + 2 * many
    assert living() == 0


def test_small_pages_come_in_together(world: World, source: Callable[[Source], None]) -> None:
    """What was fetched while a page was stored is stored at once, by one transaction."""
    fetched = threading.Event()
    taken: list[int] = []

    def pages() -> Iterator[Page]:
        yield page(1)
        for number in range(2, 9):
            yield page(number)
        fetched.set()

    with ahead(pages(), lambda: datetime.now(UTC)) as read:
        for some in read:
            assert fetched.wait(GOOD)
            taken.append(len(some))
    assert sum(taken) == 8
    assert len(taken) <= 2


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
    """What was fetched ahead is dropped: whoever took over reads it again."""
    fetched: list[int] = []
    ended = threading.Event()

    def pages() -> Iterator[Page]:
        try:
            for number in range(1, 1000):
                fetched.append(number)
                yield page(number)
        finally:
            ended.set()

    store = pulling.take_pages

    kept: list[int] = []

    def taken_over(hub: Any, whose: Any, some: list[Asked], *rest: Any) -> Any:
        if kept:
            raise LostLease("somebody else pulls club/thing now")
        kept.extend(one.page.cursor["after"] for one in some)
        return store(hub, whose, some, *rest)

    source(pages)
    monkeypatch.setattr(pulling, "take_pages", taken_over)
    result = pull(world.hub, "club", "thing", force=True)
    assert (result.busy, ended.is_set()) == (True, True)
    assert kept[-1] < fetched[-1] < 1000
    assert cursor(world) == {"after": kept[-1]}


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

    with pages_ahead(pages()) as read:
        assert next(read).cursor == {"after": 1}
    assert len(set(threads)) == 1
    assert len(threads) == 2
    assert threads[0] != threading.current_thread().name


def test_a_source_may_be_a_plain_iterator() -> None:
    with pages_ahead(iter([page(1), page(2)])) as read:
        assert [one.cursor["after"] for one in read] == [1, 2]


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


def test_what_is_seen_is_not_noted_where_a_miss_says_nothing(
    world: World, source: Callable[[Source], None]
) -> None:
    """Of a feed that shows its newest only nobody asks later what it did not show."""
    source(lambda: iter([page(1), page(2)]))
    assert pull(world.hub, "club", "thing", full=True, force=True).error is None
    world.work()
    assert len(world.tasks()) == 2
    noted: list[int] = []
    progress = lambda _: noted.append(len(world.all(t.sightings)))  # noqa: E731
    assert pull(world.hub, "club", "thing", full=True, force=True, progress=progress).error is None
    assert noted
    assert not any(noted)
    source(lambda: iter([page(2)]))
    for _ in range(3):
        pull(world.hub, "club", "thing", full=True, force=True)
        world.work()
    assert not any(link["remote_deleted"] for link in world.all(t.links))


def test_whoever_waits_for_a_slow_page_keeps_its_turn(
    world: World, source: Callable[[Source], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else another process would begin the page anew, and neither would ever end it."""
    monkeypatch.setattr("hub.flow.ahead.WHILE", 0.01)
    kept = threading.Event()
    keep = cursors.keep_turn

    def watched(*args: Any) -> None:
        keep(*args)
        kept.set()

    def pages() -> Iterator[Page]:
        assert kept.wait(GOOD)
        yield page(1)

    source(pages)
    monkeypatch.setattr("hub.flow.pull.cursors.keep_turn", watched)
    result = pull(world.hub, "club", "thing", force=True)
    assert (result.error, result.seen) == (None, 1)


def test_a_record_that_is_no_object_does_not_hold_up_its_page(
    world: World, source: Callable[[Source], None]
) -> None:
    """It is set aside and shown; the others come in, and the watermark goes on."""

    def pages() -> Iterator[Page]:
        odd: Any = ["no", "object"]
        yield Page([Record("thing", "1", odd), *page(2).records], {"after": 2})

    source(pages)
    result = pull(world.hub, "club", "thing", force=True)
    world.work()
    assert result.error is None
    assert stored(world) == ["2"]
    assert world.kinds() == ["mapping_error"]
