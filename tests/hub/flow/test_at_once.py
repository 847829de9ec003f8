"""Two transactions about one record at once, as PostgreSQL lets them: whichever commits first, the
newer state holds, once.

What another worker does in between is done at the very place, by a hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from hub.flow import bring_in as stage
from hub.flow import straight
from hub.flow.arrival import Arrival
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.store import tables as t
from hub.unit import Unit
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import MAPPINGS, Book, LedgerConnector
from tests.hub.flow.test_order import Tools, receive
from tests.hub.flow.world import World

pytestmark = [
    pytest.mark.scaled,
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]
Hook = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def book() -> Iterator[Book]:
    book = LedgerConnector.books["ledger"] = Book()
    yield book
    del LedgerConnector.books["ledger"]


@pytest.fixture
def world(make: MakeWorld, book: Book, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(worlds.CONNECTORS, "ledger", LedgerConnector)
    tool: Any = Tools(readable=False)
    return make({"ledger": tool}, MAPPINGS)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Hook:
    """Do something once: after the links are read and before the entities are locked (`locking`),
    or after that and before anything is written (`writing`).
    """

    def hook(place: str, what: Callable[[], object]) -> None:
        waiting = [what]
        module: Any = stage if place == "locking" else straight
        name = "_load_entities" if place == "locking" else "take_in"
        real = getattr(module, name)

        def hooked(unit: Unit, arrivals: Sequence[Arrival], *more: Any) -> Any:
            if waiting:
                waiting.pop()()
            return real(unit, arrivals, *more)

        monkeypatch.setattr(module, name, hooked)

    return hook


def thing(book: Book, title: str) -> tuple[bytes, Any]:
    """A state, as a delivery and as a pull tells it."""
    return book.put("thing", "t1", title=title, state="open"), book.record(book.rows["thing", "t1"])


def pulled(world: World, record: Any) -> None:
    world.bring(record, connection="ledger", source="pull")
    bring_in(world.hub)


def test_a_state_that_was_pulled_while_an_older_one_waited_for_the_lock_holds(
    world: World, book: Book, between: Hook
) -> None:
    first, _ = thing(book, "One")
    receive(world, first)
    parse_deliveries(world.hub)
    second, _ = thing(book, "Two")
    _, third = thing(book, "Three")
    receive(world, second)
    between("locking", lambda: pulled(world, third))
    parse_deliveries(world.hub)
    assert world.task["title"] == "Three"
    assert world.links()[0]["remote_version"] == third.version
    assert world.exceptions() == []


def test_a_record_that_was_made_meanwhile_is_not_made_twice(
    world: World, book: Book, between: Hook
) -> None:
    first, _ = thing(book, "One")
    _, second = thing(book, "Two")
    receive(world, first)
    between("locking", lambda: pulled(world, second))
    parse_deliveries(world.hub)
    assert world.task["title"] == "Two"
    assert [row["status"] for row in world.all(t.deliveries)] == ["processed"]


@pytest.mark.parametrize("others", [0, 20])
def test_a_record_that_is_made_at_the_last_moment_is_not_made_twice(
    world: World, book: Book, between: Hook, others: int
) -> None:
    """The unique key of links refuses the second; then it is no new record any more. Its batch is
    halved, and the others come in with it.
    """
    _, first = thing(book, "One")
    second, _ = thing(book, "Two")
    more = [book.put("thing", f"m{n}", title=f"More {n}", state="open") for n in range(others)]
    receive(world, *more, second)
    between("writing", lambda: pulled(world, first))
    world.work()
    assert {row["title"] for row in world.tasks() if not row["title"].startswith("More")} == {"Two"}
    assert len(world.tasks()) == len(world.events("task.created")) == others + 1
    assert {row["status"] for row in world.all(t.deliveries)} == {"processed"}
    assert {row["status"] for row in world.all(t.records)} == {"done"}
    assert world.exceptions() == []


def test_what_came_into_its_lane_meanwhile_goes_first(
    world: World, book: Book, between: Hook
) -> None:
    first, known = thing(book, "One")
    receive(world, first)
    parse_deliveries(world.hub)
    second, record = thing(book, "Two")
    receive(world, second)
    between("locking", lambda: world.bring(record, connection="ledger", source="pull"))
    parse_deliveries(world.hub)
    assert world.task["title"] == "One"
    assert [row["source"] for row in world.all(t.records)] == ["pull", "webhook"]
    world.work()
    assert world.task["title"] == "Two"
    assert known.version < record.version
