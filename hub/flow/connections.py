"""How connections fare: trouble is counted and opens the circuit, credentials that fail pause the
connection, and a person is told what to do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from sqlalchemy.engine import Connection

from connectors.sdk import AuthError, ConfigError, ConnectorError, TransientError
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import circuits, cursors, exceptions, outbox, queue, running, subscriptions
from hub.store.exceptions import Trouble
from hub.store.records import RECORDS
from hub.store.tables import pushes, records
from hub.unit import Unit

PATIENCE = circuits.FAILURES
"""Failures in a row after which transient trouble is shown to a person."""
LONGEST = 86_400.0
"""Seconds: a tool that wants to be left alone for longer is misread or broken; look tomorrow."""
LONG = 3600.0
"""Seconds of such a wish after which a person hears of it."""


def note_failure(
    unit: Unit, connection: str, error: ConnectorError, *, on_trial: bool = False
) -> None:
    """Count a failure. Wrong credentials or configuration pause the connection, network trouble
    opens its circuit, and a tool that asks for a pause has it; nothing is lost meanwhile.

    `on_trial`: whoever met it was the one to try while the circuit was half open.
    """
    running.keep_connections(unit.tx, [connection])
    if isinstance(error, TransientError) and error.retry_after is not None:
        note_limit(unit, connection, error.retry_after, str(error))
    elif isinstance(error, TransientError):
        note_trouble(unit, connection, str(error), on_trial=on_trial)
        return
    else:
        failures = running.note_failure(unit.tx, connection, str(error))
        if isinstance(error, AuthError | ConfigError):
            pause(unit, connection, str(error))
        elif failures == PATIENCE:
            unit.trouble(_trouble(unit, connection, f"{connection} does not answer", str(error)))
    if on_trial:  # it did answer, although nothing came of it
        circuits.call_off(unit.tx, connection)


def note_trouble(
    unit: Unit, connection: str, why: str, *, times: int = 1, on_trial: bool = False
) -> None:
    """A tool did not answer, or only that it cannot: too often in a row, and its circuit opens."""
    running.keep_connections(unit.tx, [connection])
    now = circuits.fail(unit.tx, connection, why, times=times, on_trial=on_trial)
    if now.opened is None:
        return
    if now.trips == 1:
        unit.emit("connection.unreachable", connection, data={"reason": why[:500]})
    told = f"{why} Nothing is sent or read for {now.opened:.0f} s; then one attempt is made."
    unit.trouble(_trouble(unit, connection, f"{connection} does not answer", told))


def note_limit(unit: Unit, connection: str, seconds: float, why: str) -> None:
    """A tool wants to be left alone for so long: nothing is sent or read before."""
    running.keep_connections(unit.tx, [connection])
    wait = min(seconds, LONGEST)
    until = circuits.limit(unit.tx, connection, wait)
    if wait <= LONG:
        return
    asked = f"It asked for {seconds / 86_400:,.0f} days. " if seconds > LONGEST else ""
    told = f"{why} {asked}It is left alone until {until:%Y-%m-%d %H:%M} UTC."
    unit.trouble(_trouble(unit, connection, f"{connection} wants to be left alone", told))


def may_pull(tx: Connection, connection: str) -> Literal["go", "try", "wait"]:
    """Whether a connection may be read now. Where its circuit is half open a write that waits
    tries first: a tool that can be read may still take nothing.
    """
    closed = circuits.shut(tx)
    if connection in closed and closed[connection] is None and outbox.waits(tx, connection):
        return "wait"
    return circuits.admit(tx, connection)


def pause(unit: Unit, connection: str, reason: str) -> None:
    """Stop pulling and pushing until a person resumes; what comes and goes meanwhile waits."""
    if running.set_connection(unit.tx, connection, "paused", reason, unit.now):
        unit.emit("connection.paused", connection, data={"reason": reason})
    unit.trouble(_trouble(unit, connection, f"{connection} is paused", reason))


def resume(unit: Unit, connection: str) -> None:
    """Go on, and close what was open about it."""
    if running.set_connection(unit.tx, connection, "active", None, unit.now):
        unit.emit("connection.resumed", connection)
    circuits.forget_limit(unit.tx, connection)
    _reachable(unit, connection)
    _hurry(unit, connection)
    cursors.pull_all_soon(unit.tx, connection)
    subscriptions.hurry(unit.tx, connection, unit.now)
    settle(unit, connection, "resumed")


def _hurry(unit: Unit, connection: str) -> None:
    queue.hurry(unit.tx, outbox.PUSHES, pushes.c.connection == connection)
    queue.hurry(unit.tx, RECORDS, records.c.connection == connection)


def _reachable(unit: Unit, connection: str) -> bool:
    """Close its circuit. False: it was closed."""
    if not circuits.close(unit.tx, [connection]):
        return False
    unit.emit("connection.reachable", connection)
    return True


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
    """The vendor answers; trouble that was shown is over, and what waited for that goes on."""
    paused = running.note_success(unit.tx, connection, unit.now)
    if _reachable(unit, connection):
        _hurry(unit, connection)
    if not paused:
        settle(unit, connection, "it answers again")
    # else: what answers is not what it was paused for


def note_check(hub: Hub, connection: str) -> None:
    """Somebody asked it, and it answered: call it again if it was not."""
    with hub.database.read() as tx:
        left_alone = circuits.circuits(tx).get(connection)
    if left_alone and left_alone.trips:
        with hub.unit() as unit:
            note_success(unit, connection)


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
