"""What people do with a running case as a whole: let it rest and go on, end it, and complete or
skip a step that waits for something that will not come.

Each says why, and that stands in the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.process import advance as engine
from hub.process import cases as moving
from hub.process.answers import Refused
from hub.process.effects import carry_out
from hub.process.running_case import Running, hold
from hub.store import cases, work
from hub.unit import Unit
from mappings.canonical import CaseStatus
from mappings.canonical import advance as legal

Row = dict[str, Any]
Actor = Mapping[str, Any]

BY_HAND = ("wait", "process")
"""Kinds of steps that a person may complete or skip: nobody else has anything to answer there."""


def suspend(unit: Unit, case_id: str, actor: Actor, reason: str | None) -> None:
    """Let a case rest: nobody is chased, and nothing goes on until it is resumed. What comes in
    meanwhile is kept. Raises Refused; LookupError if there is none.
    """
    why = _said(reason)
    held = _held(unit, case_id, "active", "suspend")
    for step in held.steps:
        if step["status"] == "active":
            step["suspended"] = True
            cases.save_step(unit.tx, step)
    _change(unit, held, CaseStatus.SUSPENDED, "case.suspended", actor, why)


def resume(unit: Unit, case_id: str, actor: Actor, reason: str | None = None) -> None:
    """Let a suspended case go on, with what came in meanwhile. Raises Refused; LookupError."""
    held = _held(unit, case_id, "suspended", "resume")
    for step in held.steps:
        if step["suspended"]:
            step["suspended"] = False
            cases.save_step(unit.tx, step)
    _change(unit, held, CaseStatus.ACTIVE, "case.resumed", actor, (reason or "").strip())
    with unit.acting(actor, correlation=unit.correlation):
        _catch_up(unit, held)
        moving.settle(unit, case_id)


def terminate(unit: Unit, case_id: str, actor: Actor, reason: str | None) -> None:
    """End a case before its time: what is open is cancelled, in the tools too, and what was done
    is to be undone where its process says how. Raises Refused; LookupError.
    """
    why = _said(reason)
    _held(unit, case_id, None, "terminate")
    with unit.acting(actor, correlation=unit.correlation):
        moving.terminate(unit, case_id, why)


def complete(
    unit: Unit, case_id: str, step_id: str, actor: Actor, reason: str | None, *, skip: bool = False
) -> None:
    """Complete (or skip) a wait or a process by hand. Raises Refused; LookupError."""
    why = _said(reason)
    held = _held(unit, case_id, "active", "move on")
    step = next((one for one in held.steps if one["id"] == step_id), None)
    if step is None:
        raise LookupError(f"There is no step {step_id} in this case.")
    if step["type"] not in BY_HAND:
        raise Refused(
            "not_by_hand",
            f"'{step['title']}' is a {step['type']}: it is completed by its task or decision.",
        )
    if step["status"] != "active":
        raise Refused("not_active", f"'{step['title']}' is {step['status']}, not active.")
    key, run = step["key"], step["run"]
    effect = engine.SkipStep(key, run) if skip else engine.CompleteStep(key, run, why)
    with unit.acting(actor, correlation=unit.correlation):
        if skip:
            step["outcome"] = why
        carry_out(unit, held, [effect])
        if not skip and step["subcase"]:
            _end_part(unit, step)
        moving.settle(unit, case_id)


def _end_part(unit: Unit, step: Row) -> None:
    """The case that was run as a step that is complete without it."""
    part = cases.load(unit.tx, [step["subcase"]])[step["subcase"]]
    if part["status"] in cases.RUNNING and not cases.run_as(unit.tx, part["id"]):
        moving.terminate(unit, part["id"], f"'{step['title']}' was completed by hand")


def _said(reason: str | None) -> str:
    if not (reason or "").strip():
        raise Refused("comment_required", "Say in `comment` why.", 422)
    return str(reason).strip()


def _held(unit: Unit, case_id: str, status: str | None, what: str) -> Running:
    held = hold(unit, case_id)
    now = held.case["status"]
    if now not in cases.RUNNING or status not in (None, now):
        raise Refused(f"not_{status or 'running'}", f"The case is {now}; you cannot {what} it.")
    return held


def _change(
    unit: Unit, held: Running, status: CaseStatus, event: str, actor: Actor, why: str
) -> None:
    case = held.case
    before, case["status"] = case["status"], str(legal(CaseStatus(case["status"]), status))
    case["version"] += 1
    case["updated_at"] = unit.now
    cases.save(unit.tx, case)
    with unit.acting(actor, correlation=unit.correlation):
        unit.emit(
            event,
            case["id"],
            case=case["id"],
            changed={"status": {"before": before, "after": case["status"]}},
            data={"why": why},
        )


def _catch_up(unit: Unit, held: Running) -> None:
    """Tasks that were closed while the case rested."""
    owed = {step["task"]: step for step in held.steps if step["status"] == "active"}
    for id, task in work.load(unit.tx, "task", [id for id in owed if id]).items():
        if task["status"] in work.FINISHED and owed[id]["type"] == "task":
            moving.on_task_status(unit, task, "open", task["status"])
