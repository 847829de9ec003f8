"""Which of two states of a remote record is the newer one.

Deliveries come late, twice and in any order. Versions tell the order where the vendor has them; a
deletion holds against whatever is not known to be newer. Where neither tells and the record can be
read, it is read rather than guessed: versions of whole seconds, and tools without any.

What was read of one record since we last heard of it holds whatever its version says: a version may
have been ahead (a wrong clock, a counter that is none) or the tool went back (a restored backup). A
list that says so has the record read, as lists of some tools lag behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from connectors.sdk import Record
from hub.flow.arrival import Arrival
from hub.flow.identity import OWN_ID
from hub.flow.yard import Key, Yard
from hub.store import cursors, tombstones
from hub.store.tombstones import Tombstone
from hub.unit import Unit

Row = Mapping[str, Any]
EVER = datetime.min.replace(tzinfo=UTC)
SKEW = timedelta(minutes=2)
"""How far a vendor's clock may be from ours."""


class Place(Enum):
    """Where a state stands: it holds, something newer is known, it is from before the deletion, or
    nobody can tell and the record must be read.
    """

    HOLDS = auto()
    OLDER = auto()
    BURIED = auto()
    UNSURE = auto()


def key_of(arrival: Arrival) -> Key:
    """The record under the connector's own name for it."""
    record = arrival.record
    own = str(record.address.get(OWN_ID, record.id))
    return (arrival.row["connection"], arrival.row["object"], own)


def yard_of(unit: Unit, arrivals: Iterable[Arrival]) -> Yard:
    """The deletions that concern these records, whose links are attached."""
    yard = Yard()
    wanted: dict[tuple[str, str], set[str]] = {}
    for arrival in arrivals:
        if arrival.link is None or arrival.link["remote_deleted"] or arrival.record.deleted:
            connection, object, id = key_of(arrival)
            wanted.setdefault((connection, object), set()).add(id)
    for (connection, object), ids in wanted.items():
        for stone in tombstones.of(unit.tx, connection, object, ids).values():
            yard.stones[connection, object, stone.id] = stone
    return yard


def bury(unit: Unit, arrival: Arrival, yard: Yard) -> None:
    """Remember that the record of an arrival was deleted. People of a tool are no entities."""
    if arrival.mapping.spec.entity != "party":
        yard.bury(key_of(arrival), arrival.record.version, heard(unit, arrival))


def place(unit: Unit, arrival: Arrival, yard: Yard) -> Place:
    """Where the state of an arrival stands among what is known of its record."""
    if arrival.row["kind"] == "again":
        return Place.HOLDS
    record, link = arrival.record, arrival.link
    told = arrival.row["source"] == "webhook" and arrival.row["kind"] == "state"
    if record.deleted:
        return _deletion(unit, arrival, link, told=told)
    stone = yard.stones.get(key_of(arrival)) if yard.stones else None
    if stone is not None and (link is None or link["remote_deleted"]):
        return _after_deletion(unit, arrival, stone, told=told)
    if link is None:
        return Place.HOLDS
    return _among_states(unit, arrival, record, link, told=told)


def _deletion(unit: Unit, arrival: Arrival, link: Row | None, *, told: bool) -> Place:
    if link is None or link["remote_deleted"] or arrival.row["kind"] == "fetch":
        return Place.HOLDS
    ours, theirs = link["remote_version"], arrival.record.version
    if ours and theirs and theirs != ours:
        return _below(unit, arrival, link, told=told) if theirs < ours else Place.HOLDS
    if arrival.row["source"] == "sweep":  # heard of since it was missed: it is there
        since = link["heard_at"]
        return Place.OLDER if since and since > heard(unit, arrival) else Place.HOLDS
    if not told:
        return Place.HOLDS
    if _readable(unit, arrival):
        return Place.UNSURE
    before = None if ours and theirs else link["heard_at"]
    return Place.OLDER if before and heard(unit, arrival) < before else Place.HOLDS


def _after_deletion(unit: Unit, arrival: Arrival, stone: Tombstone, *, told: bool) -> Place:
    """Of a state that something says is gone."""
    version = arrival.record.version
    if arrival.row["kind"] == "fetch":
        return Place.HOLDS
    if version and stone.version and version != stone.version:
        if version > stone.version:
            return Place.HOLDS
        return Place.BURIED if told or heard(unit, arrival) <= stone.heard_at else Place.HOLDS
    if not told:
        return Place.HOLDS if heard(unit, arrival) > stone.heard_at else Place.BURIED
    if _readable(unit, arrival):
        return Place.UNSURE
    at = arrival.record.updated_at
    newer = not (version and stone.version) and at is not None and at > stone.heard_at
    return Place.HOLDS if newer else Place.BURIED


def _among_states(unit: Unit, arrival: Arrival, record: Record, link: Row, *, told: bool) -> Place:
    ours, theirs = link["remote_version"], record.version
    fetched = arrival.row["kind"] == "fetch"
    if ours and theirs and theirs != ours:
        return _below(unit, arrival, link, told=told) if theirs < ours else Place.HOLDS
    if link["remote_deleted"] and told and ours and theirs:
        return Place.OLDER  # gone so long that its tombstone is too
    if fetched or _same(arrival, link):
        return Place.HOLDS
    if told and _readable(unit, arrival):
        return Place.UNSURE
    before = link["heard_at"]
    if before and heard(unit, arrival) < before:
        return Place.OLDER
    if told and theirs and _pulled_since(unit, arrival, link):
        return Place.OLDER
    return Place.HOLDS


def _below(unit: Unit, arrival: Arrival, link: Row, *, told: bool) -> Place:
    """Of a state with a lower version than ours. A delivery is late; what was asked for after
    whatever we know of the record corrects it.
    """
    if told or heard(unit, arrival) <= max(link["heard_at"] or EVER, link["updated_at"]):
        return Place.OLDER
    if arrival.row["kind"] == "fetch" or not _readable(unit, arrival):
        return Place.HOLDS
    return Place.UNSURE


def _same(arrival: Arrival, link: Row) -> bool:
    """Whether both say the same where the mapping looks: webhooks and lists show a record in
    different detail.
    """
    now, before = arrival.record.data, link["data"]
    if not isinstance(now, Mapping):
        return False
    read = arrival.mapping.source_fields
    names = {*now, *before} if "*" in read or not read else read
    return all(now.get(name) == before.get(name) for name in names)


def _pulled_since(unit: Unit, arrival: Arrival, link: Row) -> bool:
    """Of two states of one version, where single records cannot be read: whether a pull has been
    there since that version was over. Then it has found, or confirmed, the one that we hold. Else a
    pull is asked for.
    """
    row, at = arrival.row, arrival.record.updated_at
    spec = unit.snapshot.offers(row["connection"]).get(row["object"])
    if spec is None or not spec.pull or at is None:
        return False
    state = cursors.cursor_state(unit.tx, row["connection"], row["object"])
    pulled: datetime | None = state["pulled_at"] if state else None
    if pulled and link["heard_at"] and pulled > at + SKEW and pulled >= link["heard_at"]:
        return True
    cursors.pull_soon(unit.tx, row["connection"], row["object"])
    return False


def _readable(unit: Unit, arrival: Arrival) -> bool:
    spec = unit.snapshot.offers(arrival.row["connection"]).get(arrival.row["object"])
    return spec is not None and spec.fetch


def heard(unit: Unit, arrival: Arrival) -> datetime:
    """When this was so: as it was received or asked for."""
    if arrival.row["kind"] == "fetch":
        return arrival.read_at or unit.now
    moment: datetime = arrival.row["received_at"]
    return moment
