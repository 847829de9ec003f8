"""Deliveries become records: each stored request is parsed by its connector and split into remote
records, which are brought in at once (see `hub.flow.straight`) or wait in rows of their own.

Nothing is verified again here: a backlog or a replay must not go stale.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.engine import RowMapping

from connectors.sdk import (
    Answer,
    ConfigError,
    ConnectorError,
    Delivery,
    Fetch,
    Parsed,
    PullHint,
    Receiver,
    Record,
)
from hub.failpoints import reach
from hub.flow import straight
from hub.flow.identity import identified
from hub.flow.overtime import Overtime
from hub.flow.stage import SHARE, Ahead, Rows, Stride, in_halves, put_off, turn
from hub.flow.straight import Named
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import inbox, queue
from hub.store.exceptions import Trouble
from hub.store.records import NewRecord
from hub.unit import Unit

log = structlog.get_logger("hub.intake")

STRIDE = Stride(most=500)
SLICE = 4 * 1024 * 1024
"""Bytes of bodies that are in memory at once, where they are not one alone."""
PARSING = 5.0
"""Seconds that reading one delivery may take; most take less than one in ten thousand of that."""


@dataclass(slots=True)
class Heard:
    """A claimed delivery, parsed under a revision before the transaction begins."""

    row: RowMapping
    snapshot: Snapshot
    found: list[Named]
    refused: ConnectorError | None = None


def parse_deliveries(hub: Hub) -> int:
    """Take in waiting deliveries, batch after batch for a moment; how many are done with."""
    return turn(hub, inbox.DELIVERIES, STRIDE, _batch)


def _batch(hub: Hub, claim: queue.Claim, ahead: Ahead) -> int:
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                _quarantined(unit, row, "Every process that worked on it died.")
    done, rows = len(claim.poison), claim.rows
    if not rows:
        return done
    reach("intake.parsed")
    waits: list[bool] = []
    while rows:
        some, rows = _round(hub, claim, rows, waits, ahead)
        ahead = None
        done += some
    reach("intake.committed")
    if any(waits):
        hub.wake("bring_in")
    return done


def _round(
    hub: Hub, claim: queue.Claim, rows: Rows, waits: list[bool], ahead: Ahead
) -> tuple[int, Rows]:
    """Parse and take in; how many are done with, and those to be parsed again, as another revision
    was applied meanwhile. No code of a connector runs within a transaction.
    """
    heard = _hear_all(hub, claim, rows)
    outdated: list[RowMapping] = []

    def ready(unit: Unit, some: Rows) -> list[Heard]:
        found = [heard[row["position"]] for row in some]
        if any(one.snapshot is not unit.snapshot for one in found):
            outdated.extend(some)
            return []
        return found

    def straight_way(unit: Unit, some: Rows) -> None:
        if found := ready(unit, some):
            waits.append(_take_in(unit, claim, found))

    def long_way(unit: Unit, some: Rows) -> None:
        """Their records become rows, each of which is brought in, tried again or set aside
        alone.
        """
        if found := ready(unit, some):
            straight.queue(unit, (named for one in found for named in _told(unit, one)))
            _finish(unit, claim, found)
            waits.append(True)

    there = [row for row in rows if row["position"] in heard]
    if any(row["claims"] for row in there):
        # a process died of one of them: now each of its records shall count for itself
        done = in_halves(hub, claim, there, long_way, _give_up)
    else:
        done = in_halves(
            hub,
            claim,
            there,
            straight_way,
            _give_up,
            alone=lambda row: in_halves(hub, claim, [row], long_way, _give_up),
            stride=STRIDE,
            ahead=ahead,
        )
    return done - len(outdated), outdated


def _hear_all(hub: Hub, claim: queue.Claim, rows: Rows) -> dict[int, Heard]:
    """Parse deliveries, by position, a slice of bodies in memory at a time. Whatever fails is tried
    again alone; what there is no time for under this claim is left to the next one.
    """
    snapshot = hub.live.latest()
    heard: dict[int, Heard] = {}
    until = time.monotonic() + claim.queue.lease.total_seconds() * SHARE
    for some in _slices(rows):
        with hub.database.read() as tx:
            bodies = inbox.bodies(tx, [row["position"] for row in some])
        for row in some:
            if time.monotonic() > until and row is not rows[0]:
                at = next(at for at, one in enumerate(rows) if one is row)
                with hub.database.write() as tx:
                    queue.release(tx, claim, [one["position"] for one in rows[at:]])
                hub.wake("intake")
                return heard
            try:
                heard[row["position"]] = _hear(snapshot, row, bodies.pop(row["position"]))
            except Exception as error:
                log.exception("delivery not read", delivery=row["id"])
                put_off(hub, claim, row, error, _give_up)
    return heard


def _slices(rows: Rows) -> Iterator[Rows]:
    """So many that their bodies take no more than `SLICE`, or one."""
    begin = size = 0
    for at, row in enumerate(rows):
        size += row["size"]
        if size > SLICE and at > begin:
            yield rows[begin:at]
            begin, size = at, row["size"]
    yield rows[begin:]


def delivery_of(row: Mapping[str, Any]) -> Delivery:
    """A stored delivery as the connector saw it."""
    return Delivery(
        method=row["method"],
        url=row["url"],
        headers=row["headers"],
        body=bytes(row["body"]),
        received_at=row["received_at"],
    )


def parse(snapshot: Snapshot, row: Mapping[str, Any]) -> list[NewRecord]:
    """What a stored delivery speaks of. Raises ConnectorError."""
    connection = row["connection"]
    connector = snapshot.connector(connection)
    if not isinstance(connector, Receiver):
        raise ConfigError(f"The connection '{connection}' takes no deliveries (any more).")
    said = connector.parse(delivery_of(row))
    return [one for parsed in said for one in _rows_of(snapshot, connection, row, parsed)]


def _rows_of(
    snapshot: Snapshot, connection: str, row: Mapping[str, Any], parsed: Parsed
) -> list[NewRecord]:
    delivery, received_at = row["id"], row["received_at"]
    match parsed:
        case Record():
            found = identified(snapshot.mapping(connection, parsed.object), parsed)
            return [
                NewRecord(
                    connection, found.object, found.id, "state", {}, "webhook", delivery,
                    received_at, found,
                )
            ]  # fmt: skip
        case Fetch(object, ids):
            return [
                NewRecord(connection, object, id, "fetch", {}, "webhook", delivery, received_at)
                for id in ids
            ]
        case PullHint(object):
            return [NewRecord(connection, object, "", "pull", {}, "webhook", delivery, received_at)]
        case Answer():
            payload = {
                "token": parsed.token, "sender": parsed.sender, "text": parsed.text,
                "choice": parsed.choice, "automatic": parsed.automatic,
            }  # fmt: skip
            return [
                NewRecord(
                    connection, "answer", delivery, "answer", payload, "webhook", delivery,
                    received_at,
                )
            ]  # fmt: skip


def _hear(snapshot: Snapshot, row: RowMapping, body: bytes) -> Heard:
    """Raises TookTooLong, or whatever a bug of a connector raises."""
    try:
        with Overtime(PARSING):
            found = parse(snapshot, {**row, "body": body})
            return Heard(row, snapshot, [straight.named(snapshot, one) for one in found])
    except ConnectorError as error:
        return Heard(row, snapshot, [], error)


def _take_in(unit: Unit, claim: queue.Claim, heard: list[Heard]) -> bool:
    """True if a record was queued."""
    found = [named for one in heard for named in _told(unit, one)]
    queued = straight.bring_straight(unit, found)
    _finish(unit, claim, heard)
    reach("intake.brought_in")
    return queued > 0


def _told(unit: Unit, one: Heard) -> list[Named]:
    """What a delivery speaks of; that it came, or could not be read, is told."""
    if one.refused is not None:
        _quarantined(unit, one.row, str(one.refused))
    else:
        if one.row["verdict"] == "altered":
            _altered(unit, one.row)
        data = {"connection": one.row["connection"], "records": len(one.found)}
        unit.emit("delivery.received", one.row["id"], data=data)
    return one.found


def _finish(unit: Unit, claim: queue.Claim, heard: Iterable[Heard]) -> None:
    by_status: dict[tuple[str, int, str | None], list[int]] = {}
    for one in heard:
        status, why = ("processed" if one.found else "ignored"), None
        if one.refused is not None:
            status, why = inbox.DELIVERIES.aside, str(one.refused)[:2000]
        by_status.setdefault((status, len(one.found), why), []).append(one.row["position"])
    for (status, count, why), positions in by_status.items():
        queue.finish(unit.tx, claim, positions, status, records=count, error=why)


def _quarantined(unit: Unit, row: RowMapping, why: str) -> None:
    received: datetime = row["received_at"]
    unit.trouble(
        Trouble(
            "unparseable",
            f"A delivery from {row['connection']} could not be read",
            f"{why} It came {received:%Y-%m-%d %H:%M:%S} UTC and is kept; once the cause is mended,"
            f" run: hub deliveries replay {row['id']}",
            severity="high",
            subject=row["id"],
            owner=owner(unit),
            data={"connection": row["connection"]},
        )
    )


def _altered(unit: Unit, row: RowMapping) -> None:
    """The same delivery id came with another body. It is genuine and is processed like any other:
    which state of a record holds is told by versions, never by who came last. A person is told,
    once for each connection until that is settled.
    """
    connection = row["connection"]
    unit.trouble(
        Trouble(
            "validation",
            f"{connection} sent another body under a delivery id that it had used before",
            f"The first delivery with the id {row['delivery_id']} is kept as it came; {row['id']}"
            " is kept beside it, and was processed too. Some senders count their attempts in the"
            " body: then waive this. Else look at both:"
            f" hub deliveries list --connection {connection} --verdict altered",
            severity="low",
            subject=connection,
            owner=owner(unit),
            place="altered",
            data={"connection": connection, "delivery": row["id"]},
        )
    )


def _give_up(unit: Unit, row: RowMapping, error: Exception) -> None:
    _quarantined(unit, row, f"{type(error).__name__}: {error}")
