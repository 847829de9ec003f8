"""Decisions: what waits for a person, and that person's answer."""

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
from hub.process import answers, delegation, evidence, exclusion, seating
from hub.store import cases, work
from mappings.canonical import Decision

router = APIRouter(route_class=Repeatable)

Row = dict[str, Any]
Comment = Annotated[str, StringConstraints(max_length=20_000)]


class DecisionAnswer(BaseModel):
    """A person's decision, and the evidence that this person saw."""

    model_config = ConfigDict(extra="forbid")

    outcome: str = Field(description="One of the decision's options.")
    evidence_hash: str = Field(description="As it stood in the decision that you looked at.")
    comment: Comment | None = None


class Delegation(BaseModel):
    """Who answers in one's place, and what to tell them."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[str, StringConstraints(min_length=1, max_length=400)] = Field(
        description="One of your people: a key of people.yaml, an address or an id."
    )
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
    open: Annotated[bool, Query(description="Those that wait for an answer.")] = False,
    mine: Annotated[bool, Query(description="Those in which you may answer.")] = False,
    decider: WhoFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Decision]:
    """Decisions, newest first, each with its seats, its evidence and the hash that an answer names.
    An expired one still waits: nothing was decided by that.
    """
    before = at_moment("decisions", cursor)
    me = caller.party if mine else None
    if mine and me is None:
        return Page(items=[], next=None)
    with hub.database.read() as tx:
        rows = cases.list_decisions(
            tx,
            case=case,
            open_only=open or status == "open",
            decider=party_filter(tx, decider, caller),
            concerning=seating.concerning(hub.live.current(), me) if me else None,
            before=before,
            limit=limit + 1,
        )
        shown, following = cut(rows, limit, "decisions", lambda row: (row["created_at"], row["id"]))
        if me:
            shown = [r for r in shown if not exclusion.excluded(hub.live.current(), r, me)]
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
    """Decide, as a person; where several must agree, give your voice or change it.

    409 `evidence_changed`: look again first; 409 `already_decided`; 409 `not_your_turn` in a
    sequence; 403 `excluded`, `not_yours`.
    """
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


@router.delete("/decisions/{id}/voice", tags=["decisions"])
def take_back(hub: HubDep, caller: InPerson, id: str) -> Decision:
    """Take back the voice that you gave, while it has decided nothing."""
    _decision(hub, id)
    with hub.unit() as unit:
        answers.take_back(unit, id, caller.party)
    return _decision(hub, id)


@router.post("/decisions/{id}/delegate", tags=["decisions"])
def delegate(hub: HubDep, caller: InPerson, id: str, body: Delegation) -> Decision:
    """Let another of your people answer in your place, never one who is excluded or has a voice in
    it already. You may still answer first. Where too few people can decide, whoever answers for the
    step names somebody so.
    """
    _decision(hub, id)
    with hub.unit() as unit:
        delegation.delegate(
            unit, id, caller.party, work.find_party(unit.tx, body.to), note=body.note
        )
    return _decision(hub, id)


@router.delete("/decisions/{id}/delegate", tags=["decisions"])
def revoke(hub: HubDep, caller: InPerson, id: str) -> Decision:
    """Take back what you handed on, or give back what you were handed, while nobody has answered
    in it.
    """
    _decision(hub, id)
    with hub.unit() as unit:
        delegation.revoke(unit, id, caller.party)
    return _decision(hub, id)
