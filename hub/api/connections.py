"""Connections: how each fares, and pulling, pausing, resuming and checking it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.engine import Connection

from connectors.sdk import AuthError, ConfigError, ConnectorError
from hub.api.auth import HubDep, Member, Operator
from hub.api.errors import Problem, invalid
from hub.api.repeating import Repeatable, asks_a_tool
from hub.flow import connections as flow
from hub.flow import pull as pulling
from hub.flow.proving import Proving, proving
from hub.hub import Hub
from hub.live import Snapshot
from hub.store import figures, notices, running, subscriptions
from hub.store.figures import Waiting
from mappings.canonical import Moment

router = APIRouter(prefix="/connections", tags=["connections"], route_class=Repeatable)

Row = dict[str, Any]


class ObjectState(BaseModel):
    """How far one object of a connection has been pulled."""

    object: str
    cursor: dict[str, Any] = Field(description="The connector's own; opaque.")
    pulled_at: Moment | None = Field(description="When it was last read to the end.")
    age: float | None = Field(description="Seconds since then.")
    next_pull_at: Moment | None
    pulling: bool


class RateLimit(BaseModel):
    """Whether the tool has asked us to slow down."""

    limited: bool
    until: Moment | None = None


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


class Connections(BaseModel):
    """All connections of the workspace."""

    items: list[ConnectionState]
    next: None = None


class PullRequest(BaseModel):
    """What to pull. `wait` pulls now and answers with counts, instead of soon."""

    model_config = ConfigDict(extra="forbid")

    object: str | None = Field(None, description="One object; all that can be pulled if left out.")
    full: bool = Field(False, description="From the very beginning.")
    wait: bool = False


class PullState(BaseModel):
    """One object's pull."""

    object: str
    status: Literal["scheduled", "done", "busy", "failed"]
    seen: int | None = None
    queued: int | None = None
    unchanged: int | None = None
    error: str | None = None


class Pulls(BaseModel):
    """What is being pulled, or was."""

    connection: str
    pulls: list[PullState]


