"""What the sandbox's GitHub knows: repositories, issues, comments, and who changed what.

The shapes are those of GitHub's REST answers and webhook payloads, with all their fields. Callers
hold the sandbox's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.github import sandbox_shapes as shapes

Row = dict[str, Any]
Emit = Callable[[str, Row], None]

_DEFAULT_LABELS = {"bug": "d73a4a", "enhancement": "a2eeef", "question": "d876e3"}


class Refused(Exception):
    """GitHub's 422: the errors it lists."""

    def __init__(self, *errors: Row) -> None:
        super().__init__("Validation Failed")
        self.errors = list(errors)


@dataclass(slots=True)
class Repository:
    """One repository with what the sandbox keeps of it."""

    id: int
    name: str
    created_at: str
    labels: dict[str, Row] = field(default_factory=dict)
    milestones: dict[int, Row] = field(default_factory=dict)
    issues: dict[int, Row] = field(default_factory=dict)
    comments: dict[int, Row] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    archived: bool = False


class State:
    """All repositories. Every method that changes something says who did it and emits the webhook
    events that GitHub would send, in its order.
    """

    def __init__(
        self,
        repositories: Sequence[str],
        users: Sequence[str],
        base: Callable[[], str],
        clock: Callable[[], datetime],
        emit: Emit,
    ) -> None:
        self.base = base
        self.clock = clock
        self.emit = emit
        self.users = {login: 583_000 + place for place, login in enumerate(users, 1)}
        self.next_id = 2_451_000_000
        self.repositories: dict[str, Repository] = {}
        for name in repositories:
            self.repositories[name.casefold()] = Repository(self.new_id(), name, self.now())

    def add_default_labels(self) -> None:
        """What GitHub puts into every new repository; once the sandbox knows its own address."""
        for repository in self.repositories.values():
            for label, color in _DEFAULT_LABELS.items():
                self._label(repository, label, color)

    def new_id(self) -> int:
        self.next_id += 7
        return self.next_id

    def now(self) -> str:
        """GitHub's clock ticks in whole seconds."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    # shapes -----------------------------------------------------------------------------------

    def user(self, login: str) -> Row:
        return shapes.user(self.base(), login, self.users.get(login, 583_999))

    def repository(self, repository: Repository) -> Row:
        owner = {**self.user(repository.name.partition("/")[0]), "type": "Organization"}
        open_issues = sum(row["state"] == "open" for row in repository.issues.values())
        shape = shapes.repository(
            self.base(), repository.name, repository.id, owner, repository.created_at, open_issues
        )
        return {**shape, "archived": repository.archived}

    def _label(self, repository: Repository, name: str, color: str = "ededed") -> Row:
        known = repository.labels.get(name.casefold())
        if known:
            return known
        number = self.new_id()
        row = {
            "id": number,
            "node_id": f"LA_kwDO{number}",
            "url": f"{self.base()}/repos/{repository.name}/labels/{name}",
            "name": name,
            "color": color,
            "default": name in _DEFAULT_LABELS,
            "description": None,
        }
        repository.labels[name.casefold()] = row
        return row

    def add_milestone(self, repository: Repository, title: str, due_on: str | None) -> Row:
        """A new open milestone; `due_on` is an ISO time or None."""
        number, now = len(repository.milestones) + 1, self.now()
        url = f"{self.base()}/repos/{repository.name}/milestones/{number}"
        row = {
            "url": url,
            "html_url": f"{self.base()}/{repository.name}/milestone/{number}",
            "labels_url": f"{url}/labels",
            "id": self.new_id(),
            "node_id": f"MI_kwDO{number}",
            "number": number,
            "title": title,
            "description": None,
            "creator": self.user(repository.name.partition("/")[0]),
            "open_issues": 0,
            "closed_issues": 0,
            "state": "open",
            "created_at": now,
            "updated_at": now,
            "due_on": due_on,
            "closed_at": None,
        }
        repository.milestones[number] = row
        return row

    # issues -----------------------------------------------------------------------------------

    def create_issue(
        self, repository: Repository, fields: Row, by: str, pull_request: bool = False
    ) -> Row:
        _check_issue(fields, repository, creating=True)
        number = max([0, *repository.issues, *repository.gone]) + 1
        id, now = self.new_id(), self.now()
        url = f"{self.base()}/repos/{repository.name}/issues/{number}"
        page = f"{self.base()}/{repository.name}/{'pull' if pull_request else 'issues'}/{number}"
        row: Row = {
            "url": url,
            "repository_url": f"{self.base()}/repos/{repository.name}",
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": page,
            "id": id,
            "node_id": f"I_kwDO{id}",
            "number": number,
            "title": str(fields["title"]),
            "user": self.user(by),
            "labels": [],
            "state": "open",
            "locked": False,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": 0,
            "created_at": now,
            "updated_at": now,
            "closed_at": None,
            "author_association": "MEMBER",
            "active_lock_reason": None,
            "body": fields.get("body") or None,
            "closed_by": None,
            "reactions": shapes.reactions(url),
            "timeline_url": f"{url}/timeline",
            "performed_via_github_app": None,
            "state_reason": None,
        }
        if pull_request:
            row["draft"] = False
            row["pull_request"] = {"url": url.replace("/issues/", "/pulls/"), "html_url": page}
        repository.issues[number] = row
        # GitHub announces what an issue was opened with by one event each, after `opened`
        events: list[tuple[str, Row]] = [("opened", {})]
        events += self._apply(repository, row, {k: v for k, v in fields.items() if k in _LISTS})
        self._announce(repository, row, events, by)
        return row

    def edit_issue(self, repository: Repository, number: int, fields: Row, by: str) -> Row:
        """PATCH: unknown fields are ignored, unknown assignees dropped in silence."""
        row = repository.issues[number]
        _check_issue(fields, repository, creating=False)
        events = self._apply(repository, row, fields, by)
        if events:
            row["updated_at"] = self.now()
        self._announce(repository, row, events, by)
        return row

    def _apply(
        self, repository: Repository, row: Row, fields: Row, by: str = ""
    ) -> list[tuple[str, Row]]:
        events: list[tuple[str, Row]] = []
        edited: Row = {}
        for name in ("title", "body"):
            if name in fields and (fields[name] or None) != row[name]:
                edited[name] = {"from": row[name] or ""}
                row[name] = fields[name] or None
        if edited:
            events.append(("edited", {"changes": edited}))
        if "labels" in fields:
            names = [n["name"] if isinstance(n, dict) else n for n in fields["labels"]]
            new = {label["id"]: label for label in (self._label(repository, n) for n in names)}
            old = {label["id"]: label for label in row["labels"]}
            row["labels"] = list(new.values())
            events += [("labeled", {"label": new[id]}) for id in new.keys() - old.keys()]
            events += [("unlabeled", {"label": old[id]}) for id in old.keys() - new.keys()]
        if "assignees" in fields:
            logins = [login for login in fields["assignees"] if login in self.users]
            before = [user["login"] for user in row["assignees"]]
            row["assignees"] = [self.user(login) for login in dict.fromkeys(logins)]
            row["assignee"] = row["assignees"][0] if row["assignees"] else None
            for action, ones, others in (
                ("assigned", logins, before),
                ("unassigned", before, logins),
            ):
                events += [(action, {"assignee": self.user(n)}) for n in ones if n not in others]
        if "milestone" in fields:
            old_one = row["milestone"]
            number = fields["milestone"]
            row["milestone"] = None if number is None else repository.milestones[int(number)]
            if old_one and old_one is not row["milestone"]:
                events.append(("demilestoned", {"milestone": old_one}))
            if row["milestone"] and old_one is not row["milestone"]:
                events.append(("milestoned", {"milestone": row["milestone"]}))
        if fields.get("state") in ("open", "closed") and fields["state"] != row["state"]:
            closing = fields["state"] == "closed"
            row["state"] = fields["state"]
            reason = fields.get("state_reason") or ("completed" if closing else "reopened")
            row["state_reason"] = reason
            row["closed_at"] = self.now() if closing else None
            row["closed_by"] = self.user(by) if closing else None
            events.append(("closed" if closing else "reopened", {}))
        return events

    def delete_issue(self, repository: Repository, number: int, by: str) -> None:
        """Only people with admin rights can, and only in the web interface."""
        row = repository.issues.pop(number)
        repository.gone.add(number)
        for id in [c["id"] for c in repository.comments.values() if c["issue_url"] == row["url"]]:
            del repository.comments[id]
        self._announce(repository, row, [("deleted", {})], by)

    def transfer_issue(self, repository: Repository, number: int, to: Repository, by: str) -> Row:
        """To another repository: a new issue with a new id and number, its comments included."""
        old = repository.issues.pop(number)
        repository.gone.add(number)
        new_number = max([0, *to.issues, *to.gone]) + 1
        id, url = self.new_id(), f"{self.base()}/repos/{to.name}/issues/{new_number}"
        told = _told(old)
        row = {
            **old, "id": id, "node_id": f"I_kwDO{id}", "number": new_number, "url": url,
            "repository_url": f"{self.base()}/repos/{to.name}",
            "labels_url": f"{url}/labels{{/name}}", "comments_url": f"{url}/comments",
            "events_url": f"{url}/events", "timeline_url": f"{url}/timeline",
            "html_url": f"{self.base()}/{to.name}/issues/{new_number}",
            "milestone": None, "reactions": shapes.reactions(url), "updated_at": self.now(),
        }  # fmt: skip
        to.issues[new_number] = row
        for comment in [c for c in repository.comments.values() if c["issue_url"] == old["url"]]:
            del repository.comments[comment["id"]]
            to.comments[comment["id"]] = {**comment, "issue_url": url}
        changes = {"new_issue": _told(row), "new_repository": self.repository(to)}
        more: dict[str, Row] = {"issue": told, "changes": changes}
        self.emit("issues", self._payload(repository, "transferred", by, **more))
        return row

    def _announce(
        self, repository: Repository, row: Row, events: Iterable[tuple[str, Row]], by: str
    ) -> None:
        for action, more in events:
            if "pull_request" in row:
                continue  # pull requests have events of their own
            self.emit("issues", self._payload(repository, action, by, issue=_told(row), **more))

    def _payload(self, repository: Repository, action: str, by: str, **more: Row) -> Row:
        return {
            "action": action,
            **more,
            "repository": self.repository(repository),
            "sender": self.user(by),
        }

    # comments ---------------------------------------------------------------------------------

    def create_comment(self, repository: Repository, number: int, body: Any, by: str) -> Row:
        issue = repository.issues[number]
        _check_comment(body)
        id, now = self.new_id(), self.now()
        url = f"{self.base()}/repos/{repository.name}/issues/comments/{id}"
        row: Row = {
            "url": url,
            "html_url": f"{issue['html_url']}#issuecomment-{id}",
            "issue_url": issue["url"],
            "id": id,
            "node_id": f"IC_kwDO{id}",
            "user": self.user(by),
            "created_at": now,
            "updated_at": now,
            "author_association": "MEMBER",
            "body": body,
            "reactions": shapes.reactions(url),
            "performed_via_github_app": None,
        }
        repository.comments[id] = row
        issue["comments"] += 1
        issue["updated_at"] = now
        self._comment_event(repository, issue, row, "created", by)
        return row

    def edit_comment(self, repository: Repository, id: int, body: Any, by: str) -> Row:
        row = repository.comments[id]
        _check_comment(body)
        before, row["body"], row["updated_at"] = row["body"], body, self.now()
        changes = {"changes": {"body": {"from": before}}}
        self._comment_event(repository, self._issue_of(repository, row), row, "edited", by, changes)
        return row

    def delete_comment(self, repository: Repository, id: int, by: str) -> None:
        row = repository.comments.pop(id)
        issue = self._issue_of(repository, row)
        issue["comments"] -= 1
        issue["updated_at"] = self.now()
        self._comment_event(repository, issue, row, "deleted", by)

    def _issue_of(self, repository: Repository, comment: Row) -> Row:
        return repository.issues[int(comment["issue_url"].rpartition("/")[2])]

    def _comment_event(
        self,
        repository: Repository,
        issue: Row,
        comment: Row,
        action: str,
        by: str,
        more: Row | None = None,
    ) -> None:
        parts = {**(more or {}), "issue": _told(issue), "comment": dict(comment)}
        self.emit("issue_comment", self._payload(repository, action, by, **parts))


_LISTS = ("labels", "assignees", "milestone")


def _told(issue: Row) -> Row:
    """An issue as webhooks show it: without the one field that only REST has."""
    return {name: value for name, value in issue.items() if name != "closed_by"}


def _check_issue(fields: Row, repository: Repository, *, creating: bool) -> None:
    def error(name: str, code: str, **more: Any) -> Row:
        return {"resource": "Issue", "field": name, "code": code, **more}

    errors = []
    if creating and not str(fields.get("title") or "").strip():
        errors.append(error("title", "missing_field"))
    elif len(str(fields.get("title") or "")) > 256:
        reason = "title is too long (maximum is 256 characters)"
        errors.append(error("title", "custom", message=reason))
    if len(str(fields.get("body") or "")) > 65_536:
        reason = "body is too long (maximum is 65536 characters)"
        errors.append(error("body", "custom", message=reason))
    number = fields.get("milestone")
    if number is not None and number not in repository.milestones:
        errors.append(error("milestone", "invalid", value=number))
    if fields.get("state") not in (None, "open", "closed"):
        errors.append(error("state", "invalid", value=fields["state"]))
    for name in ("labels", "assignees"):
        if not isinstance(fields.get(name, []), list):
            errors.append(error(name, "invalid", value=None))
    if errors:
        raise Refused(*errors)


def _check_comment(body: Any) -> None:
    if not isinstance(body, str) or not body.strip():
        raise Refused({"resource": "IssueComment", "field": "body", "code": "missing_field"})
    if len(body) > 65_536:
        reason = "body is too long (maximum is 65536 characters)"
        raise Refused(
            {"resource": "IssueComment", "field": "body", "code": "custom", "message": reason}
        )
