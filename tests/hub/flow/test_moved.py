"""Records whose id changes keep their link: moved, merged, put back."""

from __future__ import annotations

from itertools import permutations

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk import Record
from connectors.webhook.sandbox import WebhookSandbox
from hub.flow import change
from hub.flow.identity import former_ids
from hub.flow.merging import merge_entities
from hub.process import exceptions as settling
from hub.store import aliases, records, work
from hub.store import tables as t
from hub.store.database import Database
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.ledger import Book
from tests.hub.flow.test_deleted import DANA, NOW, READABLE, SILENT, book, deleted, jira
from tests.hub.flow.test_order import receive
from tests.hub.flow.world import World

__all__ = ["book", "jira"]

both = pytest.mark.parametrize("book", [SILENT, READABLE], indirect=True, ids=["silent", "read"])


def links(world: World) -> dict[str, str]:
    return {row["external_id"]: row["entity_id"] for row in world.links()}


@both
def test_a_record_that_moved_keeps_its_task_whatever_comes_late_under_its_former_id(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    first = tool.put("thing", "a", title="One", state="open")
    receive(world, first)
    world.work()
    before = world.task["id"]
    edited = tool.put("thing", "a", title="Edited")
    ended = tool.delete("thing", "a")
    receive(world, tool.move("thing", "a", "b"))
    receive(world, edited, first, ended)
    world.work()
    assert links(world) == {"b": before}
    assert deleted(world) == []
    assert (world.task["title"], world.task["status"]) == ("Edited", "open")
    [moved] = world.events("link.moved")
    assert (moved["data"]["former_id"], moved["data"]["external_id"]) == ("a", "b")
    receive(world, ended)
    receive(world, tool.put("thing", "b", title="After"))
    world.work()
    assert (world.task["title"], deleted(world)) == ("After", [])


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_it_is_moved_whether_its_end_is_told_before_or_after(
    book: tuple[World, Book], order: tuple[int, ...]
) -> None:
    """A folder tells that a message went, another that it came: together, or one by one."""
    world, tool = book
    receive(world, tool.put("thing", "a", title="One", state="open"))
    world.work()
    before = world.task["id"]
    ended = tool.delete("thing", "a")
    told = [ended, tool.move("thing", "a", "b"), tool.put("thing", "b", title="After")]
    for at in order:
        receive(world, told[at])
        world.work()
    receive(world, tool.put("thing", "b", title="At last"))
    world.work()
    if order.index(1) > order.index(2):  # it was a stranger for a while: a person may merge them
        assert before in links(world).values()
        return
    assert links(world) == {"b": before}
    assert deleted(world) == []
    assert world.task["title"] == "At last"


def test_a_record_that_moves_twice_and_back_is_found_under_all_its_ids(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    receive(world, tool.put("thing", "a", title="One", state="open"))
    world.work()
    for old, new in ("ab", "bc", "ca"):
        receive(world, tool.move("thing", old, new))
        world.work()
    assert links(world) == {"a": world.task["id"]}
    assert {(row["former_id"], row["external_id"]) for row in world.all(t.aliases)} == {
        ("b", "a"),
        ("c", "a"),
    }
    receive(world, tool.put("thing", "a", title="Home"))
    world.work()
    assert world.task["title"] == "Home"


@pytest.mark.parametrize("first", ["winner", "loser"])
def test_two_records_that_became_one_are_two_here_until_a_person_says_so(
    book: tuple[World, Book], first: str
) -> None:
    world, tool = book
    for id in ("a", "b"):
        receive(world, tool.put("thing", id, title=f"Thing {id}", state="open"))
    world.work()
    before = links(world)
    won, lost = tool.merge("thing", "a", "b")
    for body in (won, lost) if first == "winner" else (lost, won):
        receive(world, body)
        world.work()
    receive(world, won)
    world.work()
    assert links(world) == before
    assert deleted(world) == ["a"]
    [trouble] = world.exceptions()
    assert (trouble["type"], trouble["subject"]) == ("duplicate", before["a"])
    assert [one["id"] for one in trouble["data"]["candidates"]] == [before["b"]]
    assert len(world.events("task.deleted")) == 1
    receive(world, tool.put("thing", "b", title="Both"))
    world.work()
    assert sorted(row["title"] for row in world.tasks()) == ["Both", "Thing a"]


def test_a_record_that_was_merged_into_a_stranger_gives_it_its_link(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    receive(world, tool.put("thing", "a", title="Known", state="open"))
    world.work()
    before = links(world)["a"]
    tool.put("thing", "b", title="Unknown", state="open")
    won, lost = tool.merge("thing", "a", "b")
    receive(world, won, lost)
    world.work()
    assert links(world) == {"b": before}
    assert deleted(world) == []
    assert world.task["title"] == "Unknown"


def test_what_is_written_after_a_move_goes_to_the_new_id(book: tuple[World, Book]) -> None:
    world, tool = book
    receive(world, tool.put("thing", "a", title="One", state="open"))
    world.work()
    receive(world, tool.move("thing", "a", "b"))
    world.work()
    [link] = world.links()
    assert (link["external_id"], link["misses"], link["remote_deleted"]) == ("b", 0, False)


def test_a_record_that_came_back_under_another_id_with_our_key_is_the_one_it_was(
    book: tuple[World, Book],
) -> None:
    """Restored from an export: the key that our create left in it tells."""
    world, _ = book
    with world.hub.unit() as unit:
        task = change.new_entity("task", {"title": "Ours"}, unit)
        work.insert(unit.tx, "task", [task])
        link = work.new_link("task", task["id"], "ledger", "thing", "a", unit.now)
        work.insert_links(unit.tx, [link])
        unit.tx.execute(
            t.pushes.insert().values(
                id="psh_1", connection="ledger", object="thing", op="create", entity_type="task",
                entity_id=task["id"], external_id="a", fields={"title": "Ours"}, key="hub-1",
                created_at=unit.now, lane="ledger/x", status="sent", next_attempt_at=unit.now,
            )
        )  # fmt: skip
    again = Record("thing", "b", {"title": "Ours", "state": "open"}, version="9", key="hub-1")
    world.bring(again, connection="ledger")
    world.work()
    assert sorted(row["title"] for row in world.tasks()) == ["Ours", "Ours"], "a copy is its own"
    with world.hub.database.write() as tx:
        tx.execute(t.links.delete().where(t.links.c.external_id == "b"))
        tx.execute(t.tasks.delete().where(t.tasks.c.id != task["id"]))
        tx.execute(t.links.update().values(remote_deleted=True))
    world.bring(again, connection="ledger")
    world.work()
    assert links(world) == {"b": task["id"]}
    assert deleted(world) == []
    assert len(world.events("task.restored")) == 1


def edit(world: World, id: str, **values: object) -> None:
    with world.hub.unit() as unit:
        [task] = work.load(unit.tx, "task", [id], lock=True).values()
        change.change(unit, "task", task, values)
        work.save(unit.tx, "task", [task])


def test_a_jira_issue_in_another_project_is_written_under_its_new_key(
    make: MakeWorld, jira: JiraSandbox
) -> None:
    world = make({"jira": jira}, jira={"projects": ["OPS", "WEB"]})
    id = jira.create_issue("Moves")
    world.settle(2)
    [link] = [row for row in world.links() if row["external_id"] == id]
    was = jira.issue(id)["key"]
    edit(world, link["entity_id"], title="Written before the move is known")
    jira.move_issue(id, "WEB" if was.startswith("OPS") else "OPS")
    world.settle(2)
    key = jira.issue(id)["key"]
    assert key != was
    [after] = [row for row in world.links() if row["external_id"] == id]
    assert (after["id"], after["address"]["key"]) == (link["id"], key)
    assert key in after["url"]
    edit(world, link["entity_id"], title="Written after it")
    world.settle(1)
    assert jira.issue(id)["fields"]["summary"] == "Written after it"
    assert len([row for row in world.tasks() if row["title"] == "Written after it"]) == 1


def test_a_transferred_issue_keeps_its_task_and_is_written_in_its_new_repository(
    make: MakeWorld,
) -> None:
    with GithubSandbox(repositories=("acme/ops", "acme/web")) as github:
        github.webhook_url = "http://127.0.0.1:9/"
        world = make({"github": github})
        number = github.open_issue("Moves", repo="acme/ops")
        world.hear(github)
        world.work()
        before = world.task["id"]
        there = github.transfer_issue(number, "acme/web", repo="acme/ops")
        world.hear(github)
        world.work()
        world.settle(1)
        assert [row["entity_id"] for row in world.links()] == [before]
        assert deleted(world) == []
        edit(world, before, title="After the move")
        world.settle(1)
        assert github.issue(there, repo="acme/web")["title"] == "After the move"
        assert len(world.tasks()) == 1


def test_whether_two_that_became_one_there_are_one_here_is_said_in_one_call(
    book: tuple[World, Book],
) -> None:
    world, tool = book
    for id in "ab":
        receive(world, tool.put("thing", id, title=f"Thing {id}", state="open"))
    world.work()
    before = links(world)
    receive(world, *tool.merge("thing", "a", "b"))
    world.work()
    [asked] = world.exceptions()
    assert (asked["type"], asked["subject"]) == ("duplicate", before["a"])
    with world.hub.unit() as unit:
        choice = settling.Choice(before["b"])
        settling.resolve(unit, asked["id"], DANA, choice=choice)
    world.work()
    assert [row["id"] for row in world.tasks()] == [before["b"]]
    assert links(world) == {"b": before["b"]}
    assert world.exceptions() == []


@pytest.mark.parametrize("loser", ["a", "b"])
def test_who_merges_the_two_by_hand_has_answered_too(book: tuple[World, Book], loser: str) -> None:
    world, tool = book
    for id in "ab":
        receive(world, tool.put("thing", id, title=f"Thing {id}", state="open"))
    world.work()
    before = links(world)
    receive(world, *tool.merge("thing", "a", "b"))
    world.work()
    [winner] = {"a", "b"} - {loser}
    with world.hub.unit() as unit:
        merge_entities(unit, "task", before[loser], before[winner])
    assert world.exceptions() == []


CASES = """
mapping: cases
connection: crm
object: case
entity: task
fields:
  title: $.Subject
  description: $.Description
deletes: {in: cancel}
"""


def test_merged_cases_are_asked_about_and_a_restored_one_goes_on(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    world = make({"crm": crm}, {"mappings/cases.yaml": CASES}, crm={"pull": {"objects": ["case"]}})
    ids = [crm.create("Case", Subject=f"Case {name}") for name in "abc"]
    world.settle(2)
    entities = links(world)
    crm.merge("Case", ids[0], ids[1])
    world.settle(2)
    assert deleted(world) == [ids[1]]
    [trouble] = [row for row in world.exceptions() if row["type"] == "duplicate"]
    assert trouble["subject"] == entities[ids[1]]
    assert [one["id"] for one in trouble["data"]["candidates"]] == [entities[ids[0]]]
    status = {row["id"]: row["status"] for row in world.tasks()}
    assert status[entities[ids[1]]] == "open", "what became of it is a person's to say"
    crm.delete("Case", ids[2])
    world.settle(2)
    assert {row["id"]: row["status"] for row in world.tasks()}[entities[ids[2]]] == "cancelled"
    crm.undelete("Case", ids[2])
    world.settle(2)
    assert {row["id"]: row["status"] for row in world.tasks()}[entities[ids[2]]] == "open"
    assert deleted(world) == [ids[1]]
    assert links(world) == entities


def test_former_ids_are_read_where_the_mapping_says_so(make: MakeWorld) -> None:
    """HubSpot lists the ids that were merged into a record in one text."""
    with WebhookSandbox() as crm:
        contact = """
mapping: contacts
connection: crm
object: contact
entity: item
identity: {key: $.id, version: $.at, former: $.merged}
fields:
  title: $.name
"""
        world = make(
            {"crm": crm},
            {"mappings/contacts.yaml": contact},
            crm={"objects": {"contact": {"id": "$.id"}}},
        )
        one = Record("contact", "x", {"id": 12, "at": 1, "name": "Known"})
        world.bring(one, connection="crm")
        world.work()
        [before] = links(world).values()
        other = Record("contact", "y", {"id": 34, "at": 2, "name": "Both", "merged": "7;12"})
        world.bring(other, connection="crm")
        world.work()
        assert links(world) == {"34": before}
    assert former_ids([7, "12", 7.0]) == ("7", "12")
    assert former_ids({"no": "ids"}) == ()


def test_former_ids_survive_the_way_through_the_queue() -> None:
    record = Record("thing", "b", {}, former=("a", "z"))
    assert list(records.record_of(records.state_of(record)).former) == ["a", "z"]
    payload = records.state_of(record)
    del payload["former"]  # queued by an older version
    assert list(records.record_of(payload).former) == []


def test_aliases_lead_to_what_a_record_is_called_now(database: Database) -> None:
    with database.write() as tx:
        assert not aliases.any_of(tx, "ledger", "thing")
        aliases.move(tx, "ledger", "thing", "a", "b", NOW)
        aliases.move(tx, "ledger", "thing", "b", "c", NOW)
        aliases.move(tx, "ledger", "thing", "b", "c", NOW)
        assert aliases.any_of(tx, "ledger", "thing")
        assert not aliases.any_of(tx, "ledger", "note")
        assert aliases.now_called(tx, "ledger", "thing", ["a", "b", "c"]) == {"a": "c", "b": "c"}
        aliases.move(tx, "ledger", "thing", "c", "a", NOW)
        assert aliases.now_called(tx, "ledger", "thing", ["a", "b", "c"]) == {"b": "a", "c": "a"}
