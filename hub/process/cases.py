"""Cases at work: carries out what the engine says, in the transaction of whatever made it
necessary.

The engine (`advance`) is pure; this module gives its effects a body: steps, tasks mirrored in
tools, decisions, handoffs, messages,
timers, exceptions. A case is locked while it moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy.engine import Connection

from hub.flow import change
from hub.ids import new_id
from hub.participants import asks
from hub.process import advance as engine
from hub.process import asking, clocks
from hub.process.definitions import load_process
from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.people import Nobody, owner, resolve
from hub.store import cases, exceptions, running, work
from hub.store.exceptions import Trouble
from hub.unit import Unit
from mappings.canonical import CaseStatus, StepStatus, StepType, TaskStatus
from mappings.canonical import advance as legal
from mappings.expressions import Context, ExpressionError
from mappings.expressions import context as make_ready

Row = dict[str, Any]


@lru_cache(maxsize=256)
def _parsed(version: str, file: str, text: str) -> ProcessDefinition:
    definition, findings = load_process(file, text)
    if definition is None:
        raise ValueError(f"The stored definition {version} of {file} does not load: {findings[0]}")
    return definition


@dataclass(slots=True)
class Running:
    """A locked case with its steps and its own definition."""

    case: Row
    steps: list[Row]
    definition: ProcessDefinition

    def state(self) -> engine.CaseState:
        return engine.CaseState(
            steps=tuple(
                engine.StepState(
                    step["key"],
                    step["run"],
                    StepStatus(step["status"]),
                    step["outcome"],
                    bool(step["blocked"]),
                )
                for step in self.steps
            ),
            status=CaseStatus(self.case["status"]),
            data=self.case["data"],
            started_by=self.case["started_by"].get("id"),
        )

    def step(self, key: str, run: int) -> Row | None:
        for step in self.steps:
            if step["key"] == key and step["run"] == run:
                return step
        return None


def hold(unit: Unit, case_id: str) -> Running:
    """Lock a case. Raises LookupError if there is none."""
    found = cases.load(unit.tx, [case_id], lock=True)
    if case_id not in found:
        raise LookupError(f"There is no case {case_id}.")
    case = found[case_id]
    return Running(
        case,
        cases.steps_of(unit.tx, [case_id])[case_id],
        definition_of(unit.tx, case["process_version"]),
    )


def definition_of(tx: Connection, version: str) -> ProcessDefinition:
    """The definition that a case keeps. Raises LookupError if it is not stored."""
    stored = cases.definition(tx, version)
    if stored is None:
        raise LookupError(f"The definition {version} is not stored.")
    return _parsed(version, *stored)


def view(unit: Unit, case: Mapping[str, Any]) -> Context:
    """What conditions and texts of a case see."""
    about = cases.items_of(unit.tx, [case["id"]]).get(case["id"], [])
    item = work.load(unit.tx, "item", about[:1])
    return make_ready(
        {
            "case": {
                "id": case["id"],
                "title": case["title"],
                "key": case["key"],
                "status": case["status"],
                "data": case["data"],
                "started_by": case["started_by"].get("id"),
                "accountable": case["accountable"],
            },
            "item": next(iter(item.values()), {}),
            "now": unit.now,
        }
    )


# ------------------------------------------------------------------------------------------ start


def start(
    unit: Unit,
    process: str,
    *,
    title: str,
    key: str | None = None,
    data: Mapping[str, Any] | None = None,
    item: str | None = None,
) -> tuple[str, bool]:
    """Start a case, or join the running one that has this key: its id, and whether it is new.
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
    version = cases.keep_definition(unit.tx, process, file, unit.snapshot.files[file], unit.now)
    try:
        answering = resolve(unit, definition.accountable, {})["id"]
    except Nobody as nobody:
        answering = owner(unit)
        if answering is None:
            raise LookupError(f"{nobody} A case needs one accountable person.") from nobody
    due_by = clocks.deadline(unit, definition.due, unit.now)
    case: Row = {
        "id": new_id("cas"),
        "version": 1,
        "process": process,
        "process_version": version,
        "key": key,
        "title": title,
        "status": "active",
        "health": "on_track",
        "accountable": answering,
        "accountable_kind": "person",
        "data": dict(data or {}),
        "started_by": dict(unit.actor),
        "started_at": unit.now,
        "updated_at": unit.now,
        "due": change.at(due_by) if due_by else None,
        "due_by": due_by,
        "completed_at": None,
        "outcome": None,
    }
    cases.insert(unit.tx, case)
    if item:
        cases.add_item(unit.tx, case["id"], item)
    rows = [_new_step(case, step, 1) for step in definition.steps.values()]
    cases.insert_steps(unit.tx, rows)
    unit.emit(
        "case.started",
        case["id"],
        case=case["id"],
        data={"process": process, "version": version, "title": title, "key": key, "item": item},
    )
    settle(unit, case["id"])
    return case["id"], True


