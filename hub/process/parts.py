"""Cases that are run as a step of another: started when its turn comes, heard of at their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.process import advance as engine
from hub.process import cases as moving
from hub.process.effects import carry_out
from hub.process.running_case import Running, hold, view
from hub.process.step_kinds import rendered
from hub.store import cases
from hub.store.events import EventDraft
from hub.unit import Unit
from mappings.canonical import ExceptionType
from mappings.expressions import ExpressionError

Row = dict[str, Any]


def begin(unit: Unit, step_id: str) -> None:
    """Start the case of a `process` step that has just become active, or join the running one that
    has its key. What keeps it from starting is for a person to see.
    """
    step = cases.step(unit.tx, step_id)
    if step is None or step["status"] != "active" or step["type"] != "process" or step["subcase"]:
        return
    held = hold(unit, step["case_id"])
    part = held.definition.steps[step["key"]].part
    row = held.step(step["key"], step["run"])
    if part is None or row is None:
        return
    case = held.case
    sees = view(unit, case, row)
    try:
        with unit.attempt():
            key = part.key.render(sees) if part.key else None
            id, _ = moving.start(
                unit,
                part.process,
                title=row["title"],
                key=str(key) if key not in (None, "") else None,
                data=rendered(part.data, sees),
                parent=row,
                started_by=case["started_by"],
            )
    except (ExpressionError, LookupError, ValueError) as error:
        _raise(unit, held, row, f"{part.place}: {error}")
        return
    for item in cases.items_of(unit.tx, [case["id"]]).get(case["id"], ()):
        cases.add_item(unit.tx, id, item)
    row["subcase"] = id
    cases.save_step(unit.tx, row)


def ended(unit: Unit, event: EventDraft) -> None:
    """A case is over: the steps that it is run as go on, or have a person look at them."""
    for step in cases.run_as(unit.tx, str(event.subject)):
        held = hold(unit, step["case_id"])
        outcome = str(event.data.get("outcome") or "completed")
        if event.type == "case.completed":
            effects = engine.on_heard(
                held.state(), held.definition, step["key"], step["run"], outcome
            )
            if effects:
                carry_out(unit, held, effects)
                moving.settle(unit, step["case_id"])
        elif held.case["status"] in cases.RUNNING:
            _raise(unit, held, step, f"Its case was ended: {outcome}.")


def _raise(unit: Unit, held: Running, step: Mapping[str, Any], why: str) -> None:
    effect = engine.RaiseException(
        ExceptionType.VALIDATION,
        step["key"],
        f"The process of '{step['title']}' did not come to its end",
        f"{why} Try again to start it anew, or resolve this to go on without it.",
        step["run"],
    )
    carry_out(unit, held, [effect])


def broken(unit: Unit, step: Mapping[str, Any]) -> bool:
    """Whether an active step has no case that could still end."""
    if step["type"] != "process" or step["status"] != "active":
        return False
    case = cases.load(unit.tx, [step["subcase"]]).get(step["subcase"]) if step["subcase"] else None
    return case is None or case["status"] == "terminated"


def again(unit: Unit, step: Row) -> None:
    """Start the case of a step anew."""
    step["subcase"] = None
    cases.save_step(unit.tx, step)
    begin(unit, step["id"])


def go_on_without(unit: Unit, step: Mapping[str, Any]) -> None:
    """Skip an active step that its case no longer can complete."""
    held = hold(unit, step["case_id"])
    carry_out(unit, held, [engine.SkipStep(step["key"], step["run"])])
    moving.settle(unit, step["case_id"])
