"""How the conformance kit makes things happen at Deskly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from connectors.rest.sandbox import SIZE, DesklySandbox
from connectors.sdk import Change, Delivery, Record
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Drill, Inapplicable

ANN = "ann@deskly.test"


class DesklyDrill(Drill):
    """People at Deskly. Notes are written below one ticket, made when first needed."""

    page = SIZE

    def __init__(self, desk: DesklySandbox) -> None:
        self.desk = desk
        self._ticket: int | None = None

    def _above(self) -> int:
        if self._ticket is None or self.desk.tickets[self._ticket]["deleted"]:
            self._ticket = self.desk.make_ticket({"subject": "For notes"}, by=ANN)["id"]
        return self._ticket

    # what people do ------------------------------------------------------------------------------

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
        with self.desk.lock:
            if object == "ticket":
                rows = [
                    self.desk.make_ticket(
                        {"subject": f"Seeded {number}", "body": "Grüße"}, by=ANN, at=moment
                    )
                    for number in range(count)
                ]
            else:
                ticket = self._above()
                rows = [
                    self.desk.make_note(ticket, {"text": f"Seeded {number}"}, by=ANN, at=moment)
                    for number in range(count)
                ]
        return [str(row["id"]) for row in rows]

    def edit(self, object: str, id: str) -> None:
        with self.desk.lock:
            if object == "ticket":
                subject = self.desk.tickets[int(id)]["subject"]
                self.desk.edit_ticket(int(id), by=ANN, subject=f"{subject}!")
            else:
                self.desk.edit_note(int(id), by=ANN, text=f"{self.desk.notes[int(id)]['text']}!")

    def remove(self, object: str, id: str) -> None:
        if object == "ticket":
            self.desk.remove_ticket(int(id), by=ANN)
        else:
            self.desk.remove_note(int(id), by=ANN)

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        with self.desk.lock:
            rows = self.desk.tickets if object == "ticket" else self.desk.notes
            return {str(id): dict(row) for id, row in rows.items() if not row.get("deleted")}

    # what the hub would write --------------------------------------------------------------------

    def creation(self, object: str, key: str) -> Change:
        if object == "ticket":
            fields: dict[str, Json] = {"subject": f"Made for {key}", "tags": ["hub"]}
            return Change("create", "ticket", key, fields)
        return Change("create", "note", key, {"text": "From the hub"}, parent=str(self._above()))

    def alteration(self, record: Record, key: str) -> Change:
        fields: dict[str, Json] = (
            {"state": "waiting", "priority": "high"}
            if record.object == "ticket"
            else {"text": "Changed by the hub"}
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
        name = "subject" if record.object == "ticket" else "text"
        self.edit(record.object, record.id)
        return replace(self.alteration(record, key), fields={name: "Changed by the hub"})

    def refusal(self, object: str, key: str) -> Change:
        if object == "ticket":
            return Change("create", "ticket", key, {"subject": "", "state": "lost"})
        return Change("create", "note", key, {"text": ""}, parent=str(self._above()))

    # webhooks ------------------------------------------------------------------------------------

    def deliveries(self) -> Sequence[Delivery]:
        now = datetime.now(UTC)
        return [self.desk.signed(json.dumps(event).encode(), now) for event in self.desk.events]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        return self.desk.signed(body, at, secret)

    # time and trouble ----------------------------------------------------------------------------

    def expire_cursor(self) -> None:
        if self.desk.paging != "feed":
            raise Inapplicable("the usual cursor lives no longer than one pull")
        self.desk.epoch += 1

    def expire_token(self) -> None:
        if self.desk.auth != "oauth2":
            raise Inapplicable("a key does not expire by itself")
        self.desk.api.tokens.clear()

    def lag(self, seconds: float) -> None:
        self.desk.faults.lag = seconds

    def ignore_writes(self, count: int) -> None:
        self.desk.faults.silent = count

    def hidden_failure(self) -> None:
        if not self.desk.polite:
            raise Inapplicable("a failure shows in the status, unless the service is polite")
        self.desk.failing = True

    def clock(self, ahead: float) -> None:
        self.desk.ahead = ahead
