"""State in both directions between the hub and real tools: conflicts, order, several links."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox, Sent
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.api.errors import Problem
from hub.api.tasks import mirror_task
from hub.flow.deliver import deliver
from hub.process import exceptions as settling
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}


def mapping(extra: str) -> dict[str, str]:
    return {
        "mappings/issue.yaml": f"mapping: issue\nextends: github-issue\nconnection: github\n{extra}"
    }


def both_edited(world: World, github: GithubSandbox) -> str:
    """One issue in both, its title then edited on both sides before either hears of it."""
    number = github.open_issue("Base", labels=["ops"])
    world.pull()
    world.work()
    task = str(world.task["id"])
    github.edit_issue(number, title="Theirs")
    world.edit(task, title="Ours", labels=["ops", "new"])
    world.pull()
    world.settle()
    return task


@pytest.mark.parametrize(("policy", "title"), [("ours", "Ours"), ("theirs", "Theirs")])
def test_a_policy_settles_a_conflict_on_both_sides(
    make: MakeWorld, github: GithubSandbox, policy: str, title: str
) -> None:
    """Both sides end with the same title, and both values stay in the events."""
    world = make({"github": github}, mapping(f"conflict: {policy}\n"))
    both_edited(world, github)
    assert world.task["title"] == github.issue(1)["title"] == title
    assert sorted(world.task["labels"]) == ["new", "ops"]
    assert {label["name"] for label in github.issue(1)["labels"]} == {"ops", "new"}
    assert world.exceptions() == []


def test_the_newest_edit_holds_where_the_mapping_says_so(
    make: MakeWorld, github: GithubSandbox
) -> None:
    world = make({"github": github}, mapping("conflict: newest\n"))
    both_edited(world, github)
    assert world.task["title"] == github.issue(1)["title"]
    assert world.exceptions() == []


def test_an_edit_of_another_field_makes_none_the_newest(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """Ours, then theirs, then something else here: theirs is the later title."""
    world = make({"github": github}, mapping("conflict: newest\n"))
    number = github.open_issue("Base")
    world.pull()
    world.work()
    task = str(world.task["id"])
    world.clock.ahead += timedelta(hours=1)
    world.edit(task, title="Ours, first")
    github.clock = lambda: world.clock() + timedelta(hours=1)
    github.edit_issue(number, title="Theirs, later")
    world.clock.ahead += timedelta(hours=2)
    world.edit(task, labels=["touched"])
    world.settle()
    assert world.task["title"] == github.issue(1)["title"] == "Theirs, later"
    [ruling] = [row["data"]["rulings"] for row in world.events() if "rulings" in row["data"]]
    assert ruling["title"]["ours"] == "Ours, first"


def test_the_system_of_record_holds_above_the_policy(
    make: MakeWorld, github: GithubSandbox
) -> None:
    fields = "conflict: theirs\nfields:\n  title: {from: $.title, system_of_record: hub}\n"
    world = make({"github": github}, mapping(fields))
    both_edited(world, github)
    assert world.task["title"] == github.issue(1)["title"] == "Ours"


def test_review_keeps_both_values_and_blocks_only_that_field(
    world: World, github: GithubSandbox
) -> None:
    """The labels flow on, the title waits for a person, and neither side is overwritten."""
    task = both_edited(world, github)
    assert world.kinds() == ["sync_conflict"]
    [conflict] = world.exceptions()
    assert (conflict["data"]["ours"], conflict["data"]["theirs"]) == ("Ours", "Theirs")
    assert world.task["title"] == "Ours"
    assert github.issue(1)["title"] == "Theirs"
    assert {label["name"] for label in github.issue(1)["labels"]} == {"ops", "new"}
    github.close_issue(1)
    world.settle()
    assert world.task["status"] == "done"
    assert world.task["title"] == "Ours"
    world.edit(task, title="Ours again")
    world.settle()
    assert github.issue(1)["title"] == "Theirs"
    assert world.kinds() == ["sync_conflict"]


@pytest.mark.parametrize(
    ("choose", "title"), [("ours", "Ours"), ("theirs", "Theirs"), ("A third", "A third")]
)
def test_a_person_settles_a_conflict(
    world: World, github: GithubSandbox, choose: str, title: str
) -> None:
    both_edited(world, github)
    [conflict] = world.exceptions()
    with world.hub.unit() as unit:
        settling.resolve(unit, conflict["id"], ACTOR, choice=settling.Choice(choose))
    world.settle()
    assert world.task["title"] == github.issue(1)["title"] == title
    assert world.exceptions() == []


def test_a_conflict_with_one_tool_does_not_keep_the_other_from_hearing(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    """N links: the title under review with GitHub still reaches the tracker."""
    world = make({"github": github, "tracker": tracker})
    task = world.create("github", title="Base")
    world.work()
    with world.hub.unit() as unit:
        from hub.flow import change

        row = work.load(unit.tx, "task", [task], lock=True)[task]
        change.mirror(unit, "task", row, "tracker")
    world.settle()
    github.edit_issue(1, title="Theirs")
    world.edit(task, title="Ours")
    world.pull("github")
    world.settle()
    assert world.kinds() == ["sync_conflict"]
    assert [row["Title"] for row in tracker.rows()] == ["Ours"]
    assert github.issue(1)["title"] == "Theirs"


def test_an_edit_in_one_tool_reaches_the_others_once(
    make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    """Done in the tracker closes the issue, by one write; nothing comes back around."""
    world = make({"github": github, "tracker": tracker})
    task = world.create("github", title="Base", assignee=world.party("lee"))
    with world.hub.unit() as unit:
        from hub.flow import change

        row = work.load(unit.tx, "task", [task], lock=True)[task]
        change.mirror(unit, "task", row, "tracker")
    world.settle()
    world.hear(github)
    world.settle()
    [row] = tracker.rows()
    before = len(github.ledger)
    tracker.edit(str(row["ID"]), Status="Done")
    world.settle()
    world.hear(github)
    world.settle()
    assert github.issue(1)["state"] == "closed"
    assert world.task["status"] == "done"
    assert len(github.ledger) == before + 1
    assert len(world.events("task.completed")) == 1
    assert world.exceptions() == []


def test_what_a_person_wrote_just_before_our_write_comes_in(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """The answer to our write shows it; a pull would take it for known then, and never tell."""
    world = make({"tracker": tracker})
    tracker.edit("R1", Title="Base", Status="Open")
    world.settle()
    tracker.edit("R1", Notes="Theirs")
    world.edit(world.task["id"], title="Ours")
    deliver(world.hub)
    world.settle()
    assert (world.task["title"], world.task["description"]) == ("Ours", "Theirs")
    assert (tracker.row("R1")["Title"], tracker.row("R1")["Notes"]) == ("Ours", "Theirs")
    assert world.exceptions() == []


def test_what_was_empty_when_we_made_it_can_be_in_conflict_too(
    world: World, github: GithubSandbox
) -> None:
    """Two people fill in the same field of a task that was mirrored without it."""
    task = world.create("github", title="Base")
    world.settle()
    github.edit_issue(1, body="Theirs")
    world.edit(task, description="Ours")
    world.pull("github")
    world.settle()
    [conflict] = world.exceptions()
    told = (conflict["type"], conflict["data"]["ours"], conflict["data"]["theirs"])
    assert told == ("sync_conflict", "Ours", "Theirs")


def test_people_may_go_from_any_status_to_any_other_in_their_tool(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """Every pair of statuses, typed into the cell one after the other."""
    world = make({"tracker": tracker})
    words = {
        "Open": "open", "In progress": "in_progress", "On hold": "on_hold", "Done": "done",
        "Cancelled": "cancelled",
    }  # fmt: skip
    for before, after in itertools.permutations(words, 2):
        for word in (before, after):
            tracker.edit("R1", Title="Anything", Status=word)
            world.pull()
            world.work()
            assert world.task["status"] == words[word], (before, after)
    assert world.exceptions() == []
    assert (world.task["completed_at"] is not None) == (world.task["status"] in work.FINISHED)


def history(github: GithubSandbox, world: World) -> list[Sent]:
    """A life of an issue with a second between its edits, and the deliveries it caused."""
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    steps = itertools.count()
    github.clock = lambda: start + timedelta(seconds=next(steps))
    github.open_issue("One", body="text")
    github.edit_issue(1, title="Two")
    github.close_issue(1)
    github.reopen_issue(1)
    github.label(1, "late")
    github.comment(1, "A remark")
    github.edit_issue(1, title="Three")
    github.close_issue(1)
    return list(github.sent)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_duplicates_end_in_the_in_order_state(
    world: World, github: GithubSandbox, seed: int
) -> None:
    """Shuffled, doubled, one by one or all at once: the last state holds."""
    sent = history(github, world)
    chosen = random.Random(seed)
    shuffled = sent * 2
    chosen.shuffle(shuffled)
    for at in range(0, len(shuffled), 3 if seed % 2 else len(shuffled)):
        world.receive("github", shuffled[at : at + (3 if seed % 2 else len(shuffled))])
        world.work()
    task = world.task
    assert (task["title"], task["status"], task["labels"]) == ("Three", "done", ["late"])
    assert [row["body"] for row in world.comments()] == ["A remark"]
    assert len(world.links()) == 2
    assert github.ledger == []
    assert world.exceptions() == []


def test_a_late_delivery_does_not_reopen_what_was_deleted(
    world: World, github: GithubSandbox
) -> None:
    """Deleted is where it ends, also when an older edit arrives after it."""
    github.open_issue("One")
    github.edit_issue(1, title="Two")
    github.delete_issue(1)
    opened, edited, deleted = github.sent
    for one in (opened, deleted, edited):
        world.receive("github", [one])
        world.work()
    [link] = world.links()
    assert link["remote_deleted"]
    assert len(world.events("task.deleted")) == 1


def test_unmapped_values_quarantine_their_field_only(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """A status nobody mapped: the title comes in, the status stays, and it mends itself."""
    world = make({"tracker": tracker})
    tracker.edit("R1", Title="One", Status="Open")
    world.settle()
    tracker.edit("R1", Title="Two", Status="Parked")
    world.settle()
    assert (world.task["title"], world.task["status"]) == ("Two", "open")
    assert world.kinds() == ["unmapped_value"]
    [row] = world.exceptions()
    assert row["data"]["raw"] == "Parked"
    tracker.edit("R1", Status="Done")
    world.settle()
    assert world.task["status"] == "done"


def test_text_that_no_database_takes_is_set_aside_and_the_rest_comes_in(
    world: World, github: GithubSandbox
) -> None:
    """NULs and halves of characters, from a tool and from a person."""
    connector: Any = world.hub.live.current().connector("github")
    github.open_issue("One")
    [page] = connector.pull("issue", {}, frozenset())
    [record] = page.records
    from dataclasses import replace

    world.bring(
        replace(record, id="6", data={**record.data, "title": "a\0b"}),
        replace(record, id="7", data={**record.data, "body": "half \ud83d of it"}),
        replace(record, id="8", data={**record.data, "title": "sound"}),
    )
    world.work()
    damaged, sound = world.tasks()
    assert (damaged["title"], damaged["description"]) == ("One", None)
    assert sound["title"] == "sound"
    whole, part = sorted(world.exceptions(), key=lambda row: "field" in row["data"])
    assert whole["subject"] == "github/issue/6"
    assert (part["subject"], part["data"]["field"]) == (damaged["id"], "description")
    world.edit(sound["id"], title="a\0b", description="half \ud83d of it")
    assert world.tasks()[1]["title"] == "ab"
    assert world.tasks()[1]["description"] == "half ? of it"


def test_a_copied_marker_does_not_steal_the_link(world: World, github: GithubSandbox) -> None:
    """Somebody copies an issue's text, hidden key and all, into a second one: a task of its own."""
    world.create("github", title="Original")
    deliver(world.hub)
    body = github.issue(1)["body"]
    github.state.create_issue(
        next(iter(github.state.repositories.values())), {"title": "Copy", "body": body}, "octocat"
    )
    world.hear(github)
    world.settle()
    assert sorted(row["title"] for row in world.tasks()) == ["Copy", "Original"]
    assert len(world.links()) == 2
    github.edit_issue(2, title="Copy, edited")
    world.settle()
    assert sorted(row["title"] for row in world.tasks()) == ["Copy, edited", "Original"]


