"""How the conformance kit makes things happen to the tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from connectors.sdk.records import Change, Json, Record
from connectors.sdk.sandbox import Drill, Inapplicable
from connectors.spreadsheet.connector import PAGE
from connectors.spreadsheet.sandbox import STATUSES, SpreadsheetSandbox
from connectors.spreadsheet.table import TEXT_LIMIT

_NEW = {"Status": "Open", "Due": "2026-12-24"}


class SpreadsheetDrill(Drill):
    """People who work in the tracker with Excel."""

    page = PAGE

    def __init__(self, sandbox: SpreadsheetSandbox) -> None:
        self._sandbox = sandbox
        self._made = 0

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        """A row has no time, so `at` says nothing."""
        numbers = range(self._made + 1, self._made + count + 1)
        self._made += count
        keys = [f"P-{number}" for number in numbers]
        self._sandbox.add([[key, f"Work of {key}", "Open"] for key in keys])
        return keys

    def edit(self, object: str, id: str) -> None:
        status = self._sandbox.row(id)["Status"]
        following = STATUSES[(STATUSES.index(status) + 1) % len(STATUSES)]
        self._sandbox.edit(id, Status=following)

    def remove(self, object: str, id: str) -> None:
        self._sandbox.delete(id)

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        return {str(row["ID"]): row for row in self._sandbox.rows()}

    def creation(self, object: str, key: str) -> Change:
        return Change("create", object, key, {**_NEW, "Title": f"Written as {key}"})

    def alteration(self, record: Record, key: str) -> Change:
        fields = {"Status": "On hold", "Notes": f"=looks like a formula ({key})"}
        return Change("update", record.object, key, fields, id=record.id, base=record.data)

    def collide(self, record: Record, key: str) -> Change:
        self._sandbox.edit(record.id, Status="Cancelled")
        return self.alteration(record, key)

    def refusal(self, object: str, key: str) -> Change:
        """More than a cell holds."""
        return Change("create", object, key, {"Title": "x" * (TEXT_LIMIT + 1)})

    def move(self, object: str, id: str) -> None:
        raise Inapplicable("a row has no address: it is found by its key wherever it stands")

    def expire_cursor(self) -> None:
        raise Inapplicable("the cursor describes the rows themselves and refers to nothing")
