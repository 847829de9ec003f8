"""A case with its steps and the definition that it keeps, locked while it moves; what its
conditions see, and how it fares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy.engine import Connection

from hub.process import advance as engine
from hub.process.definitions import load_process
from hub.process.model import ProcessDefinition
from hub.store import cases, work
from hub.unit import Unit
from mappings.canonical import CaseStatus, StepStatus
from mappings.expressions import Context
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
                    step["round"],
                    step["each_index"],
                    step["element"],
                    step["heard"] is not None,
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
    case = cases.lock(unit.tx, case_id)
    if case is None:
        raise LookupError(f"There is no case {case_id}.")
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


def view(unit: Unit, case: Mapping[str, Any], step: Mapping[str, Any] | None = None) -> Context:
    """What conditions and texts of a case see; those of a step with `each`, its element too."""
    about = cases.items_of(unit.tx, [case["id"]]).get(case["id"], [])
    item = work.load(unit.tx, "item", about[:1])
    sees = make_ready(
        {
            "case": seen_case(case),
            "item": next(iter(item.values()), {}),
            "now": unit.now,
        }
    )
    if step is None:
        return sees
    return engine.with_element(sees, step["element"], step["each_index"])


def answered(case: Mapping[str, Any], step: Mapping[str, Any]) -> Any:
    """What was filled in for a run of a step; None if nothing was."""
    found = case["data"].get(step["key"])
    if step["each_index"] is None:
        return found
    index = step["each_index"]
    return found[index] if isinstance(found, list) and index < len(found) else None


def with_answers(
    case: Mapping[str, Any], step: Mapping[str, Any], answers: Mapping[str, Any]
) -> Row:
    """The data of a case with what was filled in for a run of a step: under the key of the step;
    of one with `each`, in a list with a place for every element.
    """
    if step["each_index"] is None:
        return {**case["data"], step["key"]: dict(answers)}
    found = case["data"].get(step["key"])
    places = list(found) if isinstance(found, list) else []
    places += [None] * (step["each_index"] + 1 - len(places))
    places[step["each_index"]] = dict(answers)
    return {**case["data"], step["key"]: places}


def seen_case(case: Mapping[str, Any]) -> Row:
    """A case as its conditions and texts see it."""
    return {
        "id": case["id"],
        "title": case["title"],
        "key": case["key"],
        "status": case["status"],
        "data": case["data"],
        "started_by": case["started_by"].get("id"),
        "accountable": case["accountable"],
    }


def _late(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether a case or step is past its due. While its clock stands nothing becomes late."""
    return bool(row["due_by"]) and row["due_by"] < (row.get("paused_at") or now)


def judge_health(unit: Unit, held: Running) -> None:
    """Set the case's health from its steps and its open exceptions, and note a change."""
    case = held.case
    if case["status"] != "active":
        return
    open_steps = [step for step in held.steps if step["status"] in ("available", "active")]
    active = [step for step in open_steps if step["status"] == "active"]
    if any(step["blocked"] for step in open_steps):
        health = "blocked"
    elif any(_late(one, unit.now) for one in (case, *active)):
        health = "overdue"
    elif any(step.get("at_risk") for step in active):
        health = "at_risk"
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
