"""Every connector as its users meet it: through the hub's own API and intake, with people who act
in the tool, over the connector's own sandbox and its default mappings.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml

from connectors.github.sandbox import GithubSandbox
from connectors.google_sheets.sandbox import GoogleSheetsSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.redmine.sandbox import ANN, MARK, RedmineSandbox
from connectors.rest.sandbox import DesklySandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk.sandbox import HttpSandbox, Sandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from connectors.webhook.sandbox import WebhookSandbox
from hub import identity
from hub.app import Application
from hub.flow.pull import due, pull, pullable
from tests.hub.flow.conftest import NOBODY_LISTENS
from tests.hub.flow.world import World, make_world
from tests.webhooks.intake_support import until

Box = Any
"""A sandbox of any kind: each has its own names for what people do."""
TICKET = """
mapping: ticket
connection: tool
object: ticket
entity: task
direction: both
fields:
  title: $.subject
  description: $.body
  status:
    from: $.state
    values: {new: open, open: in_progress, waiting: on_hold, solved: done}
    back: {cancelled: solved}
"""
NOTE = """
mapping: note
connection: tool
object: note
entity: comment
direction: both
fields: {body: $.text}
"""
ORDER = """
mapping: order
connection: tool
object: order
entity: task
direction: in
fields: {title: $.title}
"""
PROCESS = """
process: deal
title: One deal
accountable: dana
steps:
  wire: {title: Wire it, responsible: lee, connection: tool}
