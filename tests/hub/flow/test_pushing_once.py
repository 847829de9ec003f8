"""Every intended write has one effect, whatever happens to its answer."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.intake import parse_deliveries
from hub.participants.messages import Message, send
from hub.process import exceptions as settling
from hub.store import outbox, work
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}


def creates(sandbox: Any, object: str) -> int:
    return sum(one.op == "create" and one.object == object for one in sandbox.ledger)


def statuses(world: World) -> list[str]:
    return [row["status"] for row in world.pushes()]


def test_an_issue_whose_answer_was_cut_is_found_by_its_key(
    world: World, github: GithubSandbox
) -> None:
    """The effect happened, the answer did not come: one issue, one link, no exception."""
    github.faults.cut_after_effect = 1
    world.create("github", title="Wire the tenant")
    deliver(world.hub)
    assert statuses(world) == ["pending"]
    world.settle()
    assert creates(github, "issue") == 1
    assert [link["external_id"] for link in world.links()] == [str(github.issue(1)["id"])]
    assert statuses(world) == ["sent"]
    assert world.exceptions() == []
    assert len(world.tasks()) == 1


def test_an_answer_that_is_cut_twice_is_looked_up_twice(
    world: World, github: GithubSandbox
) -> None:
    """A create that truly failed after one that may not have: looked up again, never given up."""
    github.faults.status = [502]
    world.create("github", title="Wire the tenant")
    deliver(world.hub)
    github.faults.cut_after_effect = 1
    world.hurry()
    deliver(world.hub)
    world.settle()
    assert creates(github, "issue") == 1
    assert statuses(world) == ["sent"]
    assert world.exceptions() == []


def test_an_edit_between_a_cut_create_and_its_discovery_goes_out(
    world: World, github: GithubSandbox
) -> None:
    """The issue that is found holds the first title; the hub's newer one follows."""
    github.faults.cut_after_effect = 1
    task = world.create("github", title="First")
    deliver(world.hub)
    world.edit(task, title="Second")
    world.settle()
    assert [issue["title"] for issue in github.issues()] == ["Second"]
    assert world.task["title"] == "Second"
    assert world.exceptions() == []


def test_a_persons_edit_of_a_created_issue_survives_its_discovery(
    world: World, github: GithubSandbox
) -> None:
    """Somebody retitled the issue before the hub knew that it exists."""
    github.faults.cut_after_effect = 1
    world.create("github", title="First")
    deliver(world.hub)
    github.edit_issue(1, title="Better")
    world.hurry()
    world.work()
    world.settle()
    assert world.task["title"] == "Better"
    assert github.issue(1)["title"] == "Better"
    assert len(world.tasks()) == 1
    assert world.exceptions() == []


def test_a_mail_whose_answer_was_cut_arrives_once(make: MakeWorld, mail: EmailSandbox) -> None:
    """Looked up in the Sent folder before it would be sent again."""
    world = make({"mail": mail})
    with world.hub.unit() as unit:
        dana = work.people(unit.tx)["dana"]
        assert send(unit, Message(to=dana, subject="Hello", opening="Hello there."), "evt_1")
    mail.faults.cut_after_effect = 1
    deliver(world.hub)
    world.hurry()
    world.work()
    assert len(mail.inbox("dana@acme.test")) == 1
    assert statuses(world) == ["sent"]
    assert world.exceptions() == []


