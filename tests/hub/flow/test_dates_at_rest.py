"""Two tools that hold a due in different forms, across the changes of the clock: nothing moves.

Deskly holds a moment, the spreadsheet a day or what the clock on the wall shows. Each round
somebody changes the title there and here, so that both records are merged and written again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.rest.sandbox import DesklySandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import change
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

CHANGES = {
    "Europe/Zurich": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    ),
}
ROUNDS = int(os.environ.get("HUB_SYNC_ROUNDS", "3"))
"""Ten tickets and ten rows each; more on request."""
WALL = "%Y-%m-%d %H:%M"


@pytest.fixture
def deskly() -> Iterator[DesklySandbox]:
    with DesklySandbox() as sandbox:
        yield sandbox


def begin(
    make: MakeWorld, deskly: DesklySandbox, tracker: SpreadsheetSandbox, zone: str, there: str
) -> tuple[World, dict[int, str]]:
    """A hub over both; Deskly's tickets have moments around the changes, and stand in the sheet."""
    files = {
        "mappings/ticket.yaml": (
            "mapping: ticket\nconnection: deskly\nobject: ticket\nentity: task\nfields:\n"
            "  title: $.subject\n"
            f"  due: {{from: $.due_on, as: {{datetime: {{time: '17:00', zone: {zone}}}}}}}\n"
        ),
        "mappings/row.yaml": (
            "mapping: row\nextends: spreadsheet-row\nconnection: tracker\nfields:\n"
            f"  due: {{from: $.Due, as: {there}}}\n"
        ),
    }
    world = make({"deskly": deskly, "tracker": tracker})
    world.apply({"hub.yaml": f"{world.files['hub.yaml']}timezone: {zone}\n", **files})
    tickets = {}
    for moment in CHANGES[zone]:
        for minutes in (-60, -30, 0, 60, 1440):
            due = (moment + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
            row = deskly.make_ticket({"subject": "One", "due_on": due}, by="dana")
            tickets[row["id"]] = due
    world.settle(3)
    for task in world.tasks():
        with world.hub.unit() as unit:
            entity = work.load(unit.tx, "task", [task["id"]], lock=True)[task["id"]]
            change.mirror(unit, "task", entity, "tracker")
    world.settle(3)
    return world, tickets


def dues(deskly: DesklySandbox, tracker: SpreadsheetSandbox) -> dict[str, tuple[Any, Any]]:
    """Both sides, by what the title begins with."""
    rows = {str(row["Title"]).split()[-1]: str(row["Due"]) for row in tracker.rows()}
    found = {}
    for ticket in deskly.tickets.values():
        name = str(ticket["subject"]).split()[-1]
        found[name] = (ticket["due_on"], rows[name])
    return found


def name_all(world: World, deskly: DesklySandbox) -> None:
    """Each ticket by its number, so that rows are told apart."""
    for id in deskly.tickets:
        deskly.edit_ticket(id, by="dana", subject=f"begin {id}")
    world.settle(3)


def turn(world: World, deskly: DesklySandbox, tracker: SpreadsheetSandbox, round: int) -> None:
    """Somebody renames every ticket, and somebody else every row."""
    for id in deskly.tickets:
        deskly.edit_ticket(id, by="dana", subject=f"there-{round} {id}")
    world.settle(2)
    with tracker.changing() as sheet:
        titles = [cell.value for cell in sheet[1]]
        at = titles.index("Title") + 1
        for line in range(2, sheet.max_row + 1):
            cell = sheet.cell(line, at)
            if cell.value:
                cell.value = f"here-{round} {str(cell.value).split()[-1]}"
    world.settle(2)


@pytest.mark.parametrize("zone", CHANGES)
def test_a_moment_and_a_wall_clock_stay_where_they_are(
    make: MakeWorld, deskly: DesklySandbox, tracker: SpreadsheetSandbox, zone: str
) -> None:
    there = f"{{datetime: {{format: '{WALL}', zone: {zone}}}}}"
    world, tickets = begin(make, deskly, tracker, zone, there)
    name_all(world, deskly)
    first = dues(deskly, tracker)
    for id, due in tickets.items():
        wall = datetime.fromisoformat(due).astimezone(ZoneInfo(zone)).strftime(WALL)
        assert first[str(id)] == (due, wall)
    stays(world, deskly, tracker)


@pytest.mark.parametrize("zone", CHANGES)
def test_a_moment_and_a_day_come_to_rest_and_stay(
    make: MakeWorld, deskly: DesklySandbox, tracker: SpreadsheetSandbox, zone: str
) -> None:
    """The sheet has the day that the moment falls on here; a day typed there becomes the hour that
    the mapping names; neither comes back as an edit.
    """
    world, tickets = begin(make, deskly, tracker, zone, "date")
    name_all(world, deskly)
    first = dues(deskly, tracker)
    for id, due in tickets.items():
        day = datetime.fromisoformat(due).astimezone(ZoneInfo(zone)).date()
        assert first[str(id)][0] == due
        assert first[str(id)][1].startswith(day.isoformat())
    stays(world, deskly, tracker)
    day = CHANGES[zone][0].astimezone(ZoneInfo(zone)).date()  # of the last ticket, another one
    [key] = [row["ID"] for row in tracker.rows() if str(row["Title"]).split()[-1] == str(id)]
    tracker.edit(str(key), Due=day)
    world.settle(3)
    five = datetime(day.year, day.month, day.day, 17, tzinfo=ZoneInfo(zone))
    assert deskly.tickets[id]["due_on"] == five.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stays(world, deskly, tracker)


def stays(world: World, deskly: DesklySandbox, tracker: SpreadsheetSandbox) -> None:
    """Round after round both dues are what they were, and no write has carried one."""
    before = dues(deskly, tracker)
    sent = len(world.events("push.sent"))
    for round in range(ROUNDS):
        turn(world, deskly, tracker, round)
        assert dues(deskly, tracker) == before
    later = world.events("push.sent")[sent:]
    assert len(later) >= 2 * ROUNDS * len(before)
    assert {name for event in later for name in event["data"]["fields"]} == {"title"}
    assert world.exceptions() == []
