"""A tool that makes something else of what we write: neither ours nor what was there before. The
mapping's policy says whose value holds, as if a person had written it there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import change
from hub.process import exceptions as settling
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}
OURS, THEIRS = "Wire the tenant", "WIRE THE TENANT"


def shouts(github: GithubSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the tool writes every title that the hub gives it in capitals."""
    edit = github.state.edit_issue

    def loud(repository: Any, number: int, fields: Any, by: str, *rest: Any) -> Any:
        if by == github.bot and "title" in fields:
            fields = {**fields, "title": fields["title"].upper()}
        return edit(repository, number, fields, by, *rest)

    monkeypatch.setattr(github.state, "edit_issue", loud)


def written(github: GithubSandbox) -> int:
    """How often the hub wrote to the tool since this was last asked."""
    exchanges = github.faults.exchanges
    count = sum(one.method in ("PATCH", "POST") for one in exchanges)
    exchanges.clear()
    return count


@pytest.fixture
def world_by(
    make: MakeWorld,
    github: GithubSandbox,
    tracker: SpreadsheetSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A task in GitHub and in a sheet, whose title a person here has changed; GitHub shouts."""

    def made(policy: str) -> World:
        issue = f"mapping: issue\nextends: github-issue\nconnection: github\nconflict: {policy}\n"
        world = make({"github": github, "tracker": tracker}, {"mappings/issue.yaml": issue})
        # an hour ago: of two states of one second nobody can tell which is the later
        now = github.state.clock
        github.state.clock = lambda: now() - timedelta(hours=1)
        task = world.create("github", title="Base")
        with world.hub.unit() as unit:
            row = work.load(unit.tx, "task", [task], lock=True)[task]
            assert change.mirror(unit, "task", row, "tracker")
        world.settle()
        github.state.clock = now
        github.faults.keep = 1000
        written(github)
        shouts(github, monkeypatch)
        world.edit(task, title=OURS)
        world.settle()
        return world

    return made


def titles(world: World, github: GithubSandbox, tracker: SpreadsheetSandbox) -> list[str]:
    """The title in the hub, in GitHub, in the sheet."""
    [row] = tracker.rows()
    return [world.task["title"], github.issue(1)["title"], row["Title"]]


@pytest.mark.parametrize(
    ("choose", "title", "writes"), [("theirs", THEIRS, 0), ("Tenant 7", "TENANT 7", 1)]
)
def test_by_review_one_choice_settles_it_on_every_side(
    world_by: Any,
    github: GithubSandbox,
    tracker: SpreadsheetSandbox,
    choose: str,
    title: str,
    writes: int,
) -> None:
    """Both are kept until a person chooses; what is chosen may be made something else again."""
    world = world_by("review")
    assert titles(world, github, tracker) == [OURS, THEIRS, OURS]
    [conflict] = world.exceptions()
    assert conflict["type"] == "sync_conflict"
    assert (conflict["data"]["ours"], conflict["data"]["theirs"]) == (OURS, THEIRS)
    assert written(github) == 1
    with world.hub.unit() as unit:
        settling.resolve(unit, conflict["id"], ACTOR, choice=settling.Choice(choose))
    world.settle()
    assert written(github) == writes
    if choose != "theirs":
        [conflict] = world.exceptions()
        assert conflict["data"]["theirs"] == title
        with world.hub.unit() as unit:
            settling.resolve(unit, conflict["id"], ACTOR, choice=settling.Choice("theirs"))
        world.settle()
        assert written(github) == 0
    assert titles(world, github, tracker) == [title] * 3
    assert world.exceptions() == []


def test_a_choice_for_ours_that_is_not_taken_either_is_shown_and_not_repeated(
    world_by: Any, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    world = world_by("review")
    [conflict] = world.exceptions()
    with world.hub.unit() as unit:
        settling.resolve(unit, conflict["id"], ACTOR, choice=settling.Choice("ours"))
    world.settle()
    assert written(github) == 2
    [shown] = world.exceptions()
    assert (shown["type"], shown["title"]) == (
        "push_failed",
        f"github did not take title of '{OURS}'",
    )
    world.settle()
    assert written(github) == 0
    assert titles(world, github, tracker) == [OURS, THEIRS, OURS]


def test_where_ours_holds_it_is_written_once_more_and_then_shown(
    world_by: Any, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    """Two writes, whoever looks how often: a tool that insists is no loop."""
    world = world_by("ours")
    assert written(github) == 2
    [shown] = world.exceptions()
    assert (shown["type"], shown["title"]) == (
        "push_failed",
        f"github did not take title of '{OURS}'",
    )
    assert f"We wrote {OURS!r}; it now holds {THEIRS!r}" in shown["detail"]
    world.hear(github)
    world.settle()
    assert written(github) == 0
    assert [row["id"] for row in world.exceptions()] == [shown["id"]]
    assert titles(world, github, tracker) == [OURS, THEIRS, OURS]


def test_where_theirs_holds_it_is_taken_and_passed_on(
    world_by: Any, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    """Nobody is asked, and the history says what was written here."""
    world = world_by("theirs")
    assert written(github) == 1
    assert titles(world, github, tracker) == [THEIRS] * 3
    assert world.exceptions() == []
    [ruling] = [row["data"]["rulings"] for row in world.events() if "rulings" in row["data"]]
    assert (ruling["title"]["holds"], ruling["title"]["ours"]) == ("theirs", OURS)
    world.hear(github)
    world.settle()
    assert written(github) == 0
