"""The cards of the page of connections: how each fares, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from connectors.sdk import ConnectorError
from hub.flow import connections as flow
from hub.flow.progress import Backfill, backfills, in_words
from hub.flow.proving import proving
from hub.refusals import in_a_line, remedy
from hub.store import circuits, cursors, delivered, notices, overview, running
from hub.store.overview import Depth
from hub.web import words
from hub.web.site import Site, When, unsigned


@dataclass(frozen=True, slots=True)
class BackfillView:
    """A pull of everything that is under way."""

    object: str
    at: Backfill
    said: str


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One connection on the page."""

    name: str
    connector: str
    state: str
    reason: str
    left_alone: str
    last_error: str
    failures: int
    last_ok: When
    takes: bool
    """Whether it takes webhooks."""
    last_delivery: When
    captures: bool
    captures_until: str
    pulled: str
    pulled_exact: str
    backfills: Sequence[BackfillView]
    depth: Depth
    unsigned: bool
    configured: bool
    refused: str
    refused_at: When


def cards(site: Site, tx: Connection) -> list[ConnectionView]:
    """A card for each connection that there is, or was."""
    snapshot = site.snapshot()
    specs = snapshot.workspace.connections if snapshot else {}
    called = circuits.circuits(tx)
    states, depths, bare = running.connection_states(tx), overview.depths(tx), unsigned(snapshot)
    capturing = set(flow.capturing(tx, snapshot)) if snapshot else set()
    until, delivered_at = running.capture_until(tx), delivered.last_received(tx, specs)
    refused = {one.connection: one.last_at for one in reversed(notices.counts(tx, None, "refused"))}
    pulled: dict[str, list[datetime | None]] = {}
    whole: dict[str, list[Mapping[str, Any]]] = {}
    for cursor in map(dict, cursors.all_cursors(tx)):
        pulled.setdefault(cursor["connection"], []).append(cursor["pulled_at"])
        whole.setdefault(cursor["connection"], []).append(cursor)
    views = []
    for name in sorted({*specs, *states}):
        state = states.get(name) or {}
        status = str(state.get("status") or "active")
        problem = ""
        if snapshot and name in specs:
            try:
                snapshot.connector(name)
            except ConnectorError as error:
                problem = str(error)
        failures = int(state.get("failures") or 0)
        circuit = called.get(name) or circuits.closed(name)
        oldest = min((one for one in pulled.get(name, ()) if one), default=None)
        views.append(
            ConnectionView(
                name=name,
                connector=specs[name].connector if name in specs else "",
                state="paused" if status == "paused" else
                      "waiting" if circuit.state != "closed" or circuit.limited_until else
                      "failing" if failures or problem else
                      "active" if name in specs else "gone",
                reason=str(state.get("reason") or problem),
                left_alone=_left_alone(site, circuit),
                last_error=str(state.get("last_error") or ""),
                failures=failures,
                last_ok=site.past(state.get("last_ok_at")),
                takes=snapshot is not None and name in specs
                      and proving(snapshot, name) != "not taken",
                last_delivery=site.past(delivered_at.get(name)),
                captures=name in capturing,
                captures_until=words.exact(until.get(name), site.calendar().timezone),
                pulled=words.span(site.now - oldest) if oldest else "",
                pulled_exact=words.exact(oldest, site.calendar().timezone),
                backfills=[
                    BackfillView(object, one, in_words(one, site.now))
                    for object, one in backfills(
                        whole.get(name, ()), site.now, state.get("limited_until")
                    )
                ],
                depth=depths.get(name, Depth()),
                unsigned=name in bare,
                configured=name in specs,
                refused=_refused(tx, name),
                refused_at=site.past(refused.get(name)),
            )
        )  # fmt: skip
    return views


def _left_alone(site: Site, circuit: circuits.Circuit) -> str:
    """Why a tool is not called just now, and until when; empty where it is."""
    zone = site.calendar().timezone
    if circuit.state == "open":
        until = words.exact(circuit.until, zone)
        return f"Not called until {until}, since it failed {circuit.failures} times in a row."
    if circuit.state == "half open":
        return "One attempt is about to find out whether it answers again."
    if circuit.limited_until:
        return f"It wants to be left alone until {words.exact(circuit.limited_until, zone)}."
    return ""


def _refused(tx: Connection, name: str) -> str:
    """Why the last refused delivery was refused, and what to do; empty where none was."""
    row = next(iter(notices.of(tx, name, outcome="refused", limit=1)), None)
    return f"{in_a_line(row)}. {remedy(name, row)}".strip() if row else ""
