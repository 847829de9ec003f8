"""A page of a pull comes in: what is new in it is brought in at once, in the transaction that moves
the watermark. Only what must wait becomes a row of `records` (see `hub.flow.straight`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.engine import Connection

from connectors.sdk import Record
from hub.failpoints import reach
from hub.flow import drift, moved
from hub.flow.ahead import Asked
from hub.flow.identity import identified
from hub.flow.stage import Stride
from hub.flow.straight import bring_straight, named
from hub.hub import Hub
from hub.live import Snapshot
from hub.store import records, work
from hub.store.queue import LostLease
from hub.store.records import NewRecord

log = structlog.get_logger("hub.pull")

STRIDE = Stride(most=500, begin=250)

Last = Callable[[Connection, Sequence[str]], None]
"""What the transaction that ends a page does besides, given the ids of the page's records."""
Row = Mapping[str, Any]


@dataclass(slots=True)
class Came:
    """What became of a page."""

    seen: int
    changed: int
    queued: int
    events: Counter[str]
    """What happened, by type of event."""


def take_pages(hub: Hub, of: NewRecord, pages: Sequence[Asked], last: Last) -> Came:
    """Bring pages of an object in. `of` says whose they are: connection, object, source and the id
    of the pull.

    Their records count as heard when their page was asked for: whatever came in meanwhile, by
    webhook or as the answer to a push, may be newer. Where they will not come in at once they are
    queued, and each is brought in, tried again or set aside alone.
    """
    snapshot = hub.live.latest()
    heard = []
    for asked in pages:
        drift.look(hub, of.connection, of.object, asked.page.records)
        for record in asked.page.records:
            mapping = snapshot.mapping(of.connection, record.object)
            if isinstance(record.data, Mapping):  # what is none is set aside where it comes in
                record = identified(mapping, record)
            heard.append((record, asked.at))
    ids = [record.id for record, _ in heard if record.object == of.object]
    new = [
        NewRecord(
            of.connection, record.object, record.id, "state", {}, of.source, of.delivery, at, record
        )
        for record, at in _changed(hub, of.connection, heard)
    ]  # fmt: skip
    came = Came(len(heard), len(new), 0, Counter())
    while True:
        size = STRIDE.size
        some, new = new[:size], new[size:]
        _bring(hub, snapshot, some, came, ids, None if new else last)
        if not new:
            break
    reach("pull.stored")
    return came


Heard = tuple[Record, datetime]


def _changed(hub: Hub, connection: str, heard: Sequence[Heard]) -> list[Heard]:
    by_object: dict[str, set[str]] = {}
    for record, _ in heard:
        by_object.setdefault(record.object, set()).add(record.id)
    with hub.database.read() as tx:
        known = {
            object: work.links_by_external(tx, connection, object, ids)
            for object, ids in by_object.items()
        }
        found = []
        for one in heard:
            record = one[0]
            if not known_already(record, known[record.object].get(record.id)) or (
                record.former and moved.is_news(tx, connection, record)
            ):
                found.append(one)
    return found


def known_already(record: Record, link: Row | None) -> bool:
    """Whether we know this very state: then there is nothing to bring in."""
    return (
        link is not None
        and not record.deleted
        and not link["remote_deleted"]
        and link["remote_version"] == record.version
        and isinstance(record.data, Mapping)
        and link["data"] == dict(record.data)
    )


def _bring(
    hub: Hub,
    snapshot: Snapshot,
    some: Sequence[NewRecord],
    came: Came,
    ids: Sequence[str],
    last: Last | None,
) -> None:
    found = [named(snapshot, one) for one in some]
    try:
        with hub.unit() as unit:
            began = time.thread_time()
            if unit.snapshot is not snapshot:  # another revision was applied meanwhile
                found = [named(unit.snapshot, one) for one in some]
            queued = bring_straight(unit, found)
            if last is not None:
                last(unit.tx, ids)
        STRIDE.took(len(some), time.thread_time() - began)
    except LostLease:
        raise
    except Exception as error:  # also a deadlock; where the database is gone, the next line tells
        log.exception("a page takes the long way", error=type(error).__name__)
        with hub.database.write() as tx:
            records.enqueue(tx, some, hub.clock())
            if last is not None:
                last(tx, ids)
        came.queued += len(some)
        hub.wake("bring_in")
        return
    came.queued += queued
    if queued:
        hub.wake("bring_in")
    causes = {one.delivery for one in some}
    came.events.update(one.type for one in unit.noted() if one.cause in causes)
