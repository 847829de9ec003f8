"""What people answer: decisions, and the forms that outsiders send. Only a person gets past this
module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.flow import change
from hub.live import Snapshot
from hub.participants import asks
from hub.process import advance as engine
from hub.process import cases as moving
from hub.process import evidence, questions
from hub.process.effects import carry_out
from hub.process.model import StepDefinition
from hub.process.refusal import Refused as Refused
from hub.process.refusal import human as human
from hub.process.running_case import Running, answered, hold, with_answers
from hub.process.seating import seat_for
from hub.process.tally import Standing, tally
from hub.store import cases, work
from hub.store import seats as store
from hub.store.exceptions import Trouble
from hub.unit import Unit, person_actor

Row = dict[str, Any]

CHANNEL = 20
"""Characters of a channel's name that are kept with a decision; its event has all of them."""


def decide(
    unit: Unit,
    decision_id: str,
    outcome: str,
    party: Mapping[str, Any] | None,
    *,
    evidence_hash: str,
    comment: str | None = None,
    channel: str = "api",
) -> Row:
    """Take a person's voice, or change it; the decision, which has an outcome if that tipped it.
    Raises Refused; LookupError if there is no such decision.
    """
    who = human(party)
    held, decision, seats = open_decision(unit, decision_id)
    if outcome not in decision["options"]:
        raise Refused(
            "unknown_option",
            f"'{outcome}' is not an option. Options: {', '.join(decision['options'])}.",
            422,
        )
    step = next(one for one in held.steps if one["id"] == decision["step_id"])
    definition = held.definition.steps[step["key"]]
    known = evidence.gather(unit.tx, held.case)
    hash = cases.evidence_hash(known)
    seat = seat_for(unit.snapshot, definition, decision, seats, who, unit.now, hash)
    if decision["held"]:
        raise Refused(
            "exclusion_unclear",
            f"Nobody can decide yet: it is not clear who must not. {decision['held']}",
        )
    if hash != evidence_hash:
        raise Refused(
            "evidence_changed",
            "What the decision rests on has changed since you saw it. Look again, then decide.",
        )
    try:  # is it waited for at all?
        engine.on_decision(held.state(), held.definition, step["key"], outcome, step["run"])
    except ValueError as error:
        raise Refused("not_waiting", str(error)) from error
    before = seat["outcome"]
    seat |= {
        "outcome": outcome,
        "given_by": who["id"],
        "given_by_kind": who["kind"],
        "channel": channel[:CHANNEL],
        "comment": comment,
        "evidence_hash": hash,
        "asked_on": hash,
        "asked_at": seat["asked_at"] or unit.now,
        "given_at": unit.now,
    }
    store.save(unit.tx, seat)
    standing = tally(decision, seats, hash, questions.at_once(definition))
    with unit.acting(person_actor(who), correlation=unit.correlation):
        if standing.outcome is None:
            _voiced(unit, held, step, decision, seats, seat, standing, before)
        else:
            _decided(unit, held, step, decision, seat, standing, known)
    return decision


def open_decision(unit: Unit, id: str) -> tuple[Running, Row, list[Row]]:
    """A decision that can still be taken, with its seats; its case is locked. Raises Refused
    `already_decided`; LookupError if there is none.
    """
    seen = cases.decision(unit.tx, id)
    if seen is None:
        raise LookupError(f"There is no decision {id}.")
    held = hold(unit, seen["case_id"])
    decision = cases.decision(unit.tx, id, lock=True) or seen
    if decision["outcome"] not in (None, "expired"):
        by = work.load(unit.tx, "party", [decision["decided_by"]]).get(decision["decided_by"] or "")
        raise Refused(
            "already_decided",
            f"It was decided already: {decision['outcome']}"
            + (f", by {by['name']}." if by else "."),
        )
    return held, decision, store.of(unit.tx, [id])[id]


