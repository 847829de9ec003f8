"""A Jira Cloud site on loopback: REST v3, workflows, a search that may lag, signed webhooks, OAuth,
and people who act.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from connectors.jira.client import bucket
from connectors.jira.documents import of_text
from connectors.jira.drill import JiraDrill
from connectors.jira.sandbox_api import EMAIL, TOKEN, JiraApi
from connectors.jira.sandbox_fields import resolution, taken
from connectors.jira.sandbox_hooks import SECRET, Hooks, utc_now
from connectors.jira.sandbox_oauth import CLIENT_ID, CLIENT_SECRET, Authority
from connectors.jira.sandbox_site import TYPES, Refused, Row, Site
from connectors.sdk.faults import Kind
from connectors.sdk.sandbox import Asgi, Drill, HttpSandbox

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "EMAIL", "SECRET", "TOKEN", "JiraSandbox"]

PEOPLE = (
    ("5b10a2844c20165700ede21g", "Dana Meier", "dana@acme.test"),
    ("5b10ac8d82e05b22cc7d4ef5", "Lee Kim", None),
    ("712020:0f1e-sam", "Sam Rossi", "sam@acme.test"),
)


class JiraSandbox(HttpSandbox):
    """Projects OPS and WEB. `present` tells the time that stamps changes, `admin` is whether the
    hub's user administers Jira, `conflicts` transitions end in 409, `page` rows fit on a page.
    """

    name: ClassVar[str] = "jira"

    def __init__(self, page: int = 100, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.page = page
        self.skew = timedelta()
        self.present = clock or utc_now
        self.admin = True
        self.conflicts = 0
        self.age = 0  # of page tokens; counted up, those handed out before have ended
        self.locked_out = False
        self.slowed: dict[str, int] = {}
        self.authority = Authority()
        self.hooks = Hooks(self)
        self.site = Site(lambda: self.url, lambda: self.clock(), self.hooks.told)
        self.bot = "712020:hub-bot"
        self.first_person = PEOPLE[0][0]

    def clock(self) -> datetime:
        return self.present() + self.skew

    def start(self, port: int = 0) -> None:
        super().start(port)
        with self.lock:
            self.site.add_person(self.bot, "Process Hub", EMAIL)
            for id, name, email in PEOPLE:
                self.site.add_person(id, name, email)
            self.site.add_person("557058:automation", "Automation for Jira", None, "app")
        self.hooks.start()

    def stop(self) -> None:
        self.hooks.stop()
        super().stop()

    def connection(self) -> dict[str, Any]:
        return {
            "connector": "jira",
            "base_url": self.url,
            "projects": ["OPS", "WEB"],
            "page_size": min(self.page, 100),
            "auth": {"email": EMAIL, "api_token": "env:HUB_SANDBOX_JIRA_TOKEN"},
            "webhook": {"secret": "env:HUB_SANDBOX_JIRA_SECRET"},
        }

    def app_connection(self) -> dict[str, Any]:
        """The same site for an OAuth app; a person agrees at `/authorize`."""
        return {
            **self.connection(),
            "api_url": self.url,
            "auth_url": self.url,
            "auth": {"client_id": CLIENT_ID, "client_secret": "env:HUB_SANDBOX_JIRA_CLIENT"},
            "webhook": {},
        }

    def env(self) -> dict[str, str]:
        return {
            "HUB_SANDBOX_JIRA_TOKEN": TOKEN,
            "HUB_SANDBOX_JIRA_SECRET": SECRET,
            "HUB_SANDBOX_JIRA_CLIENT": CLIENT_SECRET,
        }

    def app(self) -> Asgi:
        return JiraApi(self).app()

    def kind(self, method: str, path: str) -> Kind:
        if path == "/oauth/token":
            return "sign-in"
        return "read" if bucket(method, path) == "read" else "write"

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        headers = {"content-type": "application/json;charset=UTF-8"}
        if status == 429:
            headers["ratelimit-reason"] = "jira-burst-based"
        told = {"errorMessages": ["Refused on purpose."], "errors": {}}
        return headers, json.dumps(told).encode()

    def drill(self) -> Drill:
        return JiraDrill(self)

    def populate(self) -> None:
        text = "The tenant of **Acme** needs:\n\n- a database\n- two users"
        first = self.create_issue("Prepare the tenant", text=text, labels=["onboarding"])
        self.comment(first, "Database is there, users follow *tomorrow*.", PEOPLE[1][0])
        self.transition(first, "Start work")
        self.create_issue("Order the badge", assignee={"accountId": PEOPLE[2][0]})
        self.create_issue("Publish the landing page", project="WEB", type="Story")

    def slow_down(self, id: str) -> None:
        """Refuse a write to an issue of which there were too many. Raises Refused."""
        if self.slowed.get(id, 0) > 0:
            self.slowed[id] -= 1
            raise TooMany()

    # ------------------------------------------------------------------------------- what people do

    def create_issue(
        self,
        summary: str,
        project: str = "OPS",
        by: str | None = None,
        text: str | None = None,
        type: str = "Task",
        **fields: Any,
    ) -> str:
        """The new issue's id; `text` in Markdown, `fields` as in the API."""
        with self.lock:
            wanted = {"summary": summary, "description": of_text(text), **fields}
            wanted |= {"project": {"key": project}, "issuetype": {"id": TYPES[type]}}
            who = by or self.first_person
            stored = taken(self.site, wanted, creating=True, by=who)
            stored.pop("project")
            return self.site.create(project, stored, who, {}).id

    def edit_issue(self, id: str, by: str | None = None, **fields: Any) -> None:
        with self.lock:
            who = by or self.first_person
            stored = taken(self.site, fields, creating=False, by=who)
            self.site.edit(self.site.find(id), stored, who)

    def transition(
        self, id: str, name: str, by: str | None = None, result: str | None = None
    ) -> None:
        """A person presses the button of that name. Raises LookupError where there is none."""
        with self.lock:
            issue = self.site.find(id)
            for step in self.site.transitions(issue, hub=False):
                if step.name == name:
                    given = {"name": result} if result else None
                    extra = {"resolution": resolution(self.site, given)} if given else {}
                    self.site.carry_out(issue, step, extra, by or self.first_person)
                    return
            raise LookupError(f"{issue.row['key']} has no transition '{name}' now.")

    def move_issue(self, id: str, project: str, by: str | None = None) -> None:
        with self.lock:
            self.site.move(self.site.find(id), project, by or self.first_person)

    def delete_issue(self, id: str, by: str | None = None) -> None:
        with self.lock:
            self.site.delete(self.site.find(id), by or self.first_person)

    def comment(self, issue: str, text: str, by: str | None = None) -> str:
        with self.lock:
            one = self.site.find(issue)
            row = self.site.add_comment(one, of_text(text), by or self.first_person, {})
            return str(row["id"])

    def edit_comment(self, id: str, text: str, by: str | None = None) -> None:
        with self.lock:
            issue, row = self.site.comment(id)
            self.site.edit_comment(issue, row, by or self.first_person, {"body": of_text(text)})

    def delete_comment(self, id: str, by: str | None = None) -> None:
        with self.lock:
            self.site.delete_comment(*self.site.comment(id), by or self.first_person)

    def take_off_screen(self, field: str) -> None:
        """An admin takes a field off the screens: it cannot be set any more."""
        with self.lock:
            self.site.off_screen.add(field)

    def put_on_screen(self, field: str) -> None:
        """And back."""
        with self.lock:
            self.site.off_screen.discard(field)

    def issue(self, id: str) -> Row:
        """What the sandbox holds: id, key, fields, properties and comments."""
        with self.lock:
            return dict(self.site.find(id).row)

    def issues(self) -> list[Row]:
        with self.lock:
            return [dict(one.row) for one in self.site.issues.values() if not one.deleted]


class TooMany(Refused):
    """The limit of writes to one issue."""

    def __init__(self) -> None:
        super().__init__(429, "Too many writes to this issue.")
        self.headers = {"ratelimit-reason": "jira-per-issue-on-write", "retry-after": "2"}
