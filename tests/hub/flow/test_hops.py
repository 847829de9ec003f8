"""Automations in tools that fight with each other, or with rules of the hub, are stopped after a
few writes, and a person sees who wrote what; what people do begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors.github.sandbox import GithubSandbox
from hub.process import exceptions as settling
from hub.store import work
from tests.hub.flow.conftest import NOBODY_LISTENS, MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}
ROBOT = "tidy-bot"
Automation = Callable[[], bool]


@pytest.fixture
def other() -> Iterator[GithubSandbox]:
    with GithubSandbox() as sandbox:
        sandbox.webhook_url = NOBODY_LISTENS
        yield sandbox


def retitling(tool: GithubSandbox, wrong: Callable[[str], bool], right: Callable[[str], str],
              by: str = ROBOT) -> Automation:  # fmt: skip
    """An automation of a tool that corrects titles."""

    def run() -> bool:
        changed = False
        for issue in tool.issues():
            if wrong(issue["title"]):
                tool.edit_issue(issue["number"], title=right(issue["title"]), by=by)
                changed = True
        return changed

    return run


def written(*tools: GithubSandbox) -> int:
    """Writes of the hub."""
    return sum(
        one.method in ("POST", "PATCH", "PUT") for tool in tools for one in tool.faults.exchanges
    )


def go_round(world: World, tools: dict[str, GithubSandbox], *automations: Automation) -> int:
    """Let everything answer everything until it is quiet; how many rounds that took."""
    for turn in range(15):
        for name, tool in tools.items():
            world.hear(tool, name)
        world.work()
        if not [one for one in automations if one()]:
            return turn
    raise AssertionError("it never ends")


def both(make: MakeWorld, github: GithubSandbox, other: GithubSandbox,
         rules: str | None = None) -> World:  # fmt: skip
    """A task in two tools, for an hour now: within the second in which an issue is made, GitHub
    shows an edit of it as its maker's.
    """
    world = make({"github": github, "other": other}, {"rules/r.yaml": rules} if rules else None)
    for tool in (github, other):
        tool.clock = lambda: datetime.now(UTC) - timedelta(hours=1)
    task = world.create("github", title="Wire the tenant")
    with world.hub.unit() as unit:
        from hub.flow import change

        assert change.mirror(unit, "task", work.load(unit.tx, "task", [task])[task], "other")
    world.work()
    for tool in (github, other):
        tool.clock = lambda: datetime.now(UTC)
        tool.faults.keep = 1000
        tool.faults.exchanges.clear()
    return world


def fight(world: World, tools: dict[str, GithubSandbox]) -> None:
    """After an edit by a person, one adds an exclamation mark and the other takes it away."""
    github, other = tools["github"], tools["other"]
    adds = retitling(other, lambda title: not title.endswith("!"), lambda title: title + "!")
    takes = retitling(github, lambda title: title.endswith("!"), lambda title: title[:-1])
    github.edit_issue(1, title="By a person", by="dmeier")
    go_round(world, tools, adds, takes)


def test_two_tools_that_correct_each_other_are_stopped_and_shown(
    make: MakeWorld, github: GithubSandbox, other: GithubSandbox
) -> None:
    """One adds an exclamation mark, the other takes it away: four writes at most."""
    world = both(make, github, other)
    tools = {"github": github, "other": other}
    fight(world, tools)
    assert 1 <= written(github, other) <= 4
    [shown] = world.exceptions()
    assert shown["type"] == "loop"
    assert ROBOT in shown["detail"]
    assert "Process Hub wrote title to other" in shown["detail"]
    assert [one["what"] for one in shown["data"]["chain"]][-1].endswith("changed title")
    before = written(github, other)
    go_round(world, tools)
    world.settle()
    assert written(github, other) == before  # it stays stopped, whoever looks again
    with world.hub.unit() as unit:
        assert settling.retry(unit, shown["id"], ACTOR) == "deliver"
    world.work()
    assert github.issue(1)["title"] == other.issue(1)["title"] == world.task["title"]
    assert world.exceptions() == []


def test_an_automation_that_fights_a_rule_is_stopped_and_shown(
    world: World, github: GithubSandbox, make: MakeWorld
) -> None:
    """The rule wants `ops` on every issue, the tool's automation does not."""
    world.apply(
        {
            "rules/r.yaml": "rules:\n  - rule: mark\n    when: task.updated\n"
            "    if: \"!('ops' in task.labels)\"\n"
            "    then:\n      - update_task: {labels: [ops]}\n"
        }
    )

    def unmark() -> bool:
        if not github.issue(1)["labels"]:
            return False
        github.edit_issue(1, labels=[], by=ROBOT)
        return True

    github.open_issue("Wire the tenant")
    world.pull()
    world.work()
    github.faults.keep = 1000
    github.edit_issue(1, title="By a person", by="dmeier")
    go_round(world, {"github": github}, unmark)
    assert 1 <= written(github) <= 4
    assert "loop" in world.kinds() or "stalled" in world.kinds()


def test_a_persons_edit_begins_anew(
    make: MakeWorld, github: GithubSandbox, other: GithubSandbox
) -> None:
    """Two people take turns, quickly, ten times: every word goes over, and nobody is asked."""
    world = both(make, github, other)
    for n in range(10):
        tool, name, by = ((github, "github", "dmeier"), (other, "other", "lkim"))[n % 2]
        tool.edit_issue(1, title=f"Turn {n}", by=by)
        world.hear(tool, name)
        world.work()
        assert github.issue(1)["title"] == other.issue(1)["title"] == f"Turn {n}"
    assert written(github, other) == 10
    assert world.exceptions() == []
    # what was read in the very second it was made in is taken for its maker's
    assert max(row["hops"] for row in world.pushes()) <= 1


