"""Cases at work: started, moved on by what happens to their tasks, and ended before their time, in
the transaction of whatever made it necessary.

The engine (`advance`) is pure, and says what follows; `effects` carries that out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.flow import change
from hub.ids import new_id
from hub.process import advance as engine
from hub.process import asking, clocks
from hub.process.effects import carry_out, listen, new_step
from hub.process.people import Nobody, answering, owner
from hub.process.running_case import Running, answered, hold, view
from hub.store import cases
from hub.unit import Unit
from mappings.canonical import TaskStatus

Row = dict[str, Any]


def start(
    unit: Unit,
    process: str,
    *,
    title: str,
    key: str | None = None,
    data: Mapping[str, Any] | None = None,
    item: str | None = None,
    parent: Mapping[str, Any] | None = None,
    started_by: Mapping[str, Any] | None = None,
) -> tuple[str, bool]:
    """Start a case, or join the running one that has this key: its id, and whether it is new.
    `parent` is the step that it is run as; `started_by` whoever set that off, else who acts now.
    Raises LookupError.
    """
    definition = unit.snapshot.workspace.processes.get(process)
    if definition is None:
        raise LookupError(f"There is no process '{process}' in this workspace.")
    there = cases.running(unit.tx, process, key) if key else None
    if there:
        if item:
            cases.add_item(unit.tx, there, item)
        return there, False
    file = definition.place.file
    version = cases.keep_definition(
        unit.tx, process, file, unit.snapshot.files[file], unit.now,
        listens=bool(definition.waits),
    )  # fmt: skip
    try:
        answers = answering(unit, definition.accountable)["id"]
    except Nobody as nobody:
        answers = owner(unit)
        if answers is None:
            raise LookupError(f"{nobody} A case needs one accountable person.") from nobody
    calendar = unit.snapshot.workspace.calendars.of_case(definition)
    due_by = clocks.deadline(unit, definition.due, unit.now, calendar)
    case: Row = {
        "id": new_id("cas"),
        "version": 1,
        "process": process,
        "process_version": version,
        "key": key,
        "title": title,
        "status": "active",
        "health": "on_track",
        "accountable": answers,
        "accountable_kind": "person",
        "data": dict(data or {}),
        "started_by": dict(started_by or unit.actor),
        "started_at": unit.now,
        "updated_at": unit.now,
        "due": change.at(due_by) if due_by else None,
        "due_by": due_by,
        "completed_at": None,
        "outcome": None,
        "parent_case": parent["case_id"] if parent else None,
        "parent_step": parent["id"] if parent else None,
    }
    cases.insert(unit.tx, case)
    if item:
        cases.add_item(unit.tx, case["id"], item)
    rows = [new_step(case, step, 1) for step in definition.steps.values()]
    cases.insert_steps(unit.tx, rows)
    if definition.waits:
        listen(unit, Running(case, rows, definition), rows)
        unit.listening = None
    unit.emit(
        "case.started",
        case["id"],
        case=case["id"],
        data={"process": process, "version": version, "title": title, "key": key, "item": item},
    )
    settle(unit, case["id"])
    return case["id"], True


def settle(unit: Unit, case_id: str) -> None:
    """Let a case go as far as it can by itself."""
    held = hold(unit, case_id)
    context = view(unit, held.case)
    carry_out(unit, held, engine.advance(held.state(), held.definition, context, unit.now))


def on_task_status(unit: Unit, task: Mapping[str, Any], before: str, after: str) -> None:
    """A step's task moved, here or in a tool: what that means for its case."""
    step = cases.step(unit.tx, task["step_id"])
    if step is None:
        return
    held = hold(unit, step["case_id"])
    missing = bool(step["form"]) and answered(held.case, step) is None
    effects = engine.on_task_status(
        held.state(),
        held.definition,
        step["key"],
        TaskStatus(before),
        TaskStatus(after),
        missing,
        step["run"],
    )
    current = held.step(step["key"], step["run"])
    if current and after in ("in_progress", "done"):
        asking.accept_silently(unit, current, task)
    if effects:
        carry_out(unit, held, effects)
        settle(unit, step["case_id"])


def terminate(unit: Unit, case_id: str, reason: str) -> None:
    """End a case before its time: what is open is cancelled, in the tools too."""
    held = hold(unit, case_id)
    carry_out(unit, held, engine.terminate(held.state(), held.definition, reason))
