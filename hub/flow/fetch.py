"""What deliveries only named is read, outside any transaction and before it is brought in: thin
records, and the people who pressed a button.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.engine import Connection, RowMapping

from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    NotSentError,
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
from hub.store import circuits, dialect, queue
from mappings.expressions import ExpressionError

log = structlog.get_logger("hub.fetch")

WAITS = (TransientError, AuthError, ConfigError)
"""What is nobody's fault among the records: they wait until it is over."""
ALONE = 2
"""Records in a row that fail alone for a moment's trouble; then it is taken for the tool's."""
LONGEST = 900.0
"""Seconds until such a record is read again, at most."""


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
    closed: Collection[str] = ()
    if wanted:
        with hub.database.read() as tx:
            closed = circuits.shut(tx)
    until = time.monotonic() + claim.queue.lease.total_seconds() * SHARE
    for (connection, object), rows in wanted.items():
        may = "go"
        if connection in closed:
            with hub.database.write() as tx:
                may = circuits.admit(tx, connection)
                if may == "wait":
                    _wait(tx, claim, connection, rows)
        if may == "wait":
            waiting |= {row["position"] for row in rows}
            continue
        left = [rows]
        alone, failed = 0, False
        while left:
            some = left.pop()
            try:
                read |= _read(hub, snapshot, connection, object, some)
                alone = 0
                if may == "try" or failed:
                    may, failed = "go", False
                    with hub.unit() as unit:
                        connections.note_success(unit, connection)
            except ConnectorError as error:
                its_own = may != "try" and alone < ALONE and _may_be_its_own(error)
                if len(some) > 1 and (its_own or not isinstance(error, WAITS)):
                    half = len(some) // 2
                    left += [some[half:], some[:half]]
                    continue
                failed = True
                if its_own:  # others may be read all the same
                    alone += 1
                    _wait_alone(hub, claim, connection, some, error)
                    waiting |= {row["position"] for row in some}
                    continue
                if isinstance(error, WAITS):  # whatever is left would meet the same
                    some = [row for group in (some, *left) for row in group]
                    left.clear()
                _hold_back(hub, claim, connection, some, error, on_trial=may == "try")
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
    gone |= {was: one for one in found.values() for was in one.former if was in gone}
    there = found | gone
    return {row["position"]: Read(there[_wanted(row)], at) for row in rows}


def _may_be_its_own(error: ConnectorError) -> bool:
    """Whether a moment's trouble may be that of one record, which always fails so (a page of the
    tool that ends in an error): not where the tool was not reached, or asks for a pause.
    """
    if isinstance(error, NotSentError | RateLimitError) or not isinstance(error, TransientError):
        return False
    return error.retry_after is None


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


def _wait(tx: Connection, claim: queue.Claim, connection: str, rows: Sequence[RowMapping]) -> None:
    """Put off what would call a connection that nobody may call now."""
    until = circuits.shut(tx).get(connection)
    left = (until - dialect.database_now(tx)).total_seconds() if until else 60.0
    why = "the connection may not be called now"
    for row in rows:
        queue.postpone(tx, claim, row["position"], why, min(60.0, max(1.0, left)), counted=False)


def _wait_alone(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    rows: Sequence[RowMapping],
    error: ConnectorError,
) -> None:
    """Put off what failed alone, each time for as long as it has waited already, so that it is not
    among the others when they are read again.
    """
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error)
        for row in rows:
            age = (unit.now - row["received_at"]).total_seconds()
            delay = min(LONGEST, max(20.0, age))
            queue.postpone(unit.tx, claim, row["position"], str(error)[:2000], delay, counted=False)


def _hold_back(
    hub: Hub,
    claim: queue.Claim,
    connection: str,
    rows: Sequence[RowMapping],
    error: ConnectorError,
    *,
    on_trial: bool,
) -> None:
    with hub.unit() as unit:
        connections.note_failure(unit, connection, error, on_trial=on_trial)
        waits = isinstance(error, WAITS)
        delay = error.retry_after if isinstance(error, RateLimitError) else 15.0
        for row in rows:
            if queue.postpone(
                unit.tx, claim, row["position"], str(error)[:2000], delay, counted=not waits
            ):
                set_aside(unit, row, error)
