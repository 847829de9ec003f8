"""Two tasks that are one thing become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.sdk import Change, Result
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow.merging import merge_entities
from hub.process import explain
from hub.process.answers import Refused
from hub.store import sameness
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World


def merged(world: World, loser: str, winner: str, kind: str = "task") -> Any:
    with world.hub.unit() as unit:
        return merge_entities(unit, kind, loser, winner)


def two(world: World, github: GithubSandbox, tracker: SpreadsheetSandbox) -> tuple[str, str]:
    """A task of GitHub, and one of the tracker."""
    github.open_issue("In GitHub", labels=["ops"])
    tracker.edit("R1", Title="In the tracker", Status="Open", Notes="At length", Owner="")
    world.settle()
    by = {link["connection"]: link["entity_id"] for link in world.links()}
    return by["github"], by["tracker"]


@pytest.fixture
def both(make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox) -> World:
    return make({"github": github, "tracker": tracker})


def test_the_winner_holds_empty_fields_are_filled_and_both_tools_hear(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    winner, loser = two(both, github, tracker)
    said = both.say(loser, "A remark")
    merged(both, loser, winner)
    both.settle()
    task = both.task
    assert (task["id"], task["title"]) == (winner, "In GitHub")
    assert {link["connection"] for link in both.links()} == {"github", "tracker"}
    [row] = tracker.rows()
    assert row["Title"] == "In GitHub"
    assert [(one["id"], one["task"]) for one in both.comments() if one["id"] == said] == [
        (said, winner)
    ]
    assert both.exceptions() == []
    [event] = both.events("task.merged")
    assert event["data"]["merged"] == loser
    written = len(github.ledger)
    both.settle()
    assert len(github.ledger) == written


def test_the_losers_id_answers_with_the_winner_through_any_number_of_merges(both: World) -> None:
    first, second, third = (both.create(title=one) for one in ("One", "Two", "Three"))
    merged(both, first, second)
    merged(both, second, third)
    with both.hub.database.read() as tx:
        assert sameness.answers_for(tx, first) == sameness.answers_for(tx, second) == third
        chain = explain.explain(tx, third)
    assert {one["event"].subject for one in chain} == {first, second, third}
    with pytest.raises(Refused, match="already"):
        merged(both, first, third)


def test_two_live_records_in_one_tool_are_refused_and_a_dead_one_goes(
    both: World, github: GithubSandbox
) -> None:
    for title in ("One", "Two"):
        github.open_issue(title)
    both.settle()
    one, other = (row["id"] for row in both.tasks())
    with pytest.raises(Refused, match="Both have a record in github"):
        merged(both, one, other)
    assert len(both.tasks()) == 2
    with both.hub.database.write() as tx:
        gone = t.links.c.entity_id == one
        tx.execute(t.links.update().where(gone).values(remote_deleted=True))
    merged(both, one, other)
    [link] = both.links()
    assert link["entity_id"] == other
    assert len(both.events("link.removed")) == 1


def test_two_steps_of_cases_are_refused_and_one_step_goes_along(both: World) -> None:
    plain = both.create(title="Plain")
    step = both.create(title="Step", case_id="cas_1", step_id="stp_1")
    other = both.create(title="Other step", case_id="cas_1", step_id="stp_2")
    with pytest.raises(Refused, match="step"):
        merged(both, step, other)
    task = merged(both, step, plain)
    assert (task["case_id"], task["step_id"]) == ("cas_1", "stp_1")


def test_values_of_a_tool_that_is_the_system_of_record_hold(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    files = {
        "mappings/row.yaml": "mapping: row\nextends: spreadsheet-row\nconnection: tracker\n"
        "fields:\n  title: {from: $.Title, system_of_record: tracker}\n"
    }
    world = make({"github": github, "tracker": tracker}, files)
    winner, loser = two(world, github, tracker)
    merged(world, loser, winner)
    world.settle()
    assert world.task["title"] == "In the tracker"
    assert github.issue(1)["title"] == "In the tracker"


def test_open_exceptions_go_along_and_are_not_doubled(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    winner, loser = two(both, github, tracker)
    tracker.edit("R1", Status="Parked")
    both.settle()
    merged(both, loser, winner)
    [row] = both.exceptions()
    assert row["subject"] == winner
    tracker.edit("R1", Status="Done")
    both.settle()
    assert both.exceptions() == []
    assert both.task["status"] == "done"


def during_push(world: World, connection: str, meanwhile: Callable[[], object]) -> None:
    """Have something happen while the next write to a tool is on its way back."""
    connector: Any = world.hub.live.current().connector(connection)
    push = connector.push

    def pushed(changes: Sequence[Change]) -> Sequence[Result]:
        connector.push = push
        found: Sequence[Result] = push(changes)
        meanwhile()
        return found

    connector.push = pushed


def test_a_record_that_is_made_while_its_task_is_merged_is_the_winners(
    both: World, tracker: SpreadsheetSandbox
) -> None:
    winner, loser = both.create(title="Stays"), both.create("tracker", title="Goes")
    during_push(both, "tracker", lambda: merged(both, loser, winner))
    both.settle()
    assert [row["id"] for row in both.tasks()] == [winner]
    assert [link["entity_id"] for link in both.links()] == [winner]
    assert [row["Title"] for row in tracker.rows()] == ["Stays"]


def test_a_write_that_arrives_while_its_task_is_merged_is_agreed_with_the_winner(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    winner, loser = two(both, github, tracker)
    both.edit(loser, title="Edited")
    during_push(both, "tracker", lambda: merged(both, loser, winner))
    both.settle()
    assert both.task["title"] == "In GitHub"
    assert [row["Title"] for row in tracker.rows()] == ["In GitHub"]
    assert both.exceptions() == []
