"""Running cases moved to another version of their process: what would happen to each, and why some
cannot be moved.

Steps are matched by their key. What has begun keeps its promise: owner, due and reminders of an
active step stay as they were set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from hub.process import advance as engine
from hub.process import cases as moving
from hub.process.answers import Refused
from hub.process.effects import carry_out, insert_steps, listen, new_step
from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.running_case import Running, hold
from hub.store import cases, waits
from hub.unit import Unit
from mappings.expressions import Condition, Template
from mappings.source import Place

Row = dict[str, Any]

_OPEN = ("available", "active", "failed")


@dataclass(frozen=True, slots=True)
class Move:
    """What moving a case does: keys of the steps that are added, kept, changed (the definition of
    one that has not begun is another), left (over, and no longer part of the process) and ended
    (open, and no longer part of it); of those that wait for an event from then on; and why it
    cannot be moved, if it cannot.
    """

    case: str
    title: str
    before: str
    after: str
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def newest(unit: Unit, process: str) -> tuple[str, ProcessDefinition]:
    """The version and the definition of a process in the workspace. Raises LookupError."""
    definition = unit.snapshot.workspace.processes.get(process)
    if definition is None:
        raise LookupError(f"There is no process '{process}' in this workspace.")
    file = definition.place.file
    text = unit.snapshot.files[file]
    listens = bool(definition.waits)
    kept = cases.keep_definition(unit.tx, process, file, text, unit.now, listens=listens)
    return kept, definition


def plan(held: Running, version: str, target: ProcessDefinition) -> Move:
    """What would happen to a case. Pure."""
    by_key: dict[str, list[Row]] = {}
    for step in held.steps:
        by_key.setdefault(step["key"], []).append(step)
    problems = [
        said
        for key, runs in by_key.items()
        if key in target.steps
        for said in _problems(key, runs, target.steps[key])
    ]
    kept: list[str] = []
    changed: list[str] = []
    left: list[str] = []
    ended: list[str] = []
    for key, runs in by_key.items():
        is_open = any(one["status"] in _OPEN for one in runs)
        if key not in target.steps:
            (ended if is_open else left).append(key)
        elif _is_another(held.definition.steps.get(key), target.steps[key]):
            changed.append(key)
        else:
            kept.append(key)
    if held.case["status"] not in cases.RUNNING:
        problems.append(f"the case is {held.case['status']}")
    over = {key for key, runs in by_key.items() if not any(r["status"] in _OPEN for r in runs)}
    return Move(
        case=held.case["id"],
        title=held.case["title"],
        before=held.case["process_version"],
        after=version,
        added=tuple(key for key in target.steps if key not in by_key),
        kept=tuple(kept),
        changed=tuple(changed),
        left=tuple(left),
        ended=tuple(ended),
        waits=tuple(key for key in target.waits if key not in over),
        problems=tuple(problems),
    )


def _is_another(before: StepDefinition | None, after: StepDefinition) -> bool:
    return before is None or _said(before) != _said(after)


def _said(value: Any) -> Any:
    """What a definition says, wherever it stands in its file."""
    if isinstance(value, Template | Condition):
        return value.text
    if isinstance(value, Mapping):
        return {key: _said(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_said(one) for one in value]
    if is_dataclass(value):
        told = {one.name: getattr(value, one.name) for one in fields(value)}
        return {name: _said(one) for name, one in told.items() if not isinstance(one, Place)}
    return value


def _problems(key: str, runs: list[Row], after: StepDefinition) -> list[str]:
    """Why the runs of a step cannot go on under another definition."""
    newest_round = max(one["round"] for one in runs)
    active = [one for one in runs if one["status"] in ("active", "failed")]
    found = []
    for step in active:
        if step["type"] != after.type:
            found.append(f"'{key}' is active as a {step['type']}, and would be a {after.type}")
            break
        if (step["each_index"] is None) != (after.each is None):
            once, each = "once for the case", "once per element"
            is_, would = (once, each) if step["each_index"] is None else (each, once)
            found.append(f"'{key}' is active {is_}, and would run {would}")
            break
        if (step["form"] or None) != (dict(after.form) if after.form else None):
            found.append(f"'{key}' is active, and its form would be another")
            break
    fanned = [one for one in runs if one["round"] == newest_round and one["each_index"] is not None]
    unbegun = [one for one in fanned if one["status"] == "available"]
    if unbegun and after.each is None and not active:
        found.append(f"'{key}' waits once per element, and would run once for the case")
    return found


def migrate(unit: Unit, case_id: str) -> Move:
    """Move a running case to the version of its process in the workspace. Raises Refused
    `cannot_migrate`, where nothing is changed; LookupError.
    """
    held = hold(unit, case_id)
    version, target = newest(unit, held.case["process"])
    move = plan(held, version, target)
    if move.problems:
        raise Refused("cannot_migrate", f"It cannot be moved: {'; '.join(move.problems)}.")
    if move.before == move.after:
        return move
    carry_out(unit, held, _endings(held, move))
    case = held.case
    case["process_version"] = version
    moved = Running(case, held.steps, target)
    for step in held.steps:
        if step["status"] == "available" and step["key"] in target.steps:
            _renew(unit, case, step, target.steps[step["key"]])
    waits.stop_case(unit.tx, case_id)
    waiting = [s for s in held.steps if s["status"] in ("available", "active")]
    listen(unit, moved, [s for s in waiting if s["key"] in target.steps])
    insert_steps(unit, moved, [new_step(case, target.steps[key], 1) for key in move.added])
    unit.listening = None
    case["version"] += 1
    case["updated_at"] = unit.now
    cases.save(unit.tx, case)
    unit.emit(
        "case.migrated",
        case_id,
        case=case_id,
        changed={"process_version": {"before": move.before, "after": version}},
        data={name: list(getattr(move, name)) for name in ("added", "changed", "left", "ended")},
    )
    moving.settle(unit, case_id)
    return move


def refused(move: Move, why: str) -> Move:
    """The same move, which was not made."""
    return replace(move, problems=(*move.problems, why))


def look(unit: Unit, case_id: str) -> Move:
    """What moving a case would do; nothing is changed. Raises LookupError."""
    held = hold(unit, case_id)
    return plan(held, *newest(unit, held.case["process"]))


def _endings(held: Running, move: Move) -> list[engine.Effect]:
    return [
        engine.TerminateStep(step["key"], step["run"])
        for step in held.steps
        if step["key"] in move.ended and step["status"] in _OPEN
    ]


def _renew(unit: Unit, case: Row, step: Row, wanted: StepDefinition) -> None:
    """A run that has not begun is as its new definition has it; a wait keeps what it has heard."""
    fresh = new_step(case, wanted, step["run"])
    for name in ("type", "title", "delivers", "form", "waiting_on"):
        step[name] = fresh[name]
    if step["blocked"] and wanted.condition is None and wanted.each is None:
        step["blocked"] = False
    cases.save_step(unit.tx, step)
