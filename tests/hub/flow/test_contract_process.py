# ruff: noqa: E501 - the lines of the contract as they stand there
"""The process that the contract shows, taken by its word: every line of it is accepted, and does what
it says when people play it to its end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from hub.flow import change
from hub.process import answers, evidence
from hub.process.answers import Refused
from hub.store import cases, work
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

PROCESS = """
process: customer-onboarding
title: Customer onboarding
accountable: role:ops-lead
due: 10bd
steps:
  contract:
    title: Sign contract
    delivers: Countersigned contract, filed with the deal      # the outcome that the owner answers for
    responsible: role:legal
    accountable: role:ops-lead                    # default: the case's
    connection: github                            # mirrored as a task in that tool
    due: 2bd
  documents:
    title: Send us your registration documents
    after: [contract]                             # completed or skipped
    responsible: "external:${case.data.customer_email}"
    waiting_on: external
    form: {type: object, required: [vat_id], properties: {vat_id: {type: string, pattern: "^[A-Z]{2}[0-9]+$"}}}
    due: 3bd
    remind: {before: [1bd], every: 1bd, max: 3}
    escalate: [{after: 1bd, to: accountable}, {after: 3bd, to: role:ops-lead}]
  credit:
    type: decision
    title: Grant credit
    after: [documents]
    if: "case.data.amount > 50000.0"
    decider: role:finance-lead
    options: [approved, rejected, changes_requested]
    quorum: 1
    exclude: ["${case.started_by}"]
    due: 1bd
    outcomes: {rejected: {terminate: credit refused}, changes_requested: {reopen: documents}}
  paid: {type: wait, title: First invoice paid, after: [credit], event: item.updated, if: "item.kind == 'invoice' && item.stage == 'paid'", key: "${item.custom.account_id}"}
  tenants:
    title: "Create tenant ${each.name}"
    after: [paid]
    each: "${case.data.tenants}"                  # one run per element of a list
    responsible: role:engineering
    connection: github
    due: 1bd
  live: {type: milestone, title: Live, after: [tenants]}
"""
RULES = """
rules:
  - rule: deal-won
    when: item.*                                  # event type; a trailing * is allowed
    if: "item.kind == 'deal' && has(event.changed.stage) && item.stage == 'Closed Won' && item.amount.value > 10000.0"
    then:
      - start_case:
          process: customer-onboarding
          key: "${item.custom.account_id}"        # joins the running case with this key, else starts one
          title: "Onboard ${item.custom.account_name}"
          data: {amount: "${item.amount.value}", customer_email: "${item.custom.contact_email}", tenants: "${item.custom.tenants}"}
      - notify: {to: role:ops-lead, text: "Deal won: ${item.title}"}
otherwise: ignore                                 # ignore | exception
tests:
  - given:
      event: {type: item.updated, changed: {stage: {before: Negotiation, after: Closed Won}}}
      item: {kind: deal, stage: Closed Won, amount: {value: 20000.0}, custom: {account_id: A1, account_name: Acme}}
    expect: [deal-won]
"""
PEOPLE = {
    "people": {
        "dana": {
            "name": "Dana Meier",
            "email": "dana@acme.test",
            "timezone": "Europe/Zurich",
            "deputies": ["lee"],
            "quiet_hours": "19:00-07:00",
        },
        "lee": {"name": "Lee Kim", "email": "lee@acme.test"},
    },
    "roles": {
        "ops-lead": ["dana"],
        "legal": ["lee"],
        "finance-lead": ["lee", "dana"],
        "engineering": ["dana"],
    },
    "identities": {"github": {"dana": "dmeier"}},
}
TENANTS = [{"name": "blue"}, {"name": "red"}]


@pytest.fixture
def world(make: MakeWorld, github: GithubSandbox, mail: EmailSandbox) -> World:
    """A hub over GitHub and a mailbox with the contract's people, rule and process."""
    return make(
        {"github": github, "mail": mail},
        {
            "people.yaml": yaml.safe_dump(PEOPLE),
            "rules/deals.yaml": RULES,
            "processes/customer-onboarding.yaml": PROCESS,
        },
    )


def won(world: World, amount: str = "60000.00", by: str | None = None) -> None:
    """A deal comes to its end in the CRM; `by` is who of ours moved it there."""
    values = {
        "title": "Acme deal",
        "kind": "deal",
        "stage": "Negotiation",
        "amount": {"value": amount, "currency": "CHF"},
        "custom": {
            "account_id": "A1",
            "account_name": "Acme",
            "contact_email": "ann@customer.test",
            "tenants": TENANTS,
        },
    }
    with world.hub.unit() as unit:
        item = change.new_entity("item", values, unit)
        work.insert(unit.tx, "item", [item])
        change.announce_new(unit, "item", item)
    actor = None
    if by:
        actor = {"kind": "person", "id": world.party(by), "name": by}
    with world.hub.unit() as unit, unit.acting(actor or unit.actor):
        [entity] = work.load(unit.tx, "item", [item["id"]], lock=True).values()
        change.change(unit, "item", entity, {"stage": "Closed Won"})
        work.save(unit.tx, "item", [entity])


