"""Deliveries become records: each stored request is parsed by its connector and split into remote
records, which are brought in at once (see `hub.flow.straight`) or wait in rows of their own.

Nothing is verified again here: a backlog or a replay must not go stale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

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
from hub.flow.patience import Patience, TookTooLong
from hub.flow.stage import Rows, Stride, in_halves, put_off, take
from hub.flow.straight import Named
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import inbox, queue
from hub.store.exceptions import Trouble
from hub.store.records import NewRecord
from hub.unit import Unit

STRIDE = Stride(most=500)
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
    """Take in a batch of waiting deliveries; how many are done with."""
    claim = take(hub, inbox.DELIVERIES, STRIDE.size)
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                _quarantined(unit, row, "Every process that worked on it died.")
    if not claim.rows:
        return len(claim.poison)
    reach("intake.parsed")
    if any(row["claims"] for row in claim.rows):
        # a process died of one of them: now each of its records shall count for itself
        return len(claim.poison) + _long_way(hub, claim, claim.rows)
    snapshot = hub.live.current()
    heard: dict[int, Heard] = {}
    waits: list[bool] = []
    strange: list[RowMapping] = []
    endless: list[tuple[RowMapping, Exception]] = []
    for row in claim.rows:
        try:
            heard[row["position"]] = _hear(snapshot, row)
        except TookTooLong as error:
            endless.append((row, error))
        except Exception:
            strange.append(row)  # a fault of ours, which is told where it is tried again
    rows = [row for row in claim.rows if row["position"] in heard]
    done = in_halves(
        hub,
        claim,
        rows,
        lambda unit, some: waits.append(
            _take_in(unit, claim, [heard[row["position"]] for row in some])
        ),
        _give_up,
        alone=lambda row: _long_way(hub, claim, [row]),
        stride=STRIDE,
    )
    reach("intake.committed")
    if any(waits):
        hub.wake("bring_in")
    for row in strange:
        done += _long_way(hub, claim, [row])
    for row, why in endless:
        put_off(hub, claim, row, why, _give_up)
    return done + len(claim.poison)


def _long_way(hub: Hub, claim: queue.Claim, rows: Rows) -> int:
    """Their records become rows, each of which is brought in, tried again or set aside alone."""

    def work(unit: Unit, some: Rows) -> None:
        heard = [_hear(unit.snapshot, row) for row in some]
        straight.queue(unit, (named for one in heard for named in _told(unit, one)))
        _finish(unit, claim, heard)

    done = in_halves(hub, claim, rows, work, _give_up)
    hub.wake("bring_in")
    return done


def delivery_of(row: RowMapping) -> Delivery:
    """A stored delivery as the connector saw it."""
    return Delivery(
        method=row["method"],
        url=row["url"],
        headers=row["headers"],
        body=bytes(row["body"]),
        received_at=row["received_at"],
    )


def parse(snapshot: Snapshot, row: RowMapping) -> list[NewRecord]:
    """What a stored delivery speaks of. Raises ConnectorError."""
    connection = row["connection"]
    connector = snapshot.connector(connection)
    if not isinstance(connector, Receiver):
        raise ConfigError(f"The connection '{connection}' takes no deliveries (any more).")
    with Patience(PARSING):
        said = list(connector.parse(delivery_of(row)))
    return [one for parsed in said for one in _rows_of(snapshot, connection, row, parsed)]


def _rows_of(
    snapshot: Snapshot, connection: str, row: RowMapping, parsed: Parsed
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


def _hear(snapshot: Snapshot, row: RowMapping) -> Heard:
    try:
        found = parse(snapshot, row)
    except ConnectorError as error:
        return Heard(row, snapshot, [], error)
    return Heard(row, snapshot, [straight.named(snapshot, one) for one in found])


def _take_in(unit: Unit, claim: queue.Claim, heard: list[Heard]) -> bool:
    """True if a record was queued."""
    if heard[0].snapshot is not unit.snapshot:  # another revision was applied meanwhile
        heard = [_hear(unit.snapshot, one.row) for one in heard]
    found = [named for one in heard for named in _told(unit, one)]
    queued = straight.bring_straight(unit, found)
    _finish(unit, claim, heard)
    reach("intake.brought_in")
    return queued


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
