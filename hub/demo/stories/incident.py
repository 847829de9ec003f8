"""An incident: monitoring sends the same alert twice, people answer in Slack by buttons,
engineering has issues, the supplier answers a mail, and what was not over goes back once.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from connectors.slack.blocks import ACTIONS
from connectors.slack.sandbox import SlackSandbox
from connectors.webhook.sandbox import WebhookSandbox
from hub.demo.client import StoryFailed, wait_for
from hub.demo.story import Story

Json = Any


class Incident(Story):
    BEGINS = "monitoring, a chat, a ticket tool and a mail server"
    ACTS = (
        "alert", "again", "severity", "fix", "cause", "not_yet", "fix_again", "over", "review",
        "settled",
    )  # fmt: skip
    STAGED = (
        ("settled", "failed, and is repaired."),
        ("cause", "is repaired; somebody must say whether it is over."),
        ("alert", "fails; somebody must say how bad it is."),
    )
    SIGNS_IN = "ada"

    @staticmethod
    def tools_in(home: Path) -> SimpleNamespace:
        return SimpleNamespace(
            monitor=WebhookSandbox(), slack=SlackSandbox(), github=GithubSandbox(),
            mail=EmailSandbox(),
        )  # fmt: skip

    @staticmethod
    def environment(tools: SimpleNamespace) -> Mapping[str, str]:
        slack, github = tools.slack.connection(), tools.github.connection()
        mail = tools.mail.connection()
        secrets: dict[str, str] = {**tools.slack.env(), **tools.github.env(), **tools.mail.env()}

        def secret(reference: str) -> str:
            return secrets[reference.removeprefix("env:")]

        return {
            "INCIDENT_MONITOR_HOOK": tools.monitor.env()["SHOP_HOOK"],
            "INCIDENT_SLACK_URL": slack["base_url"],
            "INCIDENT_SLACK_TOKEN": secret(slack["auth"]["token"]),
            "INCIDENT_SLACK_CHANNEL": slack["channel"],
            "INCIDENT_SLACK_HOOK": secret(slack["webhook"]["secret"]),
            "INCIDENT_GITHUB_URL": github["base_url"],
            "INCIDENT_GITHUB_TOKEN": secret(github["auth"]["token"]),
            "INCIDENT_GITHUB_HOOK": secret(github["webhook"]["secret"]),
            "INCIDENT_SMTP_PORT": str(mail["smtp"]["port"]),
            "INCIDENT_IMAP_PORT": str(mail["imap"]["port"]),
            "INCIDENT_MAIL_PASSWORD": secret(mail["smtp"]["password"]),
        }

    @staticmethod
    def places(tools: SimpleNamespace) -> Mapping[str, str]:
        return {
            "the chat": f"{tools.slack.url}/client",
            "the ticket tool": f"{tools.github.url}/acme/ops/issues/1",
        }

    def held(self) -> Json:
        return {
            "github": [
                {"number": i["number"], "title": i["title"], "state": i["state"]}
                for i in sorted(self.tools.github.issues(), key=lambda issue: issue["number"])
            ],
            "mail": len(self.tools.mail.inbox(self.customer.contact)),
        }

    @property
    def title(self) -> str:
        return f"Payments by {self.customer.name} fail"

    # --------------------------------------------------------------------------------- acts

    def _fire(self, number: int) -> None:
        """Monitoring posts an alert, and tries again until it is told that it was taken."""
        name = self.customer.name
        data = {
            "id": f"A-{self.customer.vat_id[-4:]}-{number}",
            "check": f"payments/{name}",
            "service": f"payments by {name}",
            "summary": self.title,
            "status": "firing",
            "supplier": self.customer.contact,
            "updated_at": f"2026-01-05T09:0{number}:00Z",
        }
        sent = self.tools.monitor.send("alert.created", data)

        def taken() -> bool:
            if not sent.delivered:
                self.tools.monitor.retry()
            return bool(sent.delivered)

        wait_for("the alert is taken", taken)

    def alert(self) -> None:
        """Monitoring notices something."""
        self._fire(1)
        case = self.case_called(self.title)
        self.note(
            "alert", "Monitoring", "monitor", f"alerts: {self.title}",
            f"an incident begins; {case['accountable']['name']} answers for it",
        )  # fmt: skip

    def again(self) -> None:
        """The same check alerts again; that is the same incident."""
        self._fire(2)
        wait_for(
            "the second alert is in the case",
            lambda: len(self.admin.get(f"/api/v1/cases/{self.case}")["items"]) == 2,
        )
        running = self.admin.items("/api/v1/cases", q=self.title)
        if len(running) != 1:
            raise StoryFailed(f"The same alert made {len(running)} incidents.")
        self.note(
            "again", "Monitoring", "monitor", "sends an alert of the same check",
            "it joins the incident that is there",
        )  # fmt: skip

    def _press(self, person: int, key: str, choice: str, run: int = 1) -> None:
        """Somebody presses a button in Slack, each message's once: what has changed since is shown
        in another message, whose button counts.
        """
        slack = self.tools.slack
        user = slack.people[person]
        title = wait_for(
            f"step '{key}' is asked", lambda: self.reached(key, "active", "completed", run=run)
        )["title"]

        def message() -> str | None:
            """The newest message with buttons about this step."""
            room = slack.direct(user)
            for ts, row in sorted(slack.state.channels[room].messages.items(), reverse=True):
                buttons = any(one.get("block_id") == ACTIONS for one in row.get("blocks", ()))
                if buttons and title in str(row):
                    return f"{room}:{ts}"
            return None

        pressed: set[str] = set()

        def taken() -> bool:
            if self.reached(key, "completed", run=run) or self.steps()[key]["run"] > run:
                return True
            asked = message()
            if asked and asked not in pressed and slack.click(asked, choice, user).status == 200:
                pressed.add(asked)
            return False

        wait_for(f"'{choice}' is taken", taken)

    def severity(self) -> None:
        """Who is on call says how bad it is, by a button in the chat."""
        self._press(1, "severity", "major")
        self.note(
            "severity", "Ben Lutz (on call)", "slack", "presses the button 'major'",
            "engineering has an issue; the supplier is asked by mail",
        )  # fmt: skip

    def _close(self, title: str, number: int, comment: str) -> Json:
        """Engineering closes the nth issue of this title."""
        github = self.tools.github

        def issue() -> Json:
            found = [one for one in github.issues() if one["title"] == title]
            return found[number - 1] if len(found) >= number else None

        one = wait_for(f"issue {number} '{title}'", issue)
        if one["state"] != "closed":
            github.comment(one["number"], comment, by="dmeier")
            github.close_issue(one["number"], by="dmeier")
        return one

    def fix(self) -> None:
        issue = self._close(self._repair, 1, "Restarted the gateway.")
        wait_for("the repair is completed", lambda: self.reached("fix", "completed"))
        self.note(
            "fix", "Cleo Marti (engineering)", "github", f"closes issue #{issue['number']}",
            "step 'fix' is completed; the lead is asked in Slack whether it is over",
        )  # fmt: skip

    @property
    def _repair(self) -> str:
        return f"Repair payments by {self.customer.name}"

    def cause(self) -> None:
        """The supplier answers the mail by a reply; no account."""
        contact, mail = self.customer.contact, self.tools.mail
        asked = wait_for("mail to the supplier", lambda: self.mail(contact, "What was the cause"))
        if not self.reached("cause", "completed"):
            to = parseaddr(str(asked["Reply-To"]))[1]
            text = "Sorry for that.\n\nCause: an expired certificate\n"
            mail.send(contact, to, f"Re: {asked['Subject']}", text, asked)
        wait_for("the reply is taken", lambda: self.reached("cause", "completed"))
        self.note(
            "cause", contact, "mail", "replies: 'Cause: an expired certificate'",
            "step 'cause' is completed",
        )  # fmt: skip

    def not_yet(self) -> None:
        """The lead says that it is not over: it goes back."""
        self._press(0, "over", "not_yet")
        wait_for("engineering has it again", lambda: self.reached("fix", "active", run=2))
        self.note(
            "not_yet", "Ada Berg (incident lead)", "slack", "presses the button 'not yet'",
            "step 'fix' begins a second run, with an issue of its own",
        )  # fmt: skip

    def fix_again(self) -> None:
        issue = self._close(self._repair, 2, "The certificate is renewed.")
        wait_for("the repair is completed", lambda: self.reached("fix", "completed", run=2))
        self.note(
            "fix_again", "Cleo Marti (engineering)", "github", f"closes issue #{issue['number']}",
            "the second run of step 'fix' is completed; the lead is asked anew",
        )  # fmt: skip

    def over(self) -> None:
        self._press(0, "over", "over", run=2)
        self.note(
            "over", "Ada Berg (incident lead)", "slack", "presses the button 'over'",
            "the decision of the second run is made; the review begins",
        )  # fmt: skip

    def review(self) -> None:
        """The case is complete, and who was on call hears of it."""
        issue = self._close(f"Review: {self.title}", 1, "Written, see the wiki.")
        wait_for(
            "the case is completed",
            lambda: self.admin.get(f"/api/v1/cases/{self.case}")["status"] == "completed",
        )
        self.note(
            "review", "Cleo Marti (engineering)", "github", f"closes issue #{issue['number']}",
            "the case is completed; Ben Lutz hears of it in Slack",
        )  # fmt: skip
