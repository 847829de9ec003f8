"""What deliveries only named is read, outside any transaction and before it is brought in: thin
records, and the people who pressed a button.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.engine import RowMapping

from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    PayloadError,
    RateLimitError,
    Record,
    Source,
    TransientError,
)
from hub.flow import connections
from hub.flow.quarantine import set_aside
from hub.flow.stage import SHARE
from hub.hub import Hub
from hub.live import Snapshot
from hub.store import queue, running
from mappings.expressions import ExpressionError

log = structlog.get_logger("hub.fetch")

WAITS = (TransientError, AuthError, ConfigError)
"""What is nobody's fault among the records: they wait until it is over."""


@dataclass(frozen=True, slots=True)
class Read:
    """A record as the tool showed it, and when it was asked for."""

    record: Record
    at: datetime


def fetch(hub: Hub, claim: queue.Claim) -> tuple[dict[int, Read], set[int]]:
    """Read what deliveries only named, outside any transaction; and the rows that must wait
    because that failed, or took too long to go on under this claim.
    """
    snapshot = hub.live.current()
    wanted: dict[tuple[str, str], list[RowMapping]] = {}
    for row in claim.rows:
        object = row["object"]
        if row["kind"] == "answer":
            object = _directory(snapshot, row)
        if object and row["kind"] in ("fetch", "answer"):
            wanted.setdefault((row["connection"], object), []).append(row)
    read: dict[int, Read] = {}
    waiting: set[int] = set()
    paused: set[str] = set()
    if wanted:
        with hub.database.read() as tx:
            paused = running.paused(tx)
    until = time.monotonic() + claim.queue.lease.total_seconds() * SHARE
    for (connection, object), rows in wanted.items():
        if connection in paused:
            _wait_for_resume(hub, claim, rows)
            waiting |= {row["position"] for row in rows}
            continue
        left = [rows]
        while left:
            some = left.pop()
            try:
                read |= _read(hub, snapshot, connection, object, some)
            except ConnectorError as error:
                if len(some) > 1 and not isinstance(error, WAITS):
                    half = len(some) // 2
                    left += [some[half:], some[:half]]
                    continue
                if isinstance(error, WAITS):  # whatever is left would meet the same
                    some = [row for group in (some, *left) for row in group]
                    left.clear()
                _hold_back(hub, claim, connection, some, error)
                waiting |= {row["position"] for row in some}
            if left and time.monotonic() > until:
                late = [row["position"] for group in left for row in group]
                with hub.database.write() as tx:
                    queue.release(tx, claim, late)
                waiting.update(late)
                left.clear()
    return read, waiting


def _read(
    hub: Hub, snapshot: Snapshot, connection: str, object: str, rows: Sequence[RowMapping]
) -> dict[int, Read]:
    """The records that rows name, by position; one that is not there any more is deleted. Raises
    ConnectorError, also for a bug of the connector.
    """
    ids = list(dict.fromkeys(_wanted(row) for row in rows))
    at = hub.clock()
    try:
        connector = snapshot.connector(connection)
        if not isinstance(connector, Source):
            raise ConfigError(f"The connection '{connection}' cannot be read.")
        found = {record.id: record for record in connector.fetch(object, ids)}
    except ConnectorError:
        raise
    except Exception as error:
        log.exception("connector failed", connection=connection)
        raise PayloadError(f"The connector failed: {type(error).__name__}: {error}") from error
    gone = {id: Record(object, id, {}, deleted=True) for id in ids if id not in found}
    there = found | gone
    return {row["position"]: Read(there[_wanted(row)], at) for row in rows}


def _wanted(row: RowMapping) -> str:
    """What is read for a row: the record that it names, or whoever answered."""
    return str(row["payload"]["sender"] if row["kind"] == "answer" else row["external_id"])


def _directory(snapshot: Snapshot, row: RowMapping) -> str | None:
    """The object that tells the address of whoever pressed a button, where `identities` does not
    say who that is.
    """
    connection, answer = row["connection"], row["payload"]
    if not answer.get("token") or snapshot.party_for(connection, str(answer["sender"])):
        return None
    for (name, object), mapping in snapshot.workspace.mappings.items():
        spec = snapshot.offers(connection).get(object)
        if name == connection and mapping.spec.entity == "party" and spec and spec.fetch:
            return object
    return None


def email_of(snapshot: Snapshot, connection: str, record: Record | None) -> str | None:
    """The address of a person in a tool."""
    mapping = snapshot.mapping(connection, record.object) if record else None
    if record is None or mapping is None or record.deleted:
        return None
    try:
        if not mapping.matches(record.data):
            return None
    except ExpressionError:
        return None
    found = mapping.inward(record.data, snapshot, connection).values.get("email")
    return str(found) if found else None


def _wait_for_resume(hub: Hub, claim: queue.Claim, rows: Sequence[RowMapping]) -> None:
    with hub.database.write() as tx:
        for row in rows:
            queue.postpone(
                tx, claim, row["position"], "the connection is paused", 60.0, counted=False
            )


def _hold_back(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    rows: Sequence[RowMapping],
    error: ConnectorError,
) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error)
        waits = isinstance(error, WAITS)
        delay = error.retry_after if isinstance(error, RateLimitError) else 15.0
        for row in rows:
            if queue.postpone(
                unit.tx, claim, row["position"], str(error)[:2000], delay, counted=not waits
            ):
                set_aside(unit, row, error)
