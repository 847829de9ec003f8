"""The same story over real sandboxes, over HTTP and in files: one task in five tools, edited
everywhere, with webhooks that come twice and late, and a process that dies after a write.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.google_sheets.sandbox import GoogleSheetsSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk.sandbox import Sandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import change
from hub.flow.deliver import deliver
from hub.flow.pull import pull, pullable
from hub.process import exceptions as settling
from hub.store import work
from tests.hub.flow.world import CONNECTORS, World, make_world

ACTOR = {"kind": "system", "id": "test", "name": "test"}
Shown = tuple[Any, Any, Any]
"""Title, whether it is done, and the day it is due (None where the tool has no such field)."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its people use it: `shows` what each of its records says, `rename` and `finish` the
    first of them, `holds` everything there is, to see whether anything changed.
    """

    sandbox: Any
    object: str
    make: Callable[[str], Any]
    shows: Callable[[], list[Shown]]
    rename: Callable[[str], Any]
    finish: Callable[[], Any]
    holds: Callable[[], Any]
    has_due: bool = True


def github(folder: Path) -> Tool:
    box = GithubSandbox()
    box.webhook_url = "http://127.0.0.1:9/"  # webhooks are taken from what was sent
    return Tool(
        box,
        "issue",
        lambda title: box.open_issue(title),
        lambda: [(one["title"], one["state"] == "closed", None) for one in box.issues()],
        lambda title: box.edit_issue(1, title=title),
        lambda: box.close_issue(1),
        box.issues,
        has_due=False,
    )


def jira(folder: Path) -> Tool:
    box = JiraSandbox()

    def first() -> str:
        return str(box.issues()[0]["id"])

    def shows() -> list[Shown]:
        fields = [one["fields"] for one in box.issues()]
        return [
            (one["summary"], one["status"]["statusCategory"]["key"] == "done", one["duedate"])
            for one in fields
        ]

    return Tool(
        box,
        "issue",
        lambda title: box.create_issue(title),
        shows,
        lambda title: box.edit_issue(first(), summary=title),
        lambda: box.transition(first(), "Close at once"),
        box.issues,
    )


def salesforce(folder: Path) -> Tool:
    box = SalesforceSandbox()

    def first() -> str:
        return str(box.records("Task")[0]["Id"])

    return Tool(
        box,
        "task",
        lambda title: box.create("Task", Subject=title, Status="Not Started", Priority="Normal"),
        lambda: [
            (one["Subject"], one["Status"] == "Completed", one["ActivityDate"])
            for one in box.records("Task")
        ],
        lambda title: box.update("Task", first(), Subject=title),
        lambda: box.update("Task", first(), Status="Completed"),
        lambda: box.records("Task"),
    )


def google_sheets(folder: Path) -> Tool:
    box = GoogleSheetsSandbox()

    def first() -> str:
        return str(box.rows()[0]["_hub_key"])

    return Tool(
        box,
        "row",
        lambda title: box.add(Title=title, Status="Open"),
        lambda: [(one["Title"], one["Status"] == "Done", one["Due"]) for one in box.rows()],
        lambda title: box.edit(first(), Title=title),
        lambda: box.edit(first(), Status="Done"),
        box.rows,
    )


def spreadsheet(folder: Path) -> Tool:
    box = SpreadsheetSandbox(folder / "share")

    def first() -> str:
        return str(box.rows()[0]["ID"])

    return Tool(
        box,
        "row",
        lambda title: box.edit("R1", Title=title, Status="Open"),
        lambda: [(one["Title"], one["Status"] == "Done", day(one["Due"])) for one in box.rows()],
        lambda title: box.edit(first(), Title=title),
        lambda: box.edit(first(), Status="Done"),
        box.rows,
    )


def day(value: Any) -> str | None:
    """The day in a cell, without the time that spreadsheets add to it."""
    return str(value)[:10] if value else None


TOOLS: Mapping[str, Callable[[Path], Tool]] = {
    "github": github,
    "jira": jira,
    "salesforce": salesforce,
    "google_sheets": google_sheets,
    "spreadsheet": spreadsheet,
}
PAIRS: Sequence[Any] = [
    pytest.param(pair, id=" and ".join(pair), marks=pytest.mark.chaos)
    for pair in itertools.combinations(TOOLS, 2)
]
TOGETHER: Sequence[Any] = [pytest.param(tuple(TOOLS), id="all five"), *PAIRS]


@dataclass(slots=True)
class Story:
    """The hub, its tools by name, and what everybody must see in the end."""

    world: World
    tools: Mapping[str, Tool]

    def rest(self, *, twice: bool = True) -> None:
        """Everything arrives (webhooks twice, and the last ones first), and is worked off."""
        for _ in range(3):
            box = self.tools["github"].sandbox if "github" in self.tools else None
            if box is not None:
                late = [one for one in box.sent if one.guid not in self.world.given]
                self.world.given |= {one.guid for one in late}
                self.world.receive("github", [*reversed(late), *(late if twice else ())])
            self.world.settle(1)

    def agree(self, title: str, *, done: bool = False, due: str | None = None) -> None:
        """Every side shows the one task as it should be."""
        task = self.world.task
        assert (task["title"], task["status"] == "done") == (title, done)
        assert (task["due"] or {}).get("date") == due
        for name, tool in self.tools.items():
            wanted = (title, done, due if tool.has_due else None)
            assert [tuple(x or None for x in one) for one in tool.shows()] == [
                tuple(x or None for x in wanted)
            ], name
        assert self.trouble() == []

    def trouble(self) -> list[dict[str, Any]]:
        """What is before a person, but that nobody here knows who the tools' users are."""
        found = self.world.exceptions()
        return [one for one in found if one["data"].get("field") != "assignee"]

    def nothing_more(self) -> None:
        """Doing it all once more writes nothing, anywhere."""
        before = self.everything()
        for connection, object in pullable(self.world.hub.live.current()):
            pull(self.world.hub, connection, object, full=True, force=True)
        self.world.settle(2)
        assert self.everything() == before

    def everything(self) -> Any:
        held = {name: tool.holds() for name, tool in self.tools.items()}
        return held, self.world.tasks(), self.world.pushes(), len(self.world.events())