"""


@dataclass(frozen=True)
class Tool:
    """One tool: what its people do, and what they see."""

    sandbox: Callable[[Path], Box]
    open: Callable[[Box, str], Any]
    """A person makes a record with this title; its number or name, for the other deeds."""
    retitle: Callable[[Box, Any, str], Any]
    remove: Callable[[Box, Any], Any]
    titles: Callable[[Box], list[str]]
    say: Callable[[Box, Any, str], Any] | None = None
    said: Callable[[Box], list[str]] = lambda box: []
    tells: bool = True
    """By webhook."""
    tells_of_deletions: bool = True
    """By webhook, without a pull."""
    lists_deletions: int = 1
    """How many pulls it takes to see one; 0: no list shows it."""
    written: bool = True
    object: str = ""
    """What a task becomes there, if several objects take tasks."""
    who: Mapping[str, str] = field(default_factory=dict)
    """Dana and Lee there, where an e-mail address does not say."""
    files: Mapping[str, str] = field(default_factory=dict)


def sheet_of(path: Path) -> SpreadsheetSandbox:
    return SpreadsheetSandbox(path / "share")


def typed(box: GoogleSheetsSandbox, title: str) -> int:
    """A row without a key: the hub gives it one. Known by its place here, as by a person."""
    return box.add(Title=title, Status="Open") - 2


def key_at(box: GoogleSheetsSandbox, place: int) -> str:
    return str(box.rows()[place]["_hub_key"])


def rowed(box: SpreadsheetSandbox, title: str) -> str:
    key = f"P-{len(box.rows()) + 1}"
    box.add([[key, title, "Open"]])
    return key


TOOLS: dict[str, Tool] = {
    "github": Tool(
        lambda path: GithubSandbox(),
        lambda box, title: box.open_issue(title),
        lambda box, id, title: box.edit_issue(id, title=title),
        lambda box, id: box.delete_issue(id),
        lambda box: [row["title"] for row in box.issues()],
        lambda box, id, text: box.comment(id, text),
        lambda box: [row["body"].split("\n")[0] for row in box.comments()],
        lists_deletions=0,
        who={"dana": "dmeier", "lee": "lkim"},
    ),
    "google_sheets": Tool(
        lambda path: GoogleSheetsSandbox(),
        typed,
        lambda box, id, title: box.edit(key_at(box, id), Title=title),
        lambda box, id: box.delete(key_at(box, id)),
        lambda box: [row["Title"] for row in box.rows()],
        tells_of_deletions=False,
        lists_deletions=2,
    ),
    "jira": Tool(
        lambda path: JiraSandbox(),
        lambda box, title: box.create_issue(title),
        lambda box, id, title: box.edit_issue(id, summary=title),
        lambda box, id: box.delete_issue(id),
        lambda box: [row["fields"]["summary"] for row in box.issues()],
        lambda box, id, text: box.comment(id, text),
        lambda box: [text_of(one["body"]) for row in box.issues() for one in row["comments"]],
        lists_deletions=0,
        who={"dana": "5b10a2844c20165700ede21g", "lee": "5b10ac8d82e05b22cc7d4ef5"},
    ),
    "redmine": Tool(
        lambda path: RedmineSandbox(),
        lambda box, title: box.create({"subject": title, "status_id": 1}, ANN)["id"],
        lambda box, id, title: box.change(box.issues[id], {"subject": title}, ANN),
        lambda box, id: box.delete(id),
        lambda box: [row["subject"] for row in box.issues.values()],
        lambda box, id, text: box.note(int(id), text, ANN),
        lambda box: [MARK.sub("", one["notes"]) for one in box.journals.values() if one["notes"]],
        lists_deletions=0,
        who={"dana": "2", "lee": "3"},
    ),
    "rest": Tool(
        lambda path: DesklySandbox(),
        lambda box, title: box.make_ticket({"subject": title}, by="ann@x.test")["id"],
        lambda box, id, title: box.edit_ticket(id, by="ann@x.test", subject=title),
        lambda box, id: box.remove_ticket(id, by="ann@x.test"),
        lambda box: [row["subject"] for row in box.tickets.values() if not row["deleted"]],
        lambda box, id, text: box.make_note(id, {"text": text}, by="ann@x.test"),
        lambda box: [row["text"] for row in box.notes.values()],
        files={"mappings/ticket.yaml": TICKET, "mappings/note.yaml": NOTE},
    ),
    "salesforce": Tool(
        lambda path: SalesforceSandbox(),
        lambda box, title: box.create_task(title, owner="dana@acme.test"),
        lambda box, id, title: box.update("Task", id, "dana@acme.test", Subject=title),
        lambda box, id: box.delete("Task", id, "dana@acme.test"),
        lambda box: [row["Subject"] for row in box.records("Task")],
        tells_of_deletions=False,
        object="task",
    ),
    "spreadsheet": Tool(
        sheet_of,
        rowed,
        lambda box, id, title: box.edit(id, Title=title),
        lambda box, id: box.delete(id),
        lambda box: [row["Title"] for row in box.rows()],
        tells=False,
        lists_deletions=2,
    ),
    "webhook": Tool(
        lambda path: WebhookSandbox(),
        lambda box, title: box.place(title),
        lambda box, id, title: box.change(id, title=title),
        lambda box, id: box.delete(id),
        lambda box: [row["title"] for row in box.orders.values()],
        written=False,
        files={"mappings/order.yaml": ORDER},
    ),
}


def text_of(node: Mapping[str, Any]) -> str:
    """The words of a Jira document."""
    return str(node.get("text", "")) + "".join(map(text_of, node.get("content", ())))


class Story:
    """A hub that is served, one tool that is connected to it, and a person with the API."""

    def __init__(self, tool: Tool, box: Box, world: World, client: httpx.Client) -> None:
        self.tool, self.box, self.world, self.client = tool, box, world, client

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def tasks(self) -> dict[str, Any]:
        return {task["title"]: task for task in self.call("GET", "tasks")["items"]}

    def hear(self) -> None:
        """Whatever the tool sends arrives, and the hub does what follows from it."""
        for _ in range(2):
            self._drain()
            self.world.hurry()
            self.world.work()

    def _drain(self) -> None:
        """Return once everything that the tool has to tell was told."""
        for part in (self.box, getattr(self.box, "hooks", None)):
            drain: Callable[[], None] | None = getattr(part, "drain", None)
            if drain is not None:
                drain()
        if isinstance(self.box, SalesforceSandbox):
            assert self.box.announcer.wait_idle()

    def pull(self) -> None:
        """Pull everything; no pull may fail."""
        hub = self.world.hub
        for connection, object in pullable(hub.live.current()):
            assert pull(hub, connection, object, force=True).error is None
        self.hear()

    def heard(self) -> None:
        """The tool has told of what happened; a hint that it did is followed by a pull."""
        self.hear()
        for connection, object in due(self.world.hub):
            assert pull(self.world.hub, connection, object).error is None
        self.hear()

    def comes_to_rest(self) -> None:
        """The echo of what was written comes back, and nothing is changed or written any more."""
        self.pull()
        before, events = self.written(), len(self.world.events())
        self.pull()
        assert (self.written(), len(self.world.events())) == (before, events)
        assert {row["status"] for row in self.world.pushes()} <= {"sent", "superseded"}
        assert self.world.exceptions() == []

    def written(self) -> int:
        return len(self.box.ledger)


@pytest.fixture(params=sorted(TOOLS))
def story(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[Story]:
    tool = TOOLS[request.param]
    with ExitStack() as stack:
        box: Sandbox = stack.enter_context(tool.sandbox(tmp_path))
        world = make_world(
            tmp_path,
            database_url,
            {"tool": box},
            {**tool.files, "processes/deal.yaml": process_for(tool)},
        )
        stack.callback(world.hub.database.close)
        stack.callback(world.hub.live.close)
        people = yaml.safe_load(world.files["people.yaml"])
        if tool.who:
            people["identities"]["tool"] = dict(tool.who)
        world.apply({"people.yaml": yaml.safe_dump(people)})
        address = stack.enter_context(served(world))
        if isinstance(box, HttpSandbox):
            box.webhook_url = f"{address}/webhooks/tool{secret_of(box)}"
        _, token = identity.create_token(world.hub, "member", "story", "dana")
        client = httpx.Client(
            base_url=f"{address}/api/v1/",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=20,
        )
        yield Story(tool, box, world, stack.enter_context(client))


def process_for(tool: Tool) -> str:
    return PROCESS.replace("tool}", f"tool, object: {tool.object}}}") if tool.object else PROCESS


def secret_of(box: Sandbox) -> str:
    """The last part of the address, for a tool that cannot sign."""
    token = box.connection().get("webhook", {}).get("token")
    return "/" + box.env()[token.removeprefix("env:")] if token else ""


@contextmanager
def served(world: World) -> Iterator[str]:
    """The hub's address, with its intake and API behind it. The stages stay in the test's hands."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    application = Application(world.hub, address)
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    application.start()
    thread.start()
    until(lambda: server.started)
    try:
        yield address
    finally:
        server.should_exit = True
        application.stream.close()
        thread.join(20)
        application.stop()
        listening.close()


