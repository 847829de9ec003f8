"""How the conformance kit makes things happen at the GitHub sandbox."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.github import marker
from connectors.github.sandbox_hooks import BY_HAND, SECRET, Hook, headers
from connectors.sdk import Change, Delivery, Record
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Drill, Inapplicable

if TYPE_CHECKING:
    from connectors.github.sandbox import GithubSandbox


class GithubDrill(Drill):
    """Everything happens in the sandbox's first repository."""

    def __init__(self, sandbox: GithubSandbox) -> None:
        self.sandbox = sandbox
        self._edits = 0
        sandbox.hooks.recording = True

    # what people do ------------------------------------------------------------------------------

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        sandbox, clock = self.sandbox, self.sandbox.clock
        if at is not None:
            moment = at
            sandbox.clock = lambda: moment
        try:
            if object == "comment":
                number = sandbox.open_issue("Discussed")
                return [str(sandbox.comment(number, f"Comment {n}")) for n in range(count)]
            numbers = [sandbox.open_issue(f"Issue {n}", "As seen.") for n in range(count)]
            return [str(sandbox.issue(number)["id"]) for number in numbers]
        finally:
            sandbox.clock = clock

    def edit(self, object: str, id: str) -> None:
        self._edits += 1
        if object == "comment":
            self.sandbox.edit_comment(int(id), f"Edited {self._edits}")
        else:
            self.sandbox.edit_issue(self._number(id), title=f"Edited {self._edits}")

    def remove(self, object: str, id: str) -> None:
        if object == "comment":
            self.sandbox.delete_comment(int(id))
        else:
            self.sandbox.delete_issue(self._number(id))

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        rows = self.sandbox.comments() if object == "comment" else self.sandbox.issues()
        return {str(row["id"]): {**row, "body": marker.strip(row["body"])} for row in rows}

    def _number(self, id: str) -> int:
        return next(int(r["number"]) for r in self.sandbox.issues() if str(r["id"]) == id)

    # what the hub would write --------------------------------------------------------------------

    def creation(self, object: str, key: str) -> Change:
        now = datetime.now(UTC)
        if object == "issue":
            fields = {"title": f"From the hub {key}", "body": "Please see to it."}
            return Change("create", "issue", key, fields, created_at=now)
        number = self.sandbox.open_issue("Discussed by the hub")
        owner, _, repo = next(iter(self.sandbox.state.repositories.values())).name.partition("/")
        return Change(
            "create",
            "comment",
            key,
            {"body": f"From the hub {key}"},
            address={"owner": owner, "repo": repo, "number": number},
            parent=str(self.sandbox.issue(number)["id"]),
            created_at=now,
        )

    def alteration(self, record: Record, key: str) -> Change:
        self._edits += 1
        name = "body" if record.object == "comment" else "title"
        return Change(
            "update",
            record.object,
            key,
            {name: f"Altered {self._edits}"},
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
        change = self.creation(object, key)
        name = "body" if object == "comment" else "title"
        fields = {**change.fields, name: "x" * 70_000}
        return Change(
            "create",
            object,
            key,
            fields,
            address=change.address,
            parent=change.parent,
            created_at=change.created_at,
        )

    # webhooks ------------------------------------------------------------------------------------

    def deliveries(self) -> Sequence[Delivery]:
        return [
            _delivery(sent.event, sent.guid, sent.body, datetime.now(UTC))
            for sent in list(self.sandbox.sent)
            if sent.event != "ping"
        ]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        guid = str(uuid.uuid5(uuid.NAMESPACE_URL, body.hex()))
        return _delivery("issues", guid, body, at, secret or SECRET)

    def handshakes(self) -> Sequence[Delivery]:
        self.sandbox.ping()
        sent = self.sandbox.sent[-1]
        return [_delivery(sent.event, sent.guid, sent.body, datetime.now(UTC))]

    def subscriptions(self) -> Mapping[str, str]:
        found: dict[str, list[str]] = {}
        for hook in self.sandbox.hooks.registered.values():
            name = self.sandbox.state.repositories[hook.repository].name
            found.setdefault(hook.url, []).append(f"{name}:{hook.id}")
        return {" ".join(ids): url for url, ids in found.items()}

    def expire_subscription(self, id: str) -> None:
        for part in id.split():
            del self.sandbox.hooks.registered[int(part.rpartition(":")[2])]

    # time and trouble ----------------------------------------------------------------------------

    def move(self, object: str, id: str) -> None:
        raise Inapplicable("an issue that is transferred becomes a new one, with a new id")

    def expire_cursor(self) -> None:
        raise Inapplicable("a time and an ETag do not expire")

    def expire_token(self) -> None:
        raise Inapplicable("a personal access token ends for good; tests end an app's token")

    def ignore_writes(self, count: int) -> None:
        self.sandbox.faults.silent = count

    def clock(self, ahead: float) -> None:
        self.sandbox.clock = lambda: datetime.now(UTC) + timedelta(seconds=ahead)


def _delivery(event: str, guid: str, body: bytes, at: datetime, secret: str = SECRET) -> Delivery:
    sent = headers(event, guid, body, Hook(BY_HAND, "", "", secret))
    return Delivery("POST", "https://hub.example.com/webhooks/github", sent, body, at)
