"""Processes in full, at work: fan-out, waits for events, processes within processes, cases that
rest, and what is undone when they are ended.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from hub.flow import change
from hub.process import by_hand, clocks, migrating
from hub.process import cases as moving
from hub.process import exceptions as settling
from hub.process.answers import Refused
from hub.store import cases, waits, work
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}

DEAL = """
process: deal
accountable: role:ops
steps:
  sign: {title: Sign, responsible: role:legal, compensation: "Tear up ${case.data.paper}."}
  paid:
    type: wait
    title: Paid
    after: [sign]
    event: item.*
    if: "item.kind == 'invoice' && item.stage == 'paid'"
    key: "${item.custom.account}"
    due: 2d
  tenants:
    title: "Tenant ${each.name}"
    after: [paid]
    each: "${case.data.tenants}"
    if: "each.size > 0.0"
    responsible: role:legal
    connection: github
    labels: ["n${each_index}"]
  live: {type: milestone, title: Live, after: [tenants]}
"""
TENANTS = [{"name": "blue", "size": 2}, {"name": "none", "size": 0}, {"name": "red", "size": 1}]

BIG = """
process: big
accountable: role:ops
steps:
  small:
    type: process
    title: "Small of ${case.key}"
    process: small
    key: "${case.key}"
    data: {from: "${case.title}", list: ["${case.data.n}"]}
  done: {title: Done, after: [small]}
"""
SMALL = """
process: small
accountable: role:legal
steps:
  only: {title: Only, responsible: role:legal}