def _new_step(case: Mapping[str, Any], definition: StepDefinition, run: int) -> Row:
    return {
        "id": new_id("stp"),
        "case_id": case["id"],
        "key": definition.key,
        "run": run,
        "parent": None,
        "type": str(definition.type),
        "title": definition.title.text if definition.title.constant else definition.key,
        "delivers": definition.delivers,
        "status": "available",
        "suspended": False,
        "blocked": False,
        "responsible": None,
        "accountable": case["accountable"],
        "due": None,
        "due_by": None,
        "task": None,
        "decision": None,
        "handoff": None,
        "form": dict(definition.form) if definition.form else None,
        "waiting_on": str(definition.waiting_on),
        "outcome": None,
        "started_at": None,
        "completed_at": None,
    }


# ------------------------------------------------------------------------------------------ moving


def settle(unit: Unit, case_id: str) -> None:
    """Let a case go as far as it can by itself."""
    held = hold(unit, case_id)
    context = view(unit, held.case)
    carry_out(unit, held, engine.advance(held.state(), held.definition, context, unit.now))


def carry_out(unit: Unit, held: Running, effects: Sequence[engine.Effect]) -> None:
    """Give effects their body, then judge the case's health and store it."""
    case = held.case
    for effect in effects:
        match effect:
            case engine.CompleteCase(outcome):
                _end_case(unit, held, CaseStatus.COMPLETED, outcome)
            case engine.TerminateCase(outcome):
                _end_case(unit, held, CaseStatus.TERMINATED, outcome)
            case engine.RaiseException():
                _raise(unit, held, effect)
            case engine.ResolveException():
                _resolve(unit, held, effect)
            case engine.ReopenStep(key, run):
                # what was answered before no longer holds; the event of that answer keeps it
                case["data"] = {name: v for name, v in case["data"].items() if name != key}
                row = _new_step(case, held.definition.steps[key], run)
                cases.insert_steps(unit.tx, [row])
                held.steps.append(row)
                if row["form"]:  # the new run asks anew; what was answered stays in the events
                    case["data"] = {k: v for k, v in case["data"].items() if k != key}
            case engine.ActivateStep(key, run):
                _activate(unit, held, _step(held, key, run))
            case engine.SkipStep(key, run):
                step = _move(unit, _step(held, key, run), StepStatus.SKIPPED)
                unit.emit("step.skipped", step["id"], case=case["id"], data=_about(step))
            case engine.CompleteStep(key, run, outcome):
                _complete(unit, held, _step(held, key, run), outcome)
            case engine.TerminateStep(key, run):
                _terminate(unit, held, _step(held, key, run))
            case engine.FailStep(key, run, reason):
                step = _move(unit, _step(held, key, run), StepStatus.FAILED)
                unit.emit(
                    "step.failed", step["id"], case=case["id"], data=_about(step) | {"why": reason}
                )
    judge_health(unit, held)
    case["version"] += 1
    case["updated_at"] = unit.now
    cases.save(unit.tx, case)


def _step(held: Running, key: str, run: int) -> Row:
    step = held.step(key, run)
    if step is None:
        raise LookupError(f"Step '{key}' has no run {run}.")
    return step


