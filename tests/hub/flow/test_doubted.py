"""What a pull of everything does not show and nobody believes to be gone: too much at once, a
connection that is to read less since, a list that leaves some out. A person says what it is, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow.planning import Planning
from hub.flow.pull import pull
from hub.flow.undone import Missing
from hub.process import exceptions
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import MAPPINGS, Book, LedgerConnector
from tests.hub.flow.test_order import Tools
from tests.hub.flow.world import World

DANA = {"kind": "person", "id": "dana", "name": "Dana"}


@pytest.fixture
def book(
    make: MakeWorld, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, Book]]:
    """A hub over a ledger whose records can be read one by one only where the test says so."""
    monkeypatch.setitem(worlds.CONNECTORS, "ledger", LedgerConnector)
    tool: Any = Tools(**{"versions": "fine", "readable": False, **getattr(request, "param", {})})
    made = Book(versions="fine")
    LedgerConnector.books["ledger"] = made
    yield make({"ledger": tool}, MAPPINGS), made
    del LedgerConnector.books["ledger"]


def put(tool: Book, *ids: str, state: str = "open") -> None:
    for id in ids:
        tool.put("thing", id, title=f"Thing {id}", state=state)


def ids(first: int, last: int) -> list[str]:
    return [f"{number:02}" for number in range(first, last)]


def pull_all(world: World, connection: str = "ledger", object: str = "thing") -> None:
    """A pull of everything that begins after all that was heard so far."""
    world.clock.ahead += timedelta(minutes=1)
    result = pull(world.hub, connection, object, full=True, restart=True, force=True)
    assert not result.error
    world.hurry()
    world.work()


def foreseen(world: World, connection: str = "ledger", object: str = "thing") -> list[str]:
    """What a plan says of what is missing."""
    planning = Planning(world.hub, world.hub.live.current(), connection, full=True)
    found = planning.run([object], lambda object, seen: None)
    return [one.then for one in found if isinstance(one, Missing)]


def deleted(world: World) -> list[str]:
    return sorted(row["external_id"] for row in world.links() if row["remote_deleted"])


def configure(world: World, connection: str, **settings: Any) -> None:
    """Change what hub.yaml says of a connection."""
    hub_yaml = yaml.safe_load(world.files["hub.yaml"])
    hub_yaml["connections"][connection].update(settings)
    world.apply({"hub.yaml": yaml.safe_dump(hub_yaml)})


def waive(world: World) -> None:
    [trouble] = world.exceptions()
    with world.hub.unit() as unit:
        exceptions.waive(unit, trouble["id"], DANA, "they are there")
    assert world.exceptions() == []


def resolve(world: World) -> None:
    [trouble] = world.exceptions()
    with world.hub.unit() as unit:
        exceptions.resolve(unit, trouble["id"], DANA)
    world.work()


def test_a_person_who_waived_it_is_asked_again_only_about_others(book: tuple[World, Book]) -> None:
    world, tool = book
    put(tool, *ids(0, 90))
    pull_all(world)
    tool.hidden = set(ids(0, 60))
    pull_all(world)
    [trouble] = world.exceptions()
    assert "60 of 90" in trouble["title"]
    waive(world)
    for _ in range(3):
        pull_all(world)
        assert world.exceptions() == []
    assert foreseen(world) == []
    tool.hidden = set(ids(0, 85))
    pull_all(world)
    [trouble] = world.exceptions()
    assert (trouble["type"], "25 of 30" in trouble["title"]) == ("mass_deletion", True)
    waive(world)
    assert deleted(world) == []


def test_what_was_waived_and_was_seen_again_may_be_missed_again(book: tuple[World, Book]) -> None:
    world, tool = book
    put(tool, *ids(0, 50))
    pull_all(world)
    tool.hidden = set(ids(0, 40))
    pull_all(world)
    waive(world)
    del tool.rows["thing", "45"]
    pull_all(world)
    pull_all(world)
    assert deleted(world) == ["45"], "others are missed as ever"
    tool.hidden = set()
    pull_all(world)
    assert {row["misses"] for row in world.links()} == {0}
    del tool.rows["thing", "03"]
    pull_all(world)
    pull_all(world)
    assert deleted(world) == ["03", "45"]


def one_of_four_closed(book: tuple[World, Book]) -> tuple[World, Book]:
    world, tool = book
    put(tool, "one", "two", "three")
    put(tool, "four", state="closed")
    pull_all(world)
    return world, tool


def test_what_a_narrower_list_does_not_show_is_not_gone(book: tuple[World, Book]) -> None:
    """However often it is missed: the settings changed since all were listed."""
    world, tool = one_of_four_closed(book)
    configure(world, "ledger", only="open")
    for _ in range(3):
        assert foreseen(world) == ["settings"]
        pull_all(world)
    assert deleted(world) == []
    [trouble] = world.exceptions()
    assert "1 of 4" in trouble["title"]
    assert "settings" in trouble["detail"]
    waive(world)
    pull_all(world)
    assert world.exceptions() == []
    del tool.rows["thing", "one"]
    pull_all(world)
    pull_all(world)
    assert deleted(world) == ["one"], "what is missed under these settings is believed again"


def test_a_narrower_list_that_is_widened_again_asks_nobody(book: tuple[World, Book]) -> None:
    world, _ = one_of_four_closed(book)
    configure(world, "ledger", only="open")
    pull_all(world)
    configure(world, "ledger", only=None)
    pull_all(world)
    assert world.exceptions() == []
    configure(world, "ledger", only="open")
    pull_all(world)
    resolve(world)
    assert deleted(world) == ["four"], "a person says that it is gone"
    pull_all(world)
    assert world.exceptions() == []


def test_settings_that_say_nothing_of_what_is_listed_raise_no_doubt(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    put(tool, "one", "two")
    pull_all(world)
    configure(world, "ledger", deadline=20, pull={"every": "10m"})
    del tool.rows["thing", "one"]
    pull_all(world)
    pull_all(world)
    assert deleted(world) == ["one"]


@pytest.mark.parametrize("book", [{"readable": True}], indirect=True, ids=["readable"])
def test_where_the_tool_can_be_asked_a_narrower_list_raises_no_doubt(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    put(tool, "one", "two")
    put(tool, "four", state="closed")
    pull_all(world)
    del tool.rows["thing", "one"]
    configure(world, "ledger", only="open")
    assert foreseen(world) == ["ask"]
    pull_all(world)
    assert sorted(tool.asked[-2:]) == ["four", "one"]
    assert deleted(world) == ["one"]
    assert world.exceptions() == []


@pytest.mark.parametrize("book", [{"whole": False}], indirect=True, ids=["partial"])
def test_what_leaves_a_list_that_leaves_some_out_is_a_question(book: tuple[World, Book]) -> None:
    world, tool = book
    put(tool, "one", "two", "three")
    pull_all(world)
    tool.hidden = {"one"}
    pull_all(world)
    assert world.exceptions() == [], "a list may lag behind"
    assert foreseen(world) == ["partial"]
    for _ in range(3):
        pull_all(world)
    assert deleted(world) == []
    [trouble] = world.exceptions()
    assert "1 of 3" in trouble["title"]
    waive(world)
    pull_all(world)
    pull_all(world)
    assert world.exceptions() == []


def test_rows_of_another_sheet_are_not_gone(make: MakeWorld, tmp_path: Path) -> None:
    """A row is looked up in the table that is configured, which says nothing of the former one."""
    with SpreadsheetSandbox() as tracker:
        for number in range(3):
            tracker.edit(f"R{number}", Title=f"Row {number}")
        world = make({"tracker": tracker})
        world.settle(1)
        assert len(world.links()) == 3
        book = openpyxl.load_workbook(tracker.path)
        book.worksheets[0].delete_rows(2, 2)
        book.save(tmp_path / "next.xlsx")
        configure(world, "tracker", path=str(tmp_path / "next.xlsx"))
        for _ in range(3):
            pull_all(world, "tracker", "row")
        assert deleted(world) == []
        assert world.kinds() == ["mass_deletion"]
        waive(world)
        pull_all(world, "tracker", "row")
        assert world.exceptions() == []
