"""Who sits at a decision: its deciders as people, without whoever is excluded, nobody twice; seated
anew when the people of the workspace change; and in whose seat somebody may answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement

from hub.live import Snapshot
from hub.process import exclusion
from hub.process.model import StepDefinition
from hub.process.people import Nobody, members, resolve
from hub.process.refusal import Refused
from hub.process.running_case import Running
from hub.process.tally import counts
from hub.process.who import Who
from hub.store import seats as store
from hub.store import work
from hub.unit import Unit
from mappings.expressions import Context

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A seat to be: whose, in which order, and the role any of whose members may answer in it."""

    party: Row
    position: int
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """Who is to decide. `unclear` says which entry of `exclude` leads to nobody."""

    exclude: list[str]
    unclear: str | None
    places: tuple[Place, ...]

    @property
    def first(self) -> Row | None:
        """Whom to turn to first; None where there is nobody."""
        return self.places[0].party if self.places else None


def needed(definition: StepDefinition) -> int:
    """How many seats a decision needs: its quorum; in a sequence, one for each who."""
    return len(definition.deciders) if definition.sequence else definition.quorum


def plan(unit: Unit, held: Running, step: Row, definition: StepDefinition, sees: Context) -> Panel:
    """Whom to ask for a decision now."""
    barred, unclear = exclusion.work_out(unit, held.case, held.steps, step, definition, sees)
    return Panel(barred, unclear, places(unit, step, definition, sees, barred))


def places(
    unit: Unit,
    step: Row,
    definition: StepDefinition,
    sees: Context,
    barred: Sequence[str],
    taken: Sequence[str] = (),
) -> tuple[Place, ...]:
    """The seats that the deciders' people make, in the order of the file. A role is one question to
    its members where one voice is enough, else a seat for each of them.
    """
    found: list[Place] = []
    gone = set(taken)
    one_question = definition.sequence or definition.quorum == 1
    for number, who in enumerate(definition.deciders, 1):
        fitting = [
            party
            for party in _people(unit, step, who, sees)
            if party["id"] not in gone
            and not exclusion.excluded(unit.snapshot, {"exclude": barred}, party)
        ]
        if one_question:
            fitting = fitting[:1]
        for party in fitting:
            gone.add(party["id"])
            role = who.name if who.kind == "role" and one_question else None
            position = number if one_question else len(found) + 1
            found.append(Place(party, position, role))
    return tuple(found)


def _people(unit: Unit, step: Row, who: Who, sees: Context) -> list[Row]:
    """Whom a who means, the one to ask first at the front; nobody is an empty list. Somebody who is
    away keeps the seat: whoever stands in may answer.
    """
    snapshot, presence = unit.snapshot, unit.snapshot.presence
    if who.kind == "role":
        there = members(unit, who.name)
        there.sort(key=lambda id: not presence.here(id, unit.now))
        return [dict(snapshot.people_by_id[id]) for id in there]
    if who.kind == "person":
        party = snapshot.parties.get(who.name)
        return [dict(party)] if party and works_here(unit, party) else []
    if who.kind == "external":
        try:
            return [resolve(unit, who, sees)]
        except Nobody:
            return []
    return list(work.load(unit.tx, "party", [step["accountable"]]).values())


def works_here(unit: Unit, party: Mapping[str, Any]) -> bool:
    """Whether somebody can be asked: one of ours who has not left, or somebody outside."""
    if party["id"] in unit.snapshot.people_by_id:
        return unit.snapshot.presence.works_here(party["id"], unit.now)
    return bool(party["active"])


def to_write_to(unit: Unit, decision: Mapping[str, Any], seats: Sequence[Row], party: Row) -> Row:
    """Whom to ask in a seat: whose it is; while that person is away, the first who is there of
    those who stand in, may decide, and have no seat of their own.
    """
    presence, people = unit.snapshot.presence, unit.snapshot.people_by_id
    if party["id"] not in people or presence.here(party["id"], unit.now):
        return party
    sitting = {id for seat in seats for id in _ids(seat)}
    for id in presence.chain(party["id"]):
        if (
            id not in sitting
            and presence.here(id, unit.now)
            and not exclusion.excluded(unit.snapshot, decision, people[id])
        ):
            return dict(people[id])
    return party


