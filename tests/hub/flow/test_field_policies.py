"""What a mapping says about each field, through the whole hub: every direction with every policy.

A spreadsheet `left` has a column per combination, `right` the same columns without any policy: what
holds in the hub must reach it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import change
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

SAYS = {
    "both_review": "conflict: review",
    "both_newest": "conflict: newest",
    "both_ours": "conflict: ours",
    "both_theirs": "conflict: theirs",
    "both_left": "system_of_record: left",
    "both_right": "system_of_record: right",
    "both_hub": "system_of_record: hub",
    "in": "direction: in",
    "in_left": "direction: in, system_of_record: left",
    "in_right": "direction: in, system_of_record: right",
    "out": "direction: out",
    "out_right": "direction: out, system_of_record: right",
    "out_hub": "direction: out, system_of_record: hub",
}
"""Every combination that `hub check` lets through, by the column that has it."""
COLUMNS = list(SAYS)
ROWS = ("ours", "theirs", "both")
"""Who edits each row: only we, only they, both of us."""


def mapping(connection: str, *, policies: bool) -> str:
    lines = [f"mapping: {connection}-row", "extends: spreadsheet-row", f"connection: {connection}"]
    lines += ["fields:", "  description: {from: $.Notes, direction: in}"]
    for column in COLUMNS:
        said = f", {SAYS[column]}" if policies else ""
        lines.append(f"  custom.{column}: {{from: $.{column}{said}}}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def sheets(tmp_path: Path) -> Iterator[tuple[SpreadsheetSandbox, SpreadsheetSandbox]]:
    with SpreadsheetSandbox(tmp_path / "left") as left, SpreadsheetSandbox(tmp_path / "r") as right:
        for sandbox in (left, right):
            with sandbox.changing() as sheet:
                for at, column in enumerate(COLUMNS, start=sheet.max_column + 1):
                    sheet.cell(1, at).value = column
        yield left, right


def test_every_direction_with_every_policy(
    make: MakeWorld, sheets: tuple[SpreadsheetSandbox, SpreadsheetSandbox]
) -> None:
    left, right = sheets
    files = {
        "mappings/left.yaml": mapping("left", policies=True),
        "mappings/right.yaml": mapping("right", policies=False),
    }
    world = make({"left": left, "right": right}, files)
    for row in ROWS:
        left.edit(row, Title=row, **dict.fromkeys(COLUMNS, "base"))
    world.settle()
    tasks = {task["title"]: task["id"] for task in world.tasks()}
    for id in tasks.values():
        with world.hub.unit() as unit:
            entity = work.load(unit.tx, "task", [id], lock=True)[id]
            change.mirror(unit, "task", entity, "right")
    world.settle()
    edit_all(world, left, tasks)
    world.settle()
    table = {
        (row, column): (held(world, tasks[row], column), left.row(row)[column])
        for row in ROWS
        for column in COLUMNS
    }
    assert table == {(row, column): expected(row, column) for row in ROWS for column in COLUMNS}
    by_title = {row["Title"]: row for row in right.rows()}
    for (row, column), (ours, _) in table.items():
        assert by_title[row][column] == ours, (row, column)
    shown = {(one["type"], one["data"]["field"]) for one in world.exceptions()}
    assert shown == {("sync_conflict", "custom.both_review")}
    before = (left.path.read_bytes(), right.path.read_bytes(), len(world.pushes()))
    world.settle()
    assert (left.path.read_bytes(), right.path.read_bytes(), len(world.pushes())) == before


def edit_all(world: World, left: SpreadsheetSandbox, tasks: dict[str, str]) -> None:
    """Nobody hears of the other before both have edited."""
    for row in ("theirs", "both"):
        left.edit(row, **dict.fromkeys(COLUMNS, "theirs"))
    for row in ("ours", "both"):
        world.edit(tasks[row], **{f"custom.{column}": "ours" for column in COLUMNS})
    world.pull("left")


def held(world: World, task: str, column: str) -> Any:
    [row] = [one for one in world.tasks() if one["id"] == task]
    return row["custom"].get(column)


def expected(row: str, column: str) -> tuple[Any, Any]:
    """What the hub and the tool hold in the end."""
    direction, _, policy = column.partition("_")
    if direction == "out":
        return (None, "theirs") if row == "theirs" else ("ours", "ours")
    if row == "ours":
        return "ours", "ours" if direction == "both" else "base"
    if row == "theirs":
        return "theirs", "theirs"
    match policy:
        case "review":
            return "ours", "theirs"  # until a person chooses
        case "ours" | "hub" | "right":
            return "ours", "ours" if direction == "both" else "theirs"
        case _:  # one that does not say when it was edited counts as edited when it is heard of
            return "theirs", "theirs"
