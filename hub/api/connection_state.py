"""How a connection fares: whether it is heard, reached and limited, how far it was pulled, and what
waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy.engine import Connection

from connectors.sdk import ConnectorError
from hub.flow import connections as flow
from hub.flow.progress import Backfill, backfill
from hub.flow.proving import Proving, proving
from hub.live import Snapshot
from hub.store import circuits, cursors, figures, notices, running, subscriptions
from hub.store.figures import Waiting
from mappings.canonical import Moment

Row = dict[str, Any]


class ObjectState(BaseModel):
    """How far one object of a connection has been pulled."""

    object: str
    cursor: dict[str, Any] = Field(description="The connector's own; opaque.")
    pulled_at: Moment | None = Field(description="When it was last read to the end.")
    age: float | None = Field(description="Seconds since then.")
    next_pull_at: Moment | None
    pulling: bool
    full_at: Moment | None = Field(description="When everything was last pulled to its end.")
    total: int | None = Field(
        description="How many records there are in all, if the tool tells or all were pulled."
    )
    backfill: BackfillState | None = Field(
        description="The pull of everything that is under way, or was stopped on its way."
    )


class BackfillState(BaseModel):
    """A pull of everything on its way: it goes on at any page."""

    seen: int = Field(description="Records so far.")
    total: int | None = Field(description="Of so many, if the tool tells.")
    since: Moment
    ends_at: Moment | None = Field(
        description="Estimated by its pace so far, pauses that the tool asked for and all."
    )


class RateLimit(BaseModel):
    """Whether the tool has asked us to slow down."""

    limited: bool
    until: Moment | None = None


class CircuitState(BaseModel):
    """Whether the tool is called: `open` after failures in a row, until a moment; then `half open`,
    while one attempt finds out whether it answers again.
    """

    state: Literal["closed", "open", "half open"]
    trips: int = Field(description="How often in a row it was opened.")
    until: Moment | None = None
    why: str | None = None


class Queued(BaseModel):
    """What waits for this connection."""

    deliveries: int = 0
    records: int = 0
    pushes: int = 0


class ConnectionState(BaseModel):
    """One connection as it fares now."""

    name: str
    connector: str
    title: str
    status: Literal["active", "paused"]
    health: Literal["ok", "failing", "paused", "misconfigured", "unused"]
    reason: str | None = Field(description="Why it is paused.")
    unsigned: bool = Field(description="Whether it takes deliveries without any proof.")
    deliveries: Proving = Field(description="How deliveries prove themselves.")
    capturing: bool = Field(description="Whether deliveries are stored and not processed.")
    refused_at: Moment | None = Field(description="When a request was last refused.")
    failures: int = Field(description="In a row.")
    last_error: str | None
    last_ok_at: Moment | None
    lag: float = Field(description="Seconds that the oldest delivery, record or push has waited.")
    queued: Queued
    rate_limit: RateLimit
    circuit: CircuitState
    subscription: SubscriptionState | None = Field(
        description="Where the hub registers webhooks by itself."
    )
    objects: list[ObjectState]


class SubscriptionState(BaseModel):
    """The webhook that the hub registered at the tool, or is about to."""

    status: Literal["wanted", "active", "ending"]
    url: str | None = Field(description="Where the tool sends to, the token hidden.")
    expires_at: Moment | None = Field(description="It is renewed at half of its life.")
    attempts: int = Field(description="In a row that failed.")
    error: str | None


def states(tx: Connection, snapshot: Snapshot, now: datetime) -> list[ConnectionState]:
    """How the workspace's connections fare, in the order of hub.yaml."""
    stored, called = running.connection_states(tx), circuits.circuits(tx)
    waits: dict[str, list[Waiting]] = {}
    for one in figures.waiting(tx):
        waits.setdefault(one.connection, []).append(one)
    pulled: dict[str, list[Row]] = {}
    for row in cursors.all_cursors(tx):
        pulled.setdefault(row["connection"], []).append(dict(row))
    registered = subscriptions.rows(tx)
    capturing = flow.capturing(tx, snapshot)
    refused = {one.connection: one.last_at for one in reversed(notices.counts(tx, None, "refused"))}
    return [
        _state(
            snapshot,
            name,
            stored.get(name, {}),
            called.get(name) or circuits.closed(name),
            pulled.get(name, []),
            waits.get(name, []),
            registered.get(name),
            now,
            capturing=name in capturing,
            refused_at=refused.get(name),
        )
        for name in snapshot.workspace.connections
    ]


def _state(
    snapshot: Snapshot,
    name: str,
    row: Mapping[str, Any],
    circuit: circuits.Circuit,
    pulled: Sequence[Row],
    waits: Sequence[Waiting],
    registered: Row | None,
    now: datetime,
    *,
    capturing: bool,
    refused_at: datetime | None,
) -> ConnectionState:
    spec = snapshot.workspace.connections[name]
    paused = row.get("status") == "paused"
    failures = row.get("failures", 0)
    until = circuit.limited_until
    proof, misconfigured = proving(snapshot, name), None
    try:
        snapshot.connector(name)
    except ConnectorError as error:
        misconfigured = str(error)
    oldest = [one.oldest for one in waits if one.oldest is not None]
    health: Literal["ok", "failing", "paused", "misconfigured", "unused"] = "ok"
    if paused:
        health = "paused"
    elif misconfigured:
        health = "misconfigured"
    elif failures or circuit.trips:
        health = "failing"
    elif not row.get("last_ok_at") and not pulled:
        health = "unused"
    return ConnectionState(
        name=name,
        connector=spec.connector,
        title=snapshot.classes[spec.connector].title,
        status="paused" if paused else "active",
        health=health,
        reason=row.get("reason"),
        unsigned=proof == "unsigned",
        deliveries=proof,
        capturing=capturing,
        refused_at=refused_at,
        failures=failures,
        last_error=row.get("last_error") or misconfigured,
        last_ok_at=row.get("last_ok_at"),
        lag=round(max(0.0, (now - min(oldest)).total_seconds()), 3) if oldest else 0.0,
        queued=Queued(**{one.queue: one.count for one in waits}),
        rate_limit=RateLimit(limited=until is not None, until=until),
        circuit=CircuitState(
            state=circuit.state,
            trips=circuit.trips,
            until=circuit.until,
            why=circuit.why if circuit.trips else None,
        ),
        subscription=SubscriptionState(
            **{name: registered[name] for name in SubscriptionState.model_fields}
        )
        if registered
        else None,
        objects=[
            ObjectState(
                object=one["object"],
                cursor=one["cursor"],
                pulled_at=one["pulled_at"],
                age=round(max(0.0, (now - one["pulled_at"]).total_seconds()), 3)
                if one["pulled_at"]
                else None,
                next_pull_at=one["next_pull_at"],
                pulling=bool(one["lease_until"] and one["lease_until"] >= now),
                full_at=one["full_at"],
                total=one["total"],
                backfill=_backfill(backfill(one, now, until)),
            )
            for one in sorted(pulled, key=lambda one: str(one["object"]))
        ],
    )


def _backfill(found: Backfill | None) -> BackfillState | None:
    if found is None:
        return None
    names = BackfillState.model_fields
    return BackfillState(**{name: getattr(found, name) for name in names})
