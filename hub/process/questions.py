"""Questions to deciders: put to whoever sits at a decision, again where what it rests on changed,
and to others where the people of the workspace did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from hub.ids import new_id
from hub.participants import asks, links, messages
from hub.participants.messages import Message
from hub.process import clocks, evidence, exclusion, seating
from hub.process.model import StepDefinition
from hub.process.running_case import Running, hold, view
from hub.process.seating import Panel
from hub.process.tally import tally
from hub.store import cases, exceptions, work
from hub.store import seats as store
from hub.store.exceptions import Trouble
from hub.store.queue import LostLease
from hub.unit import Unit

log = structlog.get_logger("hub.questions")

Row = dict[str, Any]

SEATS, EXCLUDE = "seats", "exclude"
"""What an exception about a decision is about, in its data: too few people, or nobody excluded."""


def ask_decision(
    unit: Unit, held: Running, step: Row, definition: StepDefinition, panel: Panel
) -> None:
    """Put the question to those who are to decide, with what there is to know."""
    case = held.case
    known = evidence.gather(unit.tx, case)
    decision: Row = {
        "id": new_id("dec"),
        "case_id": case["id"],
        "step_id": step["id"],
        "run": step["run"],
        "question": step["title"],
        "options": list(definition.options),
        "decider": None,
        "exclude": panel.exclude,
        "outcome": None,
        "decided_by": None,
        "decided_by_kind": None,
        "on_behalf_of": None,
        "channel": None,
        "evidence": known,
        "evidence_hash": cases.evidence_hash(known),
        "comment": None,
        "due": step["due"],
        "created_at": unit.now,
        "decided_at": None,
        "quorum": seating.needed(definition),
        "sequence": definition.sequence,
        "veto": list(definition.veto),
        "held": panel.unclear,
        "seated_under": unit.snapshot.revision,
    }
    rows = [
        store.new_seat(decision["id"], place.position, place.party["id"], place.role)
        for place in panel.places
    ]
    decision["decider"] = rows[0]["party"] if rows else None
    cases.insert_decision(unit.tx, decision)
    store.insert(unit.tx, rows)
    step["decision"] = decision["id"]
    unit.emit(
        "decision.requested",
        decision["id"],
        case=case["id"],
        data={
            "question": step["title"],
            "decider": decision["decider"],
            "deciders": [seat["party"] for seat in rows],
        },
    )
    _show_what_is_wrong(unit, held, step, decision, rows)
    ask(unit, held, step, decision, rows, f"'{step['title']}' waits for your decision.")


def at_once(definition: StepDefinition) -> frozenset[str]:
    """The options that a sequence does not pass on: the case ends or goes back with them."""
    return frozenset(definition.outcomes)


def ask(
    unit: Unit, held: Running, step: Row, decision: Row, seats: Sequence[Row], opening: str
) -> None:
    """Write to those whose voice is to be given now and who were not asked yet, or to whom
    something else was shown when they gave it: once for each time that it changed.
    """
    if decision["held"]:
        return
    known = evidence.gather(unit.tx, held.case)
    hash = cases.evidence_hash(known)
    definition = held.definition.steps[step["key"]]
    standing = tally(decision, seats, hash, at_once(definition))
    people = work.load(unit.tx, "party", {seat["party"] for seat in seats})
    givers = work.load(unit.tx, "party", {s["given_by"] for s in seats if s["given_by"]})
    for seat in seats:
        stale = seat["id"] in standing.stale
        if not (stale and seat["asked_on"] != hash) and not (
            seat["id"] in standing.asked and seat["asked_at"] is None
        ):
            continue
        seat |= {"asked_at": unit.now, "asked_on": hash}
        store.note_asked(unit.tx, seat["id"], unit.now, hash)
        said = opening
        if stale:
            said = (
                f"What '{step['title']}' rests on has changed since you said"
                f" '{asks.label(seat['outcome'])}', so that does not count until you say it again."
            )
        to = givers.get(seat["given_by"]) if stale else people.get(seat["party"])
        if to is not None and seating.works_here(unit, to):
            to = seating.to_write_to(unit, decision, seats, to)
            _put_question(unit, held.case, step, decision, to, said)
    first = next((people.get(s["party"]) for s in seats if s["id"] in standing.asked), None)
    if first is not None:  # whoever is asked now is responsible; of several, the first
        step["responsible"] = seating.to_write_to(unit, decision, seats, first)["id"]


def _put_question(
    unit: Unit, case: Row, step: Row, decision: Row, decider: Row, opening: str
) -> None:
    how = ""
    if decision["sequence"]:
        how = " You are asked one after the other."
    elif decision["quorum"] > 1:
        how = f" {decision['quorum']} of you must agree."
    outside = decider["side"] == "external"
    messages.send(
        unit,
        Message(
            to=decider,
            subject=f"Your decision: {step['title']} ({case['title']})",
            opening=f"{opening}{how} The options: {', '.join(decision['options'])}.",
            facts=clocks.facts(unit, case, step),
            button=None if outside else ("See it and decide", links.page(f"cases/{case['id']}")),
            invitation=links.invite(unit, decider["id"], step["id"], step["title"])
            if outside
            else None,
            closing="Nothing is decided by silence: without you the case waits.",
            case=case["id"],
            purpose="decision",
            asks=asks.of_step(unit, case, step, decider["id"]),
        ),
        step["id"],
    )


def ask_again(unit: Unit, step: Row, decider: str, message: str) -> None:
    """What a decision rests on has changed since a message asked for it: that one says so, and
    another one asks with what is known now.
    """
    case = cases.load(unit.tx, [step["case_id"]])[step["case_id"]]
    decision = cases.decision(unit.tx, step["decision"])
    party = unit.snapshot.people_by_id.get(decider)
    if decision is None or party is None:
        return
    line = "Something that it rests on has changed: asked again"
    asks.settle(unit, case, step["id"], asks.said(unit, line), only=message)
    changed = f"What '{step['title']}' rests on has changed, and nothing was decided yet."
    _put_question(unit, case, step, decision, dict(party), changed)


# ------------------------------------------------------------------------- who is there to be asked


def seat_again(unit: Unit, held: Running, decision: Row, *, anew: bool = False) -> bool:
    """Seat an open decision by the people there are now, and ask those who are new. `anew`: work
    out once more who is excluded, as a person may have added what was missing. True if there are
    enough people and it is clear who is excluded.
    """
    step = next(one for one in held.steps if one["id"] == decision["step_id"])
    definition = held.definition.steps[step["key"]]
    sees = view(unit, held.case, step)
    if anew and decision["held"]:
        decision["exclude"], decision["held"] = exclusion.work_out(
            unit, held.case, held.steps, step, definition, sees
        )
    rows, fresh = seating.reseat(unit, held, step, decision, sees)
    decision["seated_under"] = unit.snapshot.revision
    decision["decider"] = rows[0]["party"] if rows else None
    cases.save_decision(unit.tx, decision)
    if fresh:
        unit.emit(
            "decision.requested",
            decision["id"],
            case=held.case["id"],
            data={
                "question": decision["question"],
                "decider": fresh[0]["party"],
                "deciders": [seat["party"] for seat in fresh],
            },
        )
    right = _show_what_is_wrong(unit, held, step, decision, rows)
    ask(unit, held, step, decision, rows, f"'{step['title']}' waits for your decision.")
    cases.save_step(unit.tx, step)
    return right


def enough(unit: Unit, decision: Row) -> bool:
    """Whether a decision has as many seats as it needs voices."""
    return len(store.of(unit.tx, [decision["id"]])[decision["id"]]) >= int(decision["quorum"])


def tend(unit: Unit, limit: int = 200) -> int:
    """Seat open decisions by the people of the newest revision; how many there were."""
    waiting = store.seated_before(unit.tx, unit.snapshot.revision, limit)
    for row in waiting:
        try:
            with unit.attempt():
                held = hold(unit, row["case_id"])
                decision = cases.decision(unit.tx, row["id"], lock=True)
                if decision and decision["outcome"] in (None, "expired"):
                    seat_again(unit, held, decision, anew=True)
        except (OperationalError, LostLease):
            raise
        except Exception as error:
            log.exception("decision not seated", decision=row["id"])
            _not_seated(unit, row["id"], row["case_id"], error)
    return len(waiting)


def ask_who_saw_less(unit: Unit) -> int:
    """Ask those again who gave a voice on what has changed since, once for each change: they need
    not wait for the next voice to learn that theirs does not count. How many decisions changed.
    """
    begun = store.begun(unit.tx)
    about = cases.load(unit.tx, {row["case_id"] for row in begun})
    changed = 0
    for row in begun:
        hash = cases.evidence_hash(evidence.gather(unit.tx, about[row["case_id"]]))
        if all(hash in shown for shown in row["shown"]):
            continue
        held = hold(unit, row["case_id"])
        decision = cases.decision(unit.tx, row["id"], lock=True)
        step = next((one for one in held.steps if one["decision"] == row["id"]), None)
        if decision is None or step is None or step["status"] != "active":
            continue
        seats = store.of(unit.tx, [row["id"]])[row["id"]]
        ask(unit, held, step, decision, seats, f"'{step['title']}' waits for your decision.")
        cases.save_step(unit.tx, step)
        changed += 1
    return changed


def _not_seated(unit: Unit, id: str, case_id: str, error: Exception) -> None:
    decision = cases.decision(unit.tx, id)
    case = cases.load(unit.tx, [case_id]).get(case_id)
    if decision is None or case is None:
        return
    cases.save_decision(unit.tx, decision | {"seated_under": unit.snapshot.revision})
    unit.trouble(
        Trouble(
            "stalled",
            f"Who decides '{decision['question']}' could not be worked out anew",
            f"{type(error).__name__}: {error}",
            severity="high",
            subject=decision["step_id"],
            owner=case["accountable"],
            place=SEATS,
            data={"case": case_id, "decision": id},
        )
    )


def _show_what_is_wrong(
    unit: Unit, held: Running, step: Row, decision: Row, seats: Sequence[Row]
) -> bool:
    """Exceptions for too few people and for an exclusion of nobody; what was mended is closed."""
    few = len(seats) < decision["quorum"]
    if few:
        _trouble(unit, held, step, decision, SEATS, *_too_few(unit, step, decision, seats))
    if decision["held"]:
        _trouble(
            unit,
            held,
            step,
            decision,
            EXCLUDE,
            f"It is not clear who must not decide '{step['title']}'",
            f"{decision['held']} Nobody is asked until it is clear. Resolve this with what is"
            ' missing: {"data": {...}} is added to the case; or waive it to let everybody decide.',
        )
    over = {SEATS: not few, EXCLUDE: not decision["held"]}
    if decision["created_at"] == unit.now:
        return all(over.values())  # nothing was wrong before
    unit.open_troubles()
    for row in exceptions.open_of(unit.tx, step["id"], "validation"):
        if over.get(row["data"].get("about")):
            why = "there are people enough" if row["data"]["about"] == SEATS else "it is clear now"
            exceptions.close(unit.tx, row["id"], "resolved", unit.now, None, why)
            data = {"type": row["type"], "about": step["id"], "why": why}
            unit.emit("exception.resolved", row["id"], case=held.case["id"], data=data)
    return all(over.values())


def _too_few(unit: Unit, step: Row, decision: Row, seats: Sequence[Row]) -> tuple[str, str]:
    people = work.load(unit.tx, "party", {seat["party"] for seat in seats})
    barred = work.load(unit.tx, "party", [x for x in decision["exclude"] if x.startswith("pty_")])
    left = " and ".join(sorted(people[seat["party"]]["name"] for seat in seats)) or "nobody"
    out = " and ".join(sorted(row["name"] for row in barred.values()))
    wanted = (
        f"{decision['quorum']} are asked one after the other"
        if decision["sequence"]
        else f"{decision['quorum']} must decide alike"
        if decision["quorum"] > 1
        else "Somebody must decide"
    )
    return (
        f"Too few people can decide '{step['title']}'",
        f"{wanted}, and who can is {left}"
        + (f"; {out} must not" if out else "")
        + ". Add people to the role in people.yaml and apply it, or name somebody:"
        f" hub decisions delegate {decision['id']} --to PERSON.",
    )


def _trouble(
    unit: Unit, held: Running, step: Row, decision: Row, about: str, title: str, detail: str
) -> None:
    unit.trouble(
        Trouble(
            "validation",
            title,
            detail,
            severity="high",
            subject=step["id"],
            owner=step["accountable"],
            place=about,
            data={"case": held.case["id"], "decision": decision["id"], "about": about},
        )
    )