def test_a_copied_marker_does_not_steal_the_link_of_a_create_still_in_flight(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both come in one batch before the create's answer is recorded."""
    original = world.create("github", title="Original")
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    body = github.issue(1)["body"]
    github.state.create_issue(
        next(iter(github.state.repositories.values())), {"title": "Copy", "body": body}, "octocat"
    )
    world.hear(github)
    world.work()
    world.die()
    world.settle()
    by_id = {link["external_id"]: link["entity_id"] for link in world.links()}
    assert by_id[str(github.issue(1)["id"])] == original
    assert by_id[str(github.issue(2)["id"])] != original
    assert len(world.tasks()) == 2


def test_a_task_is_not_created_as_just_anything(make: MakeWorld, crm: SalesforceSandbox) -> None:
    """Salesforce takes tasks as tasks and as cases: whoever wants one there says which."""
    world = make({"crm": crm})
    id = world.create(title="Call Ann")
    with pytest.raises(Problem, match="Name one of: task, case"), world.hub.unit() as unit:
        mirror_task(unit, work.load(unit.tx, "task", [id])[id], "crm", None)


def test_nothing_is_created_where_the_mapping_only_reads(
    make: MakeWorld, github: GithubSandbox
) -> None:
    world = make({"github": github}, mapping("direction: in\n"))
    id = world.create(title="Call Ann")
    with pytest.raises(Problem, match="no mapping that writes"), world.hub.unit() as unit:
        mirror_task(unit, work.load(unit.tx, "task", [id])[id], "github", None)
    world.work()
    assert github.issues() == []
