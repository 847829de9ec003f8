"""Requests that a connection refused: what an integrator wants to see when nothing comes."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hub.api.auth import HubDep, Operator
from hub.api.errors import Problem
from hub.refusals import remedy
from hub.store import notices
from mappings.canonical import Moment

router = APIRouter(prefix="/connections", tags=["connections"])


class Refusal(BaseModel):
    """A request that was refused. Its body was not kept; header values that prove or hide
    something are `***`.
    """

    at: Moment
    code: str
    part: str = Field(description="The check that failed: signature, timestamp, token, size ...")
    reason: str
    remedy: str = Field(description="What to do about it.")
    method: str
    path: str
    size: int | None = Field(description="Bytes, as far as known.")
    remote: str | None = Field(description="The socket's address; it may be a proxy's.")
    headers: dict[str, str]


class Counted(BaseModel):
    """How many answers of one kind left no delivery: refusals, duplicates and handshakes."""

    outcome: str
    code: str
    count: int
    first_at: Moment
    last_at: Moment


class Refusals(BaseModel):
    """What a connection refused last, the newest first; at most a hundred are kept."""

    items: list[Refusal]
    counts: list[Counted]
    unknown: int = Field(
        description="Requests to addresses under /webhooks/ that name no connection."
    )
    next: None = None


@router.get("/{name}/refusals")
def list_refusals(hub: HubDep, caller: Operator, name: str) -> Refusals:
    """Refused requests, each with the check that failed and what to do."""
    if name not in hub.live.current().workspace.connections:
        raise Problem(404, "connection_unknown", f"There is no connection '{name}'.")
    with hub.database.read() as tx:
        rows = notices.of(tx, name, outcome="refused", limit=notices.KEPT)
        counts = notices.counts(tx, name)
        unknown = sum(one.count for one in notices.counts(tx, ""))
    return Refusals(
        items=[
            Refusal(
                **{key: row[key] for key in Refusal.model_fields if key != "remedy"},
                remedy=remedy(name, row),
            )
            for row in rows
        ],
        counts=[
            Counted(**{key: getattr(one, key) for key in Counted.model_fields}) for one in counts
        ],
        unknown=unknown,
    )