def spoken_for(seat: Mapping[str, Any]) -> str | None:
    """In whose place a voice was given, if not the giver's own."""
    owner: str = seat["on_behalf_of"] or seat["party"]
    return owner if owner != seat["given_by"] else None


def _decided(
    unit: Unit,
    held: Running,
    step: Row,
    decision: Row,
    seat: Row,
    standing: Standing,
    known: Mapping[str, Any],
) -> None:
    """The voice that was just given makes it a decision: the case goes on."""
    outcome = str(standing.outcome)
    effects = engine.on_decision(held.state(), held.definition, step["key"], outcome, step["run"])
    decision |= {
        "outcome": outcome,
        "decided_by": seat["given_by"],
        "decided_by_kind": seat["given_by_kind"],
        "channel": seat["channel"],
        "comment": seat["comment"],
        "evidence": known,
        "evidence_hash": seat["evidence_hash"],
        "decided_at": unit.now,
        "on_behalf_of": spoken_for(seat),
    }
    cases.save_decision(unit.tx, decision)
    data = {
        "question": decision["question"],
        "outcome": outcome,
        "comment": seat["comment"] or "",
        "channel": seat["channel"],
    }
    if decision["quorum"] > 1:
        data["voices"] = dict(standing.counts)
    made = unit.emit(
        "decision.made",
        decision["id"],
        case=held.case["id"],
        data=data,
        on_behalf_of=decision["on_behalf_of"],
    )
    unit.cause = made.id
    unit.correlation = made.correlation
    carry_out(unit, held, effects)
    asks.settle(unit, held.case, step["id"], _line(unit, outcome, seat))
    moving.settle(unit, held.case["id"])


def _line(unit: Unit, what: str, seat: Mapping[str, Any]) -> str:
    behalf = spoken_for(seat)
    people = work.load(unit.tx, "party", {seat["given_by"], behalf or seat["given_by"]})
    return asks.said(unit, what, people[seat["given_by"]], people.get(behalf) if behalf else None)


def _voiced(
    unit: Unit,
    held: Running,
    step: Row,
    decision: Row,
    seats: Sequence[Row],
    seat: Row,
    standing: Standing,
    before: str | None,
) -> None:
    """A voice that decides nothing yet: it is shown, and the next are asked."""
    unit.emit(
        "decision.answered",
        decision["id"],
        case=held.case["id"],
        data={
            "question": decision["question"],
            "outcome": seat["outcome"],
            "before": before,
            "comment": seat["comment"] or "",
            "channel": seat["channel"],
            "standing": standing.in_words(),
        },
        on_behalf_of=spoken_for(seat),
    )
    still = asks.label(f"{seat['outcome']} (not decided yet: {standing.in_words()})")
    asks.settle(unit, held.case, step["id"], _line(unit, still, seat))
    questions.ask(unit, held, step, decision, seats, f"'{step['title']}' waits for your decision.")
    cases.save_step(unit.tx, step)
    if standing.stalled and len(seats) >= decision["quorum"]:
        unit.trouble(
            Trouble(
                "stalled",
                f"All have spoken, and '{step['title']}' is not decided",
                f"The voices: {standing.in_words()}. Whoever gave one can change it until it is"
                " decided; talk to each other.",
                severity="high",
                subject=step["id"],
                owner=step["accountable"],
                place="voices",
                data={"case": held.case["id"], "decision": decision["id"]},
            )
        )


def take_back(unit: Unit, decision_id: str, party: Mapping[str, Any] | None) -> None:
    """Take back the voice that a person gave, while it has decided nothing. Raises Refused;
    LookupError if there is no such decision.
    """
    who = human(party)
    held, decision, seats = open_decision(unit, decision_id)
    seat = next((one for one in seats if one["given_by"] == who["id"]), None)
    if seat is None:
        raise Refused("no_voice", "You have not answered this, so there is nothing to take back.")
    before = seat["outcome"]
    behalf = spoken_for(seat)
    seat |= dict.fromkeys(store.VOICE)
    store.save(unit.tx, seat)
    with unit.acting(person_actor(who), correlation=unit.correlation):
        unit.emit(
            "decision.taken_back",
            decision["id"],
            case=held.case["id"],
            data={"question": decision["question"], "outcome": before},
            on_behalf_of=behalf,
        )


