"""Decisions and handoffs: what waits for a person, and that person's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.engine import Connection

from hub import present
from hub.api.auth import Anyone, HubDep, InPerson
from hub.api.errors import not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.api.tasks import WhoFilter, party_filter
from hub.hub import Hub
from hub.identity import Caller
from hub.process import answers, evidence
from hub.process import handoffs as handing
from hub.store import cases
from mappings.canonical import Decision, Handoff
from mappings.states import HandoffStatus

router = APIRouter(route_class=Repeatable)

Row = dict[str, Any]
Comment = Annotated[str, StringConstraints(max_length=20_000)]


class DecisionAnswer(BaseModel):
    """A person's decision, and the evidence that this person saw."""

    model_config = ConfigDict(extra="forbid")

    outcome: str = Field(description="One of the decision's options.")
    evidence_hash: str = Field(description="As it stood in the decision that you looked at.")
    comment: Comment | None = None


class HandoffAnswer(BaseModel):
    """What to say with it."""

    model_config = ConfigDict(extra="forbid")

    note: Comment | None = None


def shown_decisions(tx: Connection, rows: Sequence[Row]) -> list[Decision]:
    """Decisions with their evidence: as it is now while open, as the decider saw it afterwards."""
    waiting = [row for row in rows if row["outcome"] in (None, "expired")]
    live = cases.load(tx, {row["case_id"] for row in waiting})
    known = {id: evidence.gather(tx, case) for id, case in live.items()}
    for row in waiting:
        row["evidence"] = known[row["case_id"]]
        row["evidence_hash"] = cases.evidence_hash(row["evidence"])
    return present.decisions(tx, rows)


@router.get("/decisions", tags=["decisions"])
def list_decisions(
    hub: HubDep,
    caller: Anyone,
    case: str | None = None,
    status: Annotated[
        Literal["open"] | None, Query(description="`open`: those that wait for an answer.")
    ] = None,
    decider: WhoFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Decision]:
    """Decisions, newest first, each with its evidence and the hash that an answer names."""
    before = at_moment("decisions", cursor)
    with hub.database.read() as tx:
        rows = cases.list_decisions(
            tx,
            case=case,
            open_only=status == "open",
            decider=party_filter(tx, decider, caller),
            before=before,
            limit=limit + 1,
        )
        shown, following = cut(rows, limit, "decisions", lambda row: (row["created_at"], row["id"]))
        return Page(items=shown_decisions(tx, shown), next=following)


@router.get("/decisions/{id}", tags=["decisions"])
def get_decision(hub: HubDep, caller: Anyone, id: str) -> Decision:
    """One decision."""
    return _decision(hub, id)


def _decision(hub: Hub, id: str) -> Decision:
    with hub.database.read() as tx:
        row = cases.decision(tx, id)
        if row is None:
            raise not_found("decision", id)
        return shown_decisions(tx, [row])[0]


@router.post("/decisions/{id}", tags=["decisions"])
def decide(hub: HubDep, caller: InPerson, id: str, body: DecisionAnswer) -> Decision:
    """Decide, as a person. 409 `evidence_changed`: look again first; 409 `already_decided`."""
    _decision(hub, id)
    with hub.unit() as unit:
        answers.decide(
            unit,
            id,
            body.outcome,
            caller.party,
            evidence_hash=body.evidence_hash,
            comment=body.comment,
            channel="api",
        )
    return _decision(hub, id)


@router.get("/handoffs", tags=["handoffs"])
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
        return Page(items=present.handoffs(tx, shown), next=following)


@router.get("/handoffs/{id}", tags=["handoffs"])
def get_handoff(hub: HubDep, caller: Anyone, id: str) -> Handoff:
    """One handoff."""
    return _handoff(hub, id)


def _handoff(hub: Hub, id: str) -> Handoff:
    with hub.database.read() as tx:
        row = cases.handoff(tx, id)
        if row is None:
            raise not_found("handoff", id)
        return present.handoffs(tx, [row])[0]


@router.post("/handoffs/{id}/accept", tags=["handoffs"])
def accept_handoff(
    hub: HubDep, caller: InPerson, id: str, body: HandoffAnswer | None = None
) -> Handoff:
    """Take what was offered to you, or to whom you stand in for."""
    return _answer(hub, caller, id, "accepted", body)


@router.post("/handoffs/{id}/decline", tags=["handoffs"])
def decline_handoff(
    hub: HubDep, caller: InPerson, id: str, body: HandoffAnswer | None = None
) -> Handoff:
    """Turn down what was offered; it goes back to whoever answers for it."""
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
