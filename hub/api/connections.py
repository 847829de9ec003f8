"""Connections: listing, pulling, pausing, resuming and checking them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from connectors.sdk import AuthError, ConfigError, ConnectorError
from hub.api.auth import HubDep, Member, Operator
from hub.api.connection_state import ConnectionState, states
from hub.api.errors import Problem, invalid
from hub.api.repeating import Repeatable, asks_a_tool
from hub.flow import connections as flow
from hub.flow import pull as pulling
from hub.hub import Hub
from hub.live import Snapshot
from hub.store import cursors, running

router = APIRouter(prefix="/connections", tags=["connections"], route_class=Repeatable)

Row = dict[str, Any]


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
                free = cursors.pull_afresh(tx, name, object)
            else:
                cursors.pull_soon(tx, name, object)
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
            cursors.pull_soon(unit.tx, name, object)
    for stage in ("bring_in", "deliver"):
        hub.soon(stage)
    return _shown(hub, name)


@router.post("/{name}/check")
@asks_a_tool
def check(hub: HubDep, caller: Operator, name: str) -> Checked:
    """Ask the tool whether it accepts our credentials. Changes nothing there; where its circuit
    was opened, a good answer closes it.
    """
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
    flow.note_check(hub, name)
    return Checked(connection=name, ok=True)
