"""A GitHub on loopback: REST for issues and comments, signed webhooks, and people who act.

It pages, answers 304, limits rates and refuses as GitHub does, and never delivers a webhook twice.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx

from connectors.github import marker
from connectors.github.sandbox_api import TOKEN, GithubApi
from connectors.github.sandbox_state import Repository, Row, State
from connectors.sdk.sandbox import Asgi, HttpSandbox

__all__ = ["SECRET", "TOKEN", "GithubSandbox", "Sent"]

SECRET = "sandbox-github-secret-not-a-secret"


@dataclass(slots=True)
class Sent:
    """One webhook as GitHub's page of recent deliveries lists it: `status` is None on failure."""

    event: str
    guid: str
    body: bytes
    status: int | None = None


class GithubSandbox(HttpSandbox):
    """Repositories, the token's user `bot`, and people. `clock` and `remaining` (requests left in
    this hour) may be set by a test.
    """

    name: ClassVar[str] = "github"

    def __init__(
        self,
        repositories: Sequence[str] = ("acme/ops",),
        people: Sequence[str] = ("dmeier", "lkim", "octocat"),
        bot: str = "process-hub-bot",
    ) -> None:
        super().__init__()
        self.people = list(people)
        self.bot = bot
        self.remaining = 5000
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.sent: list[Sent] = []
        self.resets = datetime.now(UTC) + timedelta(hours=1)
        self._queue: queue.Queue[Sent | None] = queue.Queue()
        self.state = State(
            repositories, [*people, bot], lambda: self.url, lambda: self.clock(), self._emit
        )

    def connection(self) -> dict[str, Any]:
        return {
            "connector": "github",
            "base_url": self.url,
            "repositories": [repo.name for repo in self.state.repositories.values()],
            "auth": {"token": "env:HUB_SANDBOX_GITHUB_TOKEN"},
            "webhook": {"secret": "env:HUB_SANDBOX_GITHUB_SECRET"},
        }

    def env(self) -> dict[str, str]:
        return {"HUB_SANDBOX_GITHUB_TOKEN": TOKEN, "HUB_SANDBOX_GITHUB_SECRET": SECRET}

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        message = "Server Error"
        if status in (403, 429):
            message = "You have exceeded a secondary rate limit. Please wait."
        body = json.dumps({"message": message, "status": str(status)}).encode()
        return {"content-type": "application/json; charset=utf-8"}, body

    def start(self, port: int = 0) -> None:
        super().start(port)
        with self.lock:
            self.state.add_default_labels()
        self._sender = threading.Thread(target=self._send_all, name="github-hooks", daemon=True)
        self._sender.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._sender.join(timeout=15)
        super().stop()

    # webhooks ---------------------------------------------------------------------------------

    def _emit(self, event: str, payload: Row) -> None:
        if self.webhook_url:
            body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
            sent = Sent(event, str(uuid.uuid4()), body)
            self.sent.append(sent)
            self._queue.put(sent)

    def ping(self) -> None:
        """What GitHub sends when the webhook is created."""
        repository = self._named(None)
        hook = {
            "type": "Repository",
            "id": 109948940,
            "name": "web",
            "active": True,
            "events": ["issues", "issue_comment"],
            "config": {"content_type": "json", "url": self.webhook_url, "insecure_ssl": "0"},
        }
        with self.lock:
            payload = {"zen": "Design for failure.", "hook_id": hook["id"], "hook": hook}
            payload["repository"] = self.state.repository(repository)
            payload["sender"] = self.state.user(self.people[0])
            self._emit("ping", payload)

    def redeliver(self, guid: str) -> None:
        """A person pressed Redeliver: the same body under the same GUID."""
        with self.lock:
            self._queue.put(next(sent for sent in self.sent if sent.guid == guid))

    def drain(self) -> None:
        """Return once every webhook so far was delivered or has failed."""
        self._queue.join()

    def _send_all(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while (sent := self._queue.get()) is not None:
                signature = hmac.new(SECRET.encode(), sent.body, hashlib.sha256).hexdigest()
                headers = {
                    "accept": "*/*",
                    "content-type": "application/json",
                    "user-agent": "GitHub-Hookshot/sandbox",
                    "x-github-delivery": sent.guid,
                    "x-github-event": sent.event,
                    "x-github-hook-id": "109948940",
                    "x-hub-signature-256": f"sha256={signature}",
                }
                with suppress(httpx.HTTPError):  # GitHub notes the failure and moves on
                    answer = client.post(self.webhook_url or "", content=sent.body, headers=headers)
                    sent.status = answer.status_code
                self._queue.task_done()

    # people -----------------------------------------------------------------------------------

    def open_issue(
        self, title: str, body: str = "", by: str = "", repo: str | None = None, **fields: Any
    ) -> int:
        """Somebody opens an issue; `fields` as in the API (labels, assignees, milestone)."""
        with self.lock:
            wanted = {"title": title, "body": body, **fields}
            row = self.state.create_issue(self._named(repo), wanted, by or self.people[0])
            return int(row["number"])

    def open_pull_request(self, title: str, by: str = "", repo: str | None = None) -> int:
        with self.lock:
            row = self.state.create_issue(
                self._named(repo), {"title": title}, by or self.people[0], pull_request=True
            )
            return int(row["number"])

    def edit_issue(self, number: int, by: str = "", repo: str | None = None, **fields: Any) -> None:
        """Somebody edits an issue in the web interface; the hidden mark survives, as it would."""
        with self.lock:
            repository = self._named(repo)
            if "body" in fields:
                current = repository.issues[number]["body"]
                fields["body"] = marker.keep(fields["body"], current)
            self.state.edit_issue(repository, number, fields, by or self.people[0])

    def close_issue(
        self, number: int, by: str = "", repo: str | None = None, reason: str = "completed"
    ) -> None:
        self.edit_issue(number, by, repo, state="closed", state_reason=reason)

    def reopen_issue(self, number: int, by: str = "", repo: str | None = None) -> None:
        self.edit_issue(number, by, repo, state="open")

    def assign(self, number: int, *logins: str, by: str = "", repo: str | None = None) -> None:
        self.edit_issue(number, by, repo, assignees=list(logins))

    def label(self, number: int, *names: str, by: str = "", repo: str | None = None) -> None:
        self.edit_issue(number, by, repo, labels=list(names))

    def delete_issue(self, number: int, by: str = "", repo: str | None = None) -> None:
        with self.lock:
            self.state.delete_issue(self._named(repo), number, by or self.people[0])

    def comment(self, number: int, body: str, by: str = "", repo: str | None = None) -> int:
        with self.lock:
            row = self.state.create_comment(self._named(repo), number, body, by or self.people[0])
            return int(row["id"])

    def add_milestone(self, title: str, due_on: str | None = None, repo: str | None = None) -> int:
        with self.lock:
            return int(self.state.add_milestone(self._named(repo), title, due_on)["number"])

    def issue(self, number: int, repo: str | None = None) -> Row:
        """What the sandbox holds, mark included."""
        with self.lock:
            return dict(self._named(repo).issues[number])

    def issues(self, repo: str | None = None) -> list[Row]:
        with self.lock:
            return [dict(row) for row in self._named(repo).issues.values()]

    def comments(self, repo: str | None = None) -> list[Row]:
        with self.lock:
            return [dict(row) for row in self._named(repo).comments.values()]

    def _named(self, repo: str | None) -> Repository:
        if repo is None:
            return next(iter(self.state.repositories.values()))
        return self.state.repositories[repo.casefold()]

    def app(self) -> Asgi:
        return GithubApi(self).app()