def _about(step: Mapping[str, Any]) -> Row:
    return {"key": step["key"], "run": step["run"], "title": step["title"]}


def _move(unit: Unit, step: Row, status: StepStatus) -> Row:
    step["status"] = str(legal(StepStatus(step["status"]), status))
    step["blocked"] = False
    if status is not StepStatus.ACTIVE:
        step["completed_at"] = unit.now
        running.stop_timers(unit.tx, step["id"])
    cases.save_step(unit.tx, step)
    return step


def _activate(unit: Unit, held: Running, step: Row) -> None:
    case, definition = held.case, held.definition.steps[step["key"]]
    context = view(unit, case)
    step["accountable"] = case["accountable"]
    if definition.accountable is not None:
        step["accountable"] = _who(unit, held, step, definition.accountable, context)["id"]
    pointer = definition.decider if step["type"] == StepType.DECISION else definition.responsible
    responsible = None
    if pointer is not None:
        responsible = _who(unit, held, step, pointer, context)
        step["responsible"] = responsible["id"]
    elif step["type"] == StepType.TASK:
        responsible = work.load(unit.tx, "party", [step["accountable"]])[step["accountable"]]
        step["responsible"] = responsible["id"]
    try:
        step["title"] = str(definition.title.render(context))
    except ExpressionError as error:
        _problem(unit, held, step, "The title could not be worked out", str(error))
    if responsible and responsible["side"] == "external":
        step["waiting_on"] = "external"
    step["started_at"] = unit.now
    step["due_by"] = clocks.deadline(unit, definition.due, unit.now)
    step["due"] = change.at(step["due_by"]) if step["due_by"] else None
    _move(unit, step, StepStatus.ACTIVE)
    unit.emit(
        "step.activated",
        step["id"],
        case=case["id"],
        data=_about(step)
        | {"responsible": step["responsible"], "accountable": step["accountable"]},
    )
    if step["type"] == StepType.TASK:
        asking.give_task(unit, case, step, definition, responsible, context)
    elif step["type"] == StepType.DECISION:
        asking.ask_decision(unit, case, step, definition, responsible, context)
    clocks.wind(unit, step, definition)
    cases.save_step(unit.tx, step)


def _who(unit: Unit, held: Running, step: Row, who: Any, context: Context) -> Row:
    """Who is meant; if nobody, the accountable takes it and an exception says so."""
    try:
        return resolve(
            unit,
            who,
            context,
            accountable=step["accountable"],
            responsible=step["responsible"] or step["accountable"],
        )
    except Nobody as nobody:
        _problem(unit, held, step, f"Nobody to turn to for '{step['title']}'", str(nobody))
        return work.load(unit.tx, "party", [step["accountable"]])[step["accountable"]]


def _problem(unit: Unit, held: Running, step: Row, title: str, detail: str) -> None:
    unit.trouble(
        Trouble(
            "validation",
            title,
            detail,
            severity="high",
            subject=step["id"],
            owner=held.case["accountable"],
            place=title[:60],
            data={"case": held.case["id"]},
        )
    )


def _complete(unit: Unit, held: Running, step: Row, outcome: str | None) -> None:
    step["outcome"] = outcome
    _move(unit, step, StepStatus.COMPLETED)
    for row in exceptions.open_of(unit.tx, step["id"]):
        if row["type"] in ("overdue", "stalled", "handoff_unaccepted", "validation"):
            exceptions.close(
                unit.tx, row["id"], "resolved", unit.now, None, "the step was completed"
            )
            unit.emit("exception.resolved", row["id"], case=held.case["id"])
    unit.emit(
        "step.completed",
        step["id"],
        case=held.case["id"],
        data=_about(step) | {"outcome": outcome},
    )
    if step["type"] == StepType.TASK:
        asks.settle(unit, held.case, step["id"], asks.said(unit, "done", _person_behind(unit)))