@pytest.fixture
def story(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    """One task, made in the first of these tools and mirrored in the others."""
    for name in request.param:  # nobody waits here for a minute to be over
        monkeypatch.setattr(CONNECTORS[name], "rates", {})
    with ExitStack() as stack:
        tools = {name: TOOLS[name](tmp_path) for name in request.param}
        boxes: dict[str, Sandbox] = {}
        for name, tool in tools.items():
            boxes[name] = stack.enter_context(tool.sandbox)
        world = make_world(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", boxes)
        stack.callback(world.hub.database.close)
        stack.callback(world.hub.live.close)
        made = Story(world, tools)
        first, *others = tools
        tools[first].make("Move the office")
        made.rest()
        with world.hub.unit() as unit:
            task = work.load(unit.tx, "task", [world.task["id"]], lock=True)[world.task["id"]]
            for name in others:
                assert change.mirror(unit, "task", task, name, tools[name].object)
        made.rest()
        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("story", TOGETHER, indirect=True)
def test_one_task_is_the_same_in_every_tool_whoever_edits_it(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, tools = story.world, story.tools
    story.agree("Move the office")

    # people edit one after the other, each having seen the last
    for name, tool in tools.items():
        tool.rename(f"Edited in {name}")
        story.rest()
        story.agree(f"Edited in {name}")
    world.edit(world.task["id"], title="Edited here", due={"date": "2026-03-29"})
    story.rest()
    due = "2026-03-29"
    story.agree("Edited here", due=due)

    # two people edit at once: neither is overwritten, one click settles it everywhere
    for name, tool in tools.items():
        tool.rename(f"Theirs in {name}")
        world.edit(world.task["id"], title=f"Ours, not {name}")
        story.rest()
        [conflict] = story.trouble()
        assert conflict["type"] == "sync_conflict"
        assert tool.shows()[0][0] == f"Theirs in {name}"
        with world.hub.unit() as unit:
            settling.resolve(unit, conflict["id"], ACTOR, choice=settling.Choice("theirs"))
        story.rest()
        story.agree(f"Theirs in {name}", due=due)

    # the process dies when everything is written and nothing of that is noted
    world.edit(world.task["id"], title="Written once")
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    world.die()
    story.rest()
    story.agree("Written once", due=due)
    story.nothing_more()

    # done in the last of them is done everywhere
    list(tools.values())[-1].finish()
    story.rest()
    story.agree("Written once", done=True, due=due)
    story.nothing_more()
