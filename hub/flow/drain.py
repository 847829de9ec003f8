"""What was quarantined drains by itself once another revision of the workspace may mend it.

Nothing is mapped here: each batch puts the records and writes concerned back into their queues, in
the transaction that notes under which revision they are tried. A process that dies in between has
done all of a batch or nothing of it; who tries, in which order, and what comes of it is as for
anything else that waits there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy.engine import RowMapping

from hub.failpoints import reach
from hub.flow import change, people
from hub.flow.quarantine import end, is_outward
from hub.hub import Hub
from hub.store import exceptions, outbox, records, work
from hub.store.records import NewRecord
from hub.unit import Unit

BATCH = 500
Row = RowMapping


def waits(hub: Hub) -> bool:
    """Whether anything failed under an older revision than the one in force. Raises NoWorkspace."""
    people.mend(hub)
    revision = hub.live.current().revision
    with hub.database.read() as tx:
        return exceptions.any_mendable(tx, revision)


def drain(hub: Hub) -> int:
    """Have a batch of what was quarantined tried under the revision in force; how many exceptions
    that concerns.
    """
    if not waits(hub):
        return 0
    with hub.unit() as unit:
        revision = unit.snapshot.revision
        rows = exceptions.mendable(unit.tx, revision, BATCH)
        if rows:
            exceptions.tried(unit.tx, [row["id"] for row in rows], revision)
            _try(unit, rows)
    reach("drain.queued")
    if rows:
        hub.wake("bring_in")
        hub.wake("deliver")
    return len(rows)


def try_all_again(hub: Hub) -> None:
    """Have all of it tried once more: this process may run another version of the hub, or in
    another environment.
    """
    with hub.database.write() as tx:
        exceptions.try_all_again(tx)


def _try(unit: Unit, rows: Sequence[RowMapping]) -> None:
    whole, orphans, inward, outward = [], [], [], []
    for row in rows:
        if row["type"] == "unrouted":
            orphans.append(row)
        elif not row["data"].get("field"):
            whole.append(row)
        elif is_outward(row):
            outward.append(row)
        else:
            inward.append(row)
    _records(unit, whole)
    _orphans(unit, orphans)
    _inward(unit, inward)
    _outward(unit, outward)


def _reads(unit: Unit, row: Row) -> bool:
    """Whether a mapping still speaks of the object that an exception came from."""
    data = row["data"]
    return unit.snapshot.mapping(data["connection"], str(data.get("object"))) is not None


def _records(unit: Unit, rows: Collection[Row]) -> None:
    """Records that were set aside as a whole, with what came."""
    again = [row for row in rows if row["data"].get("object") and _reads(unit, row)]
    lanes = [
        records.lane_of(*(row["data"][name] for name in ("connection", "object", "external_id")))
        for row in again
    ]
    if lanes:
        records.retry_lanes(unit.tx, lanes)
    gone = [row for row in rows if row["data"].get("object") and not _reads(unit, row)]
    end(unit, {_unread(unit): gone})


def _orphans(unit: Unit, rows: Collection[Row]) -> None:
    """Comments on something that was not here: it may have come in since."""
    for row in rows:
        records.retry_orphans(unit.tx, row["data"]["connection"], row["data"]["object"])
    end(unit, {f"tried again with revision {unit.snapshot.revision}": list(rows)})


def _inward(unit: Unit, rows: Collection[Row]) -> None:
    """Fields of a tool's records: the whole record is mapped again, as it was last heard."""
    again: dict[str, NewRecord] = {}
    gone = []
    for row in rows:
        data = row["data"]
        if not _reads(unit, row) or not data.get("external_id"):
            gone.append(row)
            continue
        record = (data["connection"], data["object"], data["external_id"])
        again[records.lane_of(*record)] = NewRecord(
            *record, "again", {"entity": row["subject"]}, "drain"
        )
    records.enqueue(unit.tx, list(again.values()), unit.now)
    end(unit, {_unread(unit): gone})


def _unread(unit: Unit) -> str:
    return f"nothing reads it any more since revision {unit.snapshot.revision}"


def _outward(unit: Unit, rows: Collection[Row]) -> None:
    """Values that could not be said to a tool: they are written as any other change."""
    links = work.links_of(unit.tx, {row["subject"] for row in rows})
    wanted: dict[tuple[str, str], tuple[Row, set[str]]] = {}
    for row in rows:
        wanted.setdefault(_key(row), (row, set()))[1].add(row["data"]["field"])
    unlinked, gone = [], []
    for (entity, connection), (row, names) in wanted.items():
        link = next((one for one in links.get(entity, ()) if one["connection"] == connection), None)
        if link is None:
            unlinked.append((entity, connection))
        elif not link["remote_deleted"] and unit.snapshot.mapping(connection, link["object"]):
            change.tell(unit, link, names, cause=row["id"])
        else:
            gone += [one for one in rows if _key(one) == _key(row)]
    end(unit, {"it is not there any more": gone})
    if unlinked:
        outbox.retry_creates(unit.tx, set(unlinked))


def _key(row: Row) -> tuple[str, str]:
    return row["subject"], row["data"]["connection"]
