"""What the sandbox's site holds: people, projects with their workflows, issues, and a search index
that may lag behind all of it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]

STATUSES: Mapping[str, tuple[str, str]] = {
    "To Do": ("10000", "new"),
    "In Progress": ("10001", "indeterminate"),
    "Done": ("10002", "done"),
    "Blocked": ("10003", "indeterminate"),
    "Won't Do": ("10004", "done"),
    "Approved": ("10005", "done"),
}
_CATEGORIES = {
    "new": (2, "To Do", "blue-gray"),
    "indeterminate": (4, "In Progress", "yellow"),
    "done": (3, "Done", "green"),
}
PRIORITIES = {"Highest": "1", "High": "2", "Medium": "3", "Low": "4", "Lowest": "5"}
RESOLUTIONS = {"Done": "10000", "Won't Do": "10001", "Duplicate": "10002"}
TYPES = {"Task": "10100", "Bug": "10101", "Story": "10102"}
CHOICES = {"Gold": "10020", "Silver": "10021", "Bronze": "10022"}
"""Of `customfield_10010`, a select list called "Service level"."""


class Refused(Exception):
    """Leaves with Jira's answer: field to reason, or general messages."""

    def __init__(self, status: int = 400, *messages: str, **errors: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": errors}
        self.headers: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Transition:
    """`origin` None: from every status. `hidden`: a condition keeps it from the hub's user.
    `forbidden`: it is offered, and a validator refuses it.
    """

    id: str
    name: str
    to: str
    origin: str | None = None
    needs_resolution: bool = False
    hidden: bool = False
    forbidden: bool = False


WORKFLOWS: Mapping[str, tuple[Transition, ...]] = {
    "OPS": (
        Transition("11", "Start work", "In Progress", "To Do"),
        Transition("21", "Block", "Blocked", "In Progress"),
        Transition("31", "Finish", "Done", "In Progress"),
        Transition("41", "Back to the list", "To Do"),
        Transition("51", "Close at once", "Done", "To Do"),
    ),
    "WEB": (
        Transition("101", "Take", "In Progress", "To Do"),
        Transition("111", "Resolve", "Done", "In Progress", needs_resolution=True),
        Transition("121", "Escalate", "Blocked", forbidden=True),
        Transition("131", "Approve", "Approved", hidden=True),
    ),
}


@dataclass(slots=True)
class Issue:
    """`index` is what the search saw: moment (monotonic) and state, None once deleted."""

    id: str
    row: Row
    index: list[tuple[float, Row | None]] = field(default_factory=list)
    deleted: bool = False
    keys: list[str] = field(default_factory=list)


class Site:
    """All state. Called under the sandbox's lock. `told` hears of every change."""

    def __init__(
        self,
        url: Callable[[], str],
        clock: Callable[[], datetime],
        told: Callable[[str, Issue, Row | None, str, Row], None],
    ) -> None:
        self.url = url
        self.clock = clock
        self.told = told
        self.people: dict[str, Row] = {}
        self.issues: dict[str, Issue] = {}
        self.projects = {
            key: {"id": str(10000 + number), "key": key, "name": f"Project {key}"}
            for number, key in enumerate(WORKFLOWS)
        }
        self._numbers = dict.fromkeys(WORKFLOWS, 0)
        self._next = 10000
        self.off_screen: set[str] = set()
        """Fields that an admin took off the screens: they are read, and cannot be set."""
        self.zone = "Europe/Vienna"
        """Time zone of the hub's user."""

    # -------------------------------------------------------------------------------------- people

    def add_person(self, id: str, name: str, email: str | None, kind: str = "atlassian") -> Row:
        """`email` None: hidden, as people may choose."""
        row = {
            "self": f"{self.url()}/rest/api/3/user?accountId={id}",
            "accountId": id,
            "accountType": kind,
            "displayName": name,
            "active": True,
            **({"emailAddress": email} if email else {}),
        }
        self.people[id] = row
        return row

    def person(self, id: str) -> Row:
        return {**self.people[id], "self": f"{self.url()}/rest/api/3/user?accountId={id}"}

    # -------------------------------------------------------------------------------------- shapes

    def now(self) -> str:
        return self.stamp(self.clock())

    def stamp(self, at: datetime) -> str:
        """As Jira writes it, in the zone of whoever asks."""
        local = at.astimezone(ZoneInfo(self.zone))
        return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03}{local:%z}"

    def status(self, name: str) -> Row:
        id, category = STATUSES[name]
        number, label, colour = _CATEGORIES[category]
        return {
            "self": f"{self.url()}/rest/api/3/status/{id}",
            "id": id,
            "name": name,
            "statusCategory": {
                "id": number,
                "key": category,
                "name": label,
                "colorName": colour,
            },
        }

    def chosen(self, kind: str, table: Mapping[str, str], name: str) -> Row:
        id = table[name]
        return {"self": f"{self.url()}/rest/api/3/{kind}/{id}", "id": id, "name": name}

    # -------------------------------------------------------------------------------------- issues

    def number(self) -> str:
        self._next += 1
        return str(self._next)

    def key(self, project: str) -> str:
        self._numbers[project] += 1
        return f"{project}-{self._numbers[project]}"

    def find(self, id_or_key: str) -> Issue:
        """By id, key or a key it had before it moved."""
        wanted = id_or_key.upper()
        for issue in self.issues.values():
            if not issue.deleted and (issue.id == id_or_key or wanted in issue.keys):
                return issue
        raise Refused(404, "Issue does not exist or you do not have permission to see it.")

    def create(self, project: str, fields: Mapping[str, Any], by: str, properties: Row) -> Issue:
        id, key, now = self.number(), self.key(project), self.now()
        row = {
            "id": id,
            "key": key,
            "properties": properties,
            "fields": {
                "summary": "",
                "description": None,
                "priority": self.chosen("priority", PRIORITIES, "Medium"),
                "labels": [],
                "assignee": None,
                "reporter": self.person(by),
                "duedate": None,
                "resolution": None,
                "parent": None,
                "customfield_10010": None,
                "customfield_10016": None,
                **fields,
                "project": dict(self.projects[project]),
                "status": self.status("To Do"),
                "creator": self.person(by),
                "created": now,
                "updated": now,
            },
            "comments": [],
        }
        issue = Issue(id, row, keys=[key])
        self.issues[id] = issue
        self.touched(issue)
        self.told("jira:issue_created", issue, None, by, {})
        return issue

    def edit(self, issue: Issue, fields: Mapping[str, Any], by: str) -> None:
        held = issue.row["fields"]
        changed = {name: value for name, value in fields.items() if held.get(name) != value}
        if not changed:
            return
        items = [
            {"field": name, "fieldId": name, "from": None, "to": None} for name in sorted(changed)
        ]
        held.update(changed)
        self.changed(issue, by, {"changelog": {"id": self.number(), "items": items}})

    def changed(self, issue: Issue, by: str, more: Row) -> None:
        issue.row["fields"]["updated"] = self.now()
        self.touched(issue)
        self.told("jira:issue_updated", issue, None, by, more)

    def touched(self, issue: Issue) -> None:
        state: Row | None = None if issue.deleted else copy.deepcopy(issue.row)
        issue.index.append((time.monotonic(), state))

    def move(self, issue: Issue, project: str, by: str) -> None:
        issue.row["key"] = self.key(project)
        issue.keys.append(issue.row["key"])
        issue.row["fields"]["project"] = dict(self.projects[project])
        self.changed(issue, by, {"changelog": {"items": [{"field": "Key"}]}})

    def delete(self, issue: Issue, by: str) -> None:
        issue.deleted = True
        self.touched(issue)
        self.told("jira:issue_deleted", issue, None, by, {})

    def transitions(self, issue: Issue, *, hub: bool = True) -> list[Transition]:
        now = issue.row["fields"]["status"]["name"]
        project = issue.row["fields"]["project"]["key"]
        return [
            one
            for one in WORKFLOWS[project]
            if one.origin in (None, now) and one.to != now and not (hub and one.hidden)
        ]

    def carry_out(self, issue: Issue, step: Transition, fields: Mapping[str, Any], by: str) -> None:
        status = self.status(step.to)
        done = status["statusCategory"]["key"] == "done"
        extra: Row = dict(fields) if done else {"resolution": None}
        if done and "resolution" not in extra:
            extra["resolution"] = self.chosen("resolution", RESOLUTIONS, "Done")
        self.edit(issue, {"status": status, **extra}, by)

    # ------------------------------------------------------------------------------------ comments

    def add_comment(self, issue: Issue, body: Any, by: str, more: Row) -> Row:
        now = self.now()
        row = {
            "id": self.number(),
            "author": self.person(by),
            "updateAuthor": self.person(by),
            "body": body,
            "created": now,
            "updated": now,
            "jsdPublic": True,
            "properties": [],
            **more,
        }
        row["self"] = f"{self.url()}/rest/api/3/issue/{issue.id}/comment/{row['id']}"
        issue.row["comments"].append(row)
        self._comment_changed("comment_created", issue, row, by)
        return row

    def edit_comment(self, issue: Issue, row: Row, by: str, values: Row) -> None:
        if all(row.get(name) == value for name, value in values.items()):
            return
        row.update(values, updated=self.now(), updateAuthor=self.person(by))
        self._comment_changed("comment_updated", issue, row, by)

    def delete_comment(self, issue: Issue, row: Row, by: str) -> None:
        issue.row["comments"].remove(row)
        self._comment_changed("comment_deleted", issue, row, by)

    def _comment_changed(self, event: str, issue: Issue, row: Row, by: str) -> None:
        issue.row["fields"]["updated"] = self.now()
        self.touched(issue)
        self.told(event, issue, row, by, {})

    def comment(self, id: str, issue: Issue | None = None) -> tuple[Issue, Row]:
        for one in [issue] if issue else self.issues.values():
            for row in [] if one.deleted else one.row["comments"]:
                if row["id"] == id:
                    return one, row
        raise Refused(404, f"Can not find a comment for the id: {id}.")

    # -------------------------------------------------------------------------------------- search

    def indexed(self, lag: float, fresh: set[str]) -> list[Row]:
        """What the search finds: the state of `lag` seconds ago, but of `fresh` the present one."""
        until = time.monotonic() - lag
        found = []
        for issue in self.issues.values():
            seen = [row for at, row in issue.index if at <= until or issue.id in fresh]
            if seen and (last := seen[-1]) is not None:
                found.append(last)
        return found


def utc(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)
