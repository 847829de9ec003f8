"""What a mapping has no answer for: shown once, kept, and drained by itself after the fix."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from connectors.github.sandbox import GithubSandbox
from connectors.sdk import Record
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.drain import drain, try_all_again
from hub.flow.stage import Stride
from hub.process import exceptions as settling
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import PEOPLE, World

ACTOR = {"kind": "system", "id": "test", "name": "test"}
WORDS = {"Open": "open", "In progress": "in_progress", "Done": "done"}


def row_mapping(extra: str = "", **words: str) -> dict[str, str]:
    """The tracker's mapping, whose status knows these words too."""
    values = yaml.safe_dump({**WORDS, **words}, default_flow_style=True).strip()
    return {
        "mappings/row.yaml": (
            "mapping: row\nextends: spreadsheet-row\nconnection: tracker\n"
            f"{extra}"
            "fields:\n"
            f"  status: {{from: $.Status, values: {values}, otherwise: exception}}\n"
        )
    }


@pytest.fixture
def parked(make: MakeWorld, tracker: SpreadsheetSandbox) -> World:
    """A row whose status was changed to a word that nobody mapped."""
    world = make({"tracker": tracker}, row_mapping())
    tracker.edit("R1", Title="One", Status="Open")
    world.settle()
    tracker.edit("R1", Title="Two", Status="Parked")
    world.settle()
    return world


def test_a_bad_field_is_one_exception_with_all_that_is_needed_to_mend_it(
    parked: World, tracker: SpreadsheetSandbox
) -> None:
    """The healthy field came in; the exception has raw value, line, record, path and an owner;
    further deliveries do not make another.
    """
    assert (parked.task["title"], parked.task["status"]) == ("Two", "open")
    tracker.edit("R1", Title="Three")
    parked.settle()
    [row] = parked.exceptions()
    assert row["type"] == "unmapped_value"
    assert row["owner"] == parked.party("dana")
    assert row["subject"] == parked.task["id"]
    known = {name: row["data"][name] for name in ("raw", "mapping", "path", "external_id", "ours")}
    assert known == {
        "raw": "Parked",
        "mapping": "mappings/row.yaml:5:3",
        "path": "$.Status",
        "external_id": "R1",
        "ours": "open",
    }
    assert "mappings/row.yaml:5:3" in row["detail"]
    assert row["count"] == 1


def test_a_later_good_value_closes_it(parked: World, tracker: SpreadsheetSandbox) -> None:
    tracker.edit("R1", Status="Done")
    parked.settle()
    assert parked.exceptions() == []
    [row] = parked.exceptions("resolved")
    assert (row["resolution"], row["resolved_by"]) == ("a good value came", None)
    assert [event["subject"] for event in parked.events("exception.resolved")] == [row["id"]]


def test_a_new_revision_drains_the_value_and_names_itself(parked: World) -> None:
    """Nothing is pulled, nothing arrives: the stored value is mapped by the mended mapping."""
    parked.apply(row_mapping(Parked="on_hold"))
    parked.work()
    assert parked.task["status"] == "on_hold"
    assert parked.exceptions() == []
    [row] = parked.exceptions("resolved")
    assert row["resolution"] == f"mended by revision {parked.hub.live.current().revision}"
    [event] = parked.events("task.updated")[-1:]
    assert event["changed"] == {"status": {"before": "open", "after": "on_hold"}}
    assert parked.pushes() == []


def test_what_still_fails_stays_open_and_says_the_newest_reason(parked: World) -> None:
    before = parked.exceptions()
    parked.apply(row_mapping(Waiting="on_hold"))
    parked.work()
    [row] = parked.exceptions()
    assert row["id"] == before[0]["id"]
    assert "Waiting" in row["detail"]
    assert row["count"] == 1
    assert parked.hub.live.current().revision == row["failed_under"]
    assert drain(parked.hub) == 0
    parked.apply(row_mapping(Parked="on_hold"))
    parked.work()
    assert parked.exceptions() == []


