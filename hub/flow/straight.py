"""The straight way: what a delivery or a page says of whole records is brought in at once, in the
transaction that is done with it. Only what must wait becomes a row of `records`.

It waits where it is thin (a fetch), where it is no record (an answer, a message, a pull), where the
record's lane has an open row that is older, where its parent is not here yet, and where it cannot
be mapped as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sdk import Record
from hub.flow.arrival import Arrival
from hub.flow.bring_in import attach, take_in
from hub.live import Snapshot
from hub.store import dialect, records
from hub.store.records import NewRecord
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped
from mappings.expressions import ExpressionError


@dataclass(slots=True)
class Named:
    """What a delivery speaks of, once: with its mapping and its values where it is a whole record
    that is mapped.
    """

    new: NewRecord
    lane: str
    mapping: CompiledMapping | None = None
    record: Record | None = None
    ready: Mapped | None = None
    """For one use: what looks at it takes away from it."""

    def arrival(self, number: int) -> Arrival:
        """It, about to be brought in, as if it were a row of `records`."""
        new, record, mapping = self.new, self.record, self.mapping
        assert record is not None  # noqa: S101 - who calls this has looked
        assert mapping is not None  # noqa: S101
        row: dict[str, Any] = {
            "position": number,
            "connection": new.connection,
            "object": new.object,
            "external_id": new.external_id[:400],
            "kind": new.kind,
            "payload": {},
            "source": new.source,
            "delivery": new.delivery,
            "received_at": new.received_at,
            "lane": self.lane,
        }
        ready, self.ready = self.ready, None
        return Arrival(row, record, mapping, ready)


def named(snapshot: Snapshot, new: NewRecord) -> Named:
    """What a delivery speaks of, mapped where it can be: no database is asked, so this is done
    before the transaction begins.
    """
    found = Named(new, records.lane_of(new.connection, new.object, new.external_id))
    if new.kind != "state" or new.object == "message" or new.record is None:
        return found
    found.record = record = new.record
    found.mapping = mapping = snapshot.mapping(new.connection, new.object)
    if mapping is not None and not record.deleted and isinstance(record.data, dict):
        try:
            if mapping.matches(record.data):
                found.ready = mapping.inward(record.data, snapshot, new.connection)
        except ExpressionError:
            pass  # it is asked again where it is brought in, and told there
    return found


def bring_straight(unit: Unit, found: Sequence[Named]) -> int:
    """Bring in what can be, and queue the rest, in order; how many were queued."""
    busy = records.busy_lanes(unit.tx, {one.lane for one in found if one.mapping is not None})
    arrivals: list[Arrival] = []
    waiting: set[int] = set()
    for number, one in enumerate(found):
        if one.record is not None and one.mapping is None:
            continue  # nobody wants to know
        if one.mapping is None or one.lane in busy:
            busy.add(one.lane)
            waiting.add(number)
        else:
            arrivals.append(one.arrival(number))
    attach(unit, arrivals)
    if not dialect.is_sqlite(unit.tx):  # others wrote until the entities were locked
        late = records.busy_lanes(unit.tx, {arrival.row["lane"] for arrival in arrivals})
        waiting.update(one.row["position"] for one in arrivals if one.row["lane"] in late)
        arrivals = [arrival for arrival in arrivals if arrival.row["lane"] not in late]
    batch, orphans = take_in(unit, arrivals)
    waiting.update(arrival.row["position"] for arrival in orphans)
    aside = {at: why for why, numbers in batch.ward.kept_rows().items() for at in numbers}
    batch.save(unit)
    queue(unit, (found[number] for number in sorted(waiting)))
    records.keep_aside(unit.tx, [(found[at].new, aside[at]) for at in sorted(aside)], unit.now)
    return len(waiting)


def queue(unit: Unit, found: Iterable[Named]) -> None:
    """The long way: each becomes a row of `records`."""
    records.enqueue(unit.tx, [one.new for one in found], unit.now)
