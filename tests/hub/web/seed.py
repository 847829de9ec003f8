"""A hub with something to look at: a workspace of four tools and seven people, and cases in every
state, made the way the hub itself makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from hub.apply import apply
from hub.flow import change, connections
from hub.hub import Hub, open_hub
from hub.participants import links
from hub.process import answers
from hub.process import cases as moving
from hub.process.clocks import note_overdue
from hub.registry import connector_classes
from hub.settings import Settings
from hub.store import cases, running, work
from hub.store.exceptions import Trouble
from hub.unit import Unit, connector_actor, person_actor
from hub.web import create_web

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = b"a key that only tests know, 32 bytes"

HUB = """\
name: acme-ops
timezone: Europe/Zurich
calendar: {country: CH, hours: "09:00-17:00"}
connections:
  github:
    connector: github
    base_url: http://127.0.0.1:9
    repositories: [acme/ops]
    auth: {token: env:GH_TOKEN}
    webhook: {unsigned: true}
  crm:
    connector: salesforce
    base_url: http://127.0.0.1:9
    auth: {client_id: env:SF_ID, client_secret: env:SF_SECRET}
    webhook: {token: env:SF_HOOK}
  mail:
    connector: email
    from_address: hub@acme.test
    smtp: {host: 127.0.0.1, port: 9, security: none}
"""
PEOPLE = """\
people:
  dana: {name: Dana Meier, email: dana@acme.test, deputies: [lee]}
  lee: {name: Lee Kim, email: lee@acme.test}
  sam: {name: Sam Okafor, email: sam@acme.test}
roles:
  ops-lead: [dana]
  legal: [lee]
  finance: [sam]
  finance-lead: [lee, sam]
  engineering: [dana]
identities:
  github: {dana: dmeier, lee: lkim}
"""
ONBOARDING = """\
process: customer-onboarding
title: Customer onboarding
accountable: role:ops-lead
due: 10bd
steps:
  contract:
    title: "Sign the contract with ${case.data.customer}"
    delivers: Countersigned contract, filed with the deal
    responsible: role:legal
    connection: github
    due: 2bd
  documents:
    title: Send us your registration documents
    delivers: VAT number, checked
    after: [contract]
    responsible: "external:${case.data.customer_email}"
    form:
      type: object
      required: [vat_id, employees, terms]
      properties:
        vat_id: {type: string, title: VAT number, description: "Two or three letters, then digits, as in CHE123456789.", pattern: "^[A-Z]{2}[A-Z]?[0-9]+$"}
        contact: {type: string, format: email, title: Whom may we write to with questions?}
        employees: {type: integer, title: How many people will use it?, minimum: 1}
        start: {type: string, format: date, title: When would you like to start?}
        plan: {type: string, title: Plan, enum: [basic, team, company]}
        terms: {type: boolean, title: Do you agree to the terms?}
        code: {type: string, title: Your cost centre}
        notes: {type: string, title: Anything else?, maxLength: 2000}
    due: 3bd
  billing:
    title: "Set up billing for ${case.data.customer}"
    delivers: Customer number and payment terms in the ledger
    after: [documents]
    responsible: role:finance
    due: 2bd
  credit:
    type: decision
    title: "Grant ${case.data.customer} credit?"
    after: [documents]
    if: "case.data.amount > 50000.0"
    decider: role:finance-lead
    options: [approved, rejected, changes_requested]
    exclude: ["${case.started_by}"]
    due: 1bd
    outcomes: {rejected: {terminate: credit refused}, changes_requested: {reopen: documents}}
  tenant:
    title: "Create the tenant of ${case.data.customer}"
    delivers: A tenant that the customer can sign in to
    after: [billing, credit]
    responsible: role:engineering
    connection: github
    due: 1bd
  live: {type: milestone, title: Live, after: [tenant]}
"""  # noqa: E501 - forms read best on one line
OFFBOARDING = """\
process: supplier-check
title: Supplier check
accountable: sam
due: 5bd
steps:
  papers:
    title: Return the signed data agreement
    delivers: The agreement with both signatures
    responsible: "external:${case.data.email}"
    due: 2bd
  filed: {type: milestone, title: Filed, after: [papers]}
