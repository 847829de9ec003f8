"""A conflict is settled once for all sides, and ends by itself where nothing is left to decide."""

from __future__ import annotations

from typing import Any

from connectors.github.sandbox import GithubSandbox
from hub.flow import conflicts
from hub.process import exceptions as settling
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.test_hops import other as other
from tests.hub.flow.world import World

Row = dict[str, Any]
ACTOR: Row = {"kind": "system", "id": "test", "name": "test"}


def at_odds(world: World, github: GithubSandbox) -> str:
    """A title that was changed on both sides before either heard of it."""
    github.open_issue("Base")
    world.pull()
    world.work()
    github.edit_issue(1, title="Theirs")
    task = str(world.task["id"])
    world.edit(task, title="Ours")
    world.settle()
    assert world.kinds() == ["sync_conflict"]
    return task


def ended(world: World) -> bool:
    [event] = world.events("exception.resolved")
    return world.exceptions() == [] and "agree" in event["data"]["why"]


def test_we_say_what_they_say(world: World, github: GithubSandbox) -> None:
    world.edit(at_odds(world, github), title="Theirs")
    world.settle()
    assert ended(world)
    assert world.task["title"] == github.issue(1)["title"] == "Theirs"
    github.edit_issue(1, title="Later")
    world.settle()
    assert world.task["title"] == "Later"


def test_they_say_what_we_say(world: World, github: GithubSandbox) -> None:
    task = at_odds(world, github)
    github.edit_issue(1, title="Ours")
    world.settle()
    assert ended(world)
    world.edit(task, title="Later")
    world.settle()
    assert github.issue(1)["title"] == "Later"


def test_both_say_a_third(world: World, github: GithubSandbox) -> None:
    task = at_odds(world, github)
    world.edit(task, title="A third")
    world.settle()
    assert world.kinds() == ["sync_conflict"]
    github.edit_issue(1, title="A third")
    world.settle()
    assert ended(world)
    assert world.task["title"] == github.issue(1)["title"] == "A third"


def test_we_take_our_edit_back(world: World, github: GithubSandbox) -> None:
    """Then only they have edited."""
    world.edit(at_odds(world, github), title="Base")
    world.settle()
    assert ended(world)
    assert world.task["title"] == github.issue(1)["title"] == "Theirs"


def test_they_take_their_edit_back(world: World, github: GithubSandbox) -> None:
    at_odds(world, github)
    github.edit_issue(1, title="Base")
    world.settle()
    assert ended(world)
    assert world.task["title"] == github.issue(1)["title"] == "Ours"


def test_what_came_in_since_a_write_was_planned_stays_agreed(
    world: World, github: GithubSandbox
) -> None:
    """A write also ends a conflict, by the link as it was before the tool was called."""
    task = at_odds(world, github)
    [conflict] = world.exceptions()

    def planned() -> Row:
        with world.hub.database.read() as tx:
            return work.links_of(tx, [task])[task][0]

    def end(link: Row) -> None:
        with world.hub.unit() as unit:
            agreed = conflicts.Agreed("title", "Ours", "Theirs", withdrawn=False)
            conflicts.agree(unit, link, {conflict["id"]: agreed})

    before, link = planned(), planned()
    link["hub_base"] = {**link["hub_base"], "description": "Heard since"}
    with world.hub.database.write() as tx:
        work.save_links(tx, [link])
    end(before)
    assert planned()["hub_base"]["description"] == "Heard since"
    assert planned()["hub_base"]["title"] == "Ours"
    assert world.exceptions() == []


def test_a_conflict_goes_on_where_the_tool_was_heard_of_since_a_write_was_planned(
    world: World, github: GithubSandbox
) -> None:
    task = at_odds(world, github)
    [conflict] = world.exceptions()
    with world.hub.database.read() as tx:
        planned = work.links_of(tx, [task])[task][0]
    github.edit_issue(1, title="Theirs once more", body="Longer")
    world.pull()
    world.work()
    with world.hub.unit() as unit:
        agreed = conflicts.Agreed("title", "Theirs", "Theirs", withdrawn=False)
        conflicts.agree(unit, planned, {conflict["id"]: agreed})
    [link] = world.links()
    assert world.kinds() == ["sync_conflict"]
    assert link["remote_base"]["title"] == "Base"


def test_one_choice_settles_what_several_tools_are_at_odds_about(
    make: MakeWorld, github: GithubSandbox, other: GithubSandbox
) -> None:
    """Three sides, three titles: what one person chooses is what all of them hold."""
    world = make({"github": github, "other": other})
    task = world.create("github", title="Base")
    with world.hub.unit() as unit:
        from hub.flow import change

        assert change.mirror(unit, "task", work.load(unit.tx, "task", [task])[task], "other")
    world.work()
    world.settle()
    github.edit_issue(1, title="First")
    other.edit_issue(1, title="Second")
    world.edit(task, title="Ours")
    world.settle()
    open_ = [row for row in world.exceptions() if row["type"] == "sync_conflict"]
    assert {row["data"]["connection"] for row in open_} == {"github", "other"}
    [about] = [row for row in open_ if row["data"]["connection"] == "other"]
    with world.hub.unit() as unit:
        settling.resolve(unit, about["id"], ACTOR, choice=settling.Choice("theirs"))
    world.settle()
    titles = {github.issue(1)["title"], other.issue(1)["title"], world.task["title"]}
    assert titles == {"Second"}
    assert world.exceptions() == []
