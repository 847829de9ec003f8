"""Deliveries become records: each stored request is parsed by its connector and split into one row
per remote record.

Nothing is verified again here: a backlog or a replay must not go stale.
"""

from __future__ import annotations

from dataclasses import replace
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
from hub.flow.identity import identified
from hub.flow.stage import Rows, in_halves, take
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import inbox, queue, records
from hub.store.exceptions import Trouble
from hub.store.records import NewRecord
from hub.unit import Unit

BATCH = 500


def parse_deliveries(hub: Hub) -> int:
    """Parse a batch of waiting deliveries; how many are done with."""
    claim = take(hub, inbox.DELIVERIES, BATCH)
    if claim.poison:
        with hub.unit() as unit:
            for row in claim.poison:
                _quarantined(unit, row, "Every process that worked on it died.")
    if not claim.rows:
        return len(claim.poison)
    reach("intake.parsed")
    done = in_halves(hub, claim, claim.rows, lambda unit, rows: _parse(unit, claim, rows), _give_up)
    hub.wake("bring_in")
    return done + len(claim.poison)


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
    return [
        one
        for parsed in connector.parse(delivery_of(row))
        for one in _rows_of(snapshot, connection, row["id"], parsed)
    ]


def _rows_of(snapshot: Snapshot, connection: str, delivery: str, parsed: Parsed) -> list[NewRecord]:
    match parsed:
        case Record():
            found = identified(snapshot.mapping(connection, parsed.object), parsed)
            return [
                NewRecord(
                    connection, found.object, found.id, "state", records.state_of(found),
                    "webhook", delivery,
                )
            ]  # fmt: skip
        case Fetch(object, ids):
            return [
                NewRecord(connection, object, id, "fetch", {}, "webhook", delivery) for id in ids
            ]
        case PullHint(object):
            return [NewRecord(connection, object, "", "pull", {}, "webhook", delivery)]
        case Answer():
            payload = {
                "token": parsed.token, "sender": parsed.sender, "text": parsed.text,
                "choice": parsed.choice, "automatic": parsed.automatic,
            }  # fmt: skip
            return [
                NewRecord(connection, "answer", delivery, "answer", payload, "webhook", delivery)
            ]


def _parse(unit: Unit, claim: queue.Claim, rows: Rows) -> None:
    found: list[NewRecord] = []
    by_status: dict[tuple[str, int, str | None], list[int]] = {}
    for row in rows:
        try:
            named = parse(unit.snapshot, row)
        except ConnectorError as error:
            _quarantined(unit, row, str(error))
            by_status.setdefault(("quarantined", 0, str(error)[:2000]), []).append(row["position"])
            continue
        found += [replace(one, received_at=row["received_at"]) for one in named]
        status = "processed" if named else "ignored"
        by_status.setdefault((status, len(named), None), []).append(row["position"])
        unit.emit(
            "delivery.received",
            row["id"],
            data={"connection": row["connection"], "records": len(named)},
        )
    records.enqueue(unit.tx, found, unit.now)
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


def _give_up(unit: Unit, row: RowMapping, error: Exception) -> None:
    _quarantined(unit, row, f"{type(error).__name__}: {error}")
