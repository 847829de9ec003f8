"""What people answer: decisions, and the forms that outsiders send. Only a person gets past this
module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.flow import change
from hub.live import Snapshot
from hub.participants import asks
from hub.process import advance as engine
from hub.process import cases as moving
from hub.process import evidence
from hub.process.effects import carry_out
from hub.process.model import StepDefinition
from hub.process.running_case import hold
from hub.store import cases, work
from hub.unit import Unit, person_actor

Row = dict[str, Any]

CHANNEL = 20
"""Characters of a channel's name that are kept with a decision; its event has all of them."""


class Refused(Exception):
    """An answer that cannot be taken. `code` is stable; `status` is the HTTP status that fits."""

    def __init__(
        self, code: str, message: str, status: int = 409, errors: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.errors = dict(errors or {})


def human(party: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The party, if it is a person. Raises Refused `human_required`."""
    if party is None or party["kind"] != "person":
        raise Refused(
            "human_required",
            "Only a person can do this. Use a token that is bound to a person.",
            403,
        )
    return party


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
    """Take a person's decision. Raises Refused; LookupError if there is no such decision."""
    who = human(party)
    seen = cases.decision(unit.tx, decision_id)
    if seen is None:
        raise LookupError(f"There is no decision {decision_id}.")
    held = hold(unit, seen["case_id"])
    decision = cases.decision(unit.tx, decision_id, lock=True) or seen
    if decision["outcome"] not in (None, "expired"):
        by = work.load(unit.tx, "party", [decision["decided_by"]]).get(decision["decided_by"] or "")
        raise Refused(
            "already_decided",
            f"It was decided already: {decision['outcome']}"
            + (f", by {by['name']}." if by else "."),
        )
    if outcome not in decision["options"]:
        raise Refused(
            "unknown_option",
            f"'{outcome}' is not an option. Options: {', '.join(decision['options'])}.",
            422,
        )
    step = cases.step(unit.tx, decision["step_id"])
    assert step is not None  # noqa: S101 - a foreign key holds it
    barred = bar(unit.snapshot, held.definition.steps[step["key"]], decision, who)
    if barred is not None:
        raise barred
    known = evidence.gather(unit.tx, held.case)
    if cases.evidence_hash(known) != evidence_hash:
        raise Refused(
            "evidence_changed",
            "What the decision rests on has changed since you saw it. Look again, then decide.",
        )
    try:
        effects = engine.on_decision(held.state(), held.definition, step["key"], outcome)
    except ValueError as error:
        raise Refused("not_waiting", str(error)) from error
    decision |= {
        "outcome": outcome,
        "decided_by": who["id"],
        "decided_by_kind": who["kind"],
        "channel": channel[:CHANNEL],
        "comment": comment,
        "evidence": known,
        "evidence_hash": evidence_hash,
        "decided_at": unit.now,
        "on_behalf_of": decision["decider"] if decision["decider"] != who["id"] else None,
    }
    cases.save_decision(unit.tx, decision)
    with unit.acting(person_actor(who), correlation=unit.correlation):
        made = unit.emit(
            "decision.made",
            decision["id"],
            case=held.case["id"],
            data={
                "question": decision["question"],
                "outcome": outcome,
                "comment": comment or "",
                "channel": channel,
            },
            on_behalf_of=decision["on_behalf_of"],
        )
        unit.cause = made.id
        unit.correlation = made.correlation
        carry_out(unit, held, effects)
        behalf = decision["on_behalf_of"]
        asked = work.load(unit.tx, "party", [behalf]).get(behalf) if behalf else None
        asks.settle(unit, held.case, step["id"], asks.said(unit, outcome, who, asked))
        moving.settle(unit, held.case["id"])
    return decision


def bar(
    snapshot: Snapshot,
    definition: StepDefinition,
    decision: Mapping[str, Any],
    who: Mapping[str, Any] | None,
) -> Refused | None:
    """Why this party may not take a decision, or None: it is the decider's, a deputy's, or that of
    another member of the role that decides.
    """
    try:
        who = human(who)
    except Refused as refused:
        return refused
    names = {who["id"], who.get("person"), who.get("email")} - {None}
    if names & set(decision["exclude"]):
        return Refused(
            "excluded", "Whoever started the case cannot decide this; somebody else must.", 403
        )
    if decision["decider"] in (None, who["id"]):
        return None
    key, mine = snapshot.person_key(decision["decider"]), snapshot.person_key(who["id"])
    people, roles = snapshot.workspace.people, snapshot.workspace.roles
    if key and key in people and mine in people[key].deputies:
        return None
    pointer = definition.decider
    if pointer and pointer.kind == "role" and mine in roles.get(pointer.name, ()):
        return None
    return Refused(
        "not_yours", "This decision is somebody else's; their deputy could take it.", 403
    )


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
    before = held.case["data"].get(step["key"])
    if step["form"]:
        held.case["data"] = {**held.case["data"], step["key"]: dict(answers)}
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
