"""Handoffs as they go: offered, accepted, declined or closed, and what each changes about who has a
step.

Nobody is made to take anything: who had it keeps it until somebody accepts. One handoff of a step
is open at a time; a newer one takes its place. What is written about them is in `chasing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.flow import change
from hub.ids import new_id
from hub.participants import asks
from hub.process import clocks
from hub.process.calendar import Calendar, Duration, parse_duration
from hub.process.running_case import definition_of
from hub.store import access, cases, exceptions, work
from hub.store import handoffs as store
from hub.store.exceptions import Trouble
from hub.unit import Unit

Row = dict[str, Any]
ACCEPT_WITHIN = parse_duration("1bd")
"""How long there is to accept what neither step nor process says it of."""


def offer(
    unit: Unit,
    to: Mapping[str, Any],
    *,
    case: Mapping[str, Any] | None,
    step: Row | None = None,
    task: str | None = None,
    giver: str | None,
    reason: str = "assign",
    note: str | None = None,
    role: str | None = None,
) -> Row:
    """Offer a step, a task, or (with neither) the answering for a case. `to` may be somebody who
    stands in: then the one who was meant is kept. The step's row is given the new handoff; it is
    the caller's to save.
    """
    about = (step or {}).get("task") or task
    superseded = store.open_of(
        unit.tx, steps=[step["id"]] if step else [], tasks=[about] if about else []
    )
    close(unit, superseded, "superseded", "Something newer was offered in its place.")
    due = due_by(unit, case, step)
    handoff: Row = {
        "id": new_id("hof"),
        "case_id": case["id"] if case else None,
        "step_id": step["id"] if step else None,
        "task_id": about,
        "from_party": giver,
        "to_party": to["id"],
        "reason": reason,
        "note": note,
        "status": "offered",
        "offered_at": unit.now,
        "answered_at": None,
        "due": change.at(due),
        "role": role,
        "on_behalf_of": to.get("on_behalf_of"),
        "answered_by": None,
        "due_by": due,
        "chase_at": unit.now + (due - unit.now) / 2,
        "closed": None,
    }
    cases.insert_handoff(unit.tx, handoff)
    if step is not None:
        step["handoff"] = handoff["id"]
    told: Row = {"from": giver, "to": to["id"], "reason": reason}
    told |= {"step": step["key"]} if step else {}
    told |= {"role": role} if role else {}
    unit.emit(
        "handoff.offered",
        handoff["id"],
        case=handoff["case_id"],
        data=told,
        on_behalf_of=handoff["on_behalf_of"],
    )
    return handoff


def pass_case(unit: Unit, case: Mapping[str, Any], giver: str, to: str, reason: str) -> None:
    """Note that the answering for a case has passed on. Somebody must, so it is theirs at once;
    nobody is chased to say yes.
    """
    earlier = [row for row in store.open_of(unit.tx, case=case["id"]) if not row["step_id"]]
    close(unit, [row for row in earlier if not row["task_id"]], "superseded", "It passed on.")
    handoff: Row = {
        "id": new_id("hof"),
        "case_id": case["id"],
        "step_id": None,
        "task_id": None,
        "from_party": giver,
        "to_party": to,
        "reason": reason,
        "note": None,
        "status": "offered",
        "offered_at": unit.now,
        "answered_at": None,
        "due": None,
    }
    cases.insert_handoff(unit.tx, handoff)
    told = {"from": giver, "to": to, "reason": reason}
    unit.emit("handoff.offered", handoff["id"], case=case["id"], data=told)


def due_by(unit: Unit, case: Mapping[str, Any] | None, step: Mapping[str, Any] | None) -> datetime:
    """By when what is offered now is to be accepted: never later than the step itself is due."""
    within: Duration | None = None
    calendar: Calendar | None = None
    if case and step:
        definition = definition_of(unit.tx, case["process_version"])
        wanted = definition.steps.get(step["key"])
        within = (wanted.accept_within if wanted else None) or definition.accept_within
        if wanted is not None:
            calendar = clocks.calendar_of(unit, definition, wanted, dict(step))
    due = clocks.deadline(unit, within or ACCEPT_WITHIN, unit.now, calendar) or unit.now
    late = step["due_by"] if step else None
    return min(due, late) if late and late > unit.now else due


# ---------------------------------------------------------------------------------------- answers


def answer(
    unit: Unit,
    handoff: Mapping[str, Any],
    status: str,
    *,
    by: str | None = None,
    taker: str | None = None,
    note: str | None = None,
    channel: str | None = None,
) -> bool:
    """Accept or decline; False where it is not open to that. `by` is who answers, `taker` who has
    it then (else the one it was offered to). Declined, what was given by the process goes back to
    whoever answers for it, and what was offered at will stays where it is; both with an exception.
    """
    if not store.answer(unit.tx, handoff["id"], status, by, note, unit.now):
        return False
    told = {"note": note or ""} | ({"channel": channel} if channel else {})
    behalf = handoff["to_party"] if by not in (None, handoff["to_party"]) else None
    unit.emit(
        f"handoff.{status}",
        handoff["id"],
        case=handoff["case_id"],
        data=told,
        on_behalf_of=behalf,
    )
    step = cases.step(unit.tx, handoff["step_id"]) if handoff["step_id"] else None
    taker = taker or handoff["to_party"]
    if status == "accepted":
        if step and step["status"] == "active":
            if step["responsible"] != taker:
                give(unit, step, taker)
        elif not step and handoff["task_id"]:
            _assign(unit, handoff["task_id"], taker)
        _resolve_unaccepted(unit, step, handoff)
    else:
        _declined(unit, handoff, step, note)
    if step:
        case = cases.load(unit.tx, [step["case_id"]])[step["case_id"]]
        person = unit.actor if unit.actor.get("kind") == "person" else None
        asks.settle(unit, case, step["id"], asks.said(unit, status, person))
    return True


def _declined(unit: Unit, handoff: Mapping[str, Any], step: Row | None, note: str | None) -> None:
    was_given = bool(step and step["responsible"] == handoff["to_party"])
    if step and was_given and step["status"] == "active":
        give(unit, step, step["accountable"])
    task = work.load(unit.tx, "task", [handoff["task_id"]]).get(handoff["task_id"] or "")
    case = cases.load(unit.tx, [handoff["case_id"]]).get(handoff["case_id"] or "")
    about: Mapping[str, Any] | None = step or task or case
    where = (
        "It is back with whoever answers for it." if was_given else "It stays with whoever has it."
    )
    unit.trouble(
        Trouble(
            "handoff_unaccepted",
            f"'{about['title'] if about else handoff['id']}' was declined",
            f"{note or 'No reason was given.'} {where}",
            severity="high" if was_given else "normal",
            subject=about["id"] if about else handoff["id"],
            owner=(about or {}).get("accountable") or handoff["from_party"],
            data={"case": handoff["case_id"]},
        )
    )


def _resolve_unaccepted(
    unit: Unit, step: Mapping[str, Any] | None, handoff: Mapping[str, Any]
) -> None:
    """Its not being accepted was shown to a person; that is over."""
    unit.open_troubles()
    for subject in filter(None, (step["id"] if step else None, handoff["task_id"])):
        for row in exceptions.open_of(unit.tx, subject, "handoff_unaccepted"):
            exceptions.close(unit.tx, row["id"], "resolved", unit.now, None, "it was accepted")
            unit.emit("exception.resolved", row["id"], case=handoff["case_id"])


def accept_silently(unit: Unit, step: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    """Work that has begun counts as accepted by whoever has it."""
    if not step["handoff"]:
        return
    handoff = store.load(unit.tx, step["handoff"])
    if handoff and handoff["status"] in store.OPEN and handoff["to_party"] == step["responsible"]:
        answer(unit, handoff, "accepted", note=f"began in the tool ({task['status']})")


# ------------------------------------------------------------------------------------- who has it


def give(unit: Unit, step: Row, to: str) -> None:
    """Make somebody responsible for an active step: its task moves in the tools too, and the links
    and buttons that others had for it are dead.
    """
    parties = work.load(unit.tx, "party", {to, step["responsible"] or to})
    before, party = parties.get(step["responsible"] or ""), parties[to]
    if step["responsible"] == to:
        return
    unit.emit(
        "step.reassigned",
        step["id"],
        case=step["case_id"],
        changed={"responsible": {"before": step["responsible"], "after": to}},
        data={"key": step["key"], "run": step["run"], "title": step["title"]},
    )
    step["responsible"] = to
    was_outside = before is not None and before["side"] == "external"
    if party["side"] == "external":
        step["waiting_on"] = "external"
    elif was_outside and step["waiting_on"] == "external":
        step["waiting_on"] = "internal"
    cases.save_step(unit.tx, step)
    access.end_links(unit.tx, step["id"], to, unit.now)
    if step["task"]:
        _assign(unit, step["task"], to, step["waiting_on"])


def _assign(unit: Unit, task_id: str, to: str, waiting_on: str | None = None) -> None:
    task = work.load(unit.tx, "task", [task_id], lock=True).get(task_id)
    if task is None or task["status"] in work.FINISHED:
        return
    values: Row = {"assignee": to}
    if waiting_on:
        values["waiting_on"] = waiting_on
    change.change(unit, "task", task, values)
    work.save(unit.tx, "task", [task])


# ------------------------------------------------------------------------------------------- ends


def close_of_steps(unit: Unit, steps: Sequence[str]) -> None:
    """These steps are over: what was offered of them is moot."""
    close(unit, store.open_of(unit.tx, steps=steps), "moot", "The step is over.")


def close(unit: Unit, rows: Sequence[Mapping[str, Any]], why: str, words: str) -> None:
    """These cannot be accepted any more: `superseded` or `moot`."""
    store.close(unit.tx, [row["id"] for row in rows], why)
    for row in rows:
        if row["status"] == "offered":
            unit.emit(
                "handoff.expired", row["id"], case=row["case_id"], data={"why": why, "text": words}
            )