class PauseRequest(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    comment: Annotated[str, StringConstraints(max_length=2000)] | None = None


class Checked(BaseModel):
    """Whether the tool accepts our credentials."""

    connection: str
    ok: bool
    problem: Literal["config", "auth", "unreachable"] | None = None
    code: str | None = Field(None, description="destination_forbidden, redirect_refused.")
    error: str | None = None


@router.get("")
def list_connections(hub: HubDep, caller: Member) -> Connections:
    """Every connection, with its health."""
    snapshot = hub.live.current()
    with hub.database.read() as tx:
        return Connections(items=states(tx, snapshot, hub.clock()))


@router.get("/{name}")
def get_connection(hub: HubDep, caller: Member, name: str) -> ConnectionState:
    """One connection."""
    return _shown(hub, name)


def _shown(hub: Hub, name: str) -> ConnectionState:
    snapshot = _known(hub, name)
    with hub.database.read() as tx:
        return next(one for one in states(tx, snapshot, hub.clock()) if one.name == name)


def _known(hub: Hub, name: str) -> Snapshot:
    snapshot = hub.live.current()
    if name not in snapshot.workspace.connections:
        raise Problem(404, "connection_unknown", f"There is no connection '{name}'.")
    return snapshot


# ------------------------------------------------------------------------------------------ state


def states(tx: Connection, snapshot: Snapshot, now: datetime) -> list[ConnectionState]:
    """How the workspace's connections fare, in the order of hub.yaml."""
    stored = running.connection_states(tx)
    waits: dict[str, list[Waiting]] = {}
    for one in figures.waiting(tx):
        waits.setdefault(one.connection, []).append(one)
    cursors: dict[str, list[Row]] = {}
    for row in running.all_cursors(tx):
        cursors.setdefault(row["connection"], []).append(dict(row))
    registered = subscriptions.rows(tx)
    capturing = flow.capturing(tx, snapshot)
    refused = {one.connection: one.last_at for one in reversed(notices.counts(tx, None, "refused"))}
    return [
        _state(
            snapshot,
            name,
            stored.get(name, {}),
            cursors.get(name, []),
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
    cursors: Sequence[Row],
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
    until = row.get("limited_until")
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
    elif failures:
        health = "failing"
    elif not row.get("last_ok_at") and not cursors:
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
        rate_limit=RateLimit(
            limited=bool(until and until > now), until=until if until and until > now else None
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
            )
            for one in sorted(cursors, key=lambda one: str(one["object"]))
        ],
    )


# ---------------------------------------------------------------------------------------- actions


@router.post(
    "/{name}/pull",
    status_code=202,
    responses={200: {"description": "With `wait`: it was pulled just now."}},
)
@asks_a_tool
def pull(
    hub: HubDep, caller: Operator, name: str, response: Response, body: PullRequest | None = None
) -> Pulls:
    """Pull what changed, at the next tick or, with `wait`, now."""
    body = body or PullRequest()
    snapshot = _known(hub, name)
    objects = pullable(snapshot, name)
    if body.object is not None:
        if body.object not in objects:
            known = ", ".join(objects) or "none"
            raise invalid({"object": f"'{body.object}' cannot be pulled. Objects: {known}."})
        objects = [body.object]
    with hub.database.read() as tx:
        if name in running.paused(tx):
            raise Problem(409, "connection_paused", f"'{name}' is paused; resume it first.")
    if body.wait:
        response.status_code = 200
        return Pulls(
            connection=name, pulls=[_pull_now(hub, name, one, full=body.full) for one in objects]
        )
    pulls = []
    with hub.database.write() as tx:
        for object in objects:
            free = True
            if body.full:
                free = running.pull_afresh(tx, name, object)
            else:
                running.pull_soon(tx, name, object)
            pulls.append(PullState(object=object, status="scheduled" if free else "busy"))
    return Pulls(connection=name, pulls=pulls)


def pullable(snapshot: Snapshot, name: str) -> list[str]:
    """The objects of a connection that are pulled: those that a mapping takes, and messages."""
    return [
        object
        for object, capability in snapshot.offers(name).items()
        if capability.pull and (snapshot.mapping(name, object) is not None or object == "message")
    ]


def _pull_now(hub: Hub, name: str, object: str, *, full: bool) -> PullState:
    done = pulling.pull(hub, name, object, full=full, force=True)
    if done.busy:
        return PullState(object=object, status="busy")
    return PullState(
        object=object,
        status="failed" if done.error else "done",
        seen=done.seen,
        queued=done.queued,
        unchanged=done.unchanged,
        error=done.error,
    )


@router.post("/{name}/pause")
def pause(
    hub: HubDep, caller: Operator, name: str, body: PauseRequest | None = None
) -> ConnectionState:
    """Stop pulling and pushing. What comes and goes meanwhile waits, and nothing is lost."""
    _known(hub, name)
    reason = (body.comment if body else None) or f"Paused by {caller.actor()['name']}."
    with hub.unit() as unit, unit.acting(caller.actor()):
        running.keep_connections(unit.tx, [name])
        flow.pause(unit, name, reason)
    return _shown(hub, name)


@router.post("/{name}/resume")
def resume(hub: HubDep, caller: Operator, name: str) -> ConnectionState:
    """Go on, and close what was open about it."""
    snapshot = _known(hub, name)
    with hub.unit() as unit, unit.acting(caller.actor()):
        running.keep_connections(unit.tx, [name])
        flow.resume(unit, name)
        for object in pullable(snapshot, name):
            running.pull_soon(unit.tx, name, object)
    for stage in ("bring_in", "deliver"):
        hub.soon(stage)
    return _shown(hub, name)


@router.post("/{name}/check")
@asks_a_tool
def check(hub: HubDep, caller: Operator, name: str) -> Checked:
    """Ask the tool whether it accepts our credentials. Changes nothing."""
    snapshot = _known(hub, name)
    try:
        snapshot.connector(name).check()
    except ConnectorError as error:
        problem: Literal["config", "auth", "unreachable"] = "unreachable"
        if isinstance(error, ConfigError):
            problem = "config"
        elif isinstance(error, AuthError):
            problem = "auth"
        return Checked(
            connection=name, ok=False, problem=problem, code=error.code or None, error=str(error)
        )
    return Checked(connection=name, ok=True)
