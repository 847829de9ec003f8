"""Reading records: what deliveries only named, what cannot be read, and what a read corrects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from connectors.sdk import ConnectorError, NotSentError, PayloadError, Record, TransientError
from hub.flow import fetch
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.store import records
from hub.store import tables as t
from hub.store.records import NewRecord
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import MAPPINGS, Book, LedgerConnector
from tests.hub.flow.test_order import Tools, receive
from tests.hub.flow.world import World


class Reading(LedgerConnector):
    """Whose reads of some ids fail."""

    fails: dict[str, ConnectorError | ZeroDivisionError] = {}
    asked: list[Sequence[str]] = []

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        self.asked.append(ids)
        for id in ids:
            if id in self.fails:
                raise self.fails[id]
        return super().fetch(object, ids)


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    monkeypatch.setitem(worlds.CONNECTORS, "ledger", Reading)
    monkeypatch.setattr(Reading, "fails", {})
    monkeypatch.setattr(Reading, "asked", [])
    book = LedgerConnector.books["ledger"] = Book()
    yield book
    del LedgerConnector.books["ledger"]


@pytest.fixture
def world(make: MakeWorld, book: Book) -> World:
    tool: Any = Tools()
    return make({"ledger": tool}, MAPPINGS)


def name(world: World, *ids: str) -> None:
    """A delivery names records that must be read."""
    with world.hub.database.write() as tx:
        new = [NewRecord("ledger", "thing", id, "fetch", {}, "webhook", "x") for id in ids]
        records.enqueue(tx, new, world.clock())


def rows(world: World) -> dict[str, tuple[str, int]]:
    return {row["external_id"]: (row["status"], row["attempts"]) for row in world.all(t.records)}


@pytest.mark.parametrize("error", [PayloadError("cannot be read"), ZeroDivisionError("a bug")])
def test_a_record_that_cannot_be_read_is_set_aside_alone(
    world: World, book: Book, error: ConnectorError | ZeroDivisionError
) -> None:
    """The others of its batch come in at once; only what was tried alone counts."""
    Reading.fails = {"t5": error}
    ids = [f"t{number}" for number in range(11)]
    for id in ids:
        book.put("thing", id, title=id, state="open")
    name(world, *ids)
    bring_in(world.hub)
    assert rows(world) == {**dict.fromkeys(ids, ("done", 1)), "t5": ("pending", 1)}
    for _ in range(2):
        world.hurry()
        bring_in(world.hub)
    assert rows(world)["t5"] == ("quarantined", 3)
    assert len(world.tasks()) == 10
    assert world.kinds() == ["mapping_error"]


def test_what_passes_is_waited_for_and_asked_once(world: World, book: Book) -> None:
    """Nobody asks for each record of a tool that does not answer."""
    Reading.fails = {"t1": NotSentError("down")}
    name(world, "t0", "t1", "t2")
    bring_in(world.hub)
    assert set(rows(world).values()) == {("pending", 0)}
    assert len(Reading.asked) == 1


def test_what_cannot_be_read_in_time_is_left_to_the_next_claim(
    world: World, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had never been claimed."""
    monkeypatch.setattr(fetch, "SHARE", 0.0)
    Reading.fails = {"t0": PayloadError("cannot be read")}
    ids = [f"t{number}" for number in range(4)]
    for id in ids:
        book.put("thing", id, title=id, state="open")
    name(world, *ids)
    while bring_in(world.hub):
        pass
    assert Reading.asked == [ids, ids[:2], ids[:1], ids[1:]]
    assert rows(world) == {**dict.fromkeys(ids, ("done", 1)), "t0": ("pending", 1)}


# ---------------------------------------------------------------------------- what a read corrects


def ahead(world: World, book: Book) -> Record:
    """A version from a clock that was wrong for a minute, and the record as it really is since."""
    book.change = 900
    receive(world, book.put("thing", "t1", title="Old", state="open"))
    parse_deliveries(world.hub)
    book.change = 10
    book.put("thing", "t1", title="New", state="open")
    return book.record(book.rows["thing", "t1"])