"""


@pytest.fixture
def world(make: MakeWorld, github: GithubSandbox) -> World:
    """A hub over GitHub with all these processes."""
    files = {"deal": DEAL, "big": BIG, "small": SMALL}
    return make({"github": github}, {f"processes/{n}.yaml": text for n, text in files.items()})


def start(world: World, process: str = "deal", key: str | None = "A1", **data: Any) -> str:
    with world.hub.unit() as unit:
        id, _ = moving.start(unit, process, title="Acme", key=key, data=data)
    return id


def invoice(world: World, account: str = "A1", stage: str = "paid", kind: str = "invoice") -> str:
    """An invoice comes from a tool."""
    with world.hub.unit() as unit:
        values = {"title": "Invoice", "kind": kind, "stage": stage, "custom": {"account": account}}
        item = change.new_entity("item", values, unit)
        work.insert(unit.tx, "item", [item])
        change.announce_new(unit, "item", item)
    return str(item["id"])


def finish(world: World, key: str, run: int = 1) -> None:
    world.edit(world.steps()[key, run]["task"], status="done")


def status(world: World) -> dict[tuple[str, int], str]:
    return {key: row["status"] for key, row in world.steps().items()}


# -------------------------------------------------------------------------------------- fan-out


def test_a_step_runs_once_per_element_side_by_side(world: World, github: GithubSandbox) -> None:
    """Each with its own title, label, condition and task, mirrored in its tool."""
    start(world, tenants=TENANTS)
    finish(world, "sign")
    invoice(world)
    world.settle()
    runs = {row["run"]: row for row in world.all(t.steps, t.steps.c.key == "tenants")}
    assert [runs[n]["status"] for n in (1, 2, 3)] == ["active", "skipped", "active"]
    assert [runs[n]["title"] for n in (1, 3)] == ["Tenant blue", "Tenant red"]
    assert [runs[n]["element"] for n in (1, 2, 3)] == TENANTS
    assert [one["title"] for one in github.issues()] == ["Tenant blue", "Tenant red"]
    labels = {task["title"]: task["labels"] for task in world.tasks()}
    assert (labels["Tenant blue"], labels["Tenant red"]) == (["n0"], ["n2"])
    finish(world, "tenants", 1)
    assert world.case["status"] == "active"
    finish(world, "tenants", 3)
    assert (world.case["status"], world.case["outcome"]) == ("completed", "completed")


def test_what_is_no_list_waits_for_one(world: World) -> None:
    """The data that was missing is given with the exception, and the step goes on."""
    start(world)
    finish(world, "sign")
    invoice(world)
    [trouble] = world.exceptions()
    assert trouble["type"] == "validation"
    assert "processes/deal.yaml:17:11:" in trouble["detail"]
    assert world.case["health"] == "blocked"
    with world.hub.unit() as unit:
        settling.resolve(unit, trouble["id"], ACTOR, data={"tenants": TENANTS})
    assert [status(world)["tenants", n] for n in (1, 2, 3)] == ["active", "skipped", "active"]
    assert world.exceptions() == []


def test_an_empty_list_skips_the_step(world: World) -> None:
    start(world, tenants=[])
    finish(world, "sign")
    invoice(world)
    assert status(world)["tenants", 1] == "skipped"
    assert world.case["status"] == "completed"


def test_the_element_of_a_run_stays_what_it_was(world: World) -> None:
    """Whatever becomes of the data of the case."""
    start(world, tenants=TENANTS)
    finish(world, "sign")
    invoice(world)
    with world.hub.unit() as unit:
        case = cases.load(unit.tx, [world.case["id"]], lock=True)[world.case["id"]]
        cases.save(unit.tx, case | {"data": {"tenants": []}})
        moving.settle(unit, case["id"])
    assert world.steps()["tenants", 1]["element"] == TENANTS[0]
    assert status(world)["tenants", 1] == "active"


# ---------------------------------------------------------------------------------------- waits


def test_an_event_completes_the_wait_of_the_case_with_its_key_and_joins_it(world: World) -> None:
    one, other = start(world, key="A1", tenants=[]), start(world, key="B2", tenants=[])
    for row in world.all(t.steps, t.steps.c.key == "sign"):
        world.edit(row["task"], status="done")
    invoice(world, "C3")
    invoice(world, "A1", "open")
    waiting = {row["case_id"]: row for row in world.all(t.steps, t.steps.c.key == "paid")}
    assert {row["status"] for row in waiting.values()} == {"active"}
    assert {row["waiting_on"] for row in waiting.values()} == {"system"}
    paid = invoice(world, "A1")
    after = {row["case_id"]: row["status"] for row in world.all(t.steps, t.steps.c.key == "paid")}
    assert after == {one: "completed", other: "active"}
    with world.hub.database.read() as tx:
        assert cases.items_of(tx, [one, other]) == {one: [paid]}
    [done] = [e for e in world.events("step.completed") if e["subject"] == waiting[one]["id"]]
    assert done["data"]["event"] == world.events("item.created")[-1]["id"]


def test_an_event_before_its_turn_is_kept(world: World) -> None:
    """The invoice is paid while the contract is not signed."""
    start(world, tenants=[])
    invoice(world)
    assert status(world)["paid", 1] == "available"
    assert [e["subject"] for e in world.events("step.heard")] == [world.steps()["paid", 1]["id"]]
    finish(world, "sign")
    assert status(world)["paid", 1] == "completed"


def test_an_event_before_the_case_began_does_not_count(world: World) -> None:
    invoice(world)
    start(world, tenants=[])
    finish(world, "sign")
    assert status(world)["paid", 1] == "active"


def test_a_filter_without_an_answer_is_a_trace_of_the_event(make: MakeWorld) -> None:
    """And stops nothing else."""
    text = DEAL.replace("item.stage == 'paid'", "item.custom.missing == 'paid'")
    text = text.replace("    connection: github\n", "")
    world = make({}, {"processes/deal.yaml": text})
    start(world, tenants=[])
    finish(world, "sign")
    invoice(world)
    [event] = world.events("item.created")
    assert "processes/deal.yaml:11:" in event["data"]["traces"][0]
    assert status(world)["paid", 1] == "active"


def test_without_a_key_the_event_is_about_the_case_its_items_or_its_tasks(
    make: MakeWorld,
) -> None:
    """A stranger's item and another case's task mean nothing."""
    world = make(
        {},
        {
            "processes/p.yaml": "process: p\naccountable: role:ops\nsteps:\n"
            "  a: {title: A}\n"
            "  moved: {type: wait, title: M, event: item.updated, if: \"item.stage == 'x'\"}\n"
            "  begun: {type: wait, title: B, event: task.updated}\n"
            "  late: {type: wait, title: L, event: case.health_changed}\n"
        },
    )
    with world.hub.unit() as unit:
        stranger, mine = (
            change.new_entity("item", {"title": "I", "kind": "deal"}, unit) for _ in range(2)
        )
        work.insert(unit.tx, "item", [stranger, mine])
        moving.start(unit, "p", title="Acme", item=mine["id"])
    free = world.create(title="Another task")
    world.edit(stranger["id"], "item", stage="x")
    world.edit(free, status="in_progress")
    assert {status(world)[key, 1] for key in ("moved", "begun", "late")} == {"active"}
    world.edit(mine["id"], "item", stage="y")
    assert status(world)["moved", 1] == "active"
    world.edit(mine["id"], "item", stage="x")
    assert status(world)["moved", 1] == "completed"
    world.edit(world.steps()["a", 1]["task"], status="in_progress")
    assert status(world)["begun", 1] == "completed"


def test_a_person_completes_or_skips_a_wait_with_a_reason(world: World) -> None:
    start(world, tenants=[])
    case, step = world.case["id"], world.steps()["paid", 1]["id"]
    with world.hub.unit() as unit, pytest.raises(Refused, match="not active"):
        by_hand.complete(unit, case, step, ACTOR, "paid in cash")
    finish(world, "sign")
    with world.hub.unit() as unit, pytest.raises(Refused, match="why"):
        by_hand.complete(unit, case, step, ACTOR, " ")
    sign = world.steps()["sign", 1]["id"]
    with world.hub.unit() as unit, pytest.raises(Refused, match="by its task"):
        by_hand.complete(unit, case, sign, ACTOR, "x")
    with world.hub.unit() as unit:
        by_hand.complete(unit, case, step, ACTOR, "paid in cash", skip=True)
    assert world.steps()["paid", 1]["outcome"] == "paid in cash"
    assert status(world)["paid", 1] == "skipped"
    assert world.case["status"] == "completed"


def test_nothing_is_asked_where_nobody_waits_for_that_type(world: World) -> None:
    """And steps that are over wait no more."""
    start(world, tenants=[])
    with world.hub.database.read() as tx:
        assert len(waits.listening(tx)) == 1
    finish(world, "sign")
    invoice(world)
    with world.hub.database.read() as tx:
        assert waits.listening(tx) == []
    assert world.all(t.waits) == []


# ------------------------------------------------------------------------------ sub-processes


def cases_by_process(world: World) -> dict[str, dict[str, Any]]:
    return {row["process"]: row for row in world.all(t.cases)}


def test_a_process_runs_as_a_step_of_another_and_completes_it(world: World) -> None:
    id = start(world, "big", n=3)
    found = cases_by_process(world)
    small = found["small"]
    assert (small["parent_case"], small["key"]) == (id, "A1")
    assert small["data"] == {"from": "Acme", "list": [3]}
    assert (small["title"], small["started_by"]) == ("Small of A1", found["big"]["started_by"])
    assert world.steps()["small", 1]["subcase"] == small["id"]
    finish(world, "only")
    assert status(world) == {
        ("small", 1): "completed", ("only", 1): "completed", ("done", 1): "active"
    }  # fmt: skip
    assert world.steps()["small", 1]["outcome"] == "completed"


def test_a_part_that_is_ended_is_for_a_person_to_see_and_can_start_anew(world: World) -> None:
    start(world, "big", n=3)
    first = cases_by_process(world)["small"]["id"]
    with world.hub.unit() as unit:
        by_hand.terminate(unit, first, ACTOR, "wrong customer")
    [trouble] = world.exceptions()
    assert "wrong customer" in trouble["detail"]
    assert status(world)["small", 1] == "active"
    with world.hub.unit() as unit:
        settling.retry(unit, trouble["id"], ACTOR)
    again = world.steps()["small", 1]["subcase"]
    assert again != first
    with world.hub.unit() as unit:
        by_hand.terminate(unit, again, ACTOR, "wrong again")
    [trouble] = world.exceptions()
    with world.hub.unit() as unit:
        settling.resolve(unit, trouble["id"], ACTOR, comment="by hand then")
    assert status(world)["small", 1] == "skipped"
    assert status(world)["done", 1] == "active"


def test_ending_a_case_ends_its_part_unless_another_needs_it(world: World) -> None:
    """Two cases that join one part by its key."""
    with world.hub.unit() as unit:
        one, _ = moving.start(unit, "big", title="One", key="K", data={"n": 1})
    with world.hub.unit() as unit:
        part = cases.running(unit.tx, "small", "K")
        assert part
        other, _ = moving.start(unit, "big", title="Other", data={"n": 1})
        row = cases.steps_of(unit.tx, [other])[other][0]
        cases.save_step(unit.tx, row | {"subcase": part, "status": "active"})
    for case, expected in ((one, "active"), (other, "terminated")):
        with world.hub.unit() as unit:
            by_hand.terminate(unit, case, ACTOR, "over")
        with world.hub.database.read() as tx:
            assert cases.load(tx, [part])[part]["status"] == expected
    assert world.exceptions() == []


def test_what_cannot_start_is_an_exception(make: MakeWorld) -> None:
    broken = BIG.replace("${case.data.n}", "${case.data.missing}")
    world = make({}, {"processes/big.yaml": broken, "processes/small.yaml": SMALL})
    start(world, "big", n=3)
    [trouble] = world.exceptions()
    assert "missing" in trouble["detail"]
    assert len(world.all(t.cases)) == 1


# -------------------------------------------------------------------- rest, end, and undoing


def test_a_case_that_rests_goes_on_with_what_came_meanwhile(world: World) -> None:
    id = start(world, tenants=[])
    with world.hub.unit() as unit:
        by_hand.suspend(unit, id, ACTOR, "the customer asks for a pause")
    assert (world.case["status"], world.steps()["sign", 1]["suspended"]) == ("suspended", True)
    finish(world, "sign")
    invoice(world)
    assert status(world)["sign", 1] == "active"
    with world.hub.unit() as unit, pytest.raises(Refused):
        by_hand.suspend(unit, id, ACTOR, "again")
    with world.hub.unit() as unit:
        by_hand.resume(unit, id, ACTOR)
    assert world.case["status"] == "completed"
    assert not any(row["suspended"] for row in world.steps().values())
    assert [e["data"]["why"] for e in world.events("case.suspended")] == [
        "the customer asks for a pause"
    ]


def test_what_was_done_is_undone_when_a_case_is_ended(world: World) -> None:
    """By a task for whoever did it, which belongs to the case and holds nothing up."""
    id = start(world, tenants=[], paper="the contract")
    finish(world, "sign")
    with world.hub.unit() as unit:
        by_hand.terminate(unit, id, ACTOR, "customer withdrew")
    [undo] = [task for task in world.tasks() if task["title"].startswith("Undo")]
    assert undo["title"] == "Undo: Sign"
    assert undo["description"].startswith("Tear up the contract.")
    assert (undo["assignee"], undo["accountable"]) == (world.party("lee"), world.party("dana"))
    assert (undo["case_id"], undo["step_id"]) == (id, None)
    assert (world.case["status"], world.case["outcome"]) == ("terminated", "customer withdrew")
    assert world.all(t.waits) == []
    world.edit(undo["id"], status="done")
    assert world.exceptions() == []


# -------------------------------------------------------------------------- other versions


def test_a_running_case_moves_to_another_version_of_its_process(make: MakeWorld) -> None:
    """Steps by their key: added, ended, renewed; what is active keeps its owner and its task."""
    first = (
        "process: p\naccountable: role:ops\nsteps:\n"
        "  a: {title: A, responsible: role:legal}\n"
        "  gone: {title: Gone}\n"
        "  b: {title: B, after: [a]}\n"
    )
    second = (
        "process: p\naccountable: role:ops\nsteps:\n"
        "  a: {title: Another, responsible: role:ops}\n"
        "  b: {title: New B, after: [a]}\n"
        "  heard: {type: wait, title: H, event: task.*, if: \"task.status == 'done'\"}\n"
    )
    world = make({}, {"processes/p.yaml": first})
    id = start(world, "p")
    world.apply({"processes/p.yaml": second})
    task = world.steps()["a", 1]["task"]
    with world.hub.unit() as unit:
        move = migrating.look(unit, id)
    assert (move.added, move.ended, move.waits) == (("heard",), ("gone",), ("heard",))
    assert (set(move.changed), move.problems) == ({"a", "b"}, ())
    assert status(world)["gone", 1] == "active"
    with world.hub.unit() as unit:
        migrating.migrate(unit, id)
    assert status(world) == {
        ("a", 1): "active", ("gone", 1): "terminated", ("b", 1): "available",
        ("heard", 1): "active",
    }  # fmt: skip
    steps = world.steps()
    assert (steps["a", 1]["task"], steps["a", 1]["title"]) == (task, "A")
    assert steps["b", 1]["title"] == "New B"
    [moved] = world.events("case.migrated")
    assert moved["changed"]["process_version"]["after"] == world.case["process_version"]
    finish(world, "a")
    finish(world, "b")
    assert world.case["status"] == "completed"


def test_a_case_whose_active_step_is_another_kind_stays_as_it_is(make: MakeWorld) -> None:
    head = "process: p\naccountable: role:ops\nsteps:\n"
    world = make({}, {"processes/p.yaml": f"{head}  a: {{title: A}}\n"})
    id = start(world, "p")
    before = world.case
    world.apply(
        {
            "processes/p.yaml": f"{head}"
            "  a: {title: A, type: decision, decider: role:ops, options: [yes, no]}\n"
        }
    )
    with world.hub.unit() as unit, pytest.raises(Refused, match="active as a task"):
        migrating.migrate(unit, id)
    assert world.case == before


def test_a_wait_that_has_heard_keeps_that_in_another_version(world: World) -> None:
    start(world, tenants=[])
    invoice(world)
    world.apply({"processes/deal.yaml": DEAL.replace("title: Paid", "title: Paid in full")})
    with world.hub.unit() as unit:
        migrating.migrate(unit, world.case["id"])
    finish(world, "sign")
    assert status(world)["paid", 1] == "completed"
    assert world.steps()["paid", 1]["title"] == "Paid in full"


def test_nobody_is_chased_for_a_case_that_rests(make: MakeWorld, mail: EmailSandbox) -> None:
    world = make(
        {"mail": mail},
        {
            "processes/p.yaml": "process: p\naccountable: role:ops\nsteps:\n"
            "  a: {title: A, responsible: role:legal, due: 2d, remind: {before: [1d]}}\n"
        },
    )
    id = start(world, "p")
    with world.hub.unit() as unit:
        by_hand.suspend(unit, id, ACTOR, "a pause")
    world.clock.ahead = timedelta(days=1, hours=1)
    with world.hub.unit() as unit:
        clocks.fire(unit)
        clocks.note_overdue(unit)
    world.settle()
    told = [str(one["Subject"]) for one in mail.inbox("lee@acme.test")]
    assert not any("Reminder" in subject for subject in told)
    assert world.exceptions() == []
