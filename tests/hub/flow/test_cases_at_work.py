"""Cases that live through their tools: to the end, back, away, late, and never by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from hub.process import answers, clocks
from hub.process import cases as moving
from hub.process import exceptions as settling
from hub.store import cases, work
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}

PROCESS = """
process: deal
accountable: role:ops
steps:
  contract:
    title: Sign the contract
    delivers: A contract
    responsible: role:legal
    connection: github
    due: 2d
    remind: {before: [1d], every: 1d, max: 3}
    escalate: [{after: 1d, to: accountable}, {after: 5d, to: role:ops}]
  form:
    title: Send your number
    delivers: The number
    after: [contract]
    responsible: "external:${case.data.email}"
    form: {type: object, required: [vat], properties: {vat: {type: string}}}
  credit:
    type: decision
    title: Grant credit?
    after: [form]
    decider: role:legal
    options: [approved, rejected, again]
    due: 1d
    outcomes: {rejected: {terminate: refused}, again: {reopen: form}}
  build: {title: Build it, delivers: It, after: [credit], responsible: role:ops, connection: github}
  live: {type: milestone, title: Live, after: [build]}
"""


@pytest.fixture
def world(make: MakeWorld, github: GithubSandbox, mail: EmailSandbox) -> World:
    """A hub with one process over GitHub and mail."""
    return make({"github": github, "mail": mail}, {"processes/deal.yaml": PROCESS})


def start(world: World) -> str:
    with world.hub.unit() as unit:
        id, new = moving.start(unit, "deal", title="Onboard Ann", data={"email": "ann@globex.test"})
    assert new
    world.settle()
    return id


def submit(world: World, key: str = "form", run: int = 1, **values: str) -> None:
    with world.hub.unit() as unit:
        party = work.find_party(unit.tx, "ann@globex.test")
        answers.submit(unit, world.steps()[key, run]["id"], values or {"vat": "CH1"}, party)


def decide(world: World, outcome: str) -> None:
    from hub.process import evidence

    with world.hub.unit() as unit:
        lee = work.people(unit.tx)["lee"]
        decision = cases.list_decisions(unit.tx)[0]
        case = cases.load(unit.tx, [decision["case_id"]])[decision["case_id"]]
        seen = cases.evidence_hash(evidence.gather(unit.tx, case))
        answers.decide(unit, decision["id"], outcome, lee, evidence_hash=seen)


def tick(world: World) -> None:
    with world.hub.unit() as unit:
        clocks.fire(unit)
        clocks.note_overdue(unit)


def status(world: World) -> dict[tuple[str, int], str]:
    return {key: row["status"] for key, row in world.steps().items()}


def subjects(mail: EmailSandbox, address: str) -> list[str]:
    return [str(one["Subject"]) for one in mail.inbox(address)]


def test_a_case_runs_to_its_end_through_its_tools(
    world: World, github: GithubSandbox, mail: EmailSandbox
) -> None:
    """Issues are closed in GitHub; a form and a decision come from people."""
    start(world)
    github.close_issue(1, "lkim")
    world.settle()
    assert status(world)["form", 1] == "active"
    submit(world)
    world.settle()
    decide(world, "approved")
    world.settle()
    github.close_issue(2, "dmeier")
    world.hear(github)
    world.settle()
    assert set(status(world).values()) == {"completed"}
    assert (world.case["status"], world.case["outcome"]) == ("completed", "completed")
    assert world.exceptions() == []
    assert len(github.issues()) == 2
    assert subjects(mail, "lee@acme.test") == [
        "Yours: Sign the contract (Onboard Ann)",
        "Your decision: Grant credit? (Onboard Ann)",
    ]
    assert subjects(mail, "ann@globex.test") == ["Send your number (Onboard Ann)"]
    assert world.chain() is None


def test_a_cancel_in_the_tool_raises_and_completes_nothing(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """Closed as not planned, which this workspace maps to cancelled."""
    world = make(
        {"github": github},
        {
            "processes/deal.yaml": PROCESS,
            "mappings/issue.yaml": "mapping: issue\nextends: github-issue\nconnection: github\n"
            "fields:\n  status:\n    from: $.state_reason\n"
            "    values: {completed: done, not_planned: cancelled, reopened: open}\n"
            "    default: open\n    direction: in\n",
        },
    )
    start(world)
    github.close_issue(1, reason="not_planned")
    world.settle()
    assert world.tasks()[0]["status"] == "cancelled"
    assert status(world)["contract", 1] == "active"
    [row] = world.exceptions()
    assert row["type"] == "validation"
    assert "cancelled" in row["title"]
    github.reopen_issue(1)
    world.settle()
    github.close_issue(1)
    world.settle()
    assert status(world)["contract", 1] == "completed"
    assert not any(
        row["subject"] == world.steps()["contract", 1]["id"] for row in world.exceptions()
    )


def test_a_reopened_issue_raises_and_the_case_stays_where_it_is(
    world: World, github: GithubSandbox
) -> None:
    start(world)
    github.close_issue(1)
    world.settle()
    github.reopen_issue(1)
    world.settle()
    assert status(world)["contract", 1] == "completed"
    assert status(world)["form", 1] == "active"
    assert world.kinds() == ["validation"]
    github.close_issue(1)
    world.settle()
    assert world.kinds() == []
    [over] = world.events("exception.resolved")
    assert over["data"]["why"] == "the task is closed again"
    assert status(world)["form", 1] == "active"


def test_a_form_step_closed_without_its_form_waits(world: World, github: GithubSandbox) -> None:
    """Each kind of trouble on one step is an exception of its own."""
    start(world)
    github.close_issue(1)
    world.settle()
    task = world.steps()["form", 1]["task"]
    world.edit(task, status="done")
    assert status(world)["form", 1] == "active"
    world.edit(task, status="open")
    world.edit(task, status="cancelled")
    assert world.kinds() == ["validation", "validation"]
    titles = sorted(row["title"] for row in world.exceptions())
    assert "cancelled" in titles[1]
    assert "without the information" in titles[0]


def test_a_decision_can_send_the_case_back(world: World, github: GithubSandbox) -> None:
    """Run 2 of the form asks anew, and what was answered before does not count."""
    start(world)
    github.close_issue(1)
    world.settle()
    submit(world)
    world.settle()
    decide(world, "again")
    world.settle()
    now = status(world)
    assert (now["form", 1], now["form", 2]) == ("completed", "active")
    assert (now["credit", 1], now["credit", 2]) == ("completed", "available")
    world.edit(world.steps()["form", 2]["task"], status="done")
    assert status(world)["form", 2] == "active"
    world.edit(world.steps()["form", 2]["task"], status="open")
    submit(world, run=2, vat="CH2")
    world.settle()
    decide(world, "approved")
    world.settle()
    github.close_issue(2)
    world.settle()
    assert world.case["status"] == "completed"
    assert world.case["data"]["form"] == {"vat": "CH2"}


def test_a_refusal_ends_the_case_and_what_is_open_in_tools(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """Parallel work is cancelled in its tool, its decision withdrawn, its clocks stopped."""
    parallel = PROCESS.replace("after: [credit], responsible", "after: [contract], responsible")
    world = make({"github": github}, {"processes/deal.yaml": parallel})
    start(world)
    github.close_issue(1)
    world.settle()
    assert github.issue(2)["state"] == "open"
    submit(world)
    decide(world, "rejected")
    world.settle()
    assert (world.case["status"], world.case["outcome"]) == ("terminated", "refused")
    assert github.issue(2)["state"] == "closed"
    assert status(world)["build", 1] == "terminated"
    assert {row["status"] for row in world.all(t.timers)} == {"stopped"}
    assert world.kinds() in ([], ["unrouted"])


def test_terminating_withdraws_what_was_asked(world: World, github: GithubSandbox) -> None:
    id = start(world)
    github.close_issue(1)
    world.settle()
    submit(world)
    with world.hub.unit() as unit:
        moving.terminate(unit, id, "not needed")
    world.settle()
    assert world.decision()["outcome"] == "withdrawn"
    assert world.case["status"] == "terminated"
    with pytest.raises(answers.Refused, match="decided already"):
        decide(world, "approved")


def test_a_late_decision_expires_and_can_still_be_made(world: World, github: GithubSandbox) -> None:
    """Silence decides nothing: the step stays active with an exception."""
    start(world)
    github.close_issue(1)
    world.settle()
    submit(world)
    world.settle()
    world.clock.ahead = timedelta(days=3)
    tick(world)
    assert world.decision()["outcome"] == "expired"
    assert status(world)["credit", 1] == "active"
    assert "overdue" in world.kinds()
    assert len(world.events("decision.expired")) == 1
    decide(world, "approved")
    assert status(world)["credit", 1] == "completed"
    assert "overdue" not in world.kinds()


def test_lateness_is_raised_once_and_stays_told(world: World) -> None:
    """Ticks and ticks later it is one exception; waived, it does not come back."""
    start(world)
    world.clock.ahead = timedelta(days=3)
    for _ in range(5):
        tick(world)
    [row] = [row for row in world.exceptions() if row["type"] == "overdue"]
    assert row["count"] == 1
    assert len(world.events("clock.breached")) == 1
    assert world.case["health"] == "overdue"
    with world.hub.unit() as unit:
        settling.waive(unit, row["id"], ACTOR, "We know.")
    for _ in range(3):
        tick(world)
    assert [row["type"] for row in world.exceptions() if row["type"] == "overdue"] == []


def test_many_late_steps_do_not_hide_a_new_one(world: World) -> None:
    """More of them than one look takes in."""
    with world.hub.unit() as unit:
        for _ in range(5):
            moving.start(unit, "deal", title="Late", data={"email": "ann@globex.test"})
    world.clock.ahead = timedelta(days=3)
    look = cases.overdue_steps
    with world.hub.unit() as unit:
        first = look(unit.tx, unit.now, limit=3)
    tick(world)
    with world.hub.unit() as unit:
        assert len(first) == 3
        assert look(unit.tx, unit.now, limit=3) == []


def test_reminders_and_escalations_fire_once_each(world: World, mail: EmailSandbox) -> None:
    """One before, at most three after, each escalation once, however often it ticks."""
    start(world)
    for hours in range(0, 24 * 12, 6):
        world.clock.ahead = timedelta(hours=hours)
        tick(world)
        tick(world)
        world.work()
    got = subjects(mail, "lee@acme.test")
    assert sum(one.startswith("Reminder: ") for one in got) == 1
    assert sum(one.startswith("Overdue: ") for one in got) == 3
    told = subjects(mail, "dana@acme.test")
    assert sum(one.startswith("Escalated: ") for one in told) == 2


def test_timers_stop_when_the_work_is_done(
    world: World, github: GithubSandbox, mail: EmailSandbox
) -> None:
    start(world)
    github.close_issue(1)
    world.settle()
    world.clock.ahead = timedelta(days=9)
    tick(world)
    world.work()
    assert not any("Sign the contract" in one and "Yours" not in one
                   for one in subjects(mail, "lee@acme.test"))  # fmt: skip


def test_a_hub_that_slept_sends_one_reminder_not_all_of_them(
    world: World, mail: EmailSandbox
) -> None:
    """Two weeks off: one mail says that it is overdue."""
    start(world)
    world.clock.ahead = timedelta(days=14)
    tick(world)
    world.work()
    got = [one for one in subjects(mail, "lee@acme.test") if not one.startswith("Yours")]
    assert got == ["Overdue: Sign the contract (Onboard Ann)"]


def test_a_timer_that_fails_does_not_stop_the_others(
    world: World, mail: EmailSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(world)
    world.clock.ahead = timedelta(days=4)

    def broken(*_: Any) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(clocks, "_escalate", broken)
    tick(world)
    world.work()
    assert any(one.startswith("Overdue: ") for one in subjects(mail, "lee@acme.test"))
    assert "stalled" in world.kinds()


def test_work_that_began_counts_as_accepted(
    make: MakeWorld, github: GithubSandbox, mail: EmailSandbox
) -> None:
    world = make({"github": github, "mail": mail}, {"processes/deal.yaml": PROCESS})
    start(world)
    [handoff] = world.all(t.handoffs)
    assert handoff["status"] == "offered"
    github.close_issue(1)
    world.settle()
    [handoff] = world.all(t.handoffs)
    assert handoff["status"] == "accepted"


def test_a_deleted_issue_of_a_step_is_shown(world: World, github: GithubSandbox) -> None:
    start(world)
    github.delete_issue(1)
    world.hear(github)
    world.work()
    assert world.kinds() == ["validation"]
    assert status(world)["contract", 1] == "active"


def test_moments_are_the_hubs_clock(world: World) -> None:
    """Nothing of a case is measured by another clock than the one that was passed in."""
    world.clock.ahead = timedelta(days=100)
    start(world)
    assert world.case["started_at"] > datetime.now(UTC) + timedelta(days=99)
