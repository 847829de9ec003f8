"""From order to cash: an order comes from the web shop, two people grant credit, the warehouse has
a ticket for each line, the customer answers a mail, accounting has a row in a spreadsheet, and the
bank tells that the money is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from connectors.email.sandbox import EmailSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from connectors.webhook.sandbox import Message, WebhookSandbox
from hub.demo.client import wait_for
from hub.demo.story import Story

Json = Any
LINES = ({"article": "Pump P7", "quantity": 2}, {"article": "Valve V3", "quantity": 8})


class OrderToCash(Story):
    BEGINS = "a web shop, a bank, a ticket tool, a mail server and a spreadsheet"
    ACTS = (
        "order", "first_voice", "second_voice", "pick", "delivered", "invoice", "payment", "paid",
        "settled",
    )  # fmt: skip
    STAGED = (
        ("settled", "has paid."),
        ("first_voice", "waits for a second voice on its credit."),
        ("pick", "is asked whether everything arrived."),
    )
    SIGNS_IN = "lee"

    @staticmethod
    def tools_in(home: Path) -> SimpleNamespace:
        return SimpleNamespace(
            shop=WebhookSandbox(),
            bank=WebhookSandbox(),
            warehouse=JiraSandbox(),
            ledger=SpreadsheetSandbox(home / "ledger"),
            mail=EmailSandbox(),
        )

    @staticmethod
    def environment(tools: SimpleNamespace) -> Mapping[str, str]:
        jira, mail = tools.warehouse.connection(), tools.mail.connection()
        secrets: dict[str, str] = {**tools.warehouse.env(), **tools.mail.env()}

        def secret(reference: str) -> str:
            return secrets[reference.removeprefix("env:")]

        return {
            "ORDERS_SHOP_HOOK": tools.shop.env()["SHOP_HOOK"],
            "ORDERS_BANK_HOOK": tools.bank.env()["SHOP_HOOK"],
            "ORDERS_JIRA_URL": jira["base_url"],
            "ORDERS_JIRA_USER": jira["auth"]["email"],
            "ORDERS_JIRA_TOKEN": secret(jira["auth"]["api_token"]),
            "ORDERS_JIRA_HOOK": secret(jira["webhook"]["secret"]),
            "ORDERS_LEDGER": tools.ledger.connection()["path"],
            "ORDERS_SMTP_PORT": str(mail["smtp"]["port"]),
            "ORDERS_IMAP_PORT": str(mail["imap"]["port"]),
            "ORDERS_MAIL_PASSWORD": secret(mail["smtp"]["password"]),
        }

    @staticmethod
    def places(tools: SimpleNamespace) -> Mapping[str, str]:
        return {
            "the warehouse's tickets": tools.warehouse.url,
            "the spreadsheet of accounting": str(tools.ledger.path),
        }

    def held(self) -> Json:
        tools = self.tools
        return {
            "warehouse": [
                {
                    "summary": issue["fields"]["summary"],
                    "done": issue["fields"]["status"]["statusCategory"]["key"] == "done",
                }
                for issue in tools.warehouse.issues()
            ],
            "ledger": tools.ledger.rows(),
            "mail": len(tools.mail.inbox(self.customer.contact)),
        }

    @property
    def number(self) -> str:
        return f"O-{self.customer.vat_id[-5:]}"

    # --------------------------------------------------------------------------------- acts

    def _post(self, sender: WebhookSandbox, event: str, data: Mapping[str, Any]) -> None:
        """A tool that can only POST posts, and tries again until it is told that it was taken."""
        sent: Message = sender.send(event, data)

        def taken() -> bool:
            if not sent.delivered:
                sender.retry()
            return sent.delivered

        wait_for(f"{event} is taken", taken)

    def order(self) -> None:
        """The customer orders in the web shop."""
        customer = self.customer
        data = {
            "id": self.number,
            "title": f"Order {self.number}",
            "status": "placed",
            "total": f"{customer.amount}.00",
            "customer": {"name": customer.name, "email": customer.contact},
            "lines": list(LINES),
            "updated_at": "2026-01-05T09:00:00Z",
        }
        self._post(self.tools.shop, "order.created", data)
        case = self.case_called(f"{self.number} for {customer.name}")
        self.note(
            "order", customer.name, "shop",
            f"orders {len(LINES)} articles for CHF {customer.amount}",
            f"case '{case['title']}' starts; {case['accountable']['name']} answers for it",
        )  # fmt: skip

    def first_voice(self) -> None:
        """One voice of two decides nothing."""
        self.decide("dana", "credit", "granted", "They always pay.")
        step = self.steps()["credit"]
        self.note(
            "first_voice", "Dana Meier (finance)", "hub", "grants credit, seeing the evidence",
            f"step 'credit' is {step['status']}: two must agree",
        )  # fmt: skip

    def second_voice(self) -> None:
        self.decide("lee", "credit", "granted")
        wait_for("credit is granted", lambda: self.reached("credit", "completed"))
        self.note(
            "second_voice", "Lee Kim (finance)", "hub", "grants credit too",
            "step 'credit' is completed; each line of the order is a ticket now",
        )  # fmt: skip

    def pick(self) -> None:
        """The warehouse has a ticket for each line, and closes them."""
        jira = self.tools.warehouse
        for line in LINES:
            title = f"Pick {line['quantity']} x {line['article']} for {self.customer.name}"
            issue = wait_for(f"the ticket '{title}'", partial(self._ticket, title))
            wait_for(f"the hub knows the ticket '{title}'", partial(self._known, issue["id"]))
            if issue["fields"]["status"]["statusCategory"]["key"] != "done":
                jira.transition(issue["id"], "Close at once", by="712020:0f1e-sam")
        wait_for("everything is picked", lambda: self.reached("delivered", "active", "completed"))
        self.note(
            "pick", "Sam Rossi (warehouse)", "jira", f"closes {len(LINES)} tickets, a line each",
            "both runs of step 'pick' are completed; the customer is asked by mail",
        )  # fmt: skip

    def _known(self, id: str) -> bool:
        """Whether the hub has heard that its ticket was made: nobody closes one sooner."""
        links = self.admin.get(f"/api/v1/cases/{self.case}")["links"]
        return any(one["external_id"] == id for one in links)

    def _ticket(self, title: str) -> Json:
        issues = self.tools.warehouse.issues()
        return next((one for one in issues if one["fields"]["summary"] == title), None)

    def delivered(self) -> None:
        """The customer answers the mail by a reply; no account, and no link either."""
        customer, mail = self.customer, self.tools.mail
        asked = wait_for(
            "mail to the customer", lambda: self.mail(customer.contact, "Did everything arrive?")
        )
        if not self.reached("delivered", "completed"):
            to = parseaddr(str(asked["Reply-To"]))[1]
            text = "All there, thank you.\n\nReceived by: Ann\n"
            mail.send(customer.contact, to, f"Re: {asked['Subject']}", text, asked)
        wait_for("the reply is taken", lambda: self.reached("delivered", "completed"))
        self.note(
            "delivered", customer.contact, "mail", "replies: 'Received by: Ann'",
            "step 'delivered' is completed; the process 'invoicing' begins",
        )  # fmt: skip

    def invoice(self) -> None:
        """Accounting finds a row in their spreadsheet, and sets its status."""
        title = f"Invoice {self.customer.name} for {self.number}"
        ledger = self.tools.ledger
        row = wait_for(
            "a row for accounting",
            lambda: next((one for one in ledger.rows() if one.get("Title") == title), None),
        )
        ledger.edit(row["ID"], Status="Done", Notes="Sent by mail")
        part = self.steps()["invoice"]["subcase"]
        wait_for(
            "the invoice is written", lambda: self.steps(part)["write"]["status"] == "completed"
        )
        self.note(
            "invoice", "Lee Kim (accounting)", "ledger.xlsx", f"sets row '{title}' to Done",
            "step 'write' is completed; now the case waits for the bank",
        )  # fmt: skip

    def payment(self) -> None:
        """The bank tells of the payment, which names the order."""
        customer = self.customer
        data = {
            "id": f"B-{self.number}",
            "text": f"{customer.name} {self.number}",
            "amount": f"{customer.amount}.00",
            "reference": self.number,
            "updated_at": "2026-01-20T09:00:00Z",
        }
        self._post(self.tools.bank, "payment.booked", data)
        wait_for("the payment is known", lambda: self.reached("invoice", "completed"))
        self.note(
            "payment", customer.name, "bank", f"pays CHF {customer.amount}",
            "the wait for it is over, and with it the process 'invoicing'",
        )  # fmt: skip

    def paid(self) -> None:
        """The case is complete, and whoever answers for it hears of it."""
        wait_for(
            "the case is completed",
            lambda: self.admin.get(f"/api/v1/cases/{self.case}")["status"] == "completed",
        )
        wait_for("mail to Dana", lambda: self.mail("dana@acme.test", f"{self.customer.name}: paid"))
        self.note(
            "paid", "Process Hub", "hub", "reaches the milestone 'Paid'",
            "the case is completed; Dana Meier hears of it",
        )  # fmt: skip
