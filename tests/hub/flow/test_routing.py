"""Rules: what follows from an event, and what never may."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk import Source
from hub.flow.bring_in import bring_in
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

PROCESS = """
process: onboarding
accountable: role:ops
steps:
  greet: {title: "Greet ${case.data.customer}", delivers: A greeting, responsible: role:legal}
"""


def rules(text: str) -> dict[str, str]:
    return {"rules/all.yaml": f"rules:\n{text}"}


def test_a_rule_acts_once_per_event(make: MakeWorld, github: GithubSandbox) -> None:
    """A label appears; echo and repetition cause nothing more."""
    world = make(
        {"github": github},
        rules(
            "  - rule: urgent\n    when: task.*\n"
            "    if: \"'urgent' in task.labels && task.priority != 'urgent'\"\n"
            "    then:\n      - update_task: {priority: urgent}\n"
        ),
    )
    github.open_issue("One", labels=["urgent"])
    world.settle()
    world.hear(github)
    world.settle()
    assert world.task["priority"] == "urgent"
    [updated] = world.events("task.updated")
    assert updated["changed"] == {"priority": {"before": None, "after": "urgent"}}
    [created] = world.events("task.created")
    assert updated["cause"] == created["id"]
    assert created["data"]["rules"][0]["rule"] == "urgent"


def test_a_circle_of_rules_is_stopped_and_shown(make: MakeWorld, github: GithubSandbox) -> None:
    """Two rules that undo each other: it ends, the task is kept, and a person is told."""
    world = make(
        {"github": github},
        rules(
            "  - rule: up\n    when: task.*\n    if: \"task.priority != 'high'\"\n"
            "    then:\n      - update_task: {priority: high}\n"
            "  - rule: down\n    when: task.updated\n    if: \"task.priority == 'high'\"\n"
            "    then:\n      - update_task: {priority: low}\n"
        ),
    )
    github.open_issue("One")
    world.settle()
    assert world.kinds() == ["stalled"]
    assert len(world.tasks()) == 1
    assert 1 <= len(world.events("task.updated")) <= 8
    assert world.all(t.records, t.records.c.status != "done") == []


def test_a_rule_that_makes_tasks_of_tasks_is_stopped(
    make: MakeWorld, github: GithubSandbox
) -> None:
    world = make(
        {"github": github},
        rules(
            "  - rule: breed\n    when: task.created\n"
            "    then:\n      - create_task: {title: Another}\n"
        ),
    )
    github.open_issue("One")
    world.settle()
    assert world.kinds() == ["stalled"]
    assert 2 <= len(world.tasks()) <= 6


def test_a_failing_action_leaves_nothing_half_done_and_stops_nothing_else(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """The task it would have made is not there; the next action and the record are."""
    world = make(
        {"github": github},
        rules(
            "  - rule: both\n    when: task.created\n    if: \"task.title == 'One'\"\n"
            "    then:\n"
            "      - create_task: {title: Half, assignee: 'external:${task.title}'}\n"
            "      - update_task: {priority: high}\n"
        ),
    )
    github.open_issue("One")
    github.open_issue("Two")
    world.settle()
    assert sorted(row["title"] for row in world.tasks()) == ["One", "Two"]
    assert {row["title"]: row["priority"] for row in world.tasks()}["One"] == "high"
    [trouble] = world.exceptions()
    assert trouble["type"] == "validation"
    assert "rules/all.yaml:" in trouble["detail"]


def test_a_bug_in_an_action_is_an_exception_too(
    make: MakeWorld, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TypeError is no reason to set a record aside."""
    world = make(
        {"github": github},
        rules(
            "  - rule: one\n    when: task.created\n    then:\n      - update_task: {title: X}\n"
        ),
    )

    def broken(*_: Any) -> None:
        raise TypeError("bug")

    monkeypatch.setattr("hub.flow.route._update_task", broken)
    github.open_issue("One")
    world.settle()
    assert world.task["title"] == "One"
    assert world.kinds() == ["validation"]


def test_an_illegal_change_by_a_rule_is_refused(make: MakeWorld, github: GithubSandbox) -> None:
    """Done cannot become on hold here: the rule is told, the task stays done."""
    world = make(
        {"github": github},
        rules(
            "  - rule: hold\n    when: task.completed\n"
            "    then:\n      - update_task: {status: on_hold, title: Changed}\n"
        ),
    )
    number = github.open_issue("One")
    world.settle()
    github.close_issue(number)
    world.settle()
    assert (world.task["status"], world.task["title"]) == ("done", "One")
    assert github.issue(1)["state"] == "closed"
    assert world.kinds() == ["validation"]


