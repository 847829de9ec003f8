"""What the engine decides gets a body: steps that move, tasks mirrored in tools, decisions,
handoffs, messages, timers, exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.flow import change
from hub.ids import new_id
from hub.participants import asks
from hub.process import advance as engine
from hub.process import asking, clocks, compensation, offering, questions, seating
from hub.process.model import StepDefinition
from hub.process.people import Nobody, answering, resolve
from hub.process.running_case import Running, hold, judge_health, view
from hub.process.who import Who
from hub.store import cases, exceptions, running, waits, work
from hub.store.exceptions import Trouble
from hub.unit import Unit
from mappings.canonical import CaseStatus, StepStatus, StepType
from mappings.canonical import advance as legal
from mappings.expressions import Context, ExpressionError

Row = dict[str, Any]


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
                rounds = [one["round"] for one in held.steps if one["key"] == key]
                row = new_step(case, held.definition.steps[key], run)
                row["round"] = max(rounds, default=0) + 1
                insert_steps(unit, held, [row])
            case engine.FanOut(key, run, elements):
                _fan_out(unit, held, _step(held, key, run), elements)
            case engine.HearEvent(key, run, outcome):
                _hear(unit, held, _step(held, key, run), outcome)
            case engine.ActivateStep(key, run):
                _activate(unit, held, _step(held, key, run))
            case engine.SkipStep(key, run):
                step = _step(held, key, run)
                was_active = step["status"] == "active"
                _move(unit, step, StepStatus.SKIPPED)
                if was_active:
                    _let_go(unit, held, step)
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
    if step["blocked"]:
        step["blocked"] = False
        _over(unit, step, ("validation",), "it is clear now")
    if status is not StepStatus.ACTIVE:
        step["completed_at"] = unit.now
        running.stop_timers(unit.tx, step["id"])
        if step["type"] == StepType.WAIT:
            waits.stop(unit.tx, step["id"])
        if step["handoff"]:
            offering.close_of_steps(unit, [step["id"]])
    cases.save_step(unit.tx, step)
    return step


def _over(unit: Unit, step: Row, types: Sequence[str], why: str) -> None:
    """What a person had to look at about a step is over by itself."""
    unit.open_troubles()  # it may have come and gone in one transaction
    for row in exceptions.open_of(unit.tx, step["id"]):
        if row["type"] in types:
            exceptions.close(unit.tx, row["id"], "resolved", unit.now, None, why)
            unit.emit("exception.resolved", row["id"], case=step["case_id"], data={"why": why})


def insert_steps(unit: Unit, held: Running, rows: list[Row]) -> None:
    """Add runs of steps to a case; those that wait for events listen from now on."""
    cases.insert_steps(unit.tx, rows)
    held.steps += rows
    listen(unit, held, rows)


def listen(unit: Unit, held: Running, rows: Sequence[Row]) -> None:
    """Let these runs hear what they wait for. One of `each` must know its element first."""
    found = []
    for row in rows:
        wanted = held.definition.steps[row["key"]]
        if wanted.wait is None or (wanted.each is not None and row["each_index"] is None):
            continue
        found.append(
            {
                "step_id": row["id"],
                "case_id": held.case["id"],
                "version": held.case["process_version"],
                "key": row["key"],
                # a case without a key is tied to no event by one
                "correlation": None if wanted.wait.key is None else held.case["key"] or "",
            }
        )
    waits.listen(unit.tx, found)


def _fan_out(unit: Unit, held: Running, step: Row, elements: Sequence[Any]) -> None:
    """The waiting run of a step becomes that of the first element; each other gets its own."""
    if step["blocked"]:
        step["blocked"] = False
        _over(unit, step, ("validation",), "it is clear now")
    step |= {"element": elements[0], "each_index": 0}
    cases.save_step(unit.tx, step)
    listen(unit, held, [step])
    definition = held.definition.steps[step["key"]]
    rows = []
    for index, element in enumerate(elements[1:], 1):
        row = new_step(held.case, definition, step["run"] + index)
        rows.append(row | {"round": step["round"], "element": element, "each_index": index})
    insert_steps(unit, held, rows)


def _hear(unit: Unit, held: Running, step: Row, outcome: str | None) -> None:
    """Keep that what a step waits for has come."""
    step["heard"] = {"event": unit.cause, "outcome": outcome}
    step["outcome"] = outcome or step["outcome"]
    cases.save_step(unit.tx, step)
    if step["status"] != "active" or held.case["status"] != "active":
        unit.emit("step.heard", step["id"], case=held.case["id"], data=_about(step))


def _activate(unit: Unit, held: Running, step: Row) -> None:
    case, definition = held.case, held.definition.steps[step["key"]]
    context = view(unit, case, step)
    step["accountable"] = case["accountable"]
    if definition.accountable is not None:
        step["accountable"] = _answers(unit, held, step, definition.accountable)["id"]
    pointer = definition.responsible if step["type"] != StepType.DECISION else None
    responsible = panel = None
    if step["type"] == StepType.DECISION:
        panel = seating.plan(unit, held, step, definition, context)
        responsible = panel.first or _accountable(unit, step)
        step["responsible"] = responsible["id"]
    elif pointer is not None:
        responsible = _who(unit, held, step, pointer, context)
        step["responsible"] = responsible["id"]
    elif step["type"] in (StepType.TASK, StepType.WAIT, StepType.PROCESS):
        responsible = work.load(unit.tx, "party", [step["accountable"]])[step["accountable"]]
        step["responsible"] = responsible["id"]
    try:
        step["title"] = str(definition.title.render(context))
    except ExpressionError as error:
        _problem(unit, held, step, "The title could not be worked out", str(error))
    if responsible and responsible["side"] == "external":
        step["waiting_on"] = "external"
    step["started_at"] = unit.now
    calendar = clocks.calendar_of(unit, held.definition, definition, step)
    step["due_by"] = clocks.deadline(unit, definition.due, unit.now, calendar)
    step["due"] = change.at(step["due_by"]) if step["due_by"] else None
    _move(unit, step, StepStatus.ACTIVE)
    unit.emit(
        "step.activated",
        step["id"],
        case=case["id"],
        data=_about(step)
        | {
            "type": step["type"],
            "responsible": step["responsible"],
            "accountable": step["accountable"],
        },
    )
    if step["type"] == StepType.TASK:
        asking.give_task(unit, case, step, definition, responsible, context)
    elif panel is not None:
        questions.ask_decision(unit, held, step, definition, panel)
    elif definition.wait and definition.wait.key and not case["key"] and not step["heard"]:
        _problem(
            unit, held, step,
            f"'{step['title']}' can hear no event",
            f"{definition.wait.key_place}: it waits for an event with the key of the case, and the"
            " case has none. Complete or skip the step by hand.",
        )  # fmt: skip
    clocks.wind(unit, step, definition, calendar)
    cases.save_step(unit.tx, step)


def _accountable(unit: Unit, step: Row) -> Row:
    return work.load(unit.tx, "party", [step["accountable"]])[step["accountable"]]


def _answers(unit: Unit, held: Running, step: Row, who: Who) -> Row:
    """Who is to answer for a step; if nobody, whoever answers for the case does."""
    try:
        return answering(unit, who, accountable=step["accountable"])
    except Nobody as nobody:
        _problem(unit, held, step, f"Nobody to answer for '{step['title']}'", str(nobody))
        return _accountable(unit, step)


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


_PASSING = ("overdue", "stalled", "handoff_unaccepted", "validation")
"""Exceptions about a step that mean nothing any more once it is over."""


def _complete(unit: Unit, held: Running, step: Row, outcome: str | None) -> None:
    step["outcome"] = outcome
    _move(unit, step, StepStatus.COMPLETED)
    _over(unit, step, _PASSING, "the step was completed")
    heard = {"event": step["heard"]["event"]} if step["heard"] else {}
    unit.emit(
        "step.completed",
        step["id"],
        case=held.case["id"],
        data=_about(step) | {"outcome": outcome} | heard,
    )
    if step["type"] != StepType.DECISION:
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
    if was_active:
        _let_go(unit, held, step)


def _let_go(unit: Unit, held: Running, step: Row) -> None:
    """Nobody is asked for an active step any more, and nothing else goes on for it alone."""
    _over(unit, step, _PASSING, "the step is no longer needed")
    if step["subcase"]:
        _end_part(unit, held, step)
    if step["decision"]:
        decision = cases.decision(unit.tx, step["decision"], lock=True)
        if decision and decision["outcome"] in (None, "expired"):
            decision["outcome"] = "withdrawn"
            cases.save_decision(unit.tx, decision)
            unit.emit("decision.withdrawn", decision["id"], case=held.case["id"])
    asks.settle(unit, held.case, step["id"], asks.said(unit, "no longer needed"))
    if step["task"]:
        cancel_task(unit, step["task"])


def _end_part(unit: Unit, held: Running, step: Row) -> None:
    """End the case that was run as a step, unless it is over or another step needs it."""
    if cases.run_as(unit.tx, step["subcase"]):
        return
    part = hold(unit, step["subcase"])
    if part.case["status"] in cases.RUNNING:
        why = f"no longer needed in '{held.case['title']}'"
        carry_out(unit, part, engine.terminate(part.state(), part.definition, why))


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
    data = {"outcome": outcome, "process": case["process"], "key": case["key"]}
    unit.emit(f"case.{status}", case["id"], case=case["id"], data=data)
    if status is CaseStatus.TERMINATED:
        compensation.ask_back(unit, held)


def new_step(case: Mapping[str, Any], definition: StepDefinition, run: int) -> Row:
    """A run of a step, which waits for its turn."""
    return {
        "id": new_id("stp"),
        "case_id": case["id"],
        "key": definition.key,
        "run": run,
        "round": 1,
        "element": None,
        "each_index": None,
        "heard": None,
        "subcase": None,
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