def test_what_people_do_there_comes_in_by_pull(story: Story) -> None:
    """Once, and a second pull finds nothing; a deletion is shown, and takes nothing away."""
    tool, box = story.tool, story.box
    if box.name == "webhook":
        pytest.skip("it only sends")
    box.webhook_url = None
    id = tool.open(box, "First deed")
    tool.open(box, "Second deed")
    story.pull()
    assert set(story.tasks()) == {"First deed", "Second deed"}
    before, events = story.written(), len(story.world.events())
    story.pull()
    assert (story.written(), len(story.world.events())) == (before, events)

    tool.retitle(box, id, "First deed, edited")
    story.pull()
    assert set(story.tasks()) == {"First deed, edited", "Second deed"}
    if tool.say:
        tool.say(box, id, "From the tool")
        story.pull()
        task = story.tasks()["First deed, edited"]["id"]
        [comment] = story.call("GET", f"tasks/{task}/comments")["items"]
        assert comment["body"] == "From the tool"
    tool.remove(box, id)
    for _ in range(tool.lists_deletions):
        assert not any(one["remote_deleted"] for one in story.world.links())
        story.pull()
    gone = [one["entity_id"] for one in story.world.links() if one["remote_deleted"]]
    task = story.tasks()["First deed, edited"]["id"]
    assert (task in gone) == (tool.lists_deletions > 0)
    assert story.written() == before
    assert story.world.exceptions() == []


def test_what_people_do_there_comes_in_by_webhook(story: Story) -> None:
    """Without a pull, except where the webhook only says that something changed."""
    tool, box = story.tool, story.box
    if not tool.tells:
        pytest.skip("it sends no webhooks")
    id = tool.open(box, "First deed")
    story.heard()
    assert set(story.tasks()) == {"First deed"}
    tool.retitle(box, id, "Edited")
    story.heard()
    assert set(story.tasks()) == {"Edited"}
    if tool.say:
        tool.say(box, id, "From the tool")
        story.heard()
        task = story.tasks()["Edited"]["id"]
        [comment] = story.call("GET", f"tasks/{task}/comments")["items"]
        assert comment["body"] == "From the tool"
    tool.remove(box, id)
    story.heard()
    [link] = [one for one in story.world.links() if one["entity_type"] == "task"]
    assert link["remote_deleted"] == tool.tells_of_deletions
    assert set(story.tasks()) == {"Edited"}
    assert story.world.exceptions() == []


