"""Putting work in front of people: tasks in their tools, questions to deciders, mail to those
outside, handoffs to accept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.flow import change
from hub.ids import new_id
from hub.participants import asks, links, messages
from hub.participants.messages import Message
from hub.process import clocks, evidence
from hub.process.model import StepDefinition
from hub.store import cases, work
from hub.store.exceptions import Trouble
from hub.unit import Unit
from mappings.expressions import Context, ExpressionError

Row = dict[str, Any]


def give_task(
    unit: Unit,
    case: Row,
    step: Row,
    definition: StepDefinition,
    responsible: Row | None,
    context: Context,
) -> None:
    """Make the step's task, mirror it in its tool, and tell whoever owes it."""
    description, labels = _texts(unit, case, step, definition, context)
    task = change.new_entity(
        "task",
        {
            "title": step["title"],
            "description": description,
            "assignee": step["responsible"],
            "accountable": step["accountable"],
            "waiting_on": step["waiting_on"],
            "due": step["due"],
            "labels": labels,
            "case_id": case["id"],
            "step_id": step["id"],
        },
        unit,
    )
    work.insert(unit.tx, "task", [task])
    step["task"] = task["id"]
    change.announce_new(unit, "task", task, {"step": step["key"]})
    if definition.connection and not change.mirror(
        unit, "task", task, definition.connection, definition.object
    ):
        unit.trouble(
            Trouble(
                "push_failed",
                f"'{step['title']}' cannot be created in {definition.connection}",
                f"The connection '{definition.connection}' has no mapping that writes tasks."
                " Add one under mappings/.",
                severity="high",
                subject=step["id"],
                owner=step["accountable"],
                data={"case": case["id"]},
            )
        )
    if responsible is None:
        return
    if responsible["side"] == "external":
        _ask_external(unit, case, step, responsible)
    else:
        if responsible["id"] != step["accountable"]:
            _offer(unit, case, step, task, responsible)
        _tell_internal(unit, case, step, responsible, definition.connection)


def _texts(
    unit: Unit, case: Row, step: Row, definition: StepDefinition, context: Context
) -> tuple[str | None, list[str]]:
    try:
        description = str(definition.description.render(context)) if definition.description else ""
        labels = [str(label.render(context)) for label in definition.labels]
    except ExpressionError as error:
        unit.trouble(
            Trouble(
                "validation",
                f"The text of '{step['title']}' could not be worked out",
                str(error),
                subject=step["id"],
                owner=step["accountable"],
                data={"case": case["id"]},
            )
        )
        description, labels = "", []
    parts = [description, f"Delivers: {step['delivers']}" if step["delivers"] else ""]
    parts.append(f"Part of '{case['title']}'.")
    return "\n\n".join(part for part in parts if part), labels


def _ask_external(unit: Unit, case: Row, step: Row, party: Row) -> None:
    invitation = links.invite(unit, party["id"], step["id"], step["title"])
    sent = messages.send(
        unit,
        Message(
            to=party,
            subject=f"{step['title']} ({case['title']})",
            opening=f"We need something from you to go on: {step['title']}."
            " You need no account; the page below takes your answer.",
            facts=clocks.facts(unit, case, step),
            button=("Answer", links.link(invitation)),
            code=links.code(invitation),
            closing="If nothing comes we will remind you, and then call.",
            case=case["id"],
            purpose="request",
        ),
        step["id"],
    )
    if not sent:
        _unreachable(unit, case, step, party)


def _tell_internal(unit: Unit, case: Row, step: Row, party: Row, connection: str | None) -> None:
    where = f" You find it in {connection}." if connection else ""
    messages.send(
        unit,
        Message(
            to=party,
            subject=f"Yours: {step['title']} ({case['title']})",
            opening=f"'{step['title']}' is yours now.{where}",
            facts=clocks.facts(unit, case, step),
            button=("Open the case", links.page(f"cases/{case['id']}")),
            closing="Accept it there, or simply start: work that has begun counts as accepted.",
            case=case["id"],
            purpose="assignment",
            asks=asks.of_step(unit, case, step, party["id"]),
        ),
        step["id"],
    )


def _unreachable(unit: Unit, case: Row, step: Row, party: Row) -> None:
    unit.trouble(
        Trouble(
            "unrouted",
            f"{party['name']} cannot be asked",
            "No connection sends mail, or the party has no address."
            " Add a connection with connector: email.",
            severity="high",
            subject=step["id"],
            owner=step["accountable"],
            data={"case": case["id"]},
        )
    )