def _person_behind(unit: Unit) -> Mapping[str, Any] | None:
    """Who set off what is happening, if that was a person, here or in a tool."""
    actor = next((one.actor for one in unit.noted() if one.id == unit.cause), unit.actor)
    if actor.get("kind") == "connector":
        id = unit.snapshot.party_for(str(actor["id"]), str(actor.get("name") or ""))
        return unit.snapshot.people_by_id.get(id) if id else None
    return actor if actor.get("kind") == "person" else None


def _terminate(unit: Unit, held: Running, step: Row) -> None:
    was_active = step["status"] == "active"
    _move(unit, step, StepStatus.TERMINATED)
    if not was_active:
        return
    if step["decision"]:
        decision = cases.decision(unit.tx, step["decision"], lock=True)
        if decision and decision["outcome"] in (None, "expired"):
            decision["outcome"] = "withdrawn"
            cases.save_decision(unit.tx, decision)
            unit.emit("decision.withdrawn", decision["id"], case=held.case["id"])
    asks.settle(unit, held.case, step["id"], asks.said(unit, "no longer needed"))
    if step["task"]:
        cancel_task(unit, step["task"])


def cancel_task(unit: Unit, id: str) -> None:
    """Nobody owes this task any more."""
    task = work.load(unit.tx, "task", [id], lock=True).get(id)
    if task and task["status"] not in work.FINISHED:
        change.change(unit, "task", task, {"status": "cancelled"})
        work.save(unit.tx, "task", [task])


def _raise(unit: Unit, held: Running, effect: engine.RaiseException) -> None:
    step = _step(held, effect.step, effect.run)
    if str(effect.type) == "validation" and step["status"] == "available":
        step["blocked"] = True
        cases.save_step(unit.tx, step)
    unit.trouble(
        Trouble(
            str(effect.type),
            effect.title,
            effect.detail,
            severity="high",
            subject=step["id"],
            owner=held.case["accountable"],
            place=effect.title[:100],
            data={"case": held.case["id"], "step": step["key"]},
        )
    )


def _resolve(unit: Unit, held: Running, effect: engine.ResolveException) -> None:
    unit.open_troubles()  # it may have come and gone in one transaction
    about = _step(held, effect.step, effect.run)["id"]
    for row in exceptions.open_of(unit.tx, about):
        if row["title"] == effect.title:
            exceptions.close(unit.tx, row["id"], "resolved", unit.now, None, effect.why)
            data = {"type": row["type"], "about": about, "why": effect.why}
            unit.emit("exception.resolved", row["id"], case=held.case["id"], data=data)


def _end_case(unit: Unit, held: Running, status: CaseStatus, outcome: str) -> None:
    case = held.case
    case["status"] = str(legal(CaseStatus(case["status"]), status))
    case["outcome"] = outcome
    case["completed_at"] = unit.now
    unit.emit(f"case.{status}", case["id"], case=case["id"], data={"outcome": outcome})


def judge_health(unit: Unit, held: Running) -> None:
    """Set the case's health from its steps and its open exceptions, and note a change."""
    case = held.case
    if case["status"] != "active":
        return
    open_steps = [step for step in held.steps if step["status"] in ("available", "active")]
    late = any(
        step["due_by"] and step["due_by"] < unit.now and step["status"] == "active"
        for step in open_steps
    )
    if any(step["blocked"] for step in open_steps):
        health = "blocked"
    elif late or (case["due_by"] and case["due_by"] < unit.now):
        health = "overdue"
    else:
        health = "on_track"
    if health != case["health"]:
        unit.emit(
            "case.health_changed",
            case["id"],
            case=case["id"],
            changed={"health": {"before": case["health"], "after": health}},
        )
        case["health"] = health


# ------------------------------------------------------------------------------------ what happens


def on_task_status(unit: Unit, task: Mapping[str, Any], before: str, after: str) -> None:
    """A step's task moved, here or in a tool: what that means for its case."""
    step = cases.step(unit.tx, task["step_id"])
    if step is None:
        return
    held = hold(unit, step["case_id"])
    missing = bool(step["form"]) and step["key"] not in held.case["data"]
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
