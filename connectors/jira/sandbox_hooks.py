"""The sandbox's webhooks: an administrator's, signed over the body, and those of the OAuth app."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import jwt
from starlette.requests import Request

from connectors.jira.documents import text_of
from connectors.jira.sandbox_oauth import CLIENT_ID, CLIENT_SECRET
from connectors.jira.sandbox_site import Issue, Refused, Row
from connectors.sdk import Delivery

if TYPE_CHECKING:
    from connectors.jira.sandbox import JiraSandbox

SECRET = "sandbox-jira-webhook-secret-not-a-secret"  # noqa: S105 - published on purpose
_ADMIN = "/rest/webhooks/1.0/webhook"


@dataclass(slots=True)
class Sent:
    """One delivery: `status` is what the receiver answered, None where nobody did."""

    event: str
    url: str
    headers: dict[str, str]
    body: bytes
    at: datetime
    status: int | None = None

    def delivery(self) -> Delivery:
        return Delivery("POST", self.url, self.headers, self.body, self.at)


@dataclass(slots=True)
class Hook:
    id: int
    url: str
    events: list[str]
    filter: str
    expires: datetime | None = None
    secret: str = SECRET
    extra: Row = field(default_factory=dict)


class Hooks:
    """Registered webhooks and what was sent to them."""

    def __init__(self, sandbox: JiraSandbox) -> None:
        self.sandbox = sandbox
        self.dynamic: dict[int, Hook] = {}
        self.admin: dict[int, Hook] = {}
        self.sent: list[Sent] = []
        self._queue: queue.Queue[Sent | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    # ----------------------------------------------------------------------------------- delivering

    def told(self, event: str, issue: Issue, comment: Row | None, by: str, more: Row) -> None:
        """Something happened: sign and send it to whoever listens."""
        now = self.sandbox.clock()
        payload: Row = {"timestamp": _milliseconds(now), "webhookEvent": event}
        if comment is None:
            payload |= {"user": self.sandbox.site.person(by), "issue": _old(issue.row), **more}
            payload["issue_event_type_name"] = event.partition(":")[2]
        else:
            payload["comment"] = {
                **{name: value for name, value in comment.items() if name != "properties"},
                "body": text_of(comment["body"]),
            }
            short = _old(issue.row)
            short["fields"] = {
                name: short["fields"][name] for name in ("summary", "project", "status")
            }
            payload["issue"] = short
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        project = issue.row["fields"]["project"]["key"]
        if self.sandbox.webhook_url:
            self._send(event, self.sandbox.webhook_url, signed(body), body, now)
        for hook in self.admin.values():
            if event in hook.events and f'"{project}"' in hook.filter:
                self._send(event, hook.url, signed(body, hook.secret), body, now)
        for hook in self.dynamic.values():
            alive = hook.expires is None or hook.expires > now
            if alive and event in hook.events and f'"{project}"' in hook.filter:
                self._send(event, hook.url, bearer(now), body, now)

    def _send(self, event: str, url: str, proof: Row, body: bytes, at: datetime) -> None:
        headers = {
            "content-type": "application/json; charset=UTF-8",
            "user-agent": "Atlassian Webhook HTTP Client",
            "x-atlassian-webhook-identifier": str(uuid.uuid4()),
            "x-atlassian-webhook-flow": "Primary",
            **proof,
        }
        sent = Sent(event, url, headers, body, at)
        self.sent.append(sent)
        if self._thread is not None and url.startswith("http://127.0.0.1"):
            self._queue.put(sent)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._deliver, name="jira-hooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=15)

    def drain(self) -> None:
        """Return once every webhook so far was delivered or has failed."""
        self._queue.join()

    def _deliver(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while (sent := self._queue.get()) is not None:
                with suppress(httpx.HTTPError):
                    answer = client.post(sent.url, content=sent.body, headers=sent.headers)
                    sent.status = answer.status_code
                self._queue.task_done()

    # --------------------------------------------------------------------- registrations of the app

    def _app(self, request: Request) -> None:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            raise Refused(403, "The caller isn't an app.")

    def list(self, request: Request, body: Any) -> tuple[int, Any]:
        self._app(request)
        found = [
            {
                "id": hook.id,
                "jqlFilter": hook.filter,
                "events": hook.events,
                "expirationDate": self._stamp(hook),
            }
            for hook in self.dynamic.values()
        ]
        page = {"startAt": 0, "maxResults": 100, "total": len(found), "isLast": True}
        return 200, {**page, "values": found}

    def register(self, request: Request, body: Any) -> tuple[int, Any]:
        self._app(request)
        results: list[Row] = []
        for wanted in body["webhooks"]:
            if wanted.keys() - {"events", "jqlFilter", "fieldIdsFilter"}:
                raise Refused(400, "Unknown property of a webhook.")
            others = {hook.url for hook in self.dynamic.values()}
            if others - {body["url"]}:
                results.append({"errors": ["Only a single URL per app is allowed."]})
            elif len(self.dynamic) >= 5:
                results.append({"errors": ["The app has reached its limit of webhooks."]})
            else:
                hook = Hook(
                    int(self.sandbox.site.number()),
                    body["url"],
                    wanted["events"],
                    wanted["jqlFilter"],
                    self.sandbox.clock() + timedelta(days=30),
                )
                self.dynamic[hook.id] = hook
                results.append({"createdWebhookId": hook.id})
        return 200, {"webhookRegistrationResult": results}

    def remove(self, request: Request, body: Any) -> tuple[int, Any]:
        self._app(request)
        for id in body["webhookIds"]:
            self.dynamic.pop(id, None)
        return 202, None

    def refresh(self, request: Request, body: Any) -> tuple[int, Any]:
        self._app(request)
        expires = self.sandbox.clock() + timedelta(days=30)
        for id in body["webhookIds"]:
            if id in self.dynamic:
                self.dynamic[id].expires = expires
        return 200, {"expirationDate": _milliseconds(expires)}

    def _stamp(self, hook: Hook) -> int | None:
        return _milliseconds(hook.expires) if hook.expires else None

    # ------------------------------------------------------------------ an administrator's webhooks

    def _right(self) -> None:
        if not self.sandbox.admin:
            raise Refused(403, "Only Jira administrators can manage webhooks.")

    def _shown(self, hook: Hook) -> Row:
        shown = {"self": f"{self.sandbox.url}{_ADMIN}/{hook.id}", "url": hook.url}
        return {**shown, "events": hook.events, "isSigned": True, **hook.extra}

    def admin_list(self, request: Request, body: Any) -> tuple[int, Any]:
        self._right()
        return 200, [self._shown(hook) for hook in self.admin.values()]

    def _hook(self, request: Request) -> Hook:
        self._right()
        hook = self.admin.get(int(request.path_params["id"]))
        if hook is None:
            raise Refused(404, "No webhook with this id.")
        return hook

    def admin_get(self, request: Request, body: Any) -> tuple[int, Any]:
        return 200, self._shown(self._hook(request))

    def admin_make(self, request: Request, body: Any) -> tuple[int, Any]:
        self._right()
        known = {"name", "url", "events", "filters", "excludeBody", "secret", "description"}
        if body.keys() - known or not str(body.get("name") or ""):
            raise Refused(400, "A webhook needs a name, and nothing that is not known.")
        old = self._hook(request).id if "id" in request.path_params else None
        hook = Hook(
            old or int(self.sandbox.site.number()),
            body["url"],
            body["events"],
            body.get("filters", {}).get("issue-related-events-section", ""),
            None,
            body.get("secret", ""),
            {"name": body["name"], "filters": body.get("filters", {})},
        )
        self.admin[hook.id] = hook
        return (200 if old else 201), self._shown(hook)

    def admin_remove(self, request: Request, body: Any) -> tuple[int, Any]:
        del self.admin[self._hook(request).id]
        return 204, None


def signed(body: bytes, secret: str = SECRET) -> Row:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature": f"sha256={digest}"}


def bearer(at: datetime, secret: str = CLIENT_SECRET) -> Row:
    """The token of a dynamic webhook; it says nothing of the body."""
    claims = {"iss": CLIENT_ID, "iat": int(at.timestamp()), "exp": int(at.timestamp()) + 180}
    token = jwt.encode(claims, secret.encode(), algorithm="HS256")
    return {"authorization": f"Bearer {token}"}


def _old(row: Row) -> Row:
    """An issue as webhooks show it: texts are not documents there."""
    fields = {**row["fields"], "description": text_of(row["fields"]["description"])}
    return {"id": row["id"], "key": row["key"], "fields": fields}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def utc_now() -> datetime:
    return datetime.now(UTC)
