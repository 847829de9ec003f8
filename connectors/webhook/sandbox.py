"""A small shop that tells others what happens to its orders, by POST and in any scheme: it signs
by its own code, so that it cannot drift together with the connector.

It tries again as Standard Webhooks suggests, when told that the time has come, and stops at 410.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote

import httpx

from connectors.sdk import Delivery
from connectors.sdk.faults import Asgi
from connectors.sdk.sandbox import Drill, HttpSandbox
from connectors.webhook.sandbox_page import sender_page

SCHEMES = ("standard-webhooks", "hmac", "stripe", "basic", "token", "cloudevents")
MODES = ("structured", "binary", "batch")
SECRET = "whsec_c2FuZGJveC1vbmx5LXNlY3JldC0yNC1ieXRlcw=="
USER = "shop"
DELAYS = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds between one attempt and the next."""
SOURCE = "https://shop.sandbox.test/orders"
PEOPLE = ("dmeier", "lkim")

ORDER: dict[str, Any] = {
    "events": ["order.*"],
    "records": "$.data",
    "id": "$.id",
    "version": "$.updated_at",
    "url": "https://shop.sandbox.test/orders/{$.id}",
    "actor": "$.changed_by",
    "deleted_events": ["order.deleted"],
}


@dataclass(slots=True)
class Message:
    """One event on its way, in as many attempts as it takes."""

    id: str
    event: str
    data: Mapping[str, Any]
    at: datetime
    statuses: list[int] = field(default_factory=list)
    """The answer to each attempt; 0: nobody answered."""

    @property
    def delivered(self) -> bool:
        return bool(self.statuses) and 200 <= self.statuses[-1] < 300

    @property
    def over(self) -> bool:
        """Delivered, given up, or told to stop."""
        return self.delivered or self.statuses[-1:] == [410] or len(self.statuses) >= len(DELAYS)