def test_putting_an_old_revision_in_force_again_drains_too(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """The fix may be to go back to what worked."""
    world = make({"tracker": tracker}, row_mapping(Parked="on_hold"))
    world.apply(row_mapping())
    tracker.edit("R1", Title="One", Status="Parked")
    world.settle()
    assert world.kinds() == ["unmapped_value"]
    world.apply(row_mapping(Parked="on_hold"))
    world.work()
    assert (world.task["status"], world.exceptions()) == ("on_hold", [])


def test_a_new_revision_that_reads_the_field_no_more_closes_it(parked: World) -> None:
    without = row_mapping()["mappings/row.yaml"].split("fields:")[0] + "fields:\n  status: null\n"
    parked.apply({"mappings/row.yaml": without})
    parked.work()
    assert parked.exceptions() == []
    assert parked.task["status"] == "open"


def test_an_edit_made_meanwhile_is_a_conflict_and_not_overwritten_on_either_side(
    parked: World, tracker: SpreadsheetSandbox
) -> None:
    """Ours changed while theirs could not be read: nothing is written over it, and once it can be
    read a person chooses.
    """
    parked.edit(parked.task["id"], status="done", title="Ours")
    parked.settle()
    assert tracker.row("R1")["Title"] == "Ours"
    assert tracker.row("R1")["Status"] == "Parked"
    parked.apply(row_mapping(Parked="on_hold"))
    parked.work()
    assert parked.kinds() == ["sync_conflict"]
    [conflict] = parked.exceptions()
    assert (conflict["data"]["ours"], conflict["data"]["theirs"]) == ("done", "on_hold")
    assert parked.task["status"] == "done"
    assert tracker.row("R1")["Status"] == "Parked"


@pytest.mark.parametrize(
    ("policy", "status", "there"),
    [
        ("conflict: ours\n", "done", "Done"),
        ("conflict: newest\n", "done", "Done"),
        ("conflict: theirs\n", "on_hold", "Parked"),
    ],
)
def test_the_policy_settles_an_edit_made_meanwhile(
    make: MakeWorld, tracker: SpreadsheetSandbox, policy: str, status: str, there: str
) -> None:
    world = make({"tracker": tracker}, row_mapping(policy))
    tracker.edit("R1", Title="One", Status="Open")
    world.settle()
    tracker.edit("R1", Status="Parked")
    world.settle()
    world.edit(world.task["id"], status="done")
    world.apply(row_mapping(policy, Parked="on_hold"))
    world.work()
    world.settle()
    assert world.task["status"] == status
    assert tracker.row("R1")["Status"] == there
    assert world.exceptions() == []


def test_newest_is_by_when_the_value_was_heard_and_not_when_it_was_mended(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """Edited here first, there afterwards, where nobody could read it: theirs is the newer one."""
    words = row_mapping("conflict: newest\n")
    world = make({"tracker": tracker}, words)
    tracker.edit("R1", Title="One", Status="Open")
    world.settle()
    with world.hub.database.write() as tx:
        tx.execute(t.links.update().values(hub_base={"title": "One", "status": "in_progress"}))
    tracker.edit("R1", Status="Parked")
    world.settle()
    world.apply(row_mapping("conflict: newest\n", Parked="on_hold"))
    world.work()
    assert world.task["status"] == "on_hold"


def test_a_newer_state_that_came_meanwhile_is_what_is_drained(
    parked: World, tracker: SpreadsheetSandbox
) -> None:
    """Another unmapped word replaced the first: the newest one counts."""
    tracker.edit("R1", Status="Frozen")
    parked.settle()
    parked.apply(row_mapping(Parked="on_hold", Frozen="cancelled"))
    parked.work()
    assert (parked.task["status"], parked.exceptions()) == ("cancelled", [])


def test_a_person_who_is_made_known_drains_their_records(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """A fix in people.yaml and not in a mapping."""
    world = make({"tracker": tracker})
    tracker.edit("R1", Title="One", Owner="mika")
    world.settle()
    assert world.kinds() == ["unmapped_value"]
    known = {**PEOPLE, "identities": {"tracker": {"lee": "mika"}}}
    world.apply({"people.yaml": yaml.safe_dump(known)})
    world.work()
    assert (world.task["assignee"], world.exceptions()) == (world.party("lee"), [])


def test_a_hub_that_starts_tries_everything_once_more(parked: World) -> None:
    """Another version of the hub may know what the former did not."""
    assert drain(parked.hub) == 0
    try_all_again(parked.hub)
    assert drain(parked.hub) == 1
    assert drain(parked.hub) == 0


def test_a_value_that_is_waived_stays_as_it_is(parked: World, tracker: SpreadsheetSandbox) -> None:
    """The mended mapping does not bring it back; an edit here goes out again."""
    [row] = parked.exceptions()
    with parked.hub.unit() as unit:
        settling.waive(unit, row["id"], ACTOR, "We do not use that word.")
    parked.apply(row_mapping(Parked="on_hold"))
    parked.settle()
    assert parked.task["status"] == "open"
    parked.edit(parked.task["id"], status="done")
    parked.settle()
    assert tracker.row("R1")["Status"] == "Done"


def test_a_person_may_choose_ours_over_a_value_that_could_not_be_read(
    parked: World, tracker: SpreadsheetSandbox
) -> None:
    [row] = parked.exceptions()
    with parked.hub.unit() as unit:
        settling.resolve(unit, row["id"], ACTOR, choice=settling.Choice("ours"))
    parked.settle()
    assert tracker.row("R1")["Status"] == "Open"
    assert parked.exceptions() == []


def test_a_first_contact_with_a_bad_field_never_writes_the_default_over_it(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """The task begins as open; a change of its title carries the title alone."""
    world = make({"tracker": tracker}, row_mapping())
    tracker.edit("R1", Title="One", Status="Parked")
    world.settle()
    assert world.task["status"] == "open"
    world.edit(world.task["id"], title="Ours")
    world.settle()
    assert (tracker.row("R1")["Title"], tracker.row("R1")["Status"]) == ("Ours", "Parked")
    world.apply(row_mapping(Parked="on_hold"))
    world.work()
    assert (world.task["status"], world.exceptions()) == ("on_hold", [])


# ------------------------------------------------------------------------------ whole records


def github_mapping(extra: str) -> dict[str, str]:
    head = "mapping: issue\nextends: github-issue\nconnection: github\n"
    return {"mappings/issue.yaml": f"{head}{extra}"}


def test_a_record_without_a_title_waits_as_a_whole_until_it_has_one(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """One exception however often it is heard of; the first good state brings it in."""
    world = make({"tracker": tracker})
    tracker.edit("R1", Title=" ", Notes="half a row")
    world.settle()
    tracker.edit("R1", Notes="still half a row")
    world.settle()
    [row] = world.exceptions()
    assert (row["type"], row["subject"]) == ("mapping_error", "tracker/row/R1")
    assert row["owner"] == world.party("dana")
    raw = [one["payload"]["data"]["Notes"] for one in world.all(t.records)]
    assert raw == ["half a row", "still half a row"]
    assert world.tasks() == []
    tracker.edit("R1", Title="Whole")
    world.settle()
    assert world.task["title"] == "Whole"
    assert world.exceptions() == []
    assert {one["status"] for one in world.all(t.records)} == {"done"}


def test_a_record_whose_filter_had_no_answer_is_taken_in_again_after_the_fix(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """With all states that came meanwhile, in their order."""
    world = make({"github": github}, github_mapping("filter: record.milestone.number > 0\n"))
    github.open_issue("One")
    world.hear(github)
    world.work()
    github.edit_issue(1, title="Two")
    world.hear(github)
    world.work()
    [row] = world.exceptions()
    assert (row["type"], row["count"], world.tasks()) == ("mapping_error", 2, [])
    assert "mappings/issue.yaml:4:" in row["detail"]
    assert {one["status"] for one in world.all(t.records)} == {"quarantined"}
    world.apply(github_mapping("filter: '!has(record.pull_request)'\n"))
    world.work()
    assert world.task["title"] == "Two"
    assert world.exceptions() == []
    assert [row["resolution"] for row in world.exceptions("resolved")] == ["it came in"]


def test_a_record_that_is_no_object_is_kept_and_shown(world: World) -> None:
    """A broken connector's; the records around it come in."""
    good = {"title": "Good", "state": "open", "html_url": "https://github.test/1"}
    world.bring(
        Record("issue", "1", good), Record("issue", "2", ["no", "object"]),  # type: ignore[arg-type]
        Record("issue", "3", {**good, "title": "Also good"}),
    )  # fmt: skip
    world.work()
    assert sorted(task["title"] for task in world.tasks()) == ["Also good", "Good"]
    [row] = world.exceptions()
    assert row["subject"] == "github/issue/2"
    [kept] = world.all(t.records, t.records.c.status == "quarantined")
    assert kept["payload"]["data"] == ["no", "object"]


def test_good_and_bad_states_of_one_batch_end_with_the_last(world: World) -> None:
    """Bad then good leaves nothing open; good then bad leaves the exception."""
    good = {"title": "Good", "state": "open", "html_url": "https://github.test/1"}
    bad = {**good, "state": "merged"}
    world.bring(*(Record("issue", "1", data) for data in (good, bad, good)))
    world.bring(*(Record("issue", "2", data) for data in ({"state": "open"}, good)))
    world.bring(*(Record("issue", "3", data) for data in (good, bad)))
    world.work()
    [row] = world.exceptions()
    assert (row["type"], row["data"]["external_id"]) == ("unmapped_value", "3")
    assert world.all(t.records, t.records.c.status != "done") == []


# ------------------------------------------------------------------------------------- outward


def without_back(extra: str = "") -> dict[str, str]:
    return github_mapping(
        "fields:\n  status:\n    from: $.state\n    values: {open: open, closed: done}\n" + extra
    )


def test_a_value_without_a_word_in_the_tool_is_said_by_itself_after_the_fix(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """The healthy field went out at once; the same exception however often it is tried."""
    world = make({"github": github}, without_back())
    github.open_issue("One")
    world.settle()
    world.edit(world.task["id"], title="Ours", status="cancelled")
    world.settle()
    world.edit(world.task["id"], title="Ours again")
    world.settle()
    assert (github.issue(1)["title"], github.issue(1)["state"]) == ("Ours again", "open")
    [row] = world.exceptions()
    assert (row["type"], row["count"]) == ("unmapped_value", 1)
    assert (row["data"]["field"], row["data"]["raw"]) == ("status", "cancelled")
    assert row["data"]["mapping"] == "mappings/issue.yaml:5:3"
    world.apply(without_back("    back: {cancelled: closed}\n"))
    world.work()
    assert github.issue(1)["state"] == "closed"
    assert world.exceptions() == []
    [done] = world.exceptions("resolved")
    assert done["resolution"] == f"mended by revision {world.hub.live.current().revision}"
    last = world.events("push.sent")[-1]
    assert last["data"]["fields"] == ["status"]


def test_an_update_of_nothing_but_what_cannot_be_said_is_no_failed_push_to_look_after(
    make: MakeWorld, github: GithubSandbox
) -> None:
    world = make({"github": github}, without_back())
    github.open_issue("One")
    world.settle()
    before = len(github.ledger)
    world.edit(world.task["id"], status="cancelled")
    world.settle()
    assert world.kinds() == ["unmapped_value"]
    assert len(github.ledger) == before
    world.edit(world.task["id"], status="open")
    world.settle()
    assert world.exceptions() == []
    assert len(github.ledger) == before


def test_a_person_of_ours_that_gets_an_account_in_the_tool_is_assigned_there(
    make: MakeWorld, github: GithubSandbox
) -> None:
    world = make({"github": github})
    known: dict[str, Any] = {**PEOPLE, "identities": {"github": {"dana": "dmeier"}}}
    world.apply({"people.yaml": yaml.safe_dump(known)})
    world.create("github", title="One", assignee=world.party("lee"))
    world.settle()
    assert world.kinds() == ["unmapped_value"]
    assert github.issue(1)["assignee"] is None
    known["identities"]["github"]["lee"] = "lkim"
    world.apply({"people.yaml": yaml.safe_dump(known)})
    world.work()
    assert github.issue(1)["assignee"]["login"] == "lkim"
    assert world.exceptions() == []


# ---------------------------------------------------------------------------------------- many


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    """The statements that the database was sent."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(world.hub.database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(world.hub.database.engine, "before_cursor_execute", note)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("many", [1000, pytest.param(10_000, marks=pytest.mark.scaled)])
def test_many_values_drain_in_few_statements_and_dying_in_between_loses_none(
    make: MakeWorld, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Twice a process dies: once with a batch queued, once with a batch brought in but not
    committed. Each value comes in exactly once.
    """
    values = "fields:\n  status: {from: $.state, values: {%s}, back: {on_hold: closed}}\n"
    world = make({"github": github}, github_mapping(values % "closed: done, reopened: on_hold"))
    whole = Stride(most=500, begin=500)
    monkeypatch.setattr(whole, "took", lambda *_: None)  # however slow this machine is
    monkeypatch.setattr("hub.flow.bring_in.STRIDE", whole)
    for start in range(0, many, 1000):
        world.bring(
            *(
                Record("issue", str(n), {"title": f"No. {n}", "state": "merged"})
                for n in range(start, start + 1000)
            )
        )
    with counted(world) as filling:
        world.work(100)
    count = sa.select(sa.func.count()).select_from(t.exceptions)
    with world.hub.database.read() as tx:
        assert tx.scalar(count.where(t.exceptions.c.status == "open")) == many
    world.apply(github_mapping(values % "closed: done, reopened: on_hold, merged: on_hold"))

    class Died(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.drain.reach", die)
        with pytest.raises(Died):
            drain(world.hub)
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.bring_in.queue.finish", die)
        with pytest.raises(Died):
            bring_in(world.hub)
    world.die()
    with counted(world) as draining:
        world.work(200)
    with world.hub.database.read() as tx:
        assert tx.scalar(count.where(t.exceptions.c.status == "open")) == 0
        told = sa.select(sa.func.count()).where(t.events.c.type == "task.updated")
        assert tx.scalar(told) == many
        done = sa.select(sa.func.count()).where(t.tasks.c.status == "on_hold")
        assert tx.scalar(done) == many
    batches = many / 500
    assert len(filling) < 100 * batches
    assert len(draining) < 100 * (batches + 10)  # after a crash batches are small at first
    assert not [one for one in draining if "FROM links" in one and "WHERE" not in one]
    assert deliver(world.hub) == 0


DRAIN = """
import json, sys
from pathlib import Path
from hub.flow.bring_in import bring_in
from hub.flow.drain import drain
from hub.hub import open_hub
from hub.registry import connector_classes
from hub.settings import Settings
settings = Settings(Path(sys.argv[1]), sys.argv[2], None, b"a-key-of-tests-that-is-long-enough")
hub = open_hub(settings, connector_classes(), env=json.load(sys.stdin))
while drain(hub) + bring_in(hub):
    pass
"""


@pytest.mark.parametrize("place", ["drain.queued", "bring_in.claimed", "bring_in.committed"])
def test_a_process_that_is_killed_while_it_drains_loses_nothing(
    world: World, tmp_path: Path, database_url: str, place: str
) -> None:
    """`kill -9` between the queue and the merge, in a process of its own; each value comes once."""
    state = "fields:\n  status: {from: $.state, values: {open: open, closed: done%s}}\n"
    world.apply(github_mapping(state % ""))
    world.bring(*(Record("issue", str(n), {"title": "T", "state": "held"}) for n in range(5)))
    world.work()
    assert world.kinds() == ["unmapped_value"] * 5
    world.apply(github_mapping(state % ", held: on_hold"))
    once = tmp_path / "died"
    died = subprocess.run(
        [sys.executable, "-c", DRAIN, str(tmp_path), database_url],
        input=json.dumps(world.env),
        text=True,
        env={**os.environ, "HUB_FAILPOINT": f"{place}:1:{once}"},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert once.exists()
    world.die()
    world.work()
    assert [task["status"] for task in world.tasks()] == ["on_hold"] * 5
    assert world.exceptions() == []
    assert len(world.events("task.updated")) == 5
    assert len(world.events("exception.resolved")) == 5