# --------------------------------------------------------------------------------------- decisions


def ask_decision(
    unit: Unit,
    case: Row,
    step: Row,
    definition: StepDefinition,
    decider: Row | None,
    context: Context,
) -> None:
    """Put the question to the decider, with what there is to know."""
    exclude = []
    for template in definition.exclude:
        try:
            exclude.append(str(template.render(context)))
        except ExpressionError:
            continue  # nobody named is nobody excluded
    known = evidence.gather(unit.tx, case)
    decision: Row = {
        "id": new_id("dec"),
        "case_id": case["id"],
        "step_id": step["id"],
        "run": step["run"],
        "question": step["title"],
        "options": list(definition.options),
        "decider": decider["id"] if decider else None,
        "exclude": exclude,
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
    }
    cases.insert_decision(unit.tx, decision)
    step["decision"] = decision["id"]
    unit.emit(
        "decision.requested",
        decision["id"],
        case=case["id"],
        data={"question": step["title"], "decider": decision["decider"]},
    )
    if decider is not None:
        waits = f"'{step['title']}' waits for your decision."
        _put_question(unit, case, step, decision["options"], decider, waits)


def _put_question(
    unit: Unit, case: Row, step: Row, options: Sequence[str], decider: Row, opening: str
) -> None:
    messages.send(
        unit,
        Message(
            to=decider,
            subject=f"Your decision: {step['title']} ({case['title']})",
            opening=f"{opening} The options: {', '.join(options)}.",
            facts=clocks.facts(unit, case, step),
            button=("See it and decide", links.page(f"cases/{case['id']}")),
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
    _put_question(unit, case, step, decision["options"], dict(party), changed)


# ---------------------------------------------------------------------------------------- handoffs


def _offer(unit: Unit, case: Row, step: Row, task: Row, to: Row) -> None:
    handoff = {
        "id": new_id("hof"),
        "case_id": case["id"],
        "step_id": step["id"],
        "task_id": task["id"],
        "from_party": step["accountable"],
        "to_party": to["id"],
        "reason": "assign",
        "note": None,
        "status": "offered",
        "offered_at": unit.now,
        "answered_at": None,
        "due": step["due"],
    }
    cases.insert_handoff(unit.tx, handoff)
    step["handoff"] = handoff["id"]
    unit.emit(
        "handoff.offered",
        handoff["id"],
        case=case["id"],
        data={"from": handoff["from_party"], "to": to["id"], "step": step["key"]},
    )


def answer_handoff(
    unit: Unit,
    handoff: Mapping[str, Any],
    status: str,
    note: str | None = None,
    channel: str | None = None,
) -> bool:
    """Accept or decline. A declined step goes back to whoever answers for it, with an exception."""
    if not cases.answer_handoff(unit.tx, handoff["id"], status, unit.now, note):
        return False
    told = {"note": note or ""} | ({"channel": channel} if channel else {})
    unit.emit(f"handoff.{status}", handoff["id"], case=handoff["case_id"], data=told)
    if status == "declined" and handoff["step_id"]:
        step = cases.step(unit.tx, handoff["step_id"])
        if step:
            step["responsible"] = step["accountable"]
            cases.save_step(unit.tx, step)
            task = work.load(unit.tx, "task", [step["task"]], lock=True).get(step["task"] or "")
            if task:
                change.change(unit, "task", task, {"assignee": step["accountable"]})
                work.save(unit.tx, "task", [task])
            unit.trouble(
                Trouble(
                    "handoff_unaccepted",
                    f"'{step['title']}' was declined",
                    note or "No reason was given.",
                    severity="high",
                    subject=step["id"],
                    owner=step["accountable"],
                    data={"case": handoff["case_id"]},
                )
            )
    case = cases.load(unit.tx, [handoff["case_id"]]).get(handoff["case_id"] or "")
    if case and handoff["step_id"]:
        by = unit.actor if unit.actor.get("kind") == "person" else None
        asks.settle(unit, case, handoff["step_id"], asks.said(unit, status, by))
    return True


def accept_silently(unit: Unit, step: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    """Work that has begun counts as accepted."""
    if not step["handoff"]:
        return
    handoff = cases.handoff(unit.tx, step["handoff"])
    if handoff and handoff["status"] in ("offered", "expired"):
        answer_handoff(unit, handoff, "accepted", f"began in the tool ({task['status']})")
