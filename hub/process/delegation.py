"""Handing a seat of a decision on: somebody else answers in one's place, visibly, until it is taken
back; and naming somebody where there are too few people to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.live import Snapshot
from hub.process import exclusion, questions, seating
from hub.process.answers import open_decision
from hub.process.refusal import Refused, human
from hub.process.running_case import Running
from hub.store import cases
from hub.store import seats as store
from hub.unit import Unit, person_actor

Row = dict[str, Any]


def delegate(
    unit: Unit,
    decision_id: str,
    party: Mapping[str, Any] | None,
    to: Mapping[str, Any] | None,
    *,
    note: str | None = None,
) -> None:
    """Let another of our people answer in one's own seat; whoever hands it on may still answer
    first. Whoever answers for the step may name somebody so where there are too few people.
    Raises Refused; LookupError if there is no such decision.
    """
    who = human(party)
    held, decision, seats = open_decision(unit, decision_id)
    _fit(unit, decision, seats, who, to)
    assert to is not None  # noqa: S101 - `_fit` refuses nobody
    step = next(one for one in held.steps if one["id"] == decision["step_id"])
    if step["status"] != "active" or held.case["status"] != "active":
        raise Refused("not_waiting", "This decision is not waited for at the moment.")
    mine = next((one for one in seats if who["id"] in (one["on_behalf_of"], one["party"])), None)
    if mine is None and (who["id"] != step["accountable"] or len(seats) >= decision["quorum"]):
        raise Refused(
            "not_yours", "Only whoever is asked for a decision can hand their seat on.", 403
        )
    with unit.acting(person_actor(who), correlation=unit.correlation):
        if mine is None:
            _name(unit, held, step, decision, seats, who, to, note)
        else:
            _hand_on(unit, held, step, decision, seats, mine, who, to, note)


def _fit(
    unit: Unit,
    decision: Row,
    seats: list[Row],
    who: Mapping[str, Any],
    to: Mapping[str, Any] | None,
) -> None:
    """Raises Refused unless `to` may take a seat of a decision."""
    if exclusion.excluded(unit.snapshot, decision, who):
        raise Refused("excluded", "You are excluded from this decision.", 403)
    known = unit.snapshot.people_by_id.get(to["id"]) if to else None
    if to is None or known is None or known["kind"] != "person":
        raise Refused("person_unknown", "Only one of your own people can answer for you.", 422)
    if not seating.works_here(unit, known):
        raise Refused("person_unknown", f"{known['name']} does not work here any more.", 422)
    if to["id"] == who["id"]:
        raise Refused("person_unknown", "It is yours already.", 422)
    if exclusion.excluded(unit.snapshot, decision, known):
        raise Refused("excluded", f"{known['name']} is excluded from this decision.")
    if any(to["id"] in (one["party"], one["on_behalf_of"], one["given_by"]) for one in seats):
        raise Refused(
            "already_seated", f"{known['name']} has a voice in this already: one person, one voice."
        )


def _hand_on(
    unit: Unit,
    held: Running,
    step: Row,
    decision: Row,
    seats: list[Row],
    seat: Row,
    who: Mapping[str, Any],
    to: Mapping[str, Any],
    note: str | None,
) -> None:
    if seat["on_behalf_of"] not in (None, who["id"]):
        raise Refused(
            "not_yours", "You answer for somebody; give it back, and they can ask another.", 403
        )
    if seat["outcome"] is not None:
        raise Refused("already_answered", "This seat has answered. Take that back first.")
    asked = seat["asked_at"] is not None
    seat |= {"party": to["id"], "on_behalf_of": who["id"], "note": note, "asked_at": None}
    store.save(unit.tx, seat)
    unit.emit(
        "decision.delegated",
        decision["id"],
        case=held.case["id"],
        data={"question": decision["question"], "to": to["id"], "note": note or ""},
        on_behalf_of=who["id"],
    )
    if asked:
        _ask(unit, held, step, decision, seats, who)


def _name(
    unit: Unit,
    held: Running,
    step: Row,
    decision: Row,
    seats: list[Row],
    who: Mapping[str, Any],
    to: Mapping[str, Any],
    note: str | None,
) -> None:
    """Seat somebody whom the process file does not name."""
    taken = {one["position"] for one in seats}
    position = next(n for n in range(1, len(taken) + 2) if n not in taken)
    seat = store.new_seat(decision["id"], position, to["id"], None)
    seat |= {"named_by": who["id"], "note": note}
    store.insert(unit.tx, [seat])
    unit.emit(
        "decision.delegated",
        decision["id"],
        case=held.case["id"],
        data={"question": decision["question"], "to": to["id"], "note": note or "", "named": True},
    )
    questions.seat_again(unit, held, decision)


def revoke(unit: Unit, decision_id: str, party: Mapping[str, Any] | None) -> None:
    """Take a seat back that one handed on, or give back one that one was handed, while nobody has
    answered in it. Raises Refused; LookupError if there is no such decision.
    """
    who = human(party)
    held, decision, seats = open_decision(unit, decision_id)
    seat = next(
        (s for s in seats if s["on_behalf_of"] and who["id"] in (s["on_behalf_of"], s["party"])),
        None,
    )
    if seat is None:
        raise Refused("not_delegated", "Nothing was handed on here by you, or to you.")
    if seat["outcome"] is not None:
        raise Refused("already_answered", "This seat has answered; its giver can take it back.")
    step = next(one for one in held.steps if one["id"] == decision["step_id"])
    stood_in, asked = seat["party"], seat["asked_at"] is not None
    seat |= {
        "party": seat["on_behalf_of"], "on_behalf_of": None, "note": None, "asked_at": None,
    }  # fmt: skip
    store.save(unit.tx, seat)
    with unit.acting(person_actor(who), correlation=unit.correlation):
        unit.emit(
            "decision.delegation_ended",
            decision["id"],
            case=held.case["id"],
            data={"question": decision["question"], "to": stood_in},
            on_behalf_of=seat["party"],
        )
        if asked:
            _ask(unit, held, step, decision, seats, who)


def _ask(
    unit: Unit, held: Running, step: Row, decision: Row, seats: list[Row], by: Mapping[str, Any]
) -> None:
    opening = f"{by['name']} hands you the decision '{step['title']}'."
    questions.ask(unit, held, step, decision, seats, opening)
    cases.save_step(unit.tx, step)


def could_take(
    snapshot: Snapshot, decision: Mapping[str, Any], seats: list[Row]
) -> list[Mapping[str, Any]]:
    """Our people to whom a seat of a decision can be handed, by name."""
    sitting = {
        one[name] for one in seats for name in ("party", "on_behalf_of", "given_by") if one[name]
    }
    return sorted(
        (
            party
            for id, party in snapshot.people_by_id.items()
            if id not in sitting
            and party["active"]
            and not exclusion.excluded(snapshot, decision, party)
        ),
        key=lambda party: str(party["name"]),
    )
