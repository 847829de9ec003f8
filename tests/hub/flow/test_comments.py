"""What people say, in both directions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from hub.flow.deliver import deliver
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World


def bodies(github: GithubSandbox) -> list[str]:
    return [row["body"].partition("\n")[0] for row in github.comments()]


def test_comments_go_both_ways_once(world: World, github: GithubSandbox) -> None:
    """With their authors where they are known, and without an echo."""
    number = github.open_issue("One")
    github.comment(number, "From GitHub", by="lkim")
    world.settle()
    [comment] = world.comments()
    assert (comment["body"], comment["author"]) == ("From GitHub", world.party("lee"))
    world.say(world.task["id"], "From the hub")
    world.settle()
    world.hear(github)
    world.settle()
    assert bodies(github) == ["From GitHub", "From the hub"]
    assert sorted(row["body"] for row in world.comments()) == ["From GitHub", "From the hub"]
    assert len(world.events("comment.added")) == 2
    assert world.exceptions() == []


def test_what_is_said_before_the_task_is_there_follows_it(
    world: World, github: GithubSandbox
) -> None:
    """The issue is still on its way; where it need not be made any more, nothing waits for it."""
    task = world.create("github", title="One")
    world.say(task, "Already said")
    world.settle()
    assert bodies(github) == ["Already said"]
    idle = world.create("github", title="Two")
    world.say(idle, "Never mind")
    world.edit(idle, status="cancelled")
    world.settle()
    assert bodies(github) == ["Already said"]
    assert {row["status"] for row in world.pushes()} == {"sent", "superseded"}


def test_an_internal_comment_stays_inside(world: World, github: GithubSandbox) -> None:
    """GitHub cannot keep a comment internal."""
    github.open_issue("One")
    world.settle()
    world.say(world.task["id"], "Between us", "internal")
    world.settle()
    assert github.comments() == []


def test_a_comment_whose_answer_was_cut_is_there_once(world: World, github: GithubSandbox) -> None:
    github.open_issue("One")
    world.settle()
    world.say(world.task["id"], "Said once")
    github.faults.cut_after_effect = 1
    deliver(world.hub)
    world.settle()
    assert bodies(github) == ["Said once"]
    assert len(world.comments()) == 1


def test_a_comment_on_a_task_that_is_yet_to_be_created_follows_it(
    world: World, github: GithubSandbox
) -> None:
    """Its issue is not there: it waits, without counting as a failure."""
    task = world.create("github", title="One")
    world.say(task, "Too early")
    with world.hub.unit() as unit:
        from hub.flow import change

        comment = next(iter(work.comments_of(unit.tx, task)))
        change.mirror(unit, "comment", dict(comment), "github", "comment")
    github.faults.status = [502]
    deliver(world.hub)
    assert github.comments() == []
    world.settle()
    assert bodies(github) == ["Too early"]


def records_of(world: World, github: GithubSandbox) -> tuple[Any, Any]:
    connector: Any = world.hub.live.current().connector("github")
    [issues] = connector.pull("issue", {}, frozenset())
    [comments] = connector.pull("comment", {}, frozenset())
    return issues.records[0], comments.records[0]


def test_a_comment_that_comes_before_its_issue_waits_for_it(
    world: World, github: GithubSandbox
) -> None:
    """However often it is looked at: it neither fails nor is it forgotten."""
    github.comment(github.open_issue("One"), "Early")
    issue, comment = records_of(world, github)
    world.bring(comment)
    for _ in range(8):
        world.hurry()
        world.work()
    assert world.comments() == []
    assert world.exceptions() == []
    world.bring(issue)
    world.hurry()
    world.work()
    world.hurry()
    world.work()
    assert [row["body"] for row in world.comments()] == ["Early"]


def test_comments_whose_issue_never_comes_are_shown_once(
    world: World, github: GithubSandbox
) -> None:
    """After an hour, as one exception of the connection, however many there are."""
    number = github.open_issue("One")
    github.comment(number, "Early")
    github.comment(number, "Also early")
    connector: Any = world.hub.live.current().connector("github")
    [page] = connector.pull("comment", {}, frozenset())
    world.bring(*page.records)
    world.work()
    world.clock.ahead = timedelta(hours=2)
    world.hurry()
    world.work()
    [row] = world.exceptions()
    assert (row["type"], row["severity"], row["count"]) == ("unrouted", "low", 2)


def test_a_comment_in_one_tool_is_read_in_the_others(make: MakeWorld) -> None:
    """Two repositories' hubs hold the same task: what is said in one is written in the other."""
    with GithubSandbox(("acme/ops",)) as one, GithubSandbox(("acme/web",)) as two:
        world = make({"one": one, "two": two})
        task = world.create("one", title="Shared")
        with world.hub.unit() as unit:
            from hub.flow import change

            row = work.load(unit.tx, "task", [task], lock=True)[task]
            change.mirror(unit, "task", row, "two")
        world.settle()
        one.comment(1, "Hello from one")
        world.settle()
        world.settle()
        assert len(one.comments()) == 1
        visible = [body for body in bodies(two)]
        [comment] = world.comments()
        expected = ["Hello from one"] if comment["visibility"] == "public" else []
        assert visible == expected


@pytest.mark.parametrize("by", ["hub", "github"])
def test_an_edited_comment_follows(world: World, github: GithubSandbox, by: str) -> None:
    number = github.open_issue("One")
    id = github.comment(number, "Before")
    world.settle()
    [comment] = world.comments()
    if by == "hub":
        world.edit(comment["id"], "comment", body="After")
    else:
        github.state.edit_comment(
            next(iter(github.state.repositories.values())), id, "After", "dmeier"
        )
    world.settle()
    assert bodies(github) == ["After"]
    assert [row["body"] for row in world.comments()] == ["After"]