def test_what_was_read_since_holds_whatever_its_version(world: World, book: Book) -> None:
    ahead(world, book)
    name(world, "t1")
    bring_in(world.hub)
    assert world.task["title"] == "New"
    assert world.links()[0]["remote_version"] == "000000011"


def test_a_list_that_says_so_has_the_record_read(world: World, book: Book) -> None:
    world.bring(ahead(world, book), connection="ledger", source="pull")
    assert bring_in(world.hub) == 2  # the list's row, and the reading that it asks for
    assert world.task["title"] == "New"
    assert Reading.asked == [["t1"]]


def test_a_list_corrects_what_cannot_be_read_alone(make: MakeWorld, book: Book) -> None:
    tool: Any = Tools(readable=False)
    world = make({"ledger": tool}, MAPPINGS)
    world.bring(ahead(world, book), connection="ledger", source="pull")
    bring_in(world.hub)
    assert world.task["title"] == "New"


@pytest.mark.parametrize("readable", [True, False])
def test_a_list_from_before_and_a_late_delivery_correct_nothing(
    make: MakeWorld, book: Book, readable: bool
) -> None:
    tool: Any = Tools(readable=readable)
    world = make({"ledger": tool}, MAPPINGS)
    older = ahead(world, book)
    world.clock.ahead = -timedelta(hours=1)
    world.bring(older, connection="ledger", source="pull")
    world.clock.ahead = timedelta(0)
    bring_in(world.hub)
    world.bring(older, connection="ledger", source="webhook")
    bring_in(world.hub)
    assert (world.task["title"], Reading.asked) == ("Old", [])


def test_a_read_that_was_overtaken_does_not_hold(
    world: World, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version was heard of while the tool answered, as the answer to a push is."""
    book.put("thing", "t1", title="Read", state="open")
    earlier = book.record(book.rows["thing", "t1"])
    world.bring(earlier, connection="ledger")
    bring_in(world.hub)
    newer = book.put("thing", "t1", title="Newer", state="open")

    def overtaken(connector: LedgerConnector, object: str, ids: Sequence[str]) -> list[Record]:
        with world.hub.database.write() as tx:
            tx.execute(t.records.update().values(lane="another"))
        receive(world, newer)
        parse_deliveries(world.hub)
        return [earlier]

    monkeypatch.setattr(Reading, "fetch", overtaken)
    name(world, "t1")
    bring_in(world.hub)
    assert world.task["title"] == "Newer"


def test_a_record_whose_read_always_ends_in_a_moments_trouble_holds_nobody_back(
    world: World, book: Book
) -> None:
    ids = [f"{number:02}" for number in range(20)]
    for id in ids:
        book.put("thing", id, title=f"Thing {id}", state="open")
    name(world, *ids)
    Reading.fails = {id: TransientError("502 Bad Gateway") for id in ("00", "01", "13")}
    for _ in range(3):
        world.hurry()
        world.work()
    assert len(world.tasks()) == 17
    waiting = world.all(t.records, t.records.c.status == "pending")
    assert sorted(row["external_id"] for row in waiting) == ["00", "01", "13"]
    Reading.fails = {}
    world.hurry()
    world.work()
    assert len(world.tasks()) == 20
    assert world.exceptions() == []


def test_a_tool_that_fails_altogether_is_asked_a_few_times_only(world: World, book: Book) -> None:
    ids = [f"{number:03}" for number in range(128)]
    for id in ids:
        book.put("thing", id, title=f"Thing {id}", state="open")
    name(world, *ids)
    Reading.fails = dict.fromkeys(ids, TransientError("503 Service Unavailable"))
    bring_in(world.hub)
    assert len(Reading.asked) < 20
    assert world.tasks() == []
    Reading.fails = {}
    world.hurry()
    world.work()
    assert len(world.tasks()) == 128
