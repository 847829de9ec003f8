"""A GitHub on loopback: REST for issues and comments, signed webhooks, and people who act.

It pages, answers 304, limits rates and refuses as GitHub does, and never delivers a webhook twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from connectors.github import marker
from connectors.github.sandbox_api import GithubApi
from connectors.github.sandbox_app import TOKEN, Tokens
from connectors.github.sandbox_hooks import SECRET, Hook, Hooks, Sent
from connectors.github.sandbox_state import Repository, Row, State
from connectors.sdk.faults import Kind
from connectors.sdk.sandbox import Asgi, HttpSandbox

if TYPE_CHECKING:
    from connectors.github.drill import GithubDrill

__all__ = ["SECRET", "TOKEN", "GithubSandbox", "Sent"]


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
        self.resets = datetime.now(UTC) + timedelta(hours=1)
        self.tokens = Tokens()
        self.hooks = Hooks(lambda: self.webhook_url, lambda: self.url)
        self.state = State(
            repositories, [*people, bot], lambda: self.url, lambda: self.clock(), self.hooks.emit
        )

    @property
    def sent(self) -> list[Sent]:
        """Every delivery so far, as the settings list them."""
        return self.hooks.sent

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

    def kind(self, method: str, path: str) -> Kind:
        return "sign-in" if path.startswith("/app/installations/") else super().kind(method, path)

    def start(self, port: int = 0) -> None:
        super().start(port)
        with self.lock:
            self.state.add_default_labels()
        self.hooks.start()

    def stop(self) -> None:
        self.hooks.stop()
        super().stop()

    def drill(self) -> GithubDrill:
        from connectors.github.drill import GithubDrill

        return GithubDrill(self)

    def populate(self) -> None:
        """Three issues, one of them discussed and closed."""
        due = self.add_milestone("Spring release", "2027-03-31T07:00:00Z")
        first = self.open_issue("Invoices show the wrong address", "Since Monday.", by="dmeier")
        self.label(first, "bug")
        self.assign(first, "lkim")
        self.open_issue(
            "Wire the tenant of Acme", "20 seats.", by="lkim", labels=["vip"], milestone=due
        )
        done = self.open_issue("Renew the certificate", by="octocat", assignees=["dmeier"])
        self.comment(done, "Done, valid for a year.", by="dmeier")
        self.close_issue(done, by="dmeier")

    # webhooks ---------------------------------------------------------------------------------

    def ping(self, hook: Hook | None = None) -> None:
        """What GitHub sends when the webhook is created."""
        with self.lock:
            repository = self._named(hook.repository if hook else None)
            hook = hook or Hook(109948940, "", self.webhook_url or "", SECRET)
            shown = self.hooks.shown(hook)
            payload = {"zen": "Design for failure.", "hook_id": hook.id, "hook": shown}
            payload["repository"] = self.state.repository(repository)
            payload["sender"] = self.state.user(self.people[0])
            self.hooks.emit("ping", payload, hook)

    def redeliver(self, guid: str) -> None:
        """A person pressed Redeliver: the same body under the same GUID."""
        with self.lock:
            self.hooks.queue.put(next(sent for sent in self.sent if sent.guid == guid))

    def drain(self) -> None:
        """Return once every webhook so far was delivered or has failed."""
        self.hooks.queue.join()

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

    def transfer_issue(self, number: int, to: str, by: str = "", repo: str | None = None) -> int:
        """To another repository; its number there."""
        with self.lock:
            row = self.state.transfer_issue(
                self._named(repo), number, self._named(to), by or self.people[0]
            )
            return int(row["number"])

    def comment(self, number: int, body: str, by: str = "", repo: str | None = None) -> int:
        with self.lock:
            row = self.state.create_comment(self._named(repo), number, body, by or self.people[0])
            return int(row["id"])

    def edit_comment(self, id: int, body: str, by: str = "", repo: str | None = None) -> None:
        """Somebody edits a comment; the hidden mark survives, as it would."""
        with self.lock:
            repository = self._named(repo)
            text = marker.keep(body, repository.comments[id]["body"])
            self.state.edit_comment(repository, id, text, by or self.people[0])

    def delete_comment(self, id: int, by: str = "", repo: str | None = None) -> None:
        with self.lock:
            self.state.delete_comment(self._named(repo), id, by or self.people[0])

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
