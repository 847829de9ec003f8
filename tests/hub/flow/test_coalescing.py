"""However often a task is edited while its tool is away, one write brings it up to date; nothing is
lost, and nothing goes out of turn.
"""

from __future__ import annotations

from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from hub.flow import connections, deliver
from hub.flow.deliver import deliver as send
from hub.process import exceptions as settling
from hub.store import queue
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}


def linked(world: World, github: GithubSandbox) -> str:
    github.open_issue("Base")
    world.pull()
    world.work()
    github.faults.keep = 1000
    return str(world.task["id"])


def writes(github: GithubSandbox) -> list[str]:
    return [one.method for one in github.faults.exchanges if one.method not in ("GET", "HEAD")]


def test_a_hundred_edits_while_a_tool_is_away_are_one_row_and_one_write(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row is claimed; the others say by which they are carried."""
    task = linked(world, github)
    with world.hub.unit() as unit:
        connections.pause(unit, "github", "It is being moved.")
    for n in range(100):
        world.edit(task, title=f"Edit {n}", priority=("low", "high")[n % 2])
    rows = world.pushes()
    [waiting] = [row for row in rows if row["status"] == "pending"]
    assert {row["result"]["by"] for row in rows if row is not waiting} == {waiting["id"]}
    assert "title" in waiting["fields"]
    claimed: list[Any] = []
    claim = queue.claim

    def counting(*args: Any, **more: Any) -> queue.Claim:
        found = claim(*args, **more)
        claimed.extend(found.rows)
        return found

    monkeypatch.setattr(queue, "claim", counting)
    with world.hub.unit() as unit:
        connections.resume(unit, "github")
    world.work()
    assert [row["id"] for row in claimed if row.get("op") == "update"] == [waiting["id"]]
    assert len(writes(github)) == 1
    assert github.issue(1)["title"] == world.task["title"] == "Edit 99"


def test_an_edit_joins_what_waits_after_a_failure_and_keeps_its_patience(
    world: World, github: GithubSandbox
) -> None:
    """A record that keeps failing is not tried more often because somebody edits it."""
    task = linked(world, github)
    github.faults.status = [502]
    world.edit(task, title="First")
    send(world.hub)
    [failed] = world.pushes()
    world.edit(task, title="Second")
    first, second = world.pushes()
    assert (first["status"], second["status"]) == ("pending", "superseded")
    assert first["next_attempt_at"] == failed["next_attempt_at"]
    assert first["attempts"] == 1
    world.settle()
    assert github.issue(1)["title"] == "Second"
    assert writes(github) == ["PATCH"]


def test_an_edit_during_a_push_goes_out_after_it(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither lost, nor before it, nor carried by what is on its way already."""
    task = linked(world, github)
    connector = type(world.hub.live.current().connector("github"))
    push, sent = connector.push, []

    def slow(self: Any, changes: Any) -> Any:
        sent.append(changes[0].fields.get("title"))
        if len(sent) == 1:
            world.edit(task, title="Second")
            world.edit(task, title="Third")
        return push(self, changes)

    monkeypatch.setattr(connector, "push", slow)
    world.edit(task, title="First")
    world.work()
    assert sent == ["First", "Third"]
    assert github.issue(1)["title"] == "Third"
    rows = world.pushes()
    assert [row["status"] for row in rows[:2]] == ["sent", "sent"]
    assert {(row["status"], row["result"]["by"]) for row in rows[2:]} == {
        ("superseded", rows[1]["id"])
    }
    assert world.exceptions() == []


def test_an_edit_between_the_claim_and_the_write_is_carried_or_follows(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process has claimed the row and not yet worked out what it writes."""
    task = linked(world, github)
    plan_all = deliver.plan_all

    def late(*args: Any) -> Any:
        monkeypatch.setattr(deliver, "plan_all", plan_all)
        world.edit(task, title="Second")
        return plan_all(*args)

    monkeypatch.setattr(deliver, "plan_all", late)
    world.edit(task, title="First")
    world.work()
    assert github.issue(1)["title"] == "Second"
    assert len(writes(github)) == 1
    assert not [row for row in world.pushes() if row["status"] == "pending"]


def test_edits_that_rules_make_in_one_transaction_are_one_row(
    make: MakeWorld, github: GithubSandbox
) -> None:
    rules = (
        "rules:\n  - rule: urgent\n    when: task.updated\n"
        "    if: \"task.title == 'Fire' && task.priority != 'urgent'\"\n"
        "    then:\n      - update_task: {labels: [fire], priority: urgent}\n"
    )
    world = make({"github": github}, {"rules/fire.yaml": rules})
    task = linked(world, github)
    world.edit(task, title="Fire")
    waiting = [row for row in world.pushes() if row["status"] == "pending"]
    assert len(waiting) == 1
    assert {"title", "labels"} <= set(waiting[0]["fields"])
    world.work()
    assert github.issue(1)["title"] == "Fire"
    assert [label["name"] for label in github.issue(1)["labels"]] == ["fire"]


def test_a_write_that_goes_through_ends_what_had_failed_before_it(
    world: World, github: GithubSandbox
) -> None:
    """GitHub refused the long title; a shorter one is there: nothing is left to mend."""
    task = linked(world, github)
    world.edit(task, title="x" * 257)
    world.work()
    assert world.kinds() == ["push_failed"]
    world.edit(task, title="short")
    world.work()
    assert github.issue(1)["title"] == "short"
    first, second = world.pushes()
    assert (first["status"], first["result"]["by"]) == ("superseded", second["id"])
    assert world.exceptions() == []


def test_two_hundred_updates_need_as_few_requests_as_the_batch_endpoint_allows(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    """composite/collections takes 200 at once; each has its own outcome, a bad one included."""
    world = make({"crm": crm})
    for n in range(60):
        crm.create_task(f"Call {n}", by="dana@acme.test")
    world.pull()
    world.work()
    tasks = world.tasks()
    for n, task in enumerate(tasks):
        world.edit(task["id"], title="x" * 256 if n == 7 else f"Rang {n}")
    crm.faults.keep = 1000
    size = world.hub.live.current().offers("crm")["task"].batch
    while send(world.hub):
        pass
    requests = [one for one in crm.faults.exchanges if "collections" in one.path or "sobjects" in
                one.path]  # fmt: skip
    wrote = [one for one in requests if one.method in ("PATCH", "POST")]
    assert len(wrote) == -(-60 // size)
    held = {row["Subject"] for row in crm.records("Task")}
    assert {f"Rang {n}" for n in range(60) if n != 7} <= held
    [failed] = [row for row in world.pushes() if row["status"] != "sent"]
    assert failed["entity_id"] == tasks[7]["id"]
    assert world.kinds() == ["push_failed"]


@pytest.mark.parametrize("way", ["exception", "push"])
def test_what_failed_of_one_cause_is_one_exception_and_one_retry(
    world: World, github: GithubSandbox, way: str
) -> None:
    """Twelve titles that are too long: one line for a person, and one click."""
    for n in range(12):
        world.create("github", title=f"{n:02d}" + "x" * 300)
    world.work()
    [shown] = world.exceptions()
    assert (shown["type"], shown["count"]) == ("push_failed", 12)
    keys = {row["id"]: row["key"] for row in world.pushes()}
    with world.hub.database.write() as tx:
        for n, task in enumerate(world.tasks()):
            tx.execute(t.tasks.update().where(t.tasks.c.id == task["id"]).values(title=f"{n}"))
    if way == "exception":
        with world.hub.unit() as unit:
            assert settling.retry(unit, shown["id"], ACTOR) == "deliver"
    else:
        for id in keys:
            assert world.exceptions() != []
            with world.hub.unit() as unit:
                settling.retry_push(unit, id, ACTOR)
    assert world.exceptions() == []
    [event] = world.events("exception.resolved")
    assert event["data"]["retried"] is True
    world.work()
    assert len(github.issues()) == 12, [(r["status"], r["error"]) for r in world.pushes()]
    assert {row["id"]: row["key"] for row in world.pushes()} == keys


def test_what_failed_of_several_causes_is_told_apart(world: World, github: GithubSandbox) -> None:
    github.faults.status = []
    world.create("github", title="x" * 300)
    world.work()
    world.create("github", title="Fine", labels=["y" * 300])
    world.work()
    failed = [row for row in world.pushes() if row["status"] == "failed"]
    assert len({row["trouble"] for row in failed}) == len(failed)
    assert len(world.exceptions()) == len(failed)
