"""Records that are gone without a word: a pull of everything did not show them.

One miss is not believed: lists lag behind, and pages shift while they are read. Where single
records can be read, the tool is asked for each that was missed; where they cannot, the second miss
in a row is believed. Neither is where too many are missed at once: an emptied filter or a lost
permission looks just so, and a person says what it is. Nor is where the settings of the connection
changed since everything was there, or where its list leaves some out, unless the tool can be asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy.engine import Connection

from connectors.sdk import ConnectorError, ObjectSpec, Record, Source
from hub.flow.identity import OWN_ID, own_address
from hub.flow.quarantine import end
from hub.live import Snapshot
from hub.process.calendar import parse_duration
from hub.process.people import owner
from hub.reading import plain
from hub.store import cursors, exceptions, records, sightings
from hub.store.exceptions import Trouble
from hub.store.records import NewRecord
from hub.unit import Unit

SWEEP = "sweep"
FEW = 20
"""So many may be gone at once whatever is left."""
DAILY = timedelta(days=1)
_ELSEWHERE = frozenset({"auth", "webhook", "pull", "networks", "deadline"})
"""Settings that say nothing of what a pull shows."""
Doubt = Literal["many", "settings", "partial"]
"""Why what is missing is not believed: there is too much of it; the connection is to read something
else since; its list leaves out some of what is there.
"""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def begin(tx: Connection, connection: str, object: str) -> bool:
    """A pull of everything begins. False: there is nothing that could be missed, so what it sees
    need not be noted.
    """
    sightings.clear(tx, connection, object)
    return sightings.any_living(tx, connection, object)


def saw(tx: Connection, connection: str, object: str, ids: Collection[str]) -> None:
    """It saw these records: under the ids that links know them by (`identity.identified`)."""
    sightings.note(tx, connection, object, ids)


def over(unit: Unit, connection: str, object: str, since: datetime, *, looked: bool = True) -> int:
    """The pull of everything that began at `since` has ended well; how many links it missed.

    Those are asked for or believed to be gone, or told where that is in doubt. Where a missing
    record says nothing (`unseen`: a feed shows its newest only) nothing is done, nor where nothing
    could be missed (not `looked`).
    """
    tx = unit.tx
    spec = unit.snapshot.offers(connection).get(object)
    missed, why = 0, None
    if looked and spec is not None and tells(spec):
        seen = sightings.linked(tx, connection, object)
        could_see = covered(unit.snapshot, connection, object)
        missed = sightings.count_misses(tx, connection, object, since, could_see)
        moved = narrowed(unit.snapshot, connection, cursors.scope_of(tx, connection, object))
        why = doubted(spec, seen, missed, moved=moved)
        if why == "partial":  # lists lag behind as well
            missed = sum(map(len, sightings.missed(tx, connection, object, 2)))
        if why and missed:
            _doubt(unit, connection, object, seen, missed, why)
        else:
            _end_doubt(unit, connection, object, "most of them are there again")
        if why is None:
            _take(unit, spec, connection, object, since, 1 if spec.fetch else 2)
        if moved and missed and not _told_by_tool(spec):
            sightings.clear(tx, connection, object)
            return missed
    cursors.keep_scope(tx, connection, object, scope(unit.snapshot, connection))
    sightings.clear(tx, connection, object)
    return missed


def doubted(spec: ObjectSpec, seen: int, missed: int, *, moved: bool) -> Doubt | None:
    """Why it is not believed that so many of an object are gone, if it is not; `moved`: the
    connection is configured otherwise than when all were there.
    """
    if missed and (not seen or missed > max(FEW, seen)):
        return "many"
    if missed and moved and not _told_by_tool(spec):
        return "settings"
    return None if spec.whole or spec.fetch else "partial"


def _told_by_tool(spec: ObjectSpec) -> bool:
    """Whether the tool says of each record whether it is there, whatever a pull shows."""
    return spec.fetch and spec.anywhere


def scope(snapshot: Snapshot, connection: str) -> str:
    """A digest of the settings that may decide which records a pull shows."""
    spec = snapshot.workspace.connections.get(connection)
    if spec is None:  # taken out meanwhile
        return ""
    said = {name: value for name, value in plain(spec.raw).items() if name not in _ELSEWHERE}
    text = orjson.dumps([spec.connector, said], default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def narrowed(snapshot: Snapshot, connection: str, known: str | None) -> bool:
    """Whether the settings are others than those (`scope`) under which all were there."""
    return known is not None and known != scope(snapshot, connection)


def believe(unit: Unit, connection: str, object: str) -> int:
    """A person says that what the last pulls of everything missed is gone indeed; how many."""
    spec = unit.snapshot.offers(connection).get(object)
    return _take(unit, spec, connection, object, unit.now, 1, asking=False) if spec else 0


def excuse(unit: Unit, connection: str, object: str) -> None:
    """A person says that what the last pulls of everything missed is there nevertheless: it is
    asked about no more until it was seen again.
    """
    sightings.excuse(unit.tx, connection, object)


def tells(spec: ObjectSpec) -> bool:
    """Whether a record that a pull of everything does not show may be gone."""
    return spec.pull and spec.deletes != "unseen"


def covered(
    snapshot: Snapshot, connection: str, object: str
) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a pull of everything shows a record with some address, as its connection is
    configured now: what was left out since (a repository, a project) is not gone.
    """
    connector = snapshot.connector(connection)
    if not isinstance(connector, Source):
        return lambda address: False
    return lambda address: connector.covers(object, own_address({"address": address}))


