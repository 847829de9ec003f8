"""A fictional tool in this process's memory, for histories by the thousand: things that people
make, edit, close, delete and bring back, and notes on them. No socket, no clock.

Its versions are `fine` (every change has its own), `seconds` (several share one) or `none`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from connectors.sdk import (
    Connector,
    Delivery,
    ObjectSpec,
    Page,
    Parsed,
    Receiver,
    Record,
    Source,
)
from connectors.sdk import Field as VendorField
from connectors.sdk.config import ConnectionConfig
from connectors.sdk.records import Cursor, Json

MAPPINGS = {
    "mappings/ledger-thing.yaml": """
mapping: ledger-thing
connector: ledger
object: thing
entity: task
fields:
  title: $.title
  status: {from: $.state, values: {open: open, closed: done}}
""",
    "mappings/ledger-note.yaml": """
mapping: ledger-note
connector: ledger
object: note
entity: comment
fields:
  body: $.text
""",
}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class LedgerConfig(ConnectionConfig):
    versions: str = Field("fine", description="How it tells two states apart.")
    readable: bool = Field(True, description="Whether single records can be read.")
    whole: bool = Field(True, description="Whether lists show all there are.")
    only: str | None = Field(None, description="Lists show what is in this state; empty = all.")


class LedgerConnector(Connector, Source, Receiver):
    """`books` are the tools, by the name of the connection."""

    name: ClassVar[str] = "ledger"
    title: ClassVar[str] = "Ledger"
    config: ClassVar[type[ConnectionConfig]] = LedgerConfig
    objects: ClassVar[Mapping[str, ObjectSpec]] = {}
    sandbox: ClassVar[str] = "tests.hub.flow.ledger:Book"
    books: ClassVar[dict[str, Book]] = {}
    settings: LedgerConfig

    @classmethod
    def offers(cls, settings: Mapping[str, Json]) -> Mapping[str, ObjectSpec]:
        fetch, whole = bool(settings.get("readable", True)), bool(settings.get("whole", True))
        return {
            "thing": ObjectSpec(
                "Thing", pull=True, fetch=fetch, webhook=True, deletes="reported", whole=whole
            ),
            "note": ObjectSpec(
                "Note", pull=True, fetch=fetch, webhook=True, deletes="reported", parent="thing"
            ),
        }

    def check(self) -> None:
        return None

    def discover(self, object: str) -> Sequence[VendorField]:
        return []

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """What changed since, the states of the cursor's own second included."""
        book, only = self.books[self.connection], self.settings.only
        since = int(cursor.get("second", 0))
        found = [
            row
            for row in book.rows.values()
            if row["object"] == object
            and row["id"] not in book.hidden
            and only in (None, row["data"].get("state"))
        ]
        found = sorted((r for r in found if r["second"] >= since), key=lambda r: r["change"])
        if found:
            yield Page([book.record(row) for row in found], {"second": found[-1]["second"]})

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        book = self.books[self.connection]
        book.asked.extend(ids)
        rows = [book.rows.get((object, id)) for id in ids]
        return [
            book.record(row) if row else Record(object, id, {}, deleted=True)
            for row, id in zip(rows, ids, strict=True)
        ]

    def verify(self, delivery: Delivery) -> str | None:
        return None

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return [self.books[self.connection].record(row) for row in json.loads(delivery.body)]


@dataclass(slots=True)
class Book:
    """What the tool holds. Every change returns the body of the delivery that tells of it: the row
    itself, and before a note the thing that it hangs on.
    """

    versions: str = "fine"
    second: int = 0
    change: int = 0
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The ids of all single reads so far."""
    hidden: set[str] = field(default_factory=set)
    """Records that lists do not show."""

    def record(self, row: Mapping[str, Any]) -> Record:
        version = {
            "fine": f"{row['change']:09d}",
            "seconds": f"{row['second']:09d}",
            "none": None,
        }[self.versions]
        at = START + timedelta(seconds=row["second"])
        return Record(
            row["object"],
            row["id"],
            {} if row["deleted"] else row["data"],
            version=version,
            updated_at=None if self.versions == "none" else at,
            deleted=row["deleted"],
            parent=row["parent"],
            former=row["former"],
        )

    def put(self, object: str, id: str, parent: str | None = None, **data: Any) -> bytes:
        """Make a record, edit it, or bring it back."""
        old = self.rows.get((object, id))
        held = {**(old["data"] if old else {}), **data}
        return self._told(object, id, old["parent"] if old else parent, held, deleted=False)

    def delete(self, object: str, id: str) -> bytes:
        old = self.rows[object, id]
        return self._told(object, id, old["parent"], old["data"], deleted=True)

    def move(self, object: str, id: str, new: str) -> bytes:
        """Give a record another id."""
        old = self.rows.pop((object, id))
        return self._told(object, new, old["parent"], old["data"], deleted=False, former=[id])

    def merge(self, object: str, loser: str, winner: str) -> tuple[bytes, bytes]:
        """Make two records one: the deliveries that tell of the winner, and of the loser's end."""
        held = self.rows[object, winner]["data"]
        won = self._told(object, winner, None, held, deleted=False, former=[loser])
        return won, self.delete(object, loser)

    def _told(
        self,
        object: str,
        id: str,
        parent: str | None,
        data: dict[str, Any],
        *,
        deleted: bool,
        former: Sequence[str] = (),
    ) -> bytes:
        self.change += 1
        row = {
            "object": object, "id": id, "parent": parent, "data": data, "deleted": deleted,
            "second": self.second, "change": self.change, "former": list(former),
        }  # fmt: skip
        self.rows[object, id] = row
        above = [self.rows["thing", parent]] if parent else []
        return json.dumps([*above, row]).encode()
