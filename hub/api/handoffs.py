"""Handoffs: what is offered to whom, with all that comes with it; offered at will, accepted,
declined.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub import present
from hub.api.auth import Anyone, HubDep, InPerson, Member
from hub.api.errors import Problem, not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.api.tasks import WhoFilter, party_filter
from hub.hub import Hub
from hub.identity import Caller
from hub.process import bringing
from hub.process import handoffs as handing
from hub.store import cases
from mappings.canonical import Handoff
from mappings.states import HandoffStatus

router = APIRouter(prefix="/handoffs", tags=["handoffs"], route_class=Repeatable)

Note = Annotated[str, StringConstraints(max_length=20_000)]


class HandoffAnswer(BaseModel):
    """What to say with it."""

    model_config = ConfigDict(extra="forbid")

    note: Note | None = None


class NewHandoff(BaseModel):
    """What is offered, to whom, and why. Name either a step or a task."""

    model_config = ConfigDict(extra="forbid")

    step: str | None = None
    task: str | None = None
    to: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)] = (
        Field(description="A person's key, id or address; role:NAME; external:ADDRESS.")
    )
    note: Note | None = None
    reason: Literal["delegate", "assign", "escalate", "release"] = "delegate"


@router.get("")
def list_handoffs(
    hub: HubDep,
    caller: Anyone,
    status: HandoffStatus | None = None,
    to: WhoFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Handoff]:
    """Handoffs, newest first."""
    before = at_moment("handoffs", cursor)
    with hub.database.read() as tx:
        rows = cases.list_handoffs(
            tx, status=status, to=party_filter(tx, to, caller), before=before, limit=limit + 1
        )
        shown, following = cut(rows, limit, "handoffs", lambda row: (row["offered_at"], row["id"]))
        return Page(items=present.handoffs(tx, shown, bringing.brings(tx, shown)), next=following)


@router.get("/{id}")
def get_handoff(hub: HubDep, caller: Anyone, id: str) -> Handoff:
    """One handoff, with what was promised and what comes with it (`brings`)."""
    return _handoff(hub, id)


def _handoff(hub: Hub, id: str) -> Handoff:
    with hub.database.read() as tx:
        row = cases.handoff(tx, id)
        if row is None:
            raise not_found("handoff", id)
        return present.handoffs(tx, [row], bringing.brings(tx, [row]))[0]


@router.post("", status_code=201)
def offer(hub: HubDep, caller: Member, body: NewHandoff, response: Response) -> Handoff:
    """Offer a step or a task to somebody: for whoever has it or answers for it, who stands in for
    them, or an operator. Who has it keeps it until the other one accepts.
    """
    if caller.party is None and not caller.may("operator"):
        raise Problem(403, "human_required", "Use a token that is bound to a person.")
    try:
        with hub.unit() as unit, unit.acting(caller.actor()):
            id = handing.offer(
                unit,
                to=body.to,
                step=body.step,
                task=body.task,
                party=caller.party,
                operator=caller.may("operator"),
                note=body.note,
                reason=body.reason,
            )
    except LookupError as error:
        raise Problem(404, "not_found", str(error)) from error
    response.headers["Location"] = f"/api/v1/handoffs/{id}"
    return _handoff(hub, id)


@router.post("/{id}/accept")
def accept_handoff(
    hub: HubDep, caller: InPerson, id: str, body: HandoffAnswer | None = None
) -> Handoff:
    """Take what was offered to you, to a role of yours, or to whom you stand in for."""
    return _answer(hub, caller, id, "accepted", body)


@router.post("/{id}/decline")
def decline_handoff(
    hub: HubDep, caller: InPerson, id: str, body: HandoffAnswer | None = None
) -> Handoff:
    """Turn down what was offered: what was given goes back to whoever answers for it, what was
    offered at will stays where it is.
    """
    return _answer(hub, caller, id, "declined", body)


def _answer(hub: Hub, caller: Caller, id: str, status: str, body: HandoffAnswer | None) -> Handoff:
    _handoff(hub, id)
    with hub.unit() as unit:
        handing.answer(
            unit,
            id,
            status,
            caller.party,
            note=body.note if body else None,
            admin=caller.may("admin"),
        )
    return _handoff(hub, id)