def reseat(
    unit: Unit, held: Running, step: Row, decision: Row, sees: Context
) -> tuple[list[Row], list[Row]]:
    """Seat a decision by the people there are now: its seats, and those of them that are new. Who
    has spoken keeps the seat; who left without a word, or may not sit there any more, loses it.
    """
    definition = held.definition.steps[step["key"]]
    there = store.of(unit.tx, [decision["id"]])[decision["id"]]
    wanted = {
        place.party["id"]: place
        for place in places(unit, step, definition, sees, decision["exclude"])
    }
    kept: list[Row] = []
    lost: list[str] = []
    known = work.load(unit.tx, "party", {id for seat in there for id in _ids(seat)})

    def may_sit(id: str | None) -> bool:
        party = known.get(id or "")
        return bool(
            party
            and works_here(unit, party)
            and not exclusion.excluded(unit.snapshot, decision, party)
        )

    for seat in there:
        if seat["outcome"] is not None:
            kept.append(seat)
            continue
        if seat["on_behalf_of"] and not may_sit(seat["party"]):
            # whoever stood in is gone: it is its owner's again
            seat |= {"party": seat["on_behalf_of"], "on_behalf_of": None, "asked_at": None}
            store.save(unit.tx, seat)
        owner = seat["on_behalf_of"] or seat["party"]
        role = _role(seat, definition, decision)
        member = unit.snapshot.person_key(owner) in unit.snapshot.workspace.roles.get(
            role or "", ()
        )
        if may_sit(owner) and (seat["named_by"] or member or owner in wanted):
            kept.append(seat)
        else:
            lost.append(seat["id"])
    store.remove(unit.tx, lost)
    sitting = {id for seat in kept for id in _ids(seat)}
    free = places(unit, step, definition, sees, decision["exclude"], tuple(sitting))
    fresh: list[Row] = []
    last = max((seat["position"] for seat in kept), default=0)
    for place in free:
        position = place.position
        if not (definition.sequence or definition.quorum == 1):
            position = last + len(fresh) + 1
        elif any(seat["position"] == position for seat in kept):
            continue  # a who has one seat, and it is there
        fresh.append(store.new_seat(decision["id"], position, place.party["id"], place.role))
    store.insert(unit.tx, fresh)
    return sorted([*kept, *fresh], key=lambda seat: (seat["position"], seat["id"])), fresh


def _ids(seat: Mapping[str, Any]) -> set[str]:
    return {seat[name] for name in ("party", "on_behalf_of", "given_by") if seat[name]}


def concerning(snapshot: Snapshot, who: Mapping[str, Any]) -> ColumnElement[bool]:
    """The decisions in which somebody may have a seat to answer in."""
    key = snapshot.person_key(who["id"])
    stood_for = [id for id in snapshot.people_by_id if snapshot.stands_in(id, who["id"])]
    roles = [name for name, people in snapshot.workspace.roles.items() if key in people]
    return store.held_by([who["id"], *stood_for], roles)


def settled(seat: Mapping[str, Any]) -> bool:
    """Whether a voice was given in a seat that nobody was asked to give again since."""
    return seat["outcome"] is not None and seat["asked_on"] == seat["evidence_hash"]


def seat_for(
    snapshot: Snapshot,
    definition: StepDefinition,
    decision: Mapping[str, Any],
    seats: Sequence[Row],
    who: Mapping[str, Any],
    now: datetime,
    evidence_hash: str | None = None,
) -> Row:
    """The seat in which somebody may answer, or change their answer: the one they answered in,
    their own, one that they handed on, one of a role of theirs, or one of somebody they stand in
    for. A voice that counts is its giver's alone. Raises Refused.
    """
    if exclusion.excluded(snapshot, decision, who):
        raise Refused(
            "excluded",
            "You are excluded from this decision, as whoever started the case or did what it is"
            " about may be; somebody else must take it.",
            403,
        )
    mine = next((seat for seat in seats if seat["given_by"] == who["id"]), None)
    if mine is not None:
        return mine
    key = snapshot.person_key(who["id"])
    roles = snapshot.workspace.roles
    ways = (
        [seat for seat in seats if seat["party"] == who["id"]],
        [seat for seat in seats if seat["on_behalf_of"] == who["id"]],
        [s for s in seats if key and key in roles.get(_role(s, definition, decision) or "", ())],
        [
            seat
            for seat in seats
            if snapshot.stands_in(seat["party"], who["id"], now)
            or (seat["on_behalf_of"] and snapshot.stands_in(seat["on_behalf_of"], who["id"], now))
        ],
    )
    for way in ways:
        open_ = [
            seat
            for seat in way
            if not (counts(seat, evidence_hash) if evidence_hash else settled(seat))
        ]
        asked = [seat for seat in open_ if seat["asked_at"] is not None]
        if asked:
            return asked[0]
        if open_ and decision["sequence"]:
            raise Refused(
                "not_your_turn", "You are asked once those before you have agreed to pass it on."
            )
        if open_:
            return open_[0]
        if way:
            raise Refused(
                "answered_for_you",
                "Somebody answered in your place; until it is decided, only they can change it.",
            )
    raise Refused("not_yours", "This decision is somebody else's; their deputy could take it.", 403)


def _role(
    seat: Mapping[str, Any], definition: StepDefinition, decision: Mapping[str, Any]
) -> str | None:
    """The role any of whose members may answer in a seat."""
    if seat["role"] or decision["quorum"] > 1 or len(definition.deciders) != 1:
        stored: str | None = seat["role"]
        return stored
    # a decision from before there were seats: its role stands in the process alone
    only = definition.deciders[0]
    return only.name if only.kind == "role" else None