"""
FILES = {
    "hub.yaml": HUB,
    "people.yaml": PEOPLE,
    "processes/customer-onboarding.yaml": ONBOARDING,
    "processes/supplier-check.yaml": OFFBOARDING,
}
ENV = {"GH_TOKEN": "ghp_made_up", "SF_ID": "id", "SF_SECRET": "secret", "SF_HOOK": "h" * 32}
GIVEN = {"vat_id": "CHE123456789", "employees": 40, "terms": True, "plan": "team"}


@dataclass
class Clock:
    """A clock that stands until a test moves it."""

    now: datetime = MONDAY

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **length: int) -> None:
        self.now += timedelta(**length)


@dataclass
class Seeded:
    """A hub on SQLite with its clock, and the cases made so far by name."""

    hub: Hub
    clock: Clock
    cases: dict[str, str] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.include_router(create_web(self.hub))
        return app

    # ------------------------------------------------------------------------------- moving

    def person(self, key: str) -> dict[str, Any]:
        with self.hub.database.read() as tx:
            return work.people(tx)[key]

    def start(self, name: str, process: str, title: str, **data: Any) -> str:
        with (
            self.hub.unit() as unit,
            unit.acting(connector_actor("crm", "Dana Meier"), origin="crm"),
        ):
            id, _ = moving.start(unit, process, title=title, key=name, data=data)
        self.cases[name] = id
        return id

    def step(self, name: str, key: str, run: int = 1) -> dict[str, Any]:
        with self.hub.database.read() as tx:
            steps = cases.steps_of(tx, [self.cases[name]])[self.cases[name]]
        return next(step for step in steps if (step["key"], step["run"]) == (key, run))

    def case(self, name: str) -> dict[str, Any]:
        with self.hub.database.read() as tx:
            return cases.load(tx, [self.cases[name]])[self.cases[name]]

    def finish(self, name: str, key: str, status: str = "done", who: str = "lkim") -> None:
        """Somebody moves the step's task in their tool."""
        task_id = self.step(name, key)["task"]
        by = connector_actor("github", who)
        with self.hub.unit() as unit, unit.acting(by, origin="github"):
            task = work.load(unit.tx, "task", [task_id], lock=True)[task_id]
            change.change(unit, "task", task, {"status": status}, origin="github")
            work.save(unit.tx, "task", [task])

    def answer(self, name: str, **given: Any) -> None:
        step = self.step(name, "documents")
        with self.hub.unit() as unit:
            party = work.load(unit.tx, "party", [step["responsible"]])[step["responsible"]]
            answers.submit(unit, step["id"], {**GIVEN, **given}, party)

    def link(self, entity: str, kind: str, connection: str, object: str, number: str) -> None:
        with self.hub.unit() as unit:
            row = work.new_link(kind, entity, connection, object, number, unit.now)
            row["url"] = f"https://{connection}.test/{object}/{number}"
            work.insert_links(unit.tx, [row])
            about = {n: row[n] for n in ("connection", "object", "external_id", "url")}
            unit.emit("link.added", entity, data=about)

    def invitation(self, name: str, key: str) -> tuple[str, str]:
        """A participant's link to a step and its code."""
        step = self.step(name, key)
        with self.hub.unit() as unit:
            id = links.invite(unit, step["responsible"], step["id"], step["title"])
        return links.secret_of(KEY, id), links.code_of(KEY, id)

    def comment(self, name: str, key: str, body: str) -> None:
        step = self.step(name, key)
        with self.hub.unit() as unit:
            party = work.load(unit.tx, "party", [step["responsible"]])[step["responsible"]]
            with unit.acting(person_actor(party)):
                values = {"task": step["task"], "author": party["id"], "body": body,
                          "visibility": "public"}  # fmt: skip
                row = change.new_entity("comment", values, unit)
                work.insert(unit.tx, "comment", [row])
                unit.emit("comment.added", row["id"], case=step["case_id"],
                          data={"task": step["task"], "channel": "mail", "body": body})  # fmt: skip

    def trouble(self, *troubles: Trouble) -> None:
        with self.hub.unit() as unit:
            for trouble in troubles:
                unit.trouble(trouble)

    def do(self, work: Any) -> Any:
        """Anything else in a unit of work."""
        with self.hub.unit() as unit:
            return work(unit)


