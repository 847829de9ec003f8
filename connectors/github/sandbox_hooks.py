"""The sandbox's webhooks: which are registered, and the thread that delivers each event once."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from connectors.github.sandbox_state import Refused, Row

SECRET = "sandbox-github-secret-not-a-secret"  # noqa: S105 - published on purpose
BY_HAND = 109948940
"""The id of the webhook that a person made in the settings: `webhook_url`."""


@dataclass(slots=True)
class Sent:
    """One webhook as GitHub's page of recent deliveries lists it: `status` is None on failure."""

    event: str
    guid: str
    body: bytes
    status: int | None = None
    hook: Hook | None = None


@dataclass(slots=True)
class Hook:
    """One registration. `repository` is the name in lower case."""

    id: int
    repository: str
    url: str
    secret: str
    events: list[str] = field(default_factory=list)
    active: bool = True


class Hooks:
    """`by_hand` gives the address of the webhook made in the settings, None without one. Callers
    hold the sandbox's lock, except for the thread that sends.
    """

    def __init__(self, by_hand: Callable[[], str | None], base: Callable[[], str]) -> None:
        self.by_hand = by_hand
        self.base = base
        self.registered: dict[int, Hook] = {}
        self.sent: list[Sent] = []
        self.recording = False
        """Note down events that nobody is to be told of."""
        self.queue: queue.Queue[Sent | None] = queue.Queue()
        self._next_id = BY_HAND

    def start(self) -> None:
        self._thread = threading.Thread(target=self._send_all, name="github-hooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.queue.put(None)
        self._thread.join(timeout=15)

    def of(self, repository: str) -> list[Hook]:
        return [h for h in self.registered.values() if h.repository == repository.casefold()]

    def save(self, repository: str, hook: Hook | None, wanted: Mapping[str, Any]) -> Hook:
        """Create or change a registration. Raises Refused."""
        config = wanted.get("config") or {}
        url = config.get("url") or (hook.url if hook else None)
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise Refused({"resource": "Hook", "field": "url", "code": "missing_field"})
        if hook is None:
            if any(one.url == url for one in self.of(repository)):
                message = "Hook already exists on this repository"
                raise Refused({"resource": "Hook", "code": "custom", "message": message})
            self._next_id += 1
            hook = Hook(self._next_id, repository.casefold(), url, "", ["push"])
            self.registered[hook.id] = hook
        hook.url = url
        hook.secret = config.get("secret", hook.secret)
        hook.events = list(wanted.get("events", hook.events))
        hook.active = bool(wanted.get("active", hook.active))
        return hook

    def shown(self, hook: Hook) -> Row:
        """A registration as the API shows it: the secret is never told again."""
        url = f"{self.base()}/repos/{hook.repository}/hooks/{hook.id}"
        config = {"content_type": "json", "insecure_ssl": "0", "url": hook.url}
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": {**config, "secret": "********"} if hook.secret else config,
            "updated_at": "2026-01-01T00:00:00Z",
            "created_at": "2026-01-01T00:00:00Z",
            "url": url,
            "test_url": f"{url}/test",
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
            "last_response": {"code": None, "status": "unused", "message": None},
        }

    def emit(self, event: str, payload: Row, only: Hook | None = None) -> None:
        """Tell everybody who asked for this event; `only` one of them for a ping."""
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        hooks = self.of(payload["repository"]["full_name"])
        told = [hook for hook in hooks if hook.active and event in hook.events]
        if only is not None:
            told = [only]
        elif (url := self.by_hand()) and not any(hook.url == url for hook in hooks):
            told.append(Hook(BY_HAND, "", "", SECRET))
        for hook in told:
            sent = Sent(event, str(uuid.uuid4()), body, hook=hook)
            self.sent.append(sent)
            self.queue.put(sent)
        if not told and self.recording:
            self.sent.append(Sent(event, str(uuid.uuid4()), body))

    def _send_all(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while (sent := self.queue.get()) is not None:
                hook = sent.hook or Hook(BY_HAND, "", "", SECRET)
                with suppress(httpx.HTTPError):  # GitHub notes the failure and moves on
                    answer = client.post(
                        hook.url or self.by_hand() or "",
                        content=sent.body,
                        headers=headers(sent.event, sent.guid, sent.body, hook),
                    )
                    sent.status = answer.status_code
                self.queue.task_done()


def headers(event: str, guid: str, body: bytes, hook: Hook | None = None) -> dict[str, str]:
    """What GitHub sends along with a body."""
    secret = hook.secret if hook else SECRET
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "accept": "*/*",
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/sandbox",
        "x-github-delivery": guid,
        "x-github-event": event,
        "x-github-hook-id": str(hook.id if hook else BY_HAND),
        "x-hub-signature-256": f"sha256={signature}",
    }