def reconcile_due(snapshot: Snapshot, row: Mapping[str, Any], now: datetime) -> bool:
    """Whether it is time to pull everything of an object once more, so that what is gone shows,
    and what was missed: `row` is that of `cursors`. Not while such a pull is under way.
    """
    every = reconcile_every(snapshot, row["connection"], row["object"])
    if every is None or row["full_since"] is not None:
        return False
    last: datetime | None = row["full_at"]
    return last is None or last + every <= now


def reconcile_every(snapshot: Snapshot, connection: str, object: str) -> timedelta | None:
    """How often everything of an object is pulled; None: never by itself. Daily, unless
    `pull: {reconcile: …}` says otherwise, where nothing else tells of a deletion, or only a webhook
    does, which may be missed.
    """
    spec = snapshot.offers(connection).get(object)
    if spec is None or not tells(spec):
        return None
    try:
        wanted = snapshot.connector(connection).settings.pull.reconcile
    except ConnectorError:
        return None
    if wanted is None:
        return DAILY if spec.deletes == "swept" or spec.webhook else None
    if wanted == "never":
        return None
    duration = parse_duration(wanted)
    return timedelta(seconds=duration.amount * _UNITS[duration.unit])


def _take(
    unit: Unit,
    spec: ObjectSpec,
    connection: str,
    object: str,
    at: datetime,
    misses: int,
    *,
    asking: bool = True,
) -> int:
    """Have what was missed so often read, or take it for gone; how many."""
    count = 0
    for some in sightings.missed(unit.tx, connection, object, misses):
        count += len(some)
        new = []
        for one in some:
            if spec.fetch and asking:
                own = str(one.address.get(OWN_ID, one.external_id))
                new.append(NewRecord(connection, object, own, "fetch", {}, SWEEP))
                continue
            gone = Record(object, one.external_id, {}, address=one.address, deleted=True)
            new.append(
                NewRecord(connection, object, one.external_id, "state", {}, SWEEP, record=gone)
            )
        records.enqueue(unit.tx, new, at)
    return count


def _doubt(unit: Unit, connection: str, object: str, seen: int, missed: int, why: Doubt) -> None:
    all_ = seen + missed
    what = "are gone from" if why == "many" else "are not listed any more by"
    unit.trouble(
        Trouble(
            "mass_deletion",
            f"{missed} of {all_} {object} records {what} {connection}",
            f"A pull of everything saw {seen or 'none'} of the {all_} that are linked."
            f" {_BECAUSE[why]}, so nothing was marked as deleted. If they were deleted, resolve"
            " this. If they are there and are merely left out, waive it: they stay as they are, and"
            " nobody is asked about them again. If it is a mistake, mend the connection: this"
            " closes by itself once they are there again.",
            severity="high",
            subject=connection,
            owner=owner(unit),
            place=object,
            data={"connection": connection, "object": object, "seen": seen, "missed": missed,
                  "why": why},
        )
    )  # fmt: skip


_BECAUSE: Mapping[Doubt, str] = {
    "many": "A lost permission or a changed filter looks the same",
    "settings": "The settings of the connection were changed since all of them were listed, and"
    " they cannot be looked up one by one",
    "partial": "The list leaves out some records that are there, and they cannot be looked up one"
    " by one",
}


def _end_doubt(unit: Unit, connection: str, object: str, why: str) -> None:
    open_ = exceptions.open_of(unit.tx, connection, "mass_deletion")
    over = [row for row in open_ if row["data"].get("object") == object]
    if over:
        end(unit, {why: over})
