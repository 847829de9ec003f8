"""How the conformance kit makes things happen at the Salesforce sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.salesforce.objects import SOBJECTS
from connectors.salesforce.soql import moment
from connectors.sdk import Change, Delivery, Record
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Drill, Inapplicable

if TYPE_CHECKING:
    from connectors.salesforce.sandbox import SalesforceSandbox

_NAMED = {
    "opportunity": "Name",
    "task": "Subject",
    "case": "Subject",
    "contact": "LastName",
    "user": "Name",
}
_NEW: Mapping[str, Mapping[str, Any]] = {
    "opportunity": {"StageName": "Prospecting", "CloseDate": "2027-03-31", "Amount": 100.0},
    "task": {"Status": "Not Started", "ActivityDate": "2027-03-31"},
    "case": {"Status": "New", "Origin": "Web"},
    "contact": {"FirstName": "Ann", "Email": "ann@customer.test"},
}
_WRONG: Mapping[str, Mapping[str, Any]] = {
    "opportunity": {"StageName": "No such stage"},
    "task": {"Status": "No such status"},
    "case": {"Priority": "No such priority"},
    "contact": {"Email": "not an address"},
}


class SalesforceDrill(Drill):
    """People act as the first user there is."""

    page = 200

    def __init__(self, sandbox: SalesforceSandbox) -> None:
        self.sandbox = sandbox
        self._edits = 0
        self._ahead = 0.0
        sandbox.announcer.recording = True

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        org, clock = self.sandbox.org, self.sandbox.org.clock
        if at is not None:
            stamp = at
            org.clock = lambda: stamp
        try:
            if object == "user":
                return [
                    self.sandbox.create_user(f"User {n}", f"user{n}@acme.test")
                    for n in range(count)
                ]
            return [
                self.sandbox.create(
                    SOBJECTS[object],
                    "dana@acme.test",
                    **{**_NEW[object], _NAMED[object]: f"Seen {n}"},
                )
                for n in range(count)
            ]
        finally:
            org.clock = clock

    def edit(self, object: str, id: str) -> None:
        self._edits += 1
        name, text = SOBJECTS[object], f"Edited {self._edits}"
        self.sandbox.update(name, id, "dana@acme.test", **{_NAMED[object]: text})

    def remove(self, object: str, id: str) -> None:
        if object == "user":
            raise Inapplicable("users are never deleted, only made inactive")
        self.sandbox.delete(SOBJECTS[object], id, "dana@acme.test")

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        return {row["Id"]: row for row in self.sandbox.records(SOBJECTS[object])}

    def creation(self, object: str, key: str) -> Change:
        fields = {**_NEW[object], _NAMED[object]: f"From the hub {key}"}
        return Change("create", object, key, fields, created_at=datetime.now(UTC))

    def alteration(self, record: Record, key: str) -> Change:
        self._edits += 1
        return Change(
            "update",
            record.object,
            key,
            {_NAMED[record.object]: f"Altered {self._edits}"},
            id=record.id,
            address=record.address,
            base=record.data,
            version=record.version,
        )

    def collide(self, record: Record, key: str) -> Change:
        raise Inapplicable("Salesforce's own check counts whole seconds: the later write stands")

    def refusal(self, object: str, key: str) -> Change:
        change = self.creation(object, key)
        fields = {**change.fields, **_WRONG[object]}
        return Change("create", object, key, fields, created_at=change.created_at)

    def deliveries(self) -> Sequence[Delivery]:
        announcer = self.sandbox.announcer
        return [
            Delivery(
                "POST",
                "https://hub.example.com/webhooks/crm",
                {"content-type": "text/xml; charset=utf-8", "soapaction": '""'},
                announcer.message(name, [pending]),
                datetime.now(UTC),
            )
            for name, pending in list(announcer.recorded)
        ]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        raise Inapplicable(
            "outbound messages are not signed: the proof is the token in the address"
        )

    def move(self, object: str, id: str) -> None:
        raise Inapplicable("a record keeps its address for life")

    def expire_cursor(self) -> None:
        raise Inapplicable("a place among times and ids does not expire; tests lose a bulk job")

    def expire_token(self) -> None:
        self.sandbox.expire_sessions()

    def ignore_writes(self, count: int) -> None:
        self.sandbox.faults.silent = count

    def clock(self, ahead: float) -> None:
        # the org always had this clock: what is there already was stamped by it too
        by, self._ahead = timedelta(seconds=ahead - self._ahead), ahead
        for table in self.sandbox.org.tables.values():
            for row in table.rows.values():
                for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
                    shifted = moment(row[name]) + by
                    row[name] = f"{shifted:%Y-%m-%dT%H:%M:%S}.000+0000"
        self.sandbox.org.clock = lambda: datetime.now(UTC) + timedelta(seconds=ahead)