def test_what_webhooks_missed_is_found_by_the_next_pull(story: Story) -> None:
    """Nobody heard them; at the interval of the connection the state is there. Those that come late
    after all change nothing.
    """
    tool, box, world = story.tool, story.box, story.world
    if not tool.tells or box.name == "webhook":
        pytest.skip("it sends no webhooks, or nothing else")
    drill = box.drill()
    # Salesforce goes on trying, and is waited for
    box.webhook_url = None if box.name == "salesforce" else NOBODY_LISTENS
    id, third = tool.open(box, "First"), tool.open(box, "Third")
    story.pull()
    assert set(story.tasks()) == {"First", "Third"}

    tool.retitle(box, id, "First, edited")
    tool.open(box, "Second")
    if tool.say:
        tool.say(box, id, "From the tool")
    tool.remove(box, third)
    assert due(world.hub) == []
    world.clock.ahead += timedelta(minutes=5)
    assert set(due(world.hub)) == set(pullable(world.hub.live.current()))
    for _ in range(max(1, tool.lists_deletions)):
        story.pull()
    assert set(story.tasks()) == {"First, edited", "Second", "Third"}
    assert [comment["body"] for comment in world.comments()] == ["From the tool"] * bool(tool.say)
    gone = {one["entity_id"] for one in world.links() if one["remote_deleted"]}
    assert gone == ({story.tasks()["Third"]["id"]} if tool.lists_deletions else set())

    before = (world.tasks(), world.comments(), story.written(), changes(world))
    late = drill.deliveries()
    assert late
    world.take("tool", late)
    story.heard()
    if not tool.lists_deletions:  # which is the one thing that only a webhook tells
        gone = {one["entity_id"] for one in world.links() if one["remote_deleted"]}
        assert gone == {story.tasks()["Third"]["id"]}
    assert before == (world.tasks(), world.comments(), story.written(), changes(world))
    assert world.exceptions() == []


def changes(world: World) -> list[Any]:
    """What happened to tasks and comments, but for deletions."""
    kinds = ("task.created", "task.updated", "task.completed", "task.reopened", "comment.added")
    return [(row["type"], row["subject"]) for row in world.events() if row["type"] in kinds]


def test_what_is_done_in_the_hub_reaches_the_tool_once(story: Story) -> None:
    """An edit, a comment; their echoes, by webhook and by pull, change nothing."""
    tool, box = story.tool, story.box
    if not tool.written:
        pytest.skip("it takes nothing")
    tool.open(box, "Theirs")
    story.pull()
    task = story.tasks()["Theirs"]
    story.call("PATCH", f"tasks/{task['id']}", {"title": "Ours"})
    story.hear()
    assert tool.titles(box) == ["Ours"]
    if tool.say:
        body = {"body": "From the hub", "visibility": "public"}
        story.call("POST", f"tasks/{task['id']}/comments", body)
        story.hear()
        assert tool.said(box) == ["From the hub"]
    story.comes_to_rest()
    assert tool.titles(box) == ["Ours"]


def test_a_task_of_the_hub_is_created_in_the_tool_once(story: Story) -> None:
    """By a link that is asked for, and by a step that names the connection."""
    tool, box = story.tool, story.box
    if not tool.written:
        pytest.skip("it takes nothing")
    task = story.call("POST", "tasks", {"title": "Made here", "description": "As agreed."})
    where = {"connection": "tool", **({"object": tool.object} if tool.object else {})}
    story.call("POST", f"tasks/{task['id']}/links", where)
    story.hear()
    assert tool.titles(box) == ["Made here"]
    story.call("POST", "cases", {"process": "deal", "title": "Acme"})
    story.hear()
    assert sorted(tool.titles(box)) == ["Made here", "Wire it"]
    story.comes_to_rest()
    assert sorted(tool.titles(box)) == ["Made here", "Wire it"]
    assert set(story.tasks()) == {"Made here", "Wire it"}
    story.call("PATCH", f"tasks/{task['id']}", {"status": "done"})
    story.hear()
    story.comes_to_rest()
    assert story.tasks()["Made here"]["status"] == "done"
