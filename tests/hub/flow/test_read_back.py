"""An update whose answer never came is read back before it is repeated."""

from __future__ import annotations

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.intake import parse_deliveries
from hub.process import exceptions as settling
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}


def cut(make: MakeWorld, crm: SalesforceSandbox) -> tuple[World, str, str]:
    """A subject that was written, and nobody told us so."""
    world = make({"crm": crm})
    there = crm.create_task("Base", by="dana@acme.test")
    world.pull()
    world.work()
    task = str(world.task["id"])
    crm.faults.cut_after_effect = 1
    world.edit(task, title="Ours")
    deliver(world.hub)
    assert crm.records("Task")[0]["Subject"] == "Ours"
    assert [row["status"] for row in world.pushes()] == ["pending"]
    return world, task, there


def retried(world: World) -> None:
    """Before anything is pulled."""
    world.hurry()
    world.work()


def test_what_arrived_is_not_written_twice(make: MakeWorld, crm: SalesforceSandbox) -> None:
    world, _, _ = cut(make, crm)
    before = len(crm.ledger)
    retried(world)
    assert len(crm.ledger) == before
    assert [row["status"] for row in world.pushes()] == ["sent"]
    world.settle()
    assert len(crm.ledger) == before
    assert world.exceptions() == []


def test_what_a_person_made_of_it_since_is_not_written_over(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    """It differs from what was agreed and from what we wrote: somebody's edit, merged as such."""
    world, _, there = cut(make, crm)
    crm.update("Task", there, by="lee@acme.test", Subject="Theirs")
    retried(world)
    assert crm.records("Task")[0]["Subject"] == "Theirs"
    world.settle()
    [conflict] = world.exceptions()
    assert conflict["type"] == "sync_conflict"
    with world.hub.unit() as unit:
        settling.resolve(unit, conflict["id"], ACTOR, choice=settling.Choice("theirs"))
    world.settle()
    assert world.task["title"] == crm.records("Task")[0]["Subject"] == "Theirs"


def test_what_we_changed_since_goes_out(make: MakeWorld, crm: SalesforceSandbox) -> None:
    """The tool holds our own earlier words: no conflict with ourselves."""
    world, task, _ = cut(make, crm)
    world.edit(task, title="Ours, later")
    retried(world)
    assert crm.records("Task")[0]["Subject"] == "Ours, later"
    world.settle()
    assert world.exceptions() == []


def test_what_never_arrived_is_written(make: MakeWorld, crm: SalesforceSandbox) -> None:
    world = make({"crm": crm})
    crm.create_task("Base", by="dana@acme.test")
    world.pull()
    world.work()
    crm.faults.cut_before_effect = 1
    world.edit(str(world.task["id"]), title="Ours")
    deliver(world.hub)
    assert crm.records("Task")[0]["Subject"] == "Base"
    retried(world)
    assert crm.records("Task")[0]["Subject"] == "Ours"
    world.settle()
    assert world.exceptions() == []


@pytest.mark.parametrize("policy", ["review", "theirs", "newest", "ours"])
def test_what_we_wrote_before_we_died_is_no_edit_of_theirs(
    make: MakeWorld, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """Edited here once more, before the webhook of our own write comes: that goes out, and there is
    nothing to settle.
    """
    issue = f"mapping: issue\nextends: github-issue\nconnection: github\nconflict: {policy}\n"
    world = make({"github": github}, {"mappings/issue.yaml": issue})
    task = world.create("github", title="Base")
    world.settle()
    world.hear(github)
    world.settle()
    world.edit(task, title="First")
    with monkeypatch.context() as patch:
        patch.setattr("hub.flow.deliver.record_all", lambda *_: 0)
        deliver(world.hub)
    assert github.issue(1)["title"] == "First"
    world.die()
    world.edit(task, title="Second")
    world.hear(github)
    parse_deliveries(world.hub)
    bring_in(world.hub)
    assert world.task["title"] == "Second"
    world.settle()
    assert world.task["title"] == github.issue(1)["title"] == "Second"
    assert world.exceptions() == []
    assert not any("rulings" in row["data"] for row in world.events())
