"""Putting work in front of people: tasks in their tools, mail to those outside, handoffs to accept.
Questions to deciders stand in `questions`.
"""

from __future__ import annotations

from typing import Any

from hub.flow import change
from hub.participants import asks, links, messages
from hub.participants.messages import Message
from hub.process import bringing, chasing, clocks, offering
from hub.process.model import StepDefinition
from hub.process.offering import accept_silently as accept_silently
from hub.store import work
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
        ask_external(unit, case, step, responsible)
    else:
        handoff = None
        if responsible["id"] != step["accountable"]:
            handoff = offering.offer(
                unit,
                responsible,
                case=case,
                step=step,
                giver=step["accountable"],
                reason="deputy" if "on_behalf_of" in responsible else "assign",
                role=_role_of(definition),
            )
        _tell_internal(unit, case, step, responsible, definition.connection, handoff)


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


def ask_external(unit: Unit, case: Row, step: Row, party: Row) -> None:
    """Ask somebody outside for a step, by a mail with a link of their own."""
    sent = messages.send(
        unit,
        Message(
            to=party,
            subject=f"{step['title']} ({case['title']})",
            opening=f"We need something from you to go on: {step['title']}."
            " You need no account; the page below takes your answer.",
            facts=clocks.facts(unit, case, step),
            invitation=links.invite(unit, party["id"], step["id"], step["title"]),
            closing="If nothing comes we will remind you, and then call.",
            case=case["id"],
            purpose="request",
        ),
        step["id"],
    )
    if not sent:
        _unreachable(unit, case, step, party)


def _role_of(definition: StepDefinition) -> str | None:
    """The role whose members may accept the step."""
    pointer = definition.responsible
    return pointer.name if pointer is not None and pointer.kind == "role" else None


def _tell_internal(
    unit: Unit, case: Row, step: Row, party: Row, connection: str | None, handoff: Row | None
) -> None:
    where = f" You find it in {connection}." if connection else ""
    facts = clocks.facts(unit, case, step)
    if handoff is not None:
        brought = bringing.brings(unit.tx, [handoff])[handoff["id"]]
        facts += [*bringing.lines(brought, None), chasing.accept_by(unit, handoff)]
        if meant := unit.snapshot.people_by_id.get(handoff["on_behalf_of"] or ""):
            where += f" You stand in for {meant['name']}."
    messages.send(
        unit,
        Message(
            to=party,
            subject=f"Yours: {step['title']} ({case['title']})",
            opening=f"'{step['title']}' is yours now.{where}",
            facts=facts,
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
