"""How the conformance kit makes things happen at the Jira sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.jira.documents import of_text
from connectors.sdk import Change, Delivery, Record
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Drill, Inapplicable

if TYPE_CHECKING:
    from connectors.jira.sandbox import JiraSandbox


class JiraDrill(Drill):
    page = 20

    def __init__(self, sandbox: JiraSandbox) -> None:
        self.sandbox = sandbox
        sandbox.page = self.page
        self._count = 0

    def _next(self) -> int:
        self._count += 1
        return self._count

    # what people do -------------------------------------------------------------------------------

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        clock = self.sandbox.present
        if at is not None:
            self.sandbox.present = lambda: at
        try:
            return [self._seed(object) for _ in range(count)]
        finally:
            self.sandbox.present = clock

    def _seed(self, object: str) -> str:
        number = self._next()
        if object == "user":
            id = f"712020:seed-{number}"
            with self.sandbox.lock:
                self.sandbox.site.add_person(id, f"Person {number}", f"p{number}@acme.test")
            return id
        issue = self.sandbox.create_issue(f"Seeded {number}", text="Please see to it.")
        if object == "issue":
            return issue
        return self.sandbox.comment(issue, f"Said {number}")

    def edit(self, object: str, id: str) -> None:
        number = self._next()
        if object == "issue":
            self.sandbox.edit_issue(id, summary=f"Edited {number}")
        elif object == "comment":
            self.sandbox.edit_comment(id, f"Edited {number}")
        else:
            with self.sandbox.lock:
                self.sandbox.site.people[id]["displayName"] = f"Renamed {number}"

    def remove(self, object: str, id: str) -> None:
        if object == "issue":
            self.sandbox.delete_issue(id)
        elif object == "comment":
            self.sandbox.delete_comment(id)
        else:
            with self.sandbox.lock:
                del self.sandbox.site.people[id]

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        with self.sandbox.lock:
            if object == "user":
                return {id: dict(row) for id, row in self.sandbox.site.people.items()}
            issues = self.sandbox.issues()
            if object == "issue":
                return {row["id"]: dict(row["fields"]) for row in issues}
            return {one["id"]: dict(one) for row in issues for one in row["comments"]}

    # what the hub would write ---------------------------------------------------------------------

    def creation(self, object: str, key: str) -> Change:
        now = datetime.now(UTC)
        if object == "issue":
            fields = {"summary": f"From the hub {key}", "description": of_text("See to it.")}
            return Change("create", "issue", key, fields, created_at=now)
        issue = self.sandbox.create_issue("Discussed by the hub")
        text = {"body": of_text(f"From the hub {key}")}
        return Change("create", "comment", key, text, parent=issue, created_at=now)

    def alteration(self, record: Record, key: str) -> Change:
        number = self._next()
        fields: dict[str, Any] = (
            {"body": of_text(f"Altered {number}")}
            if record.object == "comment"
            else {"summary": f"Altered {number}", "duedate": "2026-12-24"}
        )
        return Change(
            "update",
            record.object,
            key,
            fields,
            id=record.id,
            address=record.address,
            parent=record.parent,
            base=record.data,
            version=record.version,
        )

    def collide(self, record: Record, key: str) -> Change:
        change = self.alteration(record, key)
        self.edit(record.object, record.id)
        return change

    def refusal(self, object: str, key: str) -> Change:
        now = datetime.now(UTC)
        if object == "issue":
            fields = {"summary": "x" * 300}
            return Change("create", "issue", key, fields, created_at=now)
        change = self.creation("comment", key)
        wrong = {"body": {"type": "doc", "version": 1, "content": [{"type": "nonsense"}]}}
        return Change("create", "comment", key, wrong, parent=change.parent, created_at=now)

    # webhooks -------------------------------------------------------------------------------------

    def deliveries(self) -> Sequence[Delivery]:
        return [sent.delivery() for sent in list(self.sandbox.hooks.sent)]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        from connectors.jira.sandbox_hooks import SECRET, signed

        headers = {
            "content-type": "application/json; charset=UTF-8",
            "x-atlassian-webhook-identifier": "00000000-0000-4000-8000-000000000000",
            **signed(body, secret or SECRET),
        }
        return Delivery("POST", "https://hub.example.com/webhooks/kit", headers, body, at)

    def handshakes(self) -> Sequence[Delivery]:
        raise Inapplicable("Jira sends no test delivery")

    def subscriptions(self) -> Mapping[str, str]:
        hooks = self.sandbox.hooks
        return {str(one.id): one.url for one in [*hooks.admin.values(), *hooks.dynamic.values()]}

    def expire_subscription(self, id: str) -> None:
        self.sandbox.hooks.admin.pop(int(id), None)
        self.sandbox.hooks.dynamic.pop(int(id), None)

    # time and trouble -----------------------------------------------------------------------------

    def move(self, object: str, id: str) -> None:
        if object != "issue":
            raise Inapplicable("only issues move; their comments keep the issue's number")
        self.sandbox.move_issue(id, "WEB")

    def expire_cursor(self) -> None:
        self.sandbox.age += 1

    def expire_token(self) -> None:
        raise Inapplicable("an API token ends after months and cannot be had anew by itself")

    def lag(self, seconds: float) -> None:
        self.sandbox.faults.lag = seconds

    def ignore_writes(self, count: int) -> None:
        self.sandbox.faults.silent = count

    def clock(self, ahead: float) -> None:
        self.sandbox.skew = timedelta(seconds=ahead)
