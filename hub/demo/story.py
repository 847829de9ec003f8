"""The onboarding story, act by act. Each act is what one person does in their own tool, and what
the hub makes of it.

Acts look before they do, so that a story survives any restart of the hub in the middle of one.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from hub.demo.client import Client, StoryFailed, person_token, wait_for
from hub.demo.world import World

Json = Any
_LINK = re.compile(r"https?://\S+/p/(\S+)")
_CODE = re.compile(r"code: (\d{6})")


@dataclass(slots=True)
class Done:
    """One thing that happened: which act, who did it, where, and what the hub did in answer."""

    act: str
    who: str
    where: str
    what: str
    then: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose onboarding it is."""

    name: str
    contact: str
    amount: int
    vat_id: str


@dataclass
class Story:
    """A story being played. `tell` hears of each act as it is done."""

    world: World
    customer: Customer
    tell: Callable[[Done], None] = lambda done: None
    done: list[Done] = field(default_factory=list)
    case: str = ""
    _began: float = 0.0

    def __post_init__(self) -> None:
        self.admin = Client(self.world)
        self.tools = self.world.tools

    # ------------------------------------------------------------------------------ telling

    def _note(self, act: str, who: str, where: str, what: str, then: str) -> None:
        now = time.monotonic()
        done = Done(act, who, where, what, then, round(now - self._began, 2))
        self.done.append(done)
        self.tell(done)
        self._began = now

    def close(self) -> None:
        """Give back the story's connection to the hub."""
        self.admin.close()

    def play(self, until: str = "live") -> None:
        """All acts in order, up to and including `until`. Raises StoryFailed."""
        self._began = time.monotonic()
        for act in ACTS:
            getattr(self, act)()
            if act == until:
                return

    # ------------------------------------------------------------------------------ looking

    def steps(self) -> dict[str, Json]:
        """The newest run of each step of the case."""
        case = self.admin.get(f"/api/v1/cases/{self.case}")
        found: dict[str, Json] = {}
        for step in case["steps"]:
            if step["run"] >= found.get(step["key"], {"run": 0})["run"]:
                found[step["key"]] = step
        return found

    def _reached(self, key: str, *status: str) -> Json:
        step = self.steps()[key]
        return step if step["status"] in status else None

    def _issue(self, title: str) -> Json:
        wanted = f"{title} {self.customer.name}"
        return next((one for one in self.tools.github.issues() if one["title"] == wanted), None)

    # --------------------------------------------------------------------------------- acts

    def win(self) -> None:
        """Sales wins the deal in the CRM; that is all they do."""
        crm, customer = self.tools.crm, self.customer
        account = crm.create_account(customer.name, by="sam@acme.test")
        deal = crm.create_opportunity(
            f"{customer.name} annual plan",
            stage="Negotiation/Review",
            amount=customer.amount,
            account=account,
            contact_email=customer.contact,
            owner="sam@acme.test",
            by="sam@acme.test",
        )
        wait_for(
            "the deal is known to the hub",
            lambda: self.admin.items("/api/v1/items", connection="crm", external_id=deal),
        )
        crm.set_stage(deal, "Closed Won", "sam@acme.test")
        title = f"Onboard {customer.name}"
        case = wait_for(
            "a case starts",
            lambda: next(
                (c for c in self.admin.items("/api/v1/cases", q=title) if c["title"] == title), None
            ),
        )
        self.case = case["id"]
        self._note(
            "win", "Sam Okafor (sales)", "crm", f"wins the deal '{customer.name} annual plan'",
            f"case '{title}' starts; {case['accountable']['name']} answers for it",
        )  # fmt: skip

    def contract(self) -> None:
        """Legal finds an issue in their tracker, and closes it."""
        issue = wait_for("an issue for legal", lambda: self._issue("Sign the contract with"))
        assigned = [one["login"] for one in issue["assignees"]]
        self.tools.github.comment(issue["number"], "Countersigned and filed.", by="lkim")
        self.tools.github.close_issue(issue["number"], by="lkim")
        wait_for("the contract step is completed", lambda: self._reached("contract", "completed"))
        self._note(
            "contract", "Lee Kim (legal)", "github",
            f"closes issue #{issue['number']} '{issue['title']}' (of {', '.join(assigned)})",
            "step 'contract' is completed; the customer is asked by mail",
        )  # fmt: skip

    def documents(self) -> None:
        """The customer answers by a link in a mail, with the code that stands in it; no account."""
        customer = self.customer
        mail = wait_for("mail to the customer", lambda: self._mail("registration documents"))
        text = mail.get_body(("plain",)).get_content()
        link, code = _LINK.search(text), _CODE.search(text)
        if not link or not code:
            raise StoryFailed("The mail to the customer has no link or no code.")
        page = f"/p/{link[1]}"
        anybody = Client(self.world, token="none")  # noqa: S106 - a customer has no token
        shown = anybody.request("GET", page)
        if shown.status_code != 200:
            raise StoryFailed(f"The customer's page answered {shown.status_code}.")
        fields = {"vat_id": customer.vat_id, "contact": "Ann", "code": code[1]}

        def answered() -> bool:
            if self._reached("documents", "completed"):
                return True
            answer = anybody.request("POST", page, data=fields)
            if answer.status_code not in (200, 303, 409):
                raise StoryFailed(f"The answer was refused: {answer.status_code}.")
            return False

        wait_for("the customer's answer is taken", answered)
        anybody.close()
        self._note(
            "documents", customer.contact, "mail",
            f"opens the link, enters the code and the VAT number {customer.vat_id}",
            "step 'documents' is completed; finance and the credit decision are next",
        )  # fmt: skip

    def _mail(self, subject: str) -> Any:
        for mail in self.tools.mail.inbox(self.customer.contact):
            if subject in str(mail["Subject"]):
                return mail
        return None

    def billing(self) -> None:
        """Finance finds a row in their spreadsheet, and sets its status."""
        title = f"Set up billing for {self.customer.name}"
        row = wait_for(
            "a row in the tracker",
            lambda: next(
                (one for one in self.tools.tracker.rows() if one.get("Title") == title), None
            ),
        )
        key = row["ID"]
        self.tools.tracker.edit(key, Status="Done", Notes="Customer 4711, 30 days net")
        wait_for("the billing step is completed", lambda: self._reached("billing", "completed"))
        self._note(
            "billing", "Sam Okafor (finance)", "tracker.xlsx", f"sets row '{title}' to Done",
            "step 'billing' is completed",
        )  # fmt: skip

    def ask_credit(self) -> None:
        """The credit decision waits for a person."""
        step = wait_for(
            "the credit decision is asked for",
            lambda: self._reached("credit", "active", "completed"),
        )
        self._note(
            "ask_credit", "Process Hub", "hub",
            f"asks {step['responsible']['name']}: {step['title']}",
            "nothing is decided by silence; the case waits",
        )  # fmt: skip

    def credit(self) -> None:
        """A person decides, on the evidence shown. An assistant could not."""
        lee = Client(self.world, person_token(self.world, "lee"))

        def decided() -> bool:
            step = self.steps()["credit"]
            if step["status"] == "completed":
                return True
            decision = lee.get(f"/api/v1/decisions/{step['decision']}")
            answer = lee.request(
                "POST",
                f"/api/v1/decisions/{decision['id']}",
                json={
                    "outcome": "approved",
                    "comment": "Rated A by the bureau.",
                    "evidence_hash": decision["evidence_hash"],
                },
            )
            if answer.status_code not in (200, 409):
                raise StoryFailed(f"The decision was refused: {answer.text[:300]}")
            return False

        refused = self.admin.request(
            "POST",
            f"/api/v1/decisions/{self.steps()['credit']['decision']}",
            json={"outcome": "approved", "evidence_hash": "0" * 64},
        )
        if refused.status_code not in (403, 409):
            raise StoryFailed(f"A token without a person could decide: {refused.status_code}.")
        wait_for("the decision is made", decided)
        lee.close()
        self._note(
            "credit", "Lee Kim (finance lead)", "hub", "approves the credit, seeing the evidence",
            "step 'credit' is completed; a token without a person was refused",
        )  # fmt: skip

    def tenant(self) -> None:
        """Engineering takes its issue, and closes it."""
        issue = wait_for("an issue for engineering", lambda: self._issue("Create the tenant of"))
        self.tools.github.comment(issue["number"], "Tenant is up.", by="dmeier")
        self.tools.github.close_issue(issue["number"], by="dmeier")
        wait_for("the tenant step is completed", lambda: self._reached("tenant", "completed"))
        self._note(
            "tenant", "Dana Meier (engineering)", "github",
            f"closes issue #{issue['number']} '{issue['title']}'", "step 'tenant' is completed",
        )  # fmt: skip

    def live(self) -> None:
        """The case is complete, and the CRM hears of it."""
        wait_for(
            "the case is completed",
            lambda: self.admin.get(f"/api/v1/cases/{self.case}")["status"] == "completed",
        )
        wait_for("a task in the CRM", self._call_task)
        self._note(
            "live", "Process Hub", "hub", "reaches the milestone 'Live'",
            "the case is completed; a task to call the customer is in the CRM",
        )  # fmt: skip

    def _call_task(self) -> Json:
        wanted = f"Call {self.customer.name}: they are live"
        tasks = self.tools.crm.records("Task")
        return next((row for row in tasks if row["Subject"] == wanted), None)

    def settled(self) -> None:
        """Everything that was to go out has gone out."""
        wait_for(
            "every push is sent",
            lambda: not self.admin.items("/api/v1/pushes", status="pending"),
        )

    def acts(self) -> list[Json]:
        return [asdict(one) for one in self.done]


ACTS = (
    "win", "contract", "documents", "billing", "ask_credit", "credit", "tenant", "live", "settled",
)  # fmt: skip


def customers(seed: int) -> list[Customer]:
    """Whose onboardings are played: the same for the same seed."""
    chosen = random.Random(seed)  # noqa: S311 - names for a demo, not secrets
    names = ["Globex", "Initech", "Umbra", "Hooli", "Vandelay", "Stark Tools", "Wonka Foods"]
    chosen.shuffle(names)
    return [
        Customer(
            name,
            f"ann@{name.lower().replace(' ', '-')}.test",
            chosen.randrange(60, 200) * 1000,
            f"CHE{chosen.randrange(10**8, 10**9)}",
        )
        for name in names
    ]


def answers(url: str) -> bool:
    """Whether the hub at this address is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
