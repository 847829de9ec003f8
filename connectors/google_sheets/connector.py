"""Google Sheets as a connector: rows by a key column, told apart by comparing everything.

There are no row ids and no list of changes, so a pull compares each row with a digest of what it
was. A pull never writes; keys for new rows come with the next push, or with `adopt`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import structlog

from connectors.google_sheets.cells import is_number
from connectors.google_sheets.channels import HEADERS, STATE, Channels, speaks_of_rows
from connectors.google_sheets.client import SheetsClient
from connectors.google_sheets.config import GoogleSheetsConfig
from connectors.google_sheets.memory import Memory
from connectors.google_sheets.plan import Plan, housekeeping, key_for
from connectors.google_sheets.push import Push
from connectors.google_sheets.table import ROW, SHEET, Sheet, Table
from connectors.sdk import (
    Change,
    Connector,
    Delivery,
    Field,
    ObjectSpec,
    Page,
    Parsed,
    PullHint,
    Receiver,
    Record,
    Reply,
    Result,
    Sink,
    Source,
    Subscriber,
    Subscription,
    Tier,
    UnsupportedError,
)
from connectors.sdk.records import Cursor, Json

__all__ = ["GoogleSheetsConfig", "GoogleSheetsConnector"]

log = structlog.get_logger("connectors.google_sheets")
PAGE = 2000
"""Records handed over at a time. They all come from one reading: rows move between two."""
Type = Literal["text", "number", "boolean", "date", "datetime", "choice"]


class GoogleSheetsConnector(Connector, Source, Sink, Receiver, Subscriber):
    """One spreadsheet."""

    name: ClassVar[str] = "google_sheets"
    proofs: ClassVar[Sequence[str]] = ("secret",)
    title: ClassVar[str] = "Google Sheets"
    names_people_by_email = True
    config = GoogleSheetsConfig
    objects: ClassVar[dict[str, ObjectSpec]] = {
        ROW: ObjectSpec(
            title="Row",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update"}),
            webhook=True,
            find=True,
            conclusive=True,
            keyed=True,
            deletes="swept",
            anywhere=False,
            batch=100,
        )
    }
    sandbox: ClassVar[str] = "connectors.google_sheets.sandbox:GoogleSheetsSandbox"
    tier: ClassVar[Tier] = Tier.GOLD
    rates: ClassVar[Mapping[str, str]] = {"read": "60/minute", "write": "60/minute"}
    stored_headers = HEADERS
    settings: GoogleSheetsConfig

    def setup(self) -> None:
        settings = self.settings
        self._client = SheetsClient(self, settings)
        webhook = settings.webhook
        self._channels = Channels(
            self._client.drive, settings.spreadsheet, list(webhook.secret), webhook.token
        )
        self._known: Mapping[str, str] | None = None
        self._pushing = threading.Lock()

    def check(self) -> None:
        """The sheets can be read and have their key column."""
        Table(self._client.read()).rows  # noqa: B018 - raises with what is missing
        if self.settings.skip_unchanged:
            self._client.mark()

    # ------------------------------------------------------------------------------------ reading

    def discover(self, object: str) -> Sequence[Field]:
        """The headers of all sheets, each with the type that its cells have in common."""
        self.spec(object)
        sheets = self._client.read()
        found: dict[str, Field] = {}
        for sheet in sheets:
            choices = self._client.choices(sheet)
            for name, column in sheet.headers.items():
                if name not in found:
                    type_: Type = "choice" if column in choices else _type(sheet, name)
                    found[name] = Field(
                        name,
                        type_,
                        label=name,
                        choices=tuple(choices.get(column, ())),
                        required=name == self.settings.key,
                        known="named",
                    )
        if len(sheets) > 1:
            titles = tuple(sheet.title for sheet in sheets)
            found[SHEET] = Field(SHEET, "choice", label="Sheet", choices=titles)
        return list(found.values())

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """Rows that differ from what the cursor remembers. A key that is gone is reported deleted
        when it is missing for the second time: people cut and paste.
        """
        self.spec(object)
        source = "|".join([self._client.id, self.settings.key, *self.settings.sheets])
        if cursor.get("source") != source:
            cursor = {}  # another table: its rows say nothing about those of the former
        memory = Memory.of(cursor)
        mark = self._client.mark() if self.settings.skip_unchanged else None
        if mark and cursor.get("mark") == mark and not memory.missing:
            return
        table = Table(self._client.read(), memory.digests)
        headers = {sheet.title: list(sheet.headers) for sheet in table.sheets}
        base: dict[str, Json] = {"source": source, "headers": headers}
        digests = {key: row.digest for key, row in table.rows.items()}
        self._report(table)
        changed = [
            row for key, row in table.rows.items() if memory.digests.get(key) != digests[key]
        ]
        gone = [key for key in memory.digests if key not in digests and key not in table.cleared]
        deleted = [key for key in gone if key in memory.missing]
        for start in range(0, len(changed) - PAGE, PAGE):
            part = changed[start : start + PAGE]
            memory.digests.update({row.key: digests[row.key] for row in part})
            # without a mark the next pull reads again and goes on from here
            yield Page([row.record() for row in part], base | memory.stored(), len(table.rows))
        last = changed[(len(changed) - 1) // PAGE * PAGE :] if changed else []
        memory.digests.update({row.key: digests[row.key] for row in last})
        for key in deleted:
            del memory.digests[key]
        memory.missing = set(gone) - set(deleted)
        self._known = dict(memory.digests)
        records = [row.record() for row in last]
        records += [Record(ROW, key, {}, deleted=True) for key in deleted]
        end = base | memory.stored() | ({"mark": mark} if mark else {})
        if records or end != cursor:
            yield Page(records, end, len(table.rows))

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        """These rows as they are now."""
        self.spec(object)
        rows = Table(self._client.read(), self._known or {}).rows
        return [
            rows[id].record() if id in rows else Record(ROW, id, {}, deleted=True) for id in ids
        ]

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """The rows these creates would have made."""
        self.spec(object)
        rows = Table(self._client.read(), self._known or {}).rows
        keys = [key_for(change, self.settings.key) for change in changes]
        return [rows[key].record() if key in rows else None for key in keys]

    def _report(self, table: Table) -> None:
        """Say which rows the hub passes over, and why."""
        for rows, why in (
            (table.keyless, "rows without a key wait for one"),
            (table.copies, "rows with another row's key are passed over"),
        ):
            if rows:
                places = [row.place for row in rows[:5]]
                log.info(why, connection=self.connection, count=len(rows), first=places)

    # ------------------------------------------------------------------------------------ writing

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """All changed cells in one request, all new rows of a sheet in another."""
        for change in changes:
            self.spec(change.object)
            if change.op == "delete":
                raise UnsupportedError("Rows are never deleted; set their status.")
        # two batches of this process would look at the same keys before either writes
        with self._pushing:
            return Push(self._client, changes, self._known).run()

    def adopt(self, object: str, cursor: Cursor) -> int:
        """Give rows without a key one, give cleared keys back and copies a key of their own; how
        many. `cursor` is where the last pull ended. Without `assign_keys` nothing is written.
        """
        self.spec(object)
        if not self.settings.assigns:
            return 0
        with self._pushing:
            plan = Plan(Table(self._client.read(), Memory.of(cursor).digests))
            housekeeping(plan)
            puts = [put for puts in plan.puts.values() for put in puts]
            if puts:
                self._client.write([(put.sheet, put.row, put.column, put.value) for put in puts])
        return len(puts)

    # ----------------------------------------------------------------------------------- webhooks

    def verify(self, delivery: Delivery) -> str | None:
        return self._channels.verify(delivery)

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        return self._channels.sign(delivery, id)

    def handshake(self, delivery: Delivery) -> Reply | None:
        """The first message of a channel says only that it is open."""
        return Reply() if delivery.headers.get(STATE) == "sync" else None

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return [PullHint(ROW)] if speaks_of_rows(delivery) else []

    def subscribe(self, url: str) -> Subscription:
        return self._channels.open(url)

    def renew(self, subscription: Subscription) -> Subscription:
        return self._channels.replace(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        self._channels.close(subscription)


def _type(sheet: Sheet, header: str) -> Type:
    """The type that the cells of a column have in common; text where they differ."""
    kind = sheet.kind(header)
    if kind in ("date", "datetime"):
        return "date" if kind == "date" else "datetime"
    column = sheet.headers[header]
    filled = [cell for row in sheet.rows if (cell := row.cell(column)) != ""]
    if filled and all(isinstance(cell, bool) for cell in filled):
        return "boolean"
    if filled and kind == "plain" and all(is_number(cell) for cell in filled):
        return "number"
    return "text"
