"""Deletions on either side: what vanished without a word, what that means here, what comes back,
and what is deleted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from connectors.github.sandbox import GithubSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import change, sweep
from hub.flow.intake import parse_deliveries
from hub.flow.pull import due, pull
from hub.process import deleting, exceptions
from hub.process.answers import Refused
from hub.store import tables as t
from hub.store import work
from tests.hub.flow import world as worlds
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import MAPPINGS, Book, LedgerConnector
from tests.hub.flow.test_order import Tools, receive
from tests.hub.flow.world import World

THING, NOTE = "mappings/ledger-thing.yaml", "mappings/ledger-note.yaml"
SILENT = {"versions": "fine", "readable": False}
READABLE = {"versions": "fine", "readable": True}
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DANA = {"kind": "person", "id": "dana", "name": "Dana"}


@pytest.fixture
def book(
    make: MakeWorld, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, Book]]:
    """A hub over a ledger; readable or not, as the test says."""
    monkeypatch.setitem(worlds.CONNECTORS, "ledger", LedgerConnector)
    settings = getattr(request, "param", SILENT)
    tool: Any = Tools(**settings)
    made = Book(versions=settings["versions"])
    LedgerConnector.books["ledger"] = made
    yield make({"ledger": tool}, MAPPINGS), made
    del LedgerConnector.books["ledger"]


@pytest.fixture
def jira() -> Iterator[JiraSandbox]:
    with JiraSandbox() as sandbox:
        yield sandbox


readable = pytest.mark.parametrize("book", [READABLE], indirect=True, ids=["readable"])


def pull_everything(world: World, object: str = "thing") -> None:
    """A pull of everything that begins after all that was heard so far."""
    world.clock.ahead += timedelta(minutes=1)
    result = pull(world.hub, "ledger", object, full=True, restart=True, force=True)
    assert not result.error
    assert not result.busy
    world.hurry()
    world.work()


def deleted(world: World) -> list[str]:
    return sorted(row["external_id"] for row in world.links() if row["remote_deleted"])


def linked(world: World, *ids: str) -> None:
    book = LedgerConnector.books["ledger"]
    for id in ids:
        book.put("thing", id, title=f"Thing {id}", state="open")
    pull_everything(world)


def policy(world: World, deletes: str, file: str = THING) -> None:
    world.apply({file: world.files[file] + f"deletes: {deletes}\n"})


# --------------------------------------------------------------------------------- gone in silence


def test_a_record_that_vanished_is_believed_to_be_gone_at_the_second_miss(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    linked(world, "one", "two")
    del tool.rows["thing", "one"]
    pull_everything(world)
    assert deleted(world) == [], "a list may lag behind"
    pull_everything(world)
    assert deleted(world) == ["one"]
    assert [row["data"]["external_id"] for row in world.events("task.deleted")] == ["one"]
    pull_everything(world)
    assert len(world.events("task.deleted")) == 1


def test_what_a_connection_is_not_to_read_any_more_is_not_gone(make: MakeWorld) -> None:
    with GithubSandbox(("acme/ops", "acme/web")) as github:
        world = make({"github": github})
        github.open_issue("Goes on", repo="acme/ops")
        github.open_issue("Goes on without us", repo="acme/web")
        world.settle(1)
        assert len(world.links()) == 2
        hub_yaml = yaml.safe_load(world.files["hub.yaml"])
        hub_yaml["connections"]["github"]["repositories"] = ["acme/ops"]
        world.apply({"hub.yaml": yaml.safe_dump(hub_yaml)})
        for _ in range(3):
            world.clock.ahead += timedelta(minutes=1)
            pull(world.hub, "github", "issue", full=True, restart=True, force=True)
            world.work()
        assert deleted(world) == []
        assert {row["misses"] for row in world.links()} == {0}
        assert world.exceptions() == []


def test_a_record_whose_id_is_too_long_to_be_noted_is_not_missed(book: tuple[World, Book]) -> None:
    world, _ = book
    if world.hub.database.engine.dialect.name != "sqlite":
        return  # PostgreSQL takes no such id
    linked(world, "one", "x" * 401)
    pull_everything(world)
    pull_everything(world)
    assert len(world.links()) == 2
    assert deleted(world) == []


def test_a_record_that_is_seen_between_two_misses_is_not_gone(book: tuple[World, Book]) -> None:
    world, tool = book
    linked(world, "one", "two")
    row = tool.rows.pop(("thing", "one"))
    pull_everything(world)
    tool.rows["thing", "one"] = row
    pull_everything(world)
    del tool.rows["thing", "one"]
    pull_everything(world)
    assert deleted(world) == []


@readable
def test_where_records_can_be_read_the_tool_is_asked_for_what_is_missing(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    linked(world, "one", "two", "three")
    del tool.rows["thing", "one"]
    tool.asked.clear()
    pull_everything(world)
    assert tool.asked == ["one"]
    assert deleted(world) == ["one"]


@readable
def test_a_record_that_a_list_forgot_and_the_tool_still_has_stays(book: tuple[World, Book]) -> None:
    world, tool = book
    linked(world, "one", "two", "three")
    listed, tool.hidden = tool.hidden, {"one"}
    pull_everything(world)
    tool.hidden = listed
    assert tool.asked == ["one"]
    assert deleted(world) == []
    assert {row["misses"] for row in world.links()} == {0}


def test_what_is_heard_of_a_record_while_a_list_misses_it_holds(book: tuple[World, Book]) -> None:
    world, tool = book
    linked(world, "one", "two")
    told = tool.put("thing", "one", title="Still here")
    row = tool.rows.pop(("thing", "one"))
    pull_everything(world)
    world.clock.ahead += timedelta(minutes=5)
    receive(world, told)
    parse_deliveries(world.hub)  # it waits to be brought in while the list is read
    world.clock.ahead -= timedelta(minutes=4)
    pull(world.hub, "ledger", "thing", full=True, restart=True, force=True)
    world.work()
    tool.rows["thing", "one"] = row
    assert deleted(world) == []
    assert "Still here" in {row["title"] for row in world.tasks()}


def test_too_many_at_once_are_not_believed_until_a_person_says_so(book: tuple[World, Book]) -> None:
    """An emptied filter or a lost permission looks just so."""
    world, tool = book
    linked(world, *(f"{number:02}" for number in range(60)))
    kept = dict(list(tool.rows.items())[:10])
    everything, tool.rows = tool.rows, kept
    for _ in range(3):
        pull_everything(world)
    assert deleted(world) == []
    [trouble] = world.exceptions()
    assert trouble["type"] == "mass_deletion"
    assert "50 of 60" in trouble["title"]
    tool.rows = everything
    pull_everything(world)
    assert world.exceptions() == [], "it closes by itself once they are there again"
    tool.rows = kept
    pull_everything(world)
    [trouble] = world.exceptions()
    with world.hub.unit() as unit:
        exceptions.resolve(unit, trouble["id"], DANA)
    world.work()
    assert len(deleted(world)) == 50
    assert world.exceptions() == []


def test_a_pull_that_saw_nothing_at_all_is_not_believed(book: tuple[World, Book]) -> None:
    world, tool = book
    linked(world, "one")
    tool.rows.clear()
    for _ in range(3):
        pull_everything(world)
    assert deleted(world) == []
    assert world.kinds() == ["mass_deletion"]


def test_everything_is_pulled_by_itself_as_often_as_the_connection_says(
    book: tuple[World, Book],
) -> None:
    """Daily where only a webhook tells of deletions; `never` where it says so."""
    world, tool = book
    linked(world, "one", "two", "three")
    tool.put("thing", "two", title="Second")
    del tool.rows["thing", "one"]
    world.settle(2)
    assert deleted(world) == []
    for _ in range(2):
        world.clock.ahead += timedelta(days=1, minutes=1)
        world.settle(1)
    assert deleted(world) == ["one"]
    with world.hub.database.read() as tx:
        snapshot = world.hub.live.current()
        [row] = tx.execute(t.cursors.select().where(t.cursors.c.object == "thing")).mappings()
        now = world.clock() + timedelta(days=2)
        assert sweep.reconcile_due(snapshot, row, now)
        assert not sweep.reconcile_due(snapshot, row, world.clock())
        assert not sweep.reconcile_due(snapshot, {**row, "full_since": now}, now)
    hub_yaml = world.files["hub.yaml"].replace(
        "connector: ledger", "connector: ledger\n    pull: {reconcile: never}"
    )
    assert hub_yaml != world.files["hub.yaml"]
    world.apply({"hub.yaml": hub_yaml})
    assert not sweep.reconcile_due(world.hub.live.current(), row, now)
    assert due(world.hub) is not None


# ------------------------------------------------------------------------------------ what it means


def test_ignored_deletions_change_nothing_here_and_nothing_is_written_there(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    policy(world, "{in: ignore}")
    linked(world, "one", "two")
    receive(world, tool.delete("thing", "one"))
    world.work()
    assert deleted(world) == ["one"]
    assert {row["status"] for row in world.tasks()} == {"open"}
    assert world.events("task.deleted") == []
    receive(world, tool.put("thing", "one", title="Back"))
    world.work()
    assert world.events("task.restored") == []
    assert "Back" in {row["title"] for row in world.tasks()}


def test_a_comment_that_is_deleted_there_says_so_and_is_told_when_it_is_back(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    receive(world, tool.put("thing", "one", title="One", state="open"))
    receive(world, tool.put("note", "n1", "one", text="Hello"))
    world.work()
    receive(world, tool.delete("note", "n1"))
    world.work()
    [event] = world.events("comment.deleted")
    [comment] = world.comments()
    assert event["subject"] == comment["id"]
    assert comment["body"] == "Hello"
    assert deleted(world) == ["n1"]
    receive(world, tool.put("note", "n1", "one", text="Hello again"))
    world.work()
    assert len(world.events("comment.restored")) == 1
    assert deleted(world) == []


# --------------------------------------------------------------------------------------- undelete


def test_a_task_that_a_deletion_cancelled_goes_on_when_its_record_is_back(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    policy(world, "{in: cancel}")
    linked(world, "one", "two")
    [before] = [row["entity_id"] for row in world.links() if row["external_id"] == "one"]
    receive(world, tool.delete("thing", "one"))
    world.work()
    status = {row["id"]: row["status"] for row in world.tasks()}
    assert status[before] == "cancelled"
    receive(world, tool.put("thing", "one"))
    world.work()
    status = {row["id"]: row["status"] for row in world.tasks()}
    assert status[before] == "open"
    assert len(world.tasks()) == 2
    assert deleted(world) == []
    assert [row["subject"] for row in world.events("task.restored")] == [before]


def test_it_takes_the_status_it_had_where_the_tool_has_no_word_for_it(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    lines = [line for line in world.files[THING].splitlines() if "status" not in line]
    world.apply({THING: "\n".join([*lines, "deletes: {in: cancel}", ""])})
    receive(world, tool.put("thing", "one", title="One"))
    world.work()
    with world.hub.unit() as unit:
        [task] = work.load(unit.tx, "task", [world.task["id"]], lock=True).values()
        change.change(unit, "task", task, {"status": "in_progress"})
        work.save(unit.tx, "task", [task])
    receive(world, tool.delete("thing", "one"))
    world.work()
    assert world.task["status"] == "cancelled"
    receive(world, tool.put("thing", "one"))
    world.work()
    assert world.task["status"] == "in_progress"


def test_a_task_that_a_person_cancelled_stays_so_when_its_record_is_back(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    policy(world, "{in: tombstone}")
    linked(world, "one", "two")
    id = next(row["entity_id"] for row in world.links() if row["external_id"] == "one")
    receive(world, tool.delete("thing", "one"))
    world.work()
    with world.hub.unit() as unit:
        [task] = work.load(unit.tx, "task", [id], lock=True).values()
        change.change(unit, "task", task, {"status": "cancelled"})
        work.save(unit.tx, "task", [task])
    receive(world, tool.put("thing", "one"))
    world.work()
    assert {row["id"]: row["status"] for row in world.tasks()}[id] == "cancelled"


def test_a_row_that_was_deleted_and_pasted_back_keeps_its_task(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """What was changed here meanwhile is written to it then."""
    tracker.populate()
    world = make({"sheet": tracker})
    world.settle(2)
    before = {row["external_id"]: row["entity_id"] for row in world.links()}
    key = next(iter(before))
    content = tracker.path.read_bytes()
    tracker.delete(key)
    for _ in range(3):
        world.clock.ahead += timedelta(days=1, minutes=1)
        world.settle(1)
    assert deleted(world) == [key]
    tracker.restore(content)
    world.settle(2)
    assert deleted(world) == []
    assert {row["external_id"]: row["entity_id"] for row in world.links()} == before
    assert len(world.events("task.restored")) == 1


# ------------------------------------------------------------------------------------- deleted here


def delete_here(world: World, id: str) -> list[str]:
    with world.hub.unit() as unit:
        [task] = work.load(unit.tx, "task", [id], lock=True).values()
        return deleting.delete_task(unit, task)


def test_what_is_deleted_here_is_deleted_there_if_the_mapping_says_so(
    make: MakeWorld, jira: JiraSandbox
) -> None:
    world = make({"jira": jira})
    jira.populate()
    world.settle(2)
    mapping = "mapping: ours\nextends: jira-issue\nconnection: jira\ndeletes: {out: delete}\n"
    world.apply({"mappings/ours.yaml": mapping})
    issue = next(row for row in world.links() if row["entity_type"] == "task")
    ours = len(world.tasks())
    assert delete_here(world, issue["entity_id"]) == ["jira"]
    world.settle(2)
    assert len(world.tasks()) == ours - 1
    assert issue["external_id"] not in [row["id"] for row in jira.issues()]
    sent = world.pushes(t.pushes.c.status == "sent")
    assert [(row["op"], row["external_id"]) for row in sent] == [("delete", issue["external_id"])]
    assert issue["external_id"] in deleted(world)
    assert "push_failed" not in world.kinds()


def test_what_is_deleted_here_does_not_come_back_where_its_record_stays(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    linked(world, "one", "two")
    id = next(row["entity_id"] for row in world.links() if row["external_id"] == "one")
    assert delete_here(world, id) == []
    receive(world, tool.put("thing", "one", title="Edited there"))
    receive(world, tool.put("note", "n1", "one", text="Said there"))
    world.settle(2)
    pull_everything(world)
    assert [row["title"] for row in world.tasks()] == ["Thing two"]
    assert world.comments() == []
    assert world.pushes() == []
    [event] = world.events("task.deleted")
    assert event["subject"] == id
    assert event["data"]["here"]


def test_its_comments_and_exceptions_go_with_a_task_and_its_history_stays(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    receive(world, tool.put("thing", "one", title="One", state="open"))
    receive(world, tool.put("note", "n1", "one", text="Hello"))
    receive(world, tool.put("thing", "one", state="of no mapping"))
    world.work()
    assert world.kinds() == ["unmapped_value"]
    delete_here(world, world.task["id"])
    world.work()
    assert (world.tasks(), world.comments(), world.exceptions()) == ([], [], [])
    assert len(world.events("task.created")) == 1


def test_a_task_that_is_just_being_created_in_a_tool_is_not_deleted(
    world: World, github: GithubSandbox
) -> None:
    with world.hub.unit() as unit:
        task = change.new_entity("task", {"title": "New"}, unit)
        work.insert(unit.tx, "task", [task])
        change.mirror(unit, "task", task, "github")
    with world.hub.database.write() as tx:
        tx.execute(t.pushes.update().values(claims=1))
    with pytest.raises(Refused) as refused:
        delete_here(world, task["id"])
    assert refused.value.code == "write_under_way"