def test_an_automation_that_follows_once_is_passed_on(
    make: MakeWorld, github: GithubSandbox, other: GithubSandbox
) -> None:
    """What an automation adds to our write is news for the others, and that is all."""
    world = both(make, github, other)
    adds = retitling(other, lambda title: not title.endswith("!"), lambda title: title + "!")
    for n in range(6):
        github.edit_issue(1, title=f"By a person {n}", by="dmeier")
        go_round(world, {"github": github, "other": other}, adds)
        assert github.issue(1)["title"] == other.issue(1)["title"] == f"By a person {n}!"
    assert world.exceptions() == []
    assert max(row["hops"] for row in world.pushes()) == 1
    [after] = [e for e in world.events("task.updated") if e["data"].get("hops")][:1]
    assert after["data"]["after"] in {row["id"] for row in world.pushes()}


def test_where_a_tool_names_nobody_a_crowd_of_writes_is_stopped(
    make: MakeWorld, github: GithubSandbox, other: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heard by pulls, which do not tell who; eight quick turns of people are no crowd."""
    monkeypatch.setattr("hub.flow.hops.CROWD", 10)
    world = both(make, github, other)
    for n in range(8):
        tool = (github, other)[n % 2]
        tool.edit_issue(1, title=f"Turn {n}", by=ROBOT)
        world.pull()
        world.work()
        assert github.issue(1)["title"] == other.issue(1)["title"] == f"Turn {n}"
    assert world.exceptions() == []
    for n in range(40):
        tool = (github, other)[n % 2]
        tool.edit_issue(1, title=f"Again {n}", by=ROBOT)
        world.pull()
        world.work()
        if world.exceptions():
            break
    assert world.kinds() == ["loop"]
    assert n < 20


@pytest.mark.parametrize("where", ["here", "github", "other"])
def test_a_loop_ends_once_somebody_edits_what_went_round(
    make: MakeWorld, github: GithubSandbox, other: GithubSandbox, where: str
) -> None:
    """The automations are switched off, and a person says what it is to be."""
    world = both(make, github, other)
    tools = {"github": github, "other": other}
    fight(world, tools)
    [shown] = world.exceptions()
    assert shown["data"]["fields"] == ["title"]
    go_round(world, tools)
    assert world.kinds() == ["loop"]
    if where == "here":
        world.edit(world.task["id"], title="Settled")
        world.work()
    else:
        by = {"github": "dmeier", "other": "lkim"}[where]
        tools[where].edit_issue(1, title="Settled", by=by)
        go_round(world, tools)
    for one in [row for row in world.exceptions() if row["type"] == "sync_conflict"]:
        # the tool that the last change was kept from was edited: both sides have an edit
        assert where == "other"
        with world.hub.unit() as unit:
            settling.resolve(unit, one["id"], ACTOR, choice=settling.Choice("theirs"))
        world.work()
    assert github.issue(1)["title"] == other.issue(1)["title"] == "Settled"
    assert world.exceptions() == []
    ended = [one for one in world.events("exception.resolved") if one["subject"] == shown["id"]]
    assert ["title" in one["data"]["why"] for one in ended] == [True]


def test_a_loop_ends_once_the_tools_agree_again(
    make: MakeWorld, github: GithubSandbox, other: GithubSandbox
) -> None:
    """Whoever took its own edit back, and though it is an automation."""
    world = both(make, github, other)
    tools = {"github": github, "other": other}
    fight(world, tools)
    assert world.kinds() == ["loop"]
    ours = world.task["title"]
    behind = next(tool for tool in tools.values() if tool.issue(1)["title"] != ours)
    behind.edit_issue(1, title=ours, by=ROBOT)
    go_round(world, tools)
    assert github.issue(1)["title"] == other.issue(1)["title"] == ours
    assert world.exceptions() == []


def test_a_loop_in_one_tool_ends_only_once_somebody_edits_what_went_round(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fights with a rule: that the tool holds what we hold says nothing there."""
    monkeypatch.setattr("hub.flow.hops.MAX_HOPS", 0)
    world.apply(
        {
            "rules/r.yaml": "rules:\n  - rule: mark\n    when: task.updated\n"
            "    if: \"!('ops' in task.labels)\"\n"
            "    then:\n      - update_task: {labels: [ops]}\n"
        }
    )
    github.clock = lambda: datetime.now(UTC) - timedelta(hours=1)
    github.open_issue("Wire the tenant")
    world.pull()
    world.work()
    github.clock = lambda: datetime.now(UTC)
    tools = {"github": github}
    github.edit_issue(1, title="By a person", by="dmeier")
    go_round(world, tools)
    github.edit_issue(1, labels=[], by=ROBOT)
    go_round(world, tools)
    assert world.kinds() == ["loop"]
    github.edit_issue(1, body="Something else", by="dmeier")
    go_round(world, tools)
    assert world.kinds() == ["loop"]
    github.edit_issue(1, labels=["ops", "vip"], by="dmeier")
    go_round(world, tools)
    assert world.exceptions() == []