def test_rules_hear_of_exceptions(make: MakeWorld, github: GithubSandbox) -> None:
    """Somebody wants a task for every failed push; and that does not go around in a circle."""
    world = make(
        {"github": github},
        rules(
            "  - rule: tell\n    when: exception.raised\n"
            "    if: \"event.data.type == 'push_failed'\"\n"
            "    then:\n      - create_task: {title: 'Look at ${event.data.title}'}\n"
        ),
    )
    world.create("github", title="x" * 300)
    world.work()
    assert [row["title"][:7] for row in world.tasks()] == ["xxxxxxx", "Look at"]


def test_a_rule_on_exceptions_that_fails_ends(make: MakeWorld, github: GithubSandbox) -> None:
    world = make(
        {"github": github},
        rules(
            "  - rule: tell\n    when: exception.raised\n"
            "    then:\n      - create_task: {title: '${event.data.nothing.there}'}\n"
        )
        | {"rules/other.yaml": "otherwise: exception\nrules: []\n"},
    )
    world.create("github", title="x" * 300)
    world.work()
    assert len(world.exceptions()) <= 12
    assert world.pushes()[0]["status"] == "failed"


def test_events_that_no_rule_takes_are_shown_where_the_workspace_says_so(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """One exception per subject, and never one about exceptions."""
    text = (
        "otherwise: exception\nrules:\n  - rule: never\n    when: task.created\n"
        "    if: 'false'\n    then:\n      - update_task: {title: X}\n"
    )
    world = make({"github": github}, {"rules/all.yaml": text})
    github.open_issue("One")
    world.settle()
    assert {row["type"] for row in world.exceptions()} <= {"unrouted"}
    assert any("task.created" in row["title"] for row in world.exceptions())


WON = """
  - rule: won
    when: item.*
    if: "item.kind == 'deal' && item.stage == 'Closed Won'"
    then:
      - start_case:
          process: onboarding
          key: "${item.custom.account_id}"
          title: Onboard
          data: {customer: Globex}
"""


def two_deals(crm: SalesforceSandbox) -> None:
    account = crm.create_account("Globex")
    for name in ("500 seats", "200 seats"):
        crm.create_opportunity(
            name, stage="Closed Won", amount=1000, account=account, by="dana@acme.test"
        )


def test_a_second_deal_of_an_account_joins_its_running_case(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    world = make({"crm": crm}, rules(WON) | {"processes/p.yaml": PROCESS})
    two_deals(crm)
    world.settle()
    assert world.case["title"] == "Onboard"
    assert len(world.all(t.case_items)) == 2
    assert world.case["started_by"]["name"] == "Dana Meier"
    assert len(world.events("case.started")) == 1
    assert [row["title"] for row in world.tasks()] == ["Greet Globex"]


def test_two_workers_start_the_same_case_at_once(make: MakeWorld, crm: SalesforceSandbox) -> None:
    """One starts it, the other joins, and neither record is lost or set aside."""
    world = make({"crm": crm}, rules(WON) | {"processes/p.yaml": PROCESS})
    two_deals(crm)
    connector = world.hub.live.current().connector("crm")
    assert isinstance(connector, Source)
    pages = connector.pull("opportunity", {}, ())
    world.bring(*(one for page in pages for one in page.records), connection="crm", source="pull")
    gate = threading.Barrier(2)
    errors: list[BaseException] = []

    def one() -> None:
        try:
            gate.wait()
            bring_in(world.hub)
        except BaseException as error:
            errors.append(error)

    from hub.flow import bring_in as stage
    from hub.flow.stage import Stride

    before, stage.STRIDE = stage.STRIDE, Stride(most=1)
    try:
        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    finally:
        stage.STRIDE = before
    world.work()
    assert errors == []
    assert len(world.all(t.cases)) == 1
    assert len(world.all(t.case_items)) == 2
    assert {row["status"] for row in world.all(t.records)} == {"done"}
    assert all(row["attempts"] == 1 for row in world.all(t.records))
    assert world.exceptions() == []


def test_the_same_trouble_at_once_is_one_exception(world: World) -> None:
    """Two workers raise it in the same moment: counted, and neither fails."""
    from hub.store import exceptions

    gate = threading.Barrier(4)
    errors: list[BaseException] = []

    def one() -> None:
        try:
            gate.wait()
            for _ in range(5):
                with world.hub.unit() as unit:
                    unit.trouble(exceptions.Trouble("validation", "Same", subject="x"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    [row] = world.exceptions()
    assert row["count"] == 20