def open_seeded(
    folder: Path, files: dict[str, str] | None = None, database_url: str | None = None
) -> Seeded:
    """A hub with a workspace and no cases."""
    clock = Clock()
    settings = Settings(folder, database_url or f"sqlite:///{folder / 'hub.db'}", None, KEY)
    hub = open_hub(settings, connector_classes(), env=ENV, clock=clock)
    seeded = Seeded(hub, clock)
    hub.wake = seeded.woken.append
    if files is None or files:
        apply(hub.database, files or FILES, connector_classes(), clock(), env=ENV)
    return seeded


def fill(seeded: Seeded) -> Seeded:
    """Cases in every state, over two weeks."""
    start, link = seeded.start, seeded.link
    for name, customer, amount in (
        ("done", "Alpenglow Optik", 9000),
        ("refused", "Fjord Trading", 90000),
        ("blocked", "Kiosk am Eck", None),
        ("late", "Nordlicht GmbH", 24000),
    ):
        data: dict[str, Any] = {"customer": customer, "customer_email": f"office@{name}.test"}
        if amount is not None:
            data["amount"] = amount
        start(name, "customer-onboarding", f"Onboard {customer}", **data)
        seeded.clock.pass_(minutes=20)
        seeded.finish(name, "contract")
    for name in ("done", "refused", "blocked"):
        seeded.clock.pass_(hours=2)
        seeded.answer(name)
    for key in ("billing", "tenant"):
        seeded.clock.pass_(hours=3)
        seeded.finish("done", key, who="dmeier")
    seeded.do(lambda unit: moving.terminate(unit, seeded.cases["refused"], "credit refused"))
    seeded.clock.now = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)
    big = {"customer": "Brightwater AG", "customer_email": "ines@brightwater.test",
           "amount": 120000, "region": "EMEA"}  # fmt: skip
    start("big", "customer-onboarding", "Onboard Brightwater AG", **big)
    link(seeded.step("big", "contract")["task"], "task", "github", "issue", "acme/ops#41")
    seeded.clock.pass_(minutes=50)
    seeded.finish("big", "contract", "in_progress")
    seeded.clock.pass_(hours=2)
    seeded.finish("big", "contract")
    seeded.clock.pass_(hours=1)
    seeded.answer("big", contact="ines@brightwater.test")
    seeded.comment("big", "documents", "The extract from the register follows by post.")
    _item(seeded, "big")
    new = {"customer": "Lakeside Clinic", "customer_email": "it@lakeside.test", "amount": 18000}
    start("new", "customer-onboarding", "Onboard Lakeside Clinic", **new)
    link(seeded.step("new", "contract")["task"], "task", "github", "issue", "acme/ops#44")
    start("supplier", "supplier-check", "Check Rapid Print", email="sales@rapidprint.test")
    seeded.clock.pass_(hours=3)
    seeded.do(note_overdue)
    seeded.trouble(
        Trouble(
            "sync_conflict",
            "due of 'Create the tenant' was changed here and in github",
            "Both are kept; choose one.",
            subject=seeded.step("big", "contract")["task"],
            owner=seeded.person("dana")["id"],
            place="github/priority",
            data={
                "field": "priority",
                "ours": "high",
                "theirs": "low",
                "raw": "low",
                "connection": "github",
                "case": seeded.cases["big"],
            },
        ),
        Trouble("unrouted", "No rule takes item.updated", "Add a rule.", severity="low"),
    )

    def pause(unit: Unit) -> None:
        running.note_success(unit.tx, "github", unit.now - timedelta(minutes=3))
        connections.pause(unit, "crm", "Salesforce refuses the password of client 'id'.")

    seeded.do(pause)
    return seeded


def _item(seeded: Seeded, name: str) -> None:
    with seeded.hub.unit() as unit, unit.acting(connector_actor("crm", "Dana Meier")):
        values = {"kind": "deal", "title": "Brightwater AG, 400 seats", "stage": "Closed Won",
                  "amount": {"value": "120000.00", "currency": "CHF"}}  # fmt: skip
        row = change.new_entity("item", values, unit)
        work.insert(unit.tx, "item", [row])
        cases.add_item(unit.tx, seeded.cases[name], row["id"])
        change.announce_new(unit, "item", row)
    seeded.link(row["id"], "item", "crm", "opportunity", "0065g00000ABCDE")
