"""Parsing stored deliveries: outside any transaction, so many bytes and so long at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from connectors.sdk import Delivery, Parsed
from hub.flow import intake
from hub.flow.intake import parse_deliveries
from hub.flow.overtime import Overtime, TookTooLong
from hub.flow.stage import take
from hub.hub import Hub
from hub.store import inbox
from hub.store import tables as t
from hub.unit import Unit
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import MAPPINGS, Book, LedgerConnector
from tests.hub.flow.test_order import Tools, receive
from tests.hub.flow.world import World


class Watched(LedgerConnector):
    """Notes each parse, and whether a transaction was open."""

    parsed: list[bool] = []
    open = 0

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        self.parsed.append(bool(Watched.open))
        return super().parse(delivery)


@pytest.fixture
def world(make: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setitem(worlds.CONNECTORS, "ledger", Watched)
    monkeypatch.setattr(Watched, "parsed", [])
    unit = Hub.unit

    @contextmanager
    def watched(hub: Hub, *args: Any) -> Iterator[Unit]:
        with unit(hub, *args) as made:
            Watched.open += 1
            try:
                yield made
            finally:
                Watched.open -= 1

    monkeypatch.setattr(Hub, "unit", watched)
    LedgerConnector.books["ledger"] = Book()
    tool: Any = Tools()
    yield make({"ledger": tool}, MAPPINGS)
    del LedgerConnector.books["ledger"]


def things(count: int, **data: Any) -> list[bytes]:
    book = LedgerConnector.books["ledger"]
    return [
        book.put("thing", f"t{number}", title=f"Thing {number}", state="open", **data)
        for number in range(count)
    ]


def test_no_parser_runs_within_a_transaction(world: World) -> None:
    """Neither on the straight way, nor on the long one after a crash."""
    receive(world, *things(3))
    parse_deliveries(world.hub)
    receive(world, *things(3))
    take(world.hub, inbox.DELIVERIES, 100)
    world.die()
    parse_deliveries(world.hub)
    world.work()
    assert Watched.parsed == [False] * 6
    assert {row["status"] for row in world.all(t.deliveries)} == {"processed"}


@pytest.mark.parametrize("died", [False, True])
def test_what_was_parsed_under_another_revision_is_parsed_again(
    world: World, monkeypatch: pytest.MonkeyPatch, died: bool
) -> None:
    hear = intake._hear_all  # where another revision comes in between

    def applied(*args: Any) -> Any:
        heard = hear(*args)
        if len(Watched.parsed) == 2:
            other = MAPPINGS["mappings/ledger-thing.yaml"].replace("$.title", "$.name")
            world.apply({**MAPPINGS, "mappings/ledger-thing.yaml": other})
        return heard

    monkeypatch.setattr(intake, "_hear_all", applied)
    receive(world, *things(2, name="By its name"))
    if died:
        take(world.hub, inbox.DELIVERIES, 100)
        world.die()
    parse_deliveries(world.hub)
    world.work()
    assert Watched.parsed == [False] * 4
    assert [row["title"] for row in world.tasks()] == ["By its name"] * 2
    assert len(world.events("delivery.received")) == 2


def test_a_claim_takes_so_many_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least one, however large."""
    bodies = things(5, text="x" * 1000)
    receive(world, *bodies)
    most = len(bodies[0]) + len(bodies[1])
    monkeypatch.setattr(inbox, "DELIVERIES", replace(inbox.DELIVERIES, most=most))
    assert len(take(world.hub, inbox.DELIVERIES, 100).rows) == 2
    world.die()
    monkeypatch.setattr(inbox, "DELIVERIES", replace(inbox.DELIVERIES, most=1))
    world.work()
    assert len(world.tasks()) == 5


def test_bodies_are_read_a_slice_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies, read = things(5), inbox.bodies
    receive(world, *bodies)
    asked: list[int] = []

    def noted(tx: Any, positions: Sequence[int]) -> dict[int, bytes]:
        asked.append(len(positions))
        return read(tx, positions)

    monkeypatch.setattr(inbox, "bodies", noted)
    monkeypatch.setattr(intake, "SLICE", len(bodies[0]) * 2)
    parse_deliveries(world.hub)
    assert asked == [2, 2, 1]
    assert len(world.tasks()) == 5


def test_what_there_is_no_time_for_is_left_to_the_next_claim(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had never been claimed."""
    monkeypatch.setattr(intake, "SHARE", 0.0)
    receive(world, *things(3))
    woken: list[str] = []
    world.hub.wake = woken.append
    assert parse_deliveries(world.hub) >= 1
    assert "intake" in woken
    world.work()
    assert Watched.parsed == [False] * 3
    assert {(row["status"], row["attempts"]) for row in world.all(t.deliveries)} == {
        ("processed", 1)
    }


def stubborn(caught: list[BaseException]) -> None:
    """Catches whatever is raised, once."""
    while True:
        try:
            while True:
                pass
        except Exception:
            raise AssertionError("taken for an error of its own") from None
        except BaseException as error:
            caught.append(error)
            if len(caught) == 2:
                raise


def test_code_that_catches_what_is_raised_is_interrupted_again() -> None:
    caught: list[BaseException] = []
    with pytest.raises(TookTooLong), Overtime(0.01):
        stubborn(caught)
    assert len(caught) == 2
    with Overtime(5.0):
        assert sum(range(1000)) == 499500
