"""Poison: a delivery that kills, breaks or stops whoever reads it ends alone in quarantine, and the
others of its connection do not wait for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk import Delivery, Parsed
from hub.flow import intake
from hub.store import tables as t
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import MAPPINGS, Book, LedgerConnector
from tests.hub.flow.test_order import Tools, receive
from tests.hub.flow.world import World

OTHERS = 120
"""Healthy deliveries around the poison."""


class Poisoned(LedgerConnector):
    """A connector with bugs: what a body names goes wrong."""

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        if b"breaks" in delivery.body:
            raise ZeroDivisionError("a bug of the connector")
        if b"endless" in delivery.body:
            while True:
                pass
        return super().parse(delivery)


@pytest.fixture
def world(make: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setitem(worlds.CONNECTORS, "ledger", Poisoned)
    LedgerConnector.books["ledger"] = Book()
    tool: Any = Tools()
    yield make({"ledger": tool}, MAPPINGS)
    del LedgerConnector.books["ledger"]


def healthy(book: Book, first: int, count: int) -> list[bytes]:
    return [
        book.put("thing", f"t{number}", title=f"Thing {number}", state="open")
        for number in range(first, first + count)
    ]


def poison(word: str) -> bytes:
    return json.dumps([{"object": "thing", "id": word}]).encode()


def by_status(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in world.all(t.deliveries):
        found[row["status"]] = found.get(row["status"], 0) + 1
    return found


@pytest.mark.chaos
def test_a_delivery_that_kills_its_process_is_set_aside_and_all_others_are_done_once(
    world: World, tmp_path: Path, database_url: str
) -> None:
    """The process dies with the batch, with a smaller one, and three times with the poison
    alone.
    """
    book = LedgerConnector.books["ledger"]
    half = OTHERS // 2
    receive(world, *healthy(book, 0, half), poison("deadly"), *healthy(book, half, half))
    command = [sys.executable, "-m", "tests.hub.flow.poison_worker", str(tmp_path), database_url]
    ends = []
    while not ends or (ends[-1] and len(ends) < 9):
        done = subprocess.run(command, cwd=Path(__file__).parents[3], check=False, timeout=60)
        ends.append(done.returncode)
    assert ends == [9, 9, 9, 9, 9, 0]
    assert by_status(world) == {"processed": OTHERS, "quarantined": 1}
    assert len(world.tasks()) == len(world.events("task.created")) == OTHERS
    assert len(world.events("delivery.received")) == OTHERS
    [trouble] = world.exceptions()
    assert trouble["type"] == "unparseable"
    assert "hub deliveries replay" in trouble["detail"]


@pytest.mark.parametrize("word", ["breaks", "endless"])
def test_a_delivery_that_cannot_be_read_holds_nobody_up(
    world: World, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """It is tried three times; a parse without an end is interrupted. The rest of its connection
    goes on meanwhile.
    """
    monkeypatch.setattr(intake, "PARSING", 0.05)
    book = LedgerConnector.books["ledger"]
    receive(world, *healthy(book, 0, 5), poison(word), *healthy(book, 5, 5))
    world.work()
    assert by_status(world) == {"processed": 10, "accepted": 1}
    receive(world, *healthy(book, 10, 5))
    world.work()
    assert by_status(world) == {"processed": 15, "accepted": 1}
    for _ in range(2):
        world.hurry()
        world.work()
    assert by_status(world) == {"processed": 15, "quarantined": 1}
    assert len(world.tasks()) == 15
    [trouble] = world.exceptions()
    assert trouble["type"] == "unparseable"
    assert ("ZeroDivisionError" if word == "breaks" else "TookTooLong") in trouble["detail"]


def test_another_body_under_a_known_id_is_processed_flagged_and_told_once(world: World) -> None:
    """Which state holds is told by its version, not by who came last."""
    book = LedgerConnector.books["ledger"]
    old = book.put("thing", "t1", title="Before", state="open")
    new = book.put("thing", "t1", title="After", state="open")
    receive(world, new, id="same")
    world.work()
    receive(world, old, id="same")
    receive(world, old + b" ", id="same")
    world.work()
    rows = world.all(t.deliveries)
    assert [row["verdict"] for row in rows] == ["genuine", "altered", "altered"]
    assert {row["status"] for row in rows} == {"processed"}
    assert world.task["title"] == "After"
    [trouble] = world.exceptions()
    assert (trouble["severity"], trouble["count"]) == ("low", 2)
    assert "--verdict altered" in trouble["detail"]
