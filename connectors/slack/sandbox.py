"""A workspace of Slack on loopback: people, channels, direct messages and threads, events and
buttons that are signed as Slack signs them.

https://docs.slack.dev/apis/events-api
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx

from connectors.sdk import Delivery
from connectors.sdk.faults import Kind
from connectors.sdk.sandbox import Asgi, Drill, HttpSandbox
from connectors.slack.blocks import ACTIONS, CHOSEN
from connectors.slack.drill import PAGE, SlackDrill
from connectors.slack.sandbox_api import SlackApi
from connectors.slack.sandbox_state import APP, BOT_USER, TEAM, Channel, Refused, Row, Workspace

TOKEN = "xoxb-sandbox-not-a-secret-token"
SECRET = "slack-sandbox-signing-secret"
CLIENT_ID, CLIENT_SECRET = "1111.2222", "slack-sandbox-client-secret"
REFRESH = "xoxe-1-sandbox-not-a-secret-refresh"
SCOPES = (
    *("chat:write", "im:write", "mpim:write", "users:read", "users:read.email"),
    *("channels:history", "groups:history", "im:history", "mpim:history"),
    *("channels:read", "groups:read", "im:read", "mpim:read", "app_mentions:read"),
)
PATIENCE = 3.0
"""Seconds after which a person who pressed a button is told that the app did not respond."""


@dataclass(slots=True)
class Sent:
    """One POST to the app. `seconds` is how long the answer took; `retry` counts from 1."""

    kind: str
    id: str
    body: bytes
    status: int | None = None
    seconds: float | None = None
    answer: bytes = b""
    retry: int = 0
    at: float = field(default_factory=time.time)


class SlackSandbox(HttpSandbox):
    """Set `webhook_url` to have events and clicks posted there, signed.

    `rotating`: the app rotates its tokens. `limits`: methods called much too often are refused.
    """

    name: ClassVar[str] = "slack"

    def __init__(self, *, rotating: bool = False, limits: bool = True) -> None:
        super().__init__()
        self.rotating = rotating
        self.limits = limits
        self.scopes = set(SCOPES)
        self.refused: str | None = None
        """The code with which every token is refused: `token_revoked`, `account_inactive`."""
        self.failing = False
        """Whether the next request fails, in an answer with status 200."""
        self.notice = ""
        self.sent: list[Sent] = []
        self._queue: queue.Queue[Sent | None] = queue.Queue()
        self._tokens = {TOKEN} if not rotating else set()
        self._refresh = REFRESH
        self.renewals = 0
        self.state = Workspace(self._emit)
        self.state.add_user("Hub", None, id=BOT_USER, bot=True)
        self.people = [
            self.state.add_user("Ada Berg", "ada@acme.test")["id"],
            self.state.add_user("Ben Lutz", "ben@acme.test")["id"],
            self.state.add_user("Cleo Marti", "cleo@acme.test")["id"],
        ]
        self.ops = self.state.add_channel("ops", [BOT_USER, *self.people]).id
        self.archived = self.state.add_channel("old-projects", [BOT_USER, *self.people]).id
        self.state.channels[self.archived].archived = True
        self.foreign = self.state.add_channel("board", [self.people[0]]).id

    def connection(self) -> dict[str, Any]:
        if self.rotating:
            auth = {
                "client_id": CLIENT_ID,
                "client_secret": "env:SLACK_CLIENT_SECRET",
                "refresh_token": "env:SLACK_REFRESH_TOKEN",
            }
        else:
            auth = {"token": "env:SLACK_TOKEN"}
        return {
            "connector": "slack",
            "base_url": f"{self.url}/api",
            "auth": auth,
            "channel": self.ops,
            "page_size": PAGE,
            "webhook": {"secret": "env:SLACK_SIGNING_SECRET"},
        }

    def env(self) -> dict[str, str]:
        secrets = {"SLACK_SIGNING_SECRET": SECRET}
        if self.rotating:
            return secrets | {
                "SLACK_CLIENT_SECRET": CLIENT_SECRET,
                "SLACK_REFRESH_TOKEN": REFRESH,
            }
        return secrets | {"SLACK_TOKEN": TOKEN}

    def app(self) -> Asgi:
        return SlackApi(self).app()

    def kind(self, method: str, path: str) -> Kind:
        """Opening a direct message twice is opening it once: nobody sees it, nothing is written."""
        if path.endswith("oauth.v2.access") or path.startswith("/client"):
            return "sign-in"
        return "write" if "/chat." in path else "read"

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        codes = {429: "ratelimited", 401: "invalid_auth", 403: "access_denied"}
        body = {"ok": False, "error": codes.get(status, "internal_error")}
        return {"content-type": "application/json; charset=utf-8"}, json.dumps(body).encode()

    def goes_on(self, answer: Any) -> bool:
        return bool(answer.get("response_metadata"))

    def drill(self) -> Drill:
        return SlackDrill(self)

    def start(self, port: int = 0) -> None:
        super().start(port)
        self._sender = threading.Thread(target=self._send_all, name="slack-events", daemon=True)
        self._sender.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._sender.join(timeout=15)
        super().stop()

    def populate(self) -> None:
        ada, ben, cleo = self.people
        first = self.say("Morning! Who looks after the order of Nordwind?", ada)
        self.reply(first, "I do. The contract is with legal until Thursday.", ben)
        self.say(
            "Reminder: the *quarterly review* is on Friday. <https://acme.test/q|Agenda>", cleo
        )
        self.state.add_channel("sales", [BOT_USER, ada, cleo])
        self.say("Thanks, I will look at it after lunch.", ada, self.direct(ada))

    # signing in -------------------------------------------------------------------------------

    def admit(self, token: str) -> None:
        """Raises Refused for a token that is not good."""
        if self.failing:
            self.failing = False
            raise Refused("fatal_error")
        if self.refused:
            raise Refused(self.refused)
        if token not in self._tokens:
            known = self.rotating and token.startswith("xoxe.xoxb-")
            raise Refused("token_expired" if known else "invalid_auth")

    def rotate(self, form: Mapping[str, str]) -> Row:
        """A new token for the refresh token, which changes with it."""
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            raise Refused("invalid_client_id")
        if form.get("grant_type") != "refresh_token" or not self.rotating:
            raise Refused("invalid_grant_type")
        if form.get("refresh_token") != self._refresh:
            raise Refused("invalid_refresh_token")
        self.renewals += 1
        token = f"xoxe.xoxb-1-sandbox-{self.renewals}"
        self._tokens, self._refresh = {token}, f"xoxe-1-sandbox-refresh-{self.renewals}"
        return {
            "app_id": APP,
            "access_token": token,
            "refresh_token": self._refresh,
            "expires_in": 43_200,
            "token_type": "bot",
            "bot_user_id": BOT_USER,
            "scope": ",".join(sorted(self.scopes)),
            "team": {"id": TEAM, "name": "Sandbox"},
        }

    def expire_tokens(self) -> None:
        """Twelve hours pass: only a rotating app's tokens end."""
        self._tokens = set()

    # people -----------------------------------------------------------------------------------

    def say(self, text: str, by: str = "", channel: str = "", at: float | None = None) -> str:
        """Somebody writes in a channel; the message's id."""
        with self.lock:
            place = self.state.channels[channel or self.ops]
            return f"{place.id}:{self.state.post(place, by or self.people[0], text, at=at)['ts']}"

    def reply(self, id: str, text: str, by: str = "") -> str:
        """Somebody answers in the thread of a message."""
        with self.lock:
            place, ts = self._place(id)
            thread = place.messages[ts].get("thread_ts", ts)
            row = self.state.post(place, by or self.people[0], text, thread=thread)
            return f"{place.id}:{row['ts']}"

    def edit(self, id: str, text: str) -> None:
        with self.lock:
            place, ts = self._place(id)
            self.state.edit(place, ts, place.messages[ts]["user"], text=text)

    def remove(self, id: str) -> None:
        with self.lock:
            place, ts = self._place(id)
            self.state.delete(place, ts)

    def direct(self, user: str) -> str:
        """The direct message between a person and the app."""
        with self.lock:
            place = self.state.direct([user], True)
            assert place is not None  # noqa: S101
            return place.id

    def click(self, id: str, choice: str, by: str = "") -> Sent:
        """Somebody presses a button and waits for the app's answer, as long as Slack does."""
        with self.lock:
            place, ts = self._place(id)
            row = place.messages[ts]
            actions = next(b for b in row["blocks"] if b.get("block_id") == ACTIONS)
            element = next(e for e in actions["elements"] if e["action_id"] == CHOSEN + choice)
            payload = self._pressed(place, row, element, by or self.people[0])
        body = urlencode({"payload": json.dumps(payload, separators=(",", ":"))}).encode()
        sent = Sent("interactive", payload["trigger_id"], body)
        self.sent.append(sent)
        if self.webhook_url:
            with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
                self._deliver(client, sent)
            fine = sent.status == 200 and (sent.seconds or 0) < PATIENCE
            self.notice = "" if fine else "This app is not responding. Try again."
        return sent

    def _pressed(self, place: Channel, row: Row, element: Row, by: str) -> Row:
        user, at = self.state.users[by], self.state.stamp(place)
        return {
            "type": "block_actions",
            "user": {"id": by, "username": user["name"], "name": user["name"], "team_id": TEAM},
            "api_app_id": APP,
            "token": "deprecated-verification-token",
            "container": {
                "type": "message",
                "message_ts": row["ts"],
                "channel_id": place.id,
                "is_ephemeral": False,
            },
            "trigger_id": f"{at}.{self.state.number('')}",
            "team": {"id": TEAM, "domain": "sandbox"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": place.id, "name": place.name or "directmessage"},
            "message": row,
            "state": {"values": {}},
            "response_url": f"{self.url}/actions/{TEAM}/{at}",
            "actions": [{"block_id": ACTIONS, "action_ts": at, **element}],
        }

    def _place(self, id: str) -> tuple[Channel, str]:
        channel, _, ts = id.partition(":")
        return self.state.channels[channel], ts

    def message(self, id: str) -> Row:
        """What the sandbox holds."""
        with self.lock:
            place, ts = self._place(id)
            return dict(place.messages[ts])

    # what is posted to the app ------------------------------------------------------------------

    def _emit(self, event: Row) -> None:
        at = int(self.state.now())
        id = self.state.number("Ev")
        payload = {
            "token": "deprecated-verification-token",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": id,
            "event_time": at,
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": TEAM,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        self._queue_up(Sent("event", id, json.dumps(payload, separators=(",", ":")).encode()))

    def _queue_up(self, sent: Sent) -> None:
        self.sent.append(sent)
        if self.webhook_url:
            self._queue.put(sent)

    def verify_url(self) -> Sent:
        """What Slack posts when somebody enters the address in the app's settings."""
        challenge = hashlib.sha256(self.state.number("challenge").encode()).hexdigest()
        body = {"token": "deprecated", "challenge": challenge, "type": "url_verification"}
        sent = Sent("event", challenge, json.dumps(body).encode())
        if self.webhook_url:
            with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
                self._deliver(client, sent)
        return sent

    def redeliver(self, id: str, retry: int = 1) -> None:
        """Slack did not hear a 200 in time and posts the same event again."""
        first = next(sent for sent in self.sent if sent.id == id)
        self._queue_up(Sent(first.kind, first.id, first.body, retry=retry))

    def rate_limited(self) -> None:
        """More than 30,000 events in an hour: Slack leaves some out and says so."""
        body = {
            "token": "deprecated",
            "type": "app_rate_limited",
            "team_id": TEAM,
            "minute_rate_limited": int(self.state.now()),
            "api_app_id": APP,
        }
        self._queue_up(Sent("event", self.state.number("Rl"), json.dumps(body).encode()))

    def drain(self) -> None:
        """Return once every event so far was posted."""
        self._queue.join()

    def delivery(
        self, body: bytes, *, form: bool = False, at: datetime | None = None,
        secret: str = SECRET, retry: int = 0,
    ) -> Delivery:  # fmt: skip
        """A signed request as the hub would receive it."""
        moment = at or datetime.now(UTC)
        url = self.webhook_url or "https://hub.test/webhooks/slack"
        headers = _headers(body, form, int(moment.timestamp()), secret, retry)
        return Delivery("POST", url, headers, body, moment)

    def _send_all(self) -> None:
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            while (sent := self._queue.get()) is not None:
                self._deliver(client, sent)
                self._queue.task_done()

    def _deliver(self, client: httpx.Client, sent: Sent) -> None:
        form = sent.kind == "interactive"
        headers = _headers(sent.body, form, int(self.state.now()), SECRET, sent.retry)
        begun = time.monotonic()
        with suppress(httpx.HTTPError):  # Slack notes the failure and tries events again later
            answer = client.post(self.webhook_url or "", content=sent.body, headers=headers)
            sent.status, sent.answer = answer.status_code, answer.content
        sent.seconds = time.monotonic() - begun


def _headers(body: bytes, form: bool, stamp: int, secret: str, retry: int) -> dict[str, str]:
    signed = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    headers = {
        "content-type": kind,
        "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "x-slack-request-timestamp": str(stamp),
        "x-slack-signature": f"v0={signed}",
    }
    if retry:
        headers |= {"x-slack-retry-num": str(retry), "x-slack-retry-reason": "http_timeout"}
    return headers
