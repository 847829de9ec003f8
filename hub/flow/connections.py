"""How connections fare: trouble is counted, credentials that fail pause the connection, and a
person is told what to do.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.engine import Connection

from connectors.sdk import AuthError, ConfigError, ConnectorError, RateLimitError
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import exceptions, outbox, queue, running, subscriptions
from hub.store.exceptions import Trouble
from hub.store.records import RECORDS
from hub.store.tables import pushes, records
from hub.unit import Unit

PATIENCE = 5
"""Failures in a row after which transient trouble is shown to a person."""


def note_failure(unit: Unit, connection: str, error: ConnectorError) -> None:
    """Count a failure. Wrong credentials or configuration pause the connection; nothing is lost
    meanwhile.
    """
    running.keep_connections(unit.tx, [connection])
    until = None
    if isinstance(error, RateLimitError):
        until = unit.now + timedelta(seconds=error.retry_after)
    failures = running.note_failure(unit.tx, connection, str(error), until)
    if isinstance(error, AuthError | ConfigError):
        pause(unit, connection, str(error))
    elif failures == PATIENCE:
        unit.trouble(_trouble(unit, connection, f"{connection} does not answer", str(error)))


def pause(unit: Unit, connection: str, reason: str) -> None:
    """Stop pulling and pushing until a person resumes; what comes and goes meanwhile waits."""
    if running.set_connection(unit.tx, connection, "paused", reason, unit.now):
        unit.emit("connection.paused", connection, data={"reason": reason})
    unit.trouble(_trouble(unit, connection, f"{connection} is paused", reason))


def resume(unit: Unit, connection: str) -> None:
    """Go on, and close what was open about it."""
    if running.set_connection(unit.tx, connection, "active", None, unit.now):
        unit.emit("connection.resumed", connection)
    queue.hurry(unit.tx, outbox.PUSHES, pushes.c.connection == connection)
    queue.hurry(unit.tx, RECORDS, records.c.connection == connection)
    running.pull_all_soon(unit.tx, connection)
    subscriptions.hurry(unit.tx, connection, unit.now)
    settle(unit, connection, "resumed")


def capture(unit: Unit, connection: str, lasting: timedelta | None) -> None:
    """Have deliveries stored and not processed for so long, or (None) processed again as they
    come. What was captured waits to be replayed.
    """
    until = running.set_capture(unit.tx, connection, lasting)
    data = {"connection": connection, "until": until.isoformat() if until else None}
    unit.emit("connection.capturing", connection, data=data)


def capturing(tx: Connection, snapshot: Snapshot) -> list[str]:
    """Connections whose deliveries are stored and not processed, by hub.yaml or for a while."""
    for_now = running.capturing(tx)
    return [
        name
        for name, spec in snapshot.workspace.connections.items()
        if name in for_now or _says_capture(spec.raw.get("webhook"))
    ]


def _says_capture(webhook: object) -> bool:
    return isinstance(webhook, dict) and webhook.get("capture") is True


def note_success(unit: Unit, connection: str) -> None:
    """The vendor answers; trouble that was shown is over."""
    if not running.note_success(unit.tx, connection, unit.now):
        settle(unit, connection, "it answers again")
    # else: what answers is not what it was paused for


def settle(unit: Unit, connection: str, why: str, about: str | None = None) -> None:
    """Close what is open about a connection; with `about`, only what is about that part of it."""
    for row in exceptions.open_of(unit.tx, connection, "connection"):
        if row["data"].get("about") != about:
            continue
        exceptions.close(unit.tx, row["id"], "resolved", unit.now, None, why)
        unit.emit("exception.resolved", row["id"], data={"why": why})


def _trouble(unit: Unit, connection: str, title: str, detail: str) -> Trouble:
    return Trouble(
        "connection",
        title,
        f"{detail} When it is mended, resume the connection on its page, or with:"
        f" hub connections resume {connection}",
        severity="high",
        subject=connection,
        owner=owner(unit),
        data={"connection": connection},
    )
