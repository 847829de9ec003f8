"""Further connectors with one bug each: of people's edits, watching, and what strangers send."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from connectors.sdk import (
    Change,
    Delivery,
    NotFoundError,
    Outcome,
    Page,
    Parsed,
    Record,
    Result,
    Subscription,
)
from connectors.sdk.records import Cursor
from hub_acme.connector import AcmeConnector, _record
from tests.connectors.conformance.bugs import Altered, bug
from tests.connectors.conformance.vendor import Sound, SoundWatcher


@bug("spares-edits-when-repeating")
class WritesOnceMore(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        if changes[0].op != "create":
            return super().push(changes)
        known = self.find(changes[0].object, changes)
        results = list(super().push(changes))
        for place, (change, record) in enumerate(zip(changes, known, strict=True)):
            if record is not None and results[place].outcome is Outcome.OK:
                again = replace(change, op="update", id=record.id, version=record.version)
                (results[place],) = super().push([again])
        return results


@bug("spares-newer-edits")
class OverwritesWithoutLooking(Sound):
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        return super().push([replace(one, version=None) for one in changes])


@bug("reads-errors-in-answers")
class TakesFailuresForEmptyLists(Sound):
    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        return AcmeConnector._get(self, path, params)


# ------------------------------------------------------------------------------------------ hooks


@bug("follows-the-address")
class StaysAtTheFirstAddress(Sound):
    first: Subscription | None = None

    def subscribe(self, url: str) -> Subscription:
        if self.first is None:
            self.first = super().subscribe(url)
        return self.first

    def unsubscribe(self, subscription: Subscription) -> None:
        super().unsubscribe(subscription)
        self.first = None


@bug("wakes-up")
class HearsOnlyWhatComesLater(SoundWatcher):
    def wait(self, object: str, cursor: Cursor, timeout: float) -> bool:
        for page in self.pull(object, cursor, ()):
            cursor = page.cursor
        return super().wait(object, cursor, timeout)


# -------------------------------------------------------------------------------------- strangers


@bug("reads-foreign-cursors")
class TrustsEveryCursor(Sound):
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        if cursor:
            datetime.fromisoformat(cursor["since"])
        yield from super().pull(object, cursor, fields)


@bug("takes-time-zones")
class ThinksItIsLocalTime(Altered):
    def altered(self, record: Record) -> Record:
        if record.updated_at is None:
            return record
        here = record.updated_at + (datetime.now(UTC).astimezone().utcoffset() or timedelta())
        return replace(record, updated_at=here)


@bug("links-are-web")
class LinksToTheApp(Altered):
    def altered(self, record: Record) -> Record:
        return replace(record, url=f"acme-desk:ticket/{record.id}")


@bug("keeps-no-cookies")
class KeepsAJar(Sound):
    def setup(self) -> None:
        super().setup()
        self.api._open().cookies = httpx.Cookies()


@bug("unsigned-headers-say-nothing")
class BelievesTheHeader(Sound):
    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        gone = delivery.headers.get("x-acme-event") == "ticket.deleted"
        return [
            replace(one, deleted=one.deleted or gone) if isinstance(one, Record) else one
            for one in super().parse(delivery)
        ]


@bug("fills-only-its-segment")
class PutsIdsIntoPaths(Sound):
    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        return [self._one(object, id) for id in ids]

    def _one(self, object: str, id: str) -> Record:
        try:
            return _record(object, self._get(f"/{object}s/{id}"))
        except NotFoundError:
            return Record(object, id, {}, deleted=True)
