"""How the conformance kit makes things happen at the shop of the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from connectors.sdk import Change, Delivery
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Drill, Inapplicable
from connectors.webhook.sandbox import WebhookSandbox


class WebhookDrill(Drill):
    """Orders that people place, change and delete; nothing is ever asked or written."""

    def __init__(self, sandbox: WebhookSandbox) -> None:
        self._sandbox = sandbox

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        return [self._sandbox.place(f"Order {number}") for number in range(count)]

    def edit(self, object: str, id: str) -> None:
        self._sandbox.change(id, status="done")

    def remove(self, object: str, id: str) -> None:
        self._sandbox.delete(id)

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        return {id: dict(order) for id, order in self._sandbox.orders.items()}

    def deliveries(self) -> Sequence[Delivery]:
        # the times of a message stay; each attempt is signed when it is made
        return [self._sandbox.delivery(one, datetime.now(UTC)) for one in self._sandbox.messages]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        return self._sandbox.signed(body, at, secret=secret)

    def handshakes(self) -> Sequence[Delivery]:
        if self._sandbox.scheme != "cloudevents":
            raise Inapplicable("only senders of CloudEvents ask before they send")
        headers = {
            "webhook-request-origin": "shop.sandbox.test",
            "webhook-request-rate": "60",
            "webhook-request-callback": "https://shop.sandbox.test/granted",
        }
        url = "https://hub.sandbox.test/webhooks/shop"
        return [Delivery("OPTIONS", url, headers, b"", datetime.now(UTC))]

    def creation(self, object: str, key: str) -> Change:
        raise Inapplicable("the system takes nothing in; it only sends")