def test_a_salesforce_task_whose_answer_was_cut_is_there_once(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    """With an external id field it is an upsert; without, a person is asked; never two."""
    world = make({"crm": crm})
    crm.faults.cut_after_effect = 1
    world.create("crm", "task", title="Call Globex", assignee=world.party("dana"))
    deliver(world.hub)
    world.settle()
    assert creates(crm, "task") + creates(crm, "Task") == 1
    assert len(crm.records("Task")) == 1
    assert statuses(world) in (["sent"], ["unknown"])
    assert world.kinds() == ([] if statuses(world) == ["sent"] else ["push_unknown"])


def test_a_row_whose_writer_died_is_there_once(
    make: MakeWorld, tracker: SpreadsheetSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between the file and the record of it."""
    world = make({"tracker": tracker})
    world.create("tracker", title="Set up billing")
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    world.die()
    world.settle()
    assert [row["Title"] for row in tracker.rows()] == ["Set up billing"]
    assert len(world.tasks()) == 1
    assert statuses(world) == ["sent"]


def test_what_a_person_did_before_a_create_is_repeated_stays(
    make: MakeWorld, tracker: SpreadsheetSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies, a person edits the row, and only then the hub is back."""
    world = make({"tracker": tracker})
    world.create("tracker", title="Set up billing")
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    tracker.edit(tracker.rows()[0]["ID"], Status="Done")
    world.die()
    world.hurry()
    deliver(world.hub)  # before anything is pulled
    assert tracker.rows()[0]["Status"] == "Done"
    world.settle()
    assert world.task["status"] == "done"
    assert tracker.rows()[0]["Status"] == "Done"
    assert world.exceptions() == []


def test_the_echo_of_a_create_that_comes_before_its_answer_is_our_own(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One task, one link, no second write, and no event that a rule could act upon."""
    task = world.create("github", title="Wire the tenant", labels=["ops"], assignee=None)
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    world.hear(github)
    parse_deliveries(world.hub)
    bring_in(world.hub)
    assert [row["id"] for row in world.tasks()] == [task]
    assert len(world.links()) == 1
    assert world.events("task.updated") == []
    world.die()
    world.settle()
    assert len(github.ledger) == 1
    assert len(world.events("task.created")) == 1
    assert world.events("task.updated") == []


def test_an_edit_made_before_the_echo_of_a_create_is_not_taken_back_by_it(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The echo says what we wrote then; a person here has changed it since."""
    task = world.create("github", title="First", status="in_progress")
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    world.edit(task, title="Second")
    world.hear(github)
    world.work()
    assert world.task["title"] == "Second"
    assert world.task["status"] == "in_progress"
    world.die()
    world.settle()
    assert github.issue(1)["title"] == "Second"
    assert world.task["status"] == "in_progress"
    assert world.exceptions() == []


def test_what_a_tool_filled_in_is_no_news_in_an_echo_that_comes_before_the_answer(
    make: MakeWorld, crm: SalesforceSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salesforce makes whoever writes the owner: an account of ours, and nobody here."""
    world = make({"crm": crm})
    world.create("crm", "task", title="Call them")
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    world.pull()
    world.work()
    assert world.task["assignee"] is None
    assert world.exceptions() == []
    world.die()
    world.settle()
    assert len(world.tasks()) == len(crm.records("Task")) == 1
    assert world.exceptions() == []
    [task] = crm.records("Task")
    crm.update("Task", task["Id"], "dana@acme.test", Subject="Call them now")
    world.settle()
    assert world.task["title"] == "Call them now"
    assert world.exceptions() == []


def test_a_change_made_while_its_create_is_in_flight_goes_out_afterwards(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor answers with the old title; the new one follows at once."""
    task = world.create("github", title="First")
    connector = world.hub.live.current().connector("github")
    push = type(connector).push

    def slow(self: Any, changes: Any) -> Any:
        results = push(self, changes)
        monkeypatch.setattr(type(connector), "push", push)
        world.edit(task, title="Second", labels=["late"])
        return results

    monkeypatch.setattr(type(connector), "push", slow)
    world.work()
    assert github.issue(1)["title"] == "Second"
    assert [label["name"] for label in github.issue(1)["labels"]] == ["late"]
    assert world.exceptions() == []


def test_a_second_run_of_everything_writes_nothing(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox, crm: SalesforceSandbox
) -> None:
    """Pulled again from the very beginning, with every webhook once more: the ledgers stand."""
    world = make({"github": github, "tracker": tracker, "crm": crm})
    number = github.open_issue("From GitHub", body="a\r\nb  ", labels=["ops", "b"])
    github.comment(number, "A remark")
    tracker.edit("R1", Title="From the tracker", Status="On hold")
    crm.create_task("From the CRM", by="dana@acme.test", Status="Deferred")
    world.create("github", title="Hub to GitHub", status="on_hold")
    world.create("tracker", title="Hub to tracker")
    dana = world.party("dana")
    world.create("crm", "task", title="Hub to CRM", status="on_hold", assignee=dana)
    world.settle()
    world.hear(github)
    world.settle()
    effects = [len(one.ledger) for one in (github, crm)]
    file, events, tasks = tracker.path.read_bytes(), len(world.events()), world.tasks()
    with world.hub.database.write() as tx:
        tx.execute(t.cursors.update().values(cursor={}))
        tx.execute(t.links.update().values(data={}))
    world.settle()
    assert [len(one.ledger) for one in (github, crm)] == effects
    assert tracker.path.read_bytes() == file
    assert world.tasks() == tasks
    assert len(world.events()) == events
    assert world.exceptions() == []


def test_a_task_cancelled_before_it_was_created_is_never_created(
    world: World, github: GithubSandbox
) -> None:
    """Nobody in the tool need hear of it."""
    task = world.create("github", title="Never mind")
    world.edit(task, status="cancelled")
    world.work()
    assert github.issues() == []
    assert statuses(world) == ["superseded"]


def test_a_rejected_push_is_an_exception_and_a_retry_sends_it(
    world: World, github: GithubSandbox
) -> None:
    """GitHub refuses a title of 257 letters; shortened and retried it is there, once."""
    task = world.create("github", title="x" * 257)
    world.work()
    [failed] = world.exceptions()
    assert failed["type"] == "push_failed"
    assert "too long" in failed["detail"]
    world.edit(task, title="short")
    with world.hub.unit() as unit:
        assert settling.retry(unit, failed["id"], ACTOR) == "deliver"
    world.work()
    assert [issue["title"] for issue in github.issues()] == ["short"]
    assert world.exceptions() == []


def test_a_push_that_failed_while_its_effect_is_unsure_is_looked_up_before_a_retry(
    world: World, github: GithubSandbox
) -> None:
    """Poison: every worker that sent it died. It had arrived."""
    world.create("github", title="Wire the tenant")
    github.faults.cut_after_effect = 1
    deliver(world.hub)
    with world.hub.database.write() as tx:
        tx.execute(t.pushes.update().values(status="failed"))
        [push] = tx.execute(t.pushes.select()).mappings().all()
        assert outbox.retry(tx, push["id"])
    world.settle()
    assert creates(github, "issue") == 1
    assert statuses(world) == ["sent"]


def test_what_the_tool_fills_in_at_creation_comes_in(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    """Salesforce gives a new task a priority."""
    world = make({"crm": crm})
    world.create("crm", "task", title="Call Globex", assignee=world.party("dana"))
    world.work()
    [made] = crm.records("Task")
    assert made["Priority"] == "Normal"
    assert world.task["priority"] == "normal"
    world.settle()
    assert len(crm.records("Task")) == 1
    assert len(crm.ledger) == 1
