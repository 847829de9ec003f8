"""Proposals: what assistants suggest, and the people who accept or reject it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.engine import Connection

from hub import present
from hub.api.auth import Anyone, HubDep, InPerson
from hub.api.errors import not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.hub import Hub
from hub.process import proposals as proposing
from hub.store import proposals
from mappings.canonical import Proposal
from mappings.states import ProposalStatus

router = APIRouter(prefix="/proposals", tags=["proposals"], route_class=Repeatable)

Text = Annotated[str, StringConstraints(max_length=50_000)]


class NewProposal(BaseModel):
    """A suggestion about something. For a task, `patch` is what a PATCH of it would take."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
    target: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="The id of a task, item, case, step, decision, handoff or exception."
    )
    patch: dict[str, Any] = Field(default_factory=dict)
    text: Text | None = None
    citations: list[Annotated[str, StringConstraints(max_length=2000)]] = Field(
        default_factory=list, max_length=100
    )
    confidence: float | None = Field(None, ge=0, le=1)


class Acceptance(BaseModel):
    """`patch`: what is accepted instead, if the person edited it."""

    model_config = ConfigDict(extra="forbid")

    patch: dict[str, Any] | None = None
    comment: Text | None = None


class Rejection(BaseModel):
    """Why not."""

    model_config = ConfigDict(extra="forbid")

    comment: Text | None = None


def shown_proposals(tx: Connection, rows: list[dict[str, Any]]) -> list[Proposal]:
    """Proposals with whoever answered them."""
    people = present.Parties(tx, (row["answered_by"] for row in rows))
    return [
        Proposal(
            **{
                name: row[name]
                for name in (
                    "id", "kind", "by", "target", "patch", "text", "citations", "confidence",
                    "status", "created_at", "answered_at",
                )
            },
            answered_by=people.get(row["answered_by"]),
        )
        for row in rows
    ]  # fmt: skip


def _shown(hub: Hub, id: str) -> Proposal:
    with hub.database.read() as tx:
        row = proposals.proposal(tx, id)
        if row is None:
            raise not_found("proposal", id)
        return shown_proposals(tx, [row])[0]


@router.get("")
def list_proposals(
    hub: HubDep,
    caller: Anyone,
    status: ProposalStatus | None = None,
    kind: str | None = None,
    target: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Proposal]:
    """Proposals, newest first."""
    before = at_moment("proposals", cursor)
    with hub.database.read() as tx:
        rows = proposals.list_proposals(
            tx, status=status, kind=kind, target=target, before=before, limit=limit + 1
        )
        shown, following = cut(rows, limit, "proposals", lambda row: (row["created_at"], row["id"]))
        return Page(items=shown_proposals(tx, shown), next=following)


@router.get("/{id}")
def get_proposal(hub: HubDep, caller: Anyone, id: str) -> Proposal:
    """One proposal."""
    return _shown(hub, id)


@router.post("", status_code=201)
def propose(hub: HubDep, caller: Anyone, body: NewProposal) -> Proposal:
    """Suggest something. Nothing changes until a person accepts it."""
    with hub.unit() as unit:
        row = proposing.propose(
            unit,
            caller.actor(),
            kind=body.kind,
            target=body.target,
            patch=body.patch,
            text=body.text,
            citations=body.citations,
            confidence=body.confidence,
        )
    return _shown(hub, row["id"])


@router.post("/{id}/accept")
def accept(hub: HubDep, caller: InPerson, id: str, body: Acceptance | None = None) -> Proposal:
    """Take it over as a person. One about a task changes the task, as that person's change."""
    _shown(hub, id)
    body = body or Acceptance()
    with hub.unit() as unit:
        proposing.accept(unit, id, caller.party, patch=body.patch, comment=body.comment)
    return _shown(hub, id)


@router.post("/{id}/reject")
def reject(hub: HubDep, caller: InPerson, id: str, body: Rejection | None = None) -> Proposal:
    """Turn it down as a person."""
    _shown(hub, id)
    with hub.unit() as unit:
        proposing.reject(unit, id, caller.party, comment=body.comment if body else None)
    return _shown(hub, id)