def newest(world: World) -> dict[str, dict[str, Any]]:
    """The newest run of each step."""
    return {key: row for (key, _), row in sorted(world.steps().items())}


def at(world: World) -> dict[str, str]:
    return {key: row["status"] for key, row in newest(world).items()}


def finish(world: World, key: str, run: int = 1) -> None:
    world.edit(world.steps()[key, run]["task"], status="done")


def send_documents(world: World, vat: str = "CH123") -> None:
    step = newest(world)["documents"]
    with world.hub.unit() as unit:
        party = work.load(unit.tx, "party", [step["responsible"]])[step["responsible"]]
        answers.submit(unit, step["id"], {"vat_id": vat}, party)


def decide(world: World, who: str, outcome: str) -> None:
    decision = world.decision()
    with world.hub.unit() as unit:
        case = cases.load(unit.tx, [decision["case_id"]])[decision["case_id"]]
        seen = cases.evidence_hash(evidence.gather(unit.tx, case))
        answers.decide(unit, decision["id"], outcome, work.people(unit.tx)[who], evidence_hash=seen)


def invoice_paid(world: World, account: str) -> None:
    values = {"title": "Invoice", "kind": "invoice", "stage": "open",
              "custom": {"account_id": account}}  # fmt: skip
    with world.hub.unit() as unit:
        item = change.new_entity("item", values, unit)
        work.insert(unit.tx, "item", [item])
        change.announce_new(unit, "item", item)
    world.edit(item["id"], "item", stage="paid")


def test_it_is_played_to_its_end_with_documents_asked_for_twice(
    world: World, github: GithubSandbox
) -> None:
    won(world, by="lee")
    case = world.case
    assert (case["title"], case["key"]) == ("Onboard Acme", "A1")
    assert case["accountable"] == world.party("dana")
    assert at(world)["contract"] == "active"
    won(world)
    assert world.case["id"] == case["id"], "the running case with this key is joined"
    world.settle()
    assert [one["title"] for one in github.issues()] == ["Sign contract"]

    finish(world, "contract")
    documents = newest(world)["documents"]
    assert (documents["status"], documents["waiting_on"]) == ("active", "external")
    with pytest.raises(Refused):
        send_documents(world, "no number")
    send_documents(world)

    [seat] = world.all(t.seats)
    assert seat["party"] == world.party("dana"), "Lee won the deal, and so does not decide"
    with pytest.raises(Refused) as refused:
        decide(world, "lee", "approved")
    assert refused.value.code == "excluded"
    decide(world, "dana", "changes_requested")
    assert {key: row["run"] for key, row in newest(world).items()} == {
        "contract": 1, "documents": 2, "credit": 2, "paid": 1, "tenants": 1, "live": 1,
    }  # fmt: skip
    send_documents(world, "CH456")
    assert len(world.all(t.decisions)) == 2, "a decision per run"
    decide(world, "dana", "approved")

    invoice_paid(world, "B2")
    assert at(world)["paid"] == "active"
    invoice_paid(world, "A1")
    assert [world.steps()["tenants", run]["title"] for run in (1, 2)] == [
        "Create tenant blue", "Create tenant red",
    ]  # fmt: skip
    finish(world, "tenants", 1)
    assert at(world)["live"] == "available"
    finish(world, "tenants", 2)
    assert (world.case["status"], world.case["outcome"]) == ("completed", "completed")
    [unsaid] = world.exceptions()
    assert "could not be said to github" in unsaid["title"], "nobody wrote who Lee is there"
    world.settle()
    assert {one["state"] for one in github.issues()} == {"closed"}


def test_a_refusal_ends_it_and_a_small_deal_asks_nobody(world: World) -> None:
    won(world)
    finish(world, "contract")
    send_documents(world)
    decide(world, "lee", "rejected")
    assert (world.case["status"], world.case["outcome"]) == ("terminated", "credit refused")
    assert {"active", "available"}.isdisjoint(at(world).values())


def test_a_small_deal_needs_no_credit(world: World) -> None:
    won(world, amount="20000.00")
    finish(world, "contract")
    send_documents(world)
    assert (at(world)["credit"], at(world)["paid"]) == ("skipped", "active")
    assert world.all(t.decisions) == []


def test_the_clocks_run_as_written(world: World) -> None:
    """Ten, two, three and one business days; a reminder before, three after, two escalations."""
    won(world)
    finish(world, "contract")
    documents = newest(world)["documents"]
    timers = world.all(t.timers, t.timers.c.subject == documents["id"])
    assert sorted(one["kind"] for one in timers) == [
        "escalate", "escalate", "remind_before", "remind_late", "remind_late", "remind_late",
    ]  # fmt: skip
    assert world.case["due_by"] > documents["due_by"] > world.clock() + timedelta(days=2)