class WebhookSandbox(HttpSandbox):
    """The sender. `scheme` and `mode` may be changed while it runs."""

    name = "webhook"

    def __init__(
        self, scheme: str = "standard-webhooks", proof: str = "token", mode: str = "structured"
    ) -> None:
        super().__init__()
        self.scheme, self.proof, self.mode = scheme, proof, mode
        self.orders: dict[str, dict[str, Any]] = {}
        self.messages: list[Message] = []
        self._numbers = itertools.count(1001)

    def connection(self) -> dict[str, Any]:
        return {"connector": "webhook", **self.settings(), "objects": {"order": ORDER}}

    def settings(self) -> dict[str, Any]:
        """What hub.yaml says for the scheme in use."""
        proof = self.proof if self.scheme == "cloudevents" else self.scheme
        said: dict[str, Any] = {"scheme": self.scheme, "webhook": {"secret": "env:SHOP_HOOK"}}
        if self.scheme == "cloudevents":
            said |= {"proof": proof, "origins": ["shop.sandbox.test"]}
        if proof == "hmac":
            said |= {
                "header": "X-Shop-Signature",
                "prefix": "sha256=",
                "base": self._base(),
                "timestamp_header": "X-Shop-Timestamp",
            }
        if proof == "basic":
            said["user"] = USER
        if self.scheme in ("hmac", "basic", "token"):
            said["event"] = "$.type"
        return said

    def env(self) -> dict[str, str]:
        return {"SHOP_HOOK": SECRET}

    # ------------------------------------------------------------------------ what people do

    def place(
        self, title: str = "Coffee, 2 kg", *, by: str = "dmeier", total: str = "39.00"
    ) -> str:
        """A new order; its id."""
        with self.lock:
            id = f"O-{next(self._numbers)}"
            self.orders[id] = {"id": id, "title": title, "status": "open", "total": total}
            return self._tell("order.created", id, by)

    def change(self, id: str, *, by: str = "lkim", **fields: Any) -> None:
        """Somebody changes an order."""
        with self.lock:
            self.orders[id] |= fields
            self._tell("order.updated", id, by)

    def delete(self, id: str, *, by: str = "lkim") -> None:
        """Somebody deletes an order."""
        with self.lock:
            self._tell("order.deleted", id, by)
            del self.orders[id]

    def populate(self) -> None:
        for title in ("Coffee, 2 kg", "Two cups", "A grinder"):
            self.place(title)

    def _tell(self, event: str, id: str, by: str) -> str:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        self.orders[id] |= {"updated_at": now, "changed_by": by}
        self.send(event, dict(self.orders[id]))
        return id

    # ------------------------------------------------------------------------------- sending

    def send(self, event: str, data: Mapping[str, Any]) -> Message:
        """Any event: one attempt now, if there is a webhook_url."""
        with self.lock:
            made = Message(f"msg_{len(self.messages) + 1}", event, data, datetime.now(UTC))
            self.messages.append(made)
        self._attempt(made)
        return made

    def retry(self) -> None:
        """The time has come for the next attempt of whatever was not taken."""
        for one in list(self.messages):
            if not one.over:
                self._attempt(one)

    def _attempt(self, message: Message) -> None:
        if self.webhook_url is None:
            return
        one = self.delivery(message, datetime.now(UTC))
        try:
            with httpx.Client(trust_env=False, timeout=15, follow_redirects=False) as client:
                answer = client.post(one.url, content=one.body, headers=dict(one.headers))
            message.statuses.append(answer.status_code)
        except httpx.HTTPError:
            message.statuses.append(0)

    def delivery(self, message: Message, at: datetime) -> Delivery:
        """The request of one attempt, signed at that moment."""
        moment = message.at.isoformat().replace("+00:00", "Z")
        if self.scheme == "cloudevents":
            return self._cloud_event(message, moment, at)
        shape = {"type": message.event, "timestamp": moment, "data": message.data}
        if self.scheme == "stripe":
            shape = {"id": message.id, "type": message.event, "data": message.data}
        elif self.scheme in ("hmac", "basic", "token"):
            shape["id"] = message.id
        return self.signed(json.dumps(shape).encode(), at, message.id)

    def _cloud_event(self, message: Message, moment: str, at: datetime) -> Delivery:
        attributes = {
            "specversion": "1.0", "id": message.id, "source": SOURCE, "type": message.event,
            "time": moment,
        }  # fmt: skip
        headers = self._headers(attributes)
        shape: Any = message.data
        if self.mode != "binary":
            shape = {**attributes, "datacontenttype": "application/json", "data": message.data}
        body = json.dumps([shape] if self.mode == "batch" else shape).encode()
        return self.signed(body, at, message.id, headers)

    def _headers(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """What a CloudEvent is sent with in the mode in use."""
        if self.mode == "binary":
            return {f"ce-{name}": quote(text, safe=" :/") for name, text in attributes.items()}
        kind = "-batch" if self.mode == "batch" else ""
        return {"content-type": f"application/cloudevents{kind}+json; charset=utf-8"}

    def signed(
        self,
        body: bytes,
        at: datetime,
        id: str = "msg_0",
        headers: Mapping[str, str] | None = None,
        secret: str | None = None,
    ) -> Delivery:
        """Any body with the proof of the scheme."""
        proof = self.proof if self.scheme == "cloudevents" else self.scheme
        secret, stamp = secret or SECRET, str(int(at.timestamp()))
        if headers is None and self.scheme == "cloudevents":
            usual = {"specversion": "1.0", "id": id, "source": SOURCE, "type": "order.updated"}
            headers = self._headers(usual)
        said = {"content-type": "application/json", **(headers or {})}
        if proof == "standard-webhooks":
            mac = hmac.new(_key(secret), f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
            said |= {
                "webhook-id": id,
                "webhook-timestamp": stamp,
                "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
            }
        elif proof == "stripe":
            said["stripe-signature"] = f"t={stamp},v1={_hex(secret, f'{stamp}.'.encode() + body)}"
        elif proof == "hmac":
            named = [said[name] for name in self._named()]
            base = ".".join([*named, stamp]).encode() + b"." + body
            said |= {
                "x-shop-timestamp": stamp,
                "x-shop-signature": f"sha256={_hex(secret, base)}",
            }
        elif proof == "basic":
            pair = base64.b64encode(f"{USER}:{secret}".encode()).decode()
            said["authorization"] = f"Basic {pair}"
        else:
            said["authorization"] = f"Bearer {secret}"
        url = self.webhook_url or "http://127.0.0.1:9/webhooks/shop"
        return Delivery("POST", url, said, body, at)

    def _named(self) -> list[str]:
        """The headers that are signed with the body."""
        binary = self.scheme == "cloudevents" and self.mode == "binary"
        names = ("specversion", "id", "source", "type") if binary else ()
        return [f"ce-{name}" for name in names]

    def _base(self) -> str:
        return ".".join([*(f"{{header:{one}}}" for one in self._named()), "{timestamp}", "{body}"])

    # ---------------------------------------------------------------------------- its page

    def app(self) -> Asgi:
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            status, note = 200, ""
            if scope["path"] != "/":
                status = 404
            elif scope["method"] == "POST":
                body = b""
                more = True
                while more:
                    message = await receive()
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                note = await asyncio.to_thread(self._submitted, body)
            page = sender_page(self, note).encode() if status == 200 else b"not here"
            headers = [
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-length", b"%d" % len(page)),
            ]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": page})

        return serve

    def _submitted(self, body: bytes) -> str:
        """What a person asked for in the form; the line to show them."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("retry"):
            self.retry()
            return "Tried again."
        try:
            data = json.loads(form.get("data", ""))
        except ValueError:
            return "The data is not JSON."
        if not isinstance(data, dict) or form.get("scheme", self.scheme) not in SCHEMES:
            return "The data is a JSON object, and the scheme one of the list."
        self.scheme = form.get("scheme", self.scheme)
        self.mode = form["mode"] if form.get("mode") in MODES else self.mode
        self.webhook_url = form.get("url") or self.webhook_url
        sent = self.send(form.get("event", "order.updated"), data)
        status = sent.statuses[-1] if sent.statuses else None
        return f"{sent.id}: " + ("nowhere to send it" if status is None else f"answered {status}")

    def drill(self) -> Drill:
        from connectors.webhook.drill import WebhookDrill

        return WebhookDrill(self)


def _key(secret: str) -> bytes:
    """What a whsec_ secret stands for; another text is its own key."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return secret.encode()


def _hex(secret: str, base: bytes) -> str:
    return hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
