"""What the conformance kit does with the sandbox: people at work in a shared spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from connectors.sdk import Change, Record
from connectors.sdk.records import Delivery, Json
from connectors.sdk.sandbox import Drill, Inapplicable

if TYPE_CHECKING:
    from connectors.google_sheets.sandbox import GoogleSheetsSandbox


class SheetsDrill(Drill):
    """Rows with keys, as an earlier push of the hub left them."""

    def __init__(self, sandbox: GoogleSheetsSandbox) -> None:
        self._box = sandbox
        self._number = count(1)
        self._edits = count(1)

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        keys = [f"k-{next(self._number):05}" for _ in range(count)]
        with self._box.lock:
            for key in keys:
                self._box.add(key, Title=f"Task {key}", Status="Open", Hours=2)
        return keys

    def edit(self, object: str, id: str) -> None:
        self._box.edit(id, Notes=f"Edited by a person ({next(self._edits)})")

    def remove(self, object: str, id: str) -> None:
        self._box.delete(id)

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        rows = [row for tab in self._box.tabs for row in self._box.rows(tab.title)]
        return {str(row["_hub_key"]): row for row in rows if row["_hub_key"]}

    def creation(self, object: str, key: str) -> Change:
        fields = {"Title": f"Call about {key}", "Status": "Open", "Due": "2026-03-04", "Hours": 1.5}
        return Change("create", object, key, {**fields, "Notes": "New"})

    def alteration(self, record: Record, key: str) -> Change:
        fields: dict[str, Any] = {"Status": "Done", "Notes": f"=closed by {key}"}
        return Change(
            "update", record.object, key, fields, record.id, record.address, base=record.data
        )

    def collide(self, record: Record, key: str) -> Change:
        self._box.edit(record.id, Status="Cancelled")
        return self.alteration(record, key)

    def refusal(self, object: str, key: str) -> Change:
        return Change("create", object, key, {"Title": "Paint it", "Colour": "red"})

    def deliveries(self) -> Sequence[Delivery]:
        return [
            one for one in self._box.delivered if one.headers["x-goog-resource-state"] != "sync"
        ]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        raise Inapplicable("Drive shows a token and signs nothing")

    def handshakes(self) -> Sequence[Delivery]:
        self._box.webhook_url = self._box.webhook_url or "http://127.0.0.1:9/webhooks/kit"
        return [self._box.sync()]

    def move(self, object: str, id: str) -> None:
        self._box.move(id, "Done")

    def expire_token(self) -> None:
        with self._box.lock:
            self._box.google.tokens.clear()

    def expire_subscription(self, id: str) -> None:
        with self._box.lock:
            self._box.channels.pop(id.split("|")[0], None)

    def subscriptions(self) -> Mapping[str, str]:
        with self._box.lock:
            return {
                f"{one.id}|{self._box.resource}|{one.address}": one.address
                for one in self._box.channels.values()
            }

    def ignore_writes(self, count: int) -> None:
        self._box.faults.silent = count