def bar(
    snapshot: Snapshot,
    definition: StepDefinition,
    decision: Mapping[str, Any],
    seats: Sequence[Row],
    who: Mapping[str, Any] | None,
    now: datetime,
) -> Refused | None:
    """Why this party may not answer, or change what they answered; None: they may."""
    try:
        seat_for(snapshot, definition, decision, seats, human(who), now)
    except Refused as refused:
        return refused
    if decision["held"]:
        return Refused("exclusion_unclear", f"It waits: {decision['held']}")
    return None


def submit(
    unit: Unit,
    step_id: str,
    answers: Mapping[str, Any],
    party: Mapping[str, Any] | None,
    *,
    channel: str = "link",
) -> None:
    """Take what a person sends for a step, in its form if it has one, and complete the step's task.
    Raises Refused."""  # fmt: skip
    who = human(party)
    step = cases.step(unit.tx, step_id)
    if step is None:
        raise LookupError(f"There is no step {step_id}.")
    held = hold(unit, step["case_id"])
    step = cases.step(unit.tx, step_id) or step
    if step["status"] != "active" or held.case["status"] != "active":
        raise Refused("already_answered", "This was answered already. Thank you; nothing is open.")
    errors = check_form(step["form"], answers)
    if errors:
        raise Refused("form_invalid", "Some answers are not as they should be.", 422, errors)
    before = answered(held.case, step)
    if step["form"]:
        held.case["data"] = with_answers(held.case, step, answers)
        cases.save(unit.tx, held.case)
    with unit.acting(person_actor(who), correlation=unit.correlation):
        task = work.load(unit.tx, "task", [step["task"]], lock=True).get(step["task"] or "")
        if task is None:
            raise LookupError(f"Step {step_id} has no task.")
        change.change(
            unit,
            "task",
            task,
            {"status": "done"},
            data={"channel": channel, "form": dict(answers), "before": before},
        )
        work.save(unit.tx, "task", [task])


def check_form(form: Mapping[str, Any] | None, answers: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the answers, by field; empty if nothing. `form` is a JSON Schema."""
    if not form:
        return {}
    found: dict[str, str] = {}
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(dict(form), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for error in validator.iter_errors(dict(answers)):
        path = ".".join(map(str, error.absolute_path))
        if error.validator == "required":
            for name in error.validator_value:
                if name not in error.instance:
                    found.setdefault(".".join(filter(None, (path, name))), "Please fill this in.")
            continue
        title = (form.get("properties") or {}).get(path, {}).get("title", path)
        found.setdefault(path or "form", _reason(str(error.validator), title, error))
    return found


_FORMATS = {
    "email": "Write an e-mail address, such as name@example.com.",
    "date": "Write a date as year-month-day, such as 2026-03-01.",
}
_TYPES = {
    "number": "Write a number, such as 12.5.",
    "integer": "Write a whole number, such as 12.",
    "boolean": "Choose yes or no.",
}


def _reason(kind: str, title: str, error: Any) -> str:
    wanted = error.validator_value
    match kind:
        case "pattern":
            return f"'{error.instance}' does not have the form that {title} has ({wanted})."
        case "enum":
            return f"Choose one of: {', '.join(map(str, wanted))}."
        case "format" if wanted in _FORMATS:
            return _FORMATS[wanted]
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            return next((_TYPES[one] for one in kinds if one in _TYPES), "Write this as text.")
        case "minLength":
            return f"Write at least {wanted} characters."
        case "maxLength":
            return f"Write at most {wanted} characters."
        case "minimum":
            return f"Write {wanted} or more."
        case "maximum":
            return f"Write {wanted} or less."
    return str(error.message)[:200]
