"""What only this vendor's connector can do, or does another way in another configuration: played
beside what every connector can do, to hold it against the vendor's description.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.github.connector import GithubConnector
from connectors.github.sandbox import GithubSandbox
from connectors.google_sheets.connector import GoogleSheetsConnector
from connectors.google_sheets.sandbox import GoogleSheetsSandbox
from connectors.google_sheets.sandbox_grid import Box
from connectors.jira.connector import JiraConnector
from connectors.jira.documents import of_text
from connectors.jira.sandbox import JiraSandbox
from connectors.sdk import Change, Connector, Host, Outcome, Record, Sink
from connectors.sdk.conformance.kit import resolve
from connectors.sdk.faults import Exchange
from connectors.sdk.sandbox import Sandbox
from connectors.slack.connector import SlackConnector
from connectors.slack.sandbox import SlackSandbox

HUB = "https://hub.example.com/webhooks/it"
KEEP = 2000


def settings(cls: type[Connector], sandbox: Sandbox, block: dict[str, Any]) -> Any:
    told = {name: part for name, part in block.items() if name != "connector"}
    return cls.config.model_validate(resolve(told, sandbox.env()))


def done(connector: Sink, change: Change) -> Record:
    [result] = connector.push([change])
    assert (result.outcome, result.message) == (Outcome.OK, "")
    assert result.record is not None
    return result.record


def github() -> list[Exchange]:
    """A milestone, reasons for closing, a lost create, a hook that is there already."""
    with GithubSandbox() as sandbox:
        sandbox.faults.keep = KEEP
        github = GithubConnector("github", settings(GithubConnector, sandbox, sandbox.connection()))
        milestone = sandbox.add_milestone("v1", "2026-04-01T07:00:00Z")
        number = sandbox.open_issue("Seen", "As seen.", labels=["bug"], assignees=["lkim"])
        sandbox.comment(number, "Done?", by="lkim")
        fields = {
            "title": "Wire it",
            "body": "Please",
            "labels": ["bug", "new"],
            "assignee": "dmeier",
            "milestone": milestone,
            "state": "closed",
            "state_reason": "not_planned",
        }
        made = done(github, Change("create", "issue", "k-1", fields))
        changes = {"title": "Wired", "state": "open", "assignee": "lkim", "milestone": None}
        place = (made.id, made.address)
        done(
            github,
            Change("update", "issue", "k-2", changes, *place, base=made.data, version="1"),
        )
        said = {"body": "Hello"}
        done(github, Change("create", "comment", "c-1", said, None, made.address, made.id))
        lost = Change("create", "issue", "k-9", {}, created_at=datetime.now(UTC))
        assert github.find("issue", [lost]) == [None]
        assert list(github.pull("issue", {}, ()))
        assert list(github.pull("comment", {}, ()))
        github.subscribe(HUB)
        github.unsubscribe(github.subscribe(HUB))
        github.close()
        return sandbox.faults.exchanges


def jira() -> list[Exchange]:
    """An app that a person agreed to: transitions, custom fields, batches, its own webhooks."""
    with JiraSandbox() as sandbox:
        sandbox.faults.keep = KEEP
        block = {**sandbox.app_connection(), "notify_users": False}
        jira = JiraConnector("jira", settings(JiraConnector, sandbox, block))
        assert jira.consent is not None
        consent = jira.consent.begin("https://hub.example.com/back")
        answer = httpx.get(consent.url, follow_redirects=False, trust_env=False)
        back = httpx.URL(answer.headers["location"]).params
        jira.consent.finish(consent, back["code"], back["state"])

        seen = sandbox.create_issue("Seen", text="As seen.", labels=["bug"])
        for number in range(25):
            sandbox.comment(seen, f"Said {number}")
        jira.check()
        jira.discover("issue")
        fields = {
            "summary": "Wire it",
            "description": of_text("Please:\n\na database"),
            "labels": ["bug"],
            "priority": "High",
            "assignee": sandbox.first_person,
            "duedate": "2026-12-24",
            "customfield_10010": {"value": "Gold"},
            "status": "In Progress",
        }
        made = done(jira, Change("create", "issue", "k-1", fields))
        changes = {
            "summary": "Wired",
            "status": {"statusCategory": {"key": "done"}},
            "assignee": None,
        }
        done(jira, Change("update", "issue", "k-2", changes, made.id, base=made.data))
        two = [Change("create", "issue", f"b-{n}", {"summary": "x" * n}) for n in (20, 300)]
        assert [one.outcome for one in jira.push(two)] == [Outcome.OK, Outcome.REJECTED]
        [wrong] = jira.push([Change("create", "issue", "w", {"summary": "x", "nonsense": 1})])
        assert wrong.outcome is Outcome.REJECTED
        said = done(
            jira, Change("create", "comment", "c-1", {"body": of_text("Hi")}, parent=made.id)
        )
        change = {"body": of_text("Hi there")}
        done(jira, Change("update", "comment", "c-2", change, said.id, parent=made.id))
        for object, ids in (("issue", [made.id, "1"]), ("comment", [said.id, "1"])):
            assert [one.deleted for one in jira.fetch(object, ids)] == [False, True]
            assert list(jira.pull(object, {}, ()))
        assert list(jira.pull("user", {}, ()))
        jira.fetch("user", [sandbox.first_person, sandbox.bot])
        lost = Change("create", "comment", "c", {}, parent=seen, created_at=datetime.now(UTC))
        assert jira.find("comment", [lost]) == [None]
        jira.unsubscribe(jira.renew(jira.subscribe(HUB)))
        done(jira, Change("delete", "comment", "c-3", {}, said.id, parent=made.id))
        done(jira, Change("delete", "issue", "k-3", {}, made.id))
        jira.close()
        return sandbox.faults.exchanges


def google_sheets() -> list[Exchange]:
    """Rows that a person typed get keys; what stands beside a table is not taken for a part."""
    with GoogleSheetsSandbox() as sandbox:
        sandbox.faults.keep = KEEP
        block = sandbox.connection()
        sheets = GoogleSheetsConnector("it", settings(GoogleSheetsConnector, sandbox, block))
        sandbox.populate()
        [page] = sheets.pull("row", {}, ())
        sandbox.add(Title="Typed by a person")
        sheets.push(
            [
                Change("create", "row", "new", {"Title": "New", "Due": "2026-03-04"}),
                Change("update", "row", "k", {"Status": "Done"}, id=page.records[0].id),
            ]
        )
        sheets.close()
        tab = sandbox.tab("Done")
        for line in tab.boxes:
            line.insert(0, Box())
        tab.box(2, 1).value = tab.box(2, 2).value = "beside"
        other = {**block, "sheets": "Done"}
        beside = GoogleSheetsConnector("it", settings(GoogleSheetsConnector, sandbox, other))
        [result] = beside.push([Change("create", "row", "x", {"Title": "New"})])
        assert result.outcome is Outcome.REJECTED
        beside.close()
        return sandbox.faults.exchanges


def slack() -> list[Exchange]:
    """A token that is renewed, several people at once, an answer in a thread."""
    with SlackSandbox() as sandbox:
        sandbox.rotating = True
        sandbox.faults.keep = KEEP
        slack = SlackConnector(
            "it", settings(SlackConnector, sandbox, sandbox.connection()), Host()
        )
        people = {"to": ["ada@acme.test", "ben@acme.test"], "text": "Who is in?"}
        asked = done(
            slack, Change("create", "message", "m-1", people, created_at=datetime.now(UTC))
        )
        more = {"text": "Well?", "in_reply_to": asked.id}
        done(slack, Change("create", "message", "m-2", more, created_at=datetime.now(UTC)))
        slack.close()
        return sandbox.faults.exchanges


DEEDS: dict[str, Callable[[], list[Exchange]]] = {
    "github": github,
    "google_sheets": google_sheets,
    "jira": jira,
    "slack": slack,
}
