"""Customer onboarding: a deal is won in the CRM; legal and engineering have issues, finance a row
in a spreadsheet, a person decides on credit, and the customer answers by a link in a mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.demo.client import Client, StoryFailed, wait_for
from hub.demo.story import Story, link_and_code

Json = Any


class Onboarding(Story):
    BEGINS = "a CRM, a ticket tool, a mail server and a spreadsheet"
    ACTS = (
        "win", "contract", "documents", "billing", "ask_credit", "credit", "tenant", "live",
        "settled",
    )  # fmt: skip
    STAGED = (
        ("settled", "is live."),
        ("ask_credit", "waits for a decision."),
        ("contract", "is asked for its documents."),
    )
    SIGNS_IN = "lee"

    @staticmethod
    def tools_in(home: Path) -> SimpleNamespace:
        return SimpleNamespace(
            crm=SalesforceSandbox(),
            github=GithubSandbox(),
            mail=EmailSandbox(),
            tracker=SpreadsheetSandbox(home / "tracker"),
        )

    @staticmethod
    def environment(tools: SimpleNamespace) -> Mapping[str, str]:
        crm, github = tools.crm.connection(), tools.github.connection()
        mail, tracker = tools.mail.connection(), tools.tracker.connection()
        secrets: dict[str, str] = {**tools.crm.env(), **tools.github.env(), **tools.mail.env()}

        def secret(reference: str) -> str:
            return secrets[reference.removeprefix("env:")]

        return {
            "ONBOARDING_CRM_URL": crm["base_url"],
            "ONBOARDING_CRM_ID": secret(crm["auth"]["client_id"]),
            "ONBOARDING_CRM_SECRET": secret(crm["auth"]["client_secret"]),
            "ONBOARDING_CRM_HOOK_TOKEN": secret(crm["webhook"]["token"]),
            "ONBOARDING_GITHUB_URL": github["base_url"],
            "ONBOARDING_GITHUB_TOKEN": secret(github["auth"]["token"]),
            "ONBOARDING_GITHUB_HOOK": secret(github["webhook"]["secret"]),
            "ONBOARDING_TRACKER": tracker["path"],
            "ONBOARDING_SMTP_PORT": str(mail["smtp"]["port"]),
            "ONBOARDING_IMAP_PORT": str(mail["imap"]["port"]),
            "ONBOARDING_MAIL_PASSWORD": secret(mail["smtp"]["password"]),
        }

    @staticmethod
    def posts(tools: SimpleNamespace, url: str) -> None:
        """Salesforce cannot sign: a token stands in its address."""
        tools.github.webhook_url = f"{url}/github"
        token = Onboarding.environment(tools)["ONBOARDING_CRM_HOOK_TOKEN"]
        tools.crm.webhook_url = f"{url}/crm/{token}"

    @staticmethod
    def places(tools: SimpleNamespace) -> Mapping[str, str]:
        return {
            "the ticket tool": f"{tools.github.url}/acme/ops/issues/1",
            "the spreadsheet": str(tools.tracker.path),
        }

    def held(self) -> Json:
        tools = self.tools
        return {
            "github": [
                {"number": i["number"], "title": i["title"], "state": i["state"]}
                for i in sorted(tools.github.issues(), key=lambda issue: issue["number"])
            ],
            "tracker": tools.tracker.rows(),
            "mail": len(tools.mail.inbox(self.customer.contact)),
        }

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
        case = self.case_called(title)
        self.note(
            "win", "Sam Okafor (sales)", "crm", f"wins the deal '{customer.name} annual plan'",
            f"case '{title}' starts; {case['accountable']['name']} answers for it",
        )  # fmt: skip

    def contract(self) -> None:
        """Legal finds an issue in their tracker, and closes it."""
        issue = wait_for(
            "an issue for legal", lambda: self.issue(f"Sign the contract with {self.customer.name}")
        )
        assigned = [one["login"] for one in issue["assignees"]]
        self.tools.github.comment(issue["number"], "Countersigned and filed.", by="lkim")
        self.tools.github.close_issue(issue["number"], by="lkim")
        wait_for("the contract step is completed", lambda: self.reached("contract", "completed"))
        self.note(
            "contract", "Lee Kim (legal)", "github",
            f"closes issue #{issue['number']} '{issue['title']}' (of {', '.join(assigned)})",
            "step 'contract' is completed; the customer is asked by mail",
        )  # fmt: skip

    def documents(self) -> None:
        """The customer answers by a link in a mail, with the code that stands in it; no account."""
        customer = self.customer
        mail = wait_for(
            "mail to the customer", lambda: self.mail(customer.contact, "registration documents")
        )
        page, code = link_and_code(mail)
        anybody = Client(self.world, token="none")  # noqa: S106 - a customer has no token
        shown = anybody.request("GET", page)
        if shown.status_code != 200:
            raise StoryFailed(f"The customer's page answered {shown.status_code}.")
        fields = {"vat_id": customer.vat_id, "contact": "Ann", "code": code}

        def answered() -> bool:
            if self.reached("documents", "completed"):
                return True
            answer = anybody.request("POST", page, data=fields)
            if answer.status_code not in (200, 303, 409):
                raise StoryFailed(f"The answer was refused: {answer.status_code}.")
            return False

        wait_for("the customer's answer is taken", answered)
        anybody.close()
        self.note(
            "documents", customer.contact, "mail",
            f"opens the link, enters the code and the VAT number {customer.vat_id}",
            "step 'documents' is completed; finance and the credit decision are next",
        )  # fmt: skip

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
        wait_for("the billing step is completed", lambda: self.reached("billing", "completed"))
        self.note(
            "billing", "Sam Okafor (finance)", "tracker.xlsx", f"sets row '{title}' to Done",
            "step 'billing' is completed",
        )  # fmt: skip

    def ask_credit(self) -> None:
        """The credit decision waits for a person."""
        step = wait_for(
            "the credit decision is asked for",
            lambda: self.reached("credit", "active", "completed"),
        )
        self.note(
            "ask_credit", "Process Hub", "hub",
            f"asks {step['responsible']['name']}: {step['title']}",
            "nothing is decided by silence; the case waits",
        )  # fmt: skip

    def credit(self) -> None:
        """A person decides, on the evidence shown. An assistant could not."""
        refused = self.admin.request(
            "POST",
            f"/api/v1/decisions/{self.steps()['credit']['decision']}",
            json={"outcome": "approved", "evidence_hash": "0" * 64},
        )
        if refused.status_code not in (403, 409):
            raise StoryFailed(f"A token without a person could decide: {refused.status_code}.")
        self.decide("lee", "credit", "approved", "Rated A by the bureau.")
        wait_for("the credit step is completed", lambda: self.reached("credit", "completed"))
        self.note(
            "credit", "Lee Kim (finance lead)", "hub", "approves the credit, seeing the evidence",
            "step 'credit' is completed; a token without a person was refused",
        )  # fmt: skip

    def tenant(self) -> None:
        """Engineering takes its issue, and closes it."""
        issue = wait_for(
            "an issue for engineering",
            lambda: self.issue(f"Create the tenant of {self.customer.name}"),
        )
        self.tools.github.comment(issue["number"], "Tenant is up.", by="dmeier")
        self.tools.github.close_issue(issue["number"], by="dmeier")
        wait_for("the tenant step is completed", lambda: self.reached("tenant", "completed"))
        self.note(
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
        self.note(
            "live", "Process Hub", "hub", "reaches the milestone 'Live'",
            "the case is completed; a task to call the customer is in the CRM",
        )  # fmt: skip

    def _call_task(self) -> Json:
        wanted = f"Call {self.customer.name}: they are live"
        tasks = self.tools.crm.records("Task")
        return next((row for row in tasks if row["Subject"] == wanted), None)
