"""Plays the examples of a process on the engine alone: no store, no people, no tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hub.process import advance as engine
from hub.process.advance import with_element
from hub.process.model import Happening, ProcessDefinition, ProcessTest, StepDefinition, Wait
from hub.process.state import PASSED, CaseState, Effect, ReopenStep, StepState
from mappings.canonical import StepStatus, TaskStatus
from mappings.expressions import Context, ExpressionError
from mappings.expressions import context as make_ready
from mappings.source import Finding

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""What `now` means in an example that does not say."""


def play(definition: ProcessDefinition, test: ProcessTest) -> list[Finding]:
    """What does not hold of an example; nothing if all of it does."""
    playing = _Playing(definition, test)
    playing.settle()
    for happening in test.happens:
        wrong = playing.happen(happening)
        if wrong:
            return [Finding(happening.place, wrong, playing.where())]
    return playing.compare()


class _Playing:
    def __init__(self, definition: ProcessDefinition, test: ProcessTest) -> None:
        self.definition, self.test = definition, test
        given = test.given
        self.state = CaseState(
            data=dict(given.get("data") or {}), started_by=given.get("started_by")
        )
        self.now = _moment(given.get("now"))
        self.outcome: str | None = None
        self.troubles: list[str] = []

    def sees(self) -> Context:
        given = self.test.given
        case = {
            "id": "case",
            "title": given.get("title") or self.definition.title,
            "key": given.get("key"),
            "status": str(self.state.status),
            "data": self.state.data,
            "started_by": self.state.started_by,
            "accountable": str(self.definition.accountable),
        }
        return make_ready({"case": case, "item": given.get("item") or {}, "now": self.now})

    def settle(self) -> None:
        self.take(engine.advance(self.state, self.definition, self.sees(), self.now))

    def take(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ReopenStep):
                kept = {name: v for name, v in self.state.data.items() if name != effect.key}
                self.state = replace(self.state, data=kept)
            elif isinstance(effect, engine.CompleteCase | engine.TerminateCase):
                self.outcome = effect.outcome
            elif isinstance(effect, engine.RaiseException):
                self.troubles.append(effect.detail)
        self.state = engine.apply(self.state, effects)

    # -------------------------------------------------------------------------- what happens

    def happen(self, one: Happening) -> str:
        """Let it happen; what is wrong if it cannot."""
        if one.kind == "event":
            self.hear(one.value)
            self.settle()
            return ""
        runs = [run for run in self.runs(one.step) if run.status is StepStatus.ACTIVE]
        if not runs:
            return f"'{one.step}' is not active then: it is {self.state_of(one.step)}."
        if one.kind == "done" and one.value is not None:
            self.state = replace(self.state, data={**self.state.data, one.step: one.value})
        for run in runs:
            if self.state.status == "active":
                self.take(self.follows(one, run))
        self.settle()
        return ""

    def follows(self, one: Happening, run: StepState) -> Sequence[Effect]:
        state, definition = self.state, self.definition
        match one.kind:
            case "done":
                return engine.on_task_status(
                    state, definition, one.step, TaskStatus.OPEN, TaskStatus.DONE, False, run.run
                )
            case "decide":
                return engine.on_decision(state, definition, one.step, str(one.value), run.run)
            case "ended":
                return engine.on_heard(state, definition, one.step, run.run, str(one.value))
        return [engine.SkipStep(one.step, run.run)]

    def hear(self, seen: Mapping[str, Any]) -> None:
        for key, wait in self.definition.waits.items():
            if not wait.listens_to(str(seen["event"]["type"])):
                continue
            for run in self.runs(key):
                if self.meant(self.definition.steps[key], wait, run, seen):
                    self.take(engine.on_heard(self.state, self.definition, key, run.run))

    def meant(
        self, step: StepDefinition, wait: Wait, run: StepState, seen: Mapping[str, Any]
    ) -> bool:
        if step.each is not None and run.index is None:
            return False
        sees = Context({name: one for name, one in self.sees().items() if name != "item"})
        sees.update(make_ready(seen))
        try:
            if wait.key is not None and str(wait.key.render(sees)) != self.test.given.get("key"):
                return False
            mine = with_element(sees, run.element, run.index)
            return wait.filter is None or wait.filter.evaluate(mine)
        except ExpressionError as error:
            self.troubles.append(f"{wait.filter_place or step.place}: {error}")
            return False

    # ---------------------------------------------------------------------------- what is so

    def runs(self, key: str) -> tuple[StepState, ...]:
        return self.state.newest(self.definition)[key]

    def state_of(self, key: str) -> str:
        """How far a step is with all its runs."""
        runs = self.runs(key)
        statuses = {run.status for run in runs}
        if statuses <= set(PASSED):
            return str(StepStatus.COMPLETED if StepStatus.COMPLETED in statuses else runs[0].status)
        for run in runs:
            if run.blocked and run.status is StepStatus.AVAILABLE:
                return "blocked"
        if StepStatus.ACTIVE in statuses:
            return str(StepStatus.ACTIVE)
        return str(runs[0].status)

    def where(self) -> str:
        """How far each step is, in a sentence."""
        told: dict[str, list[str]] = {}
        for key in self.definition.steps:
            told.setdefault(self.state_of(key), []).append(key)
        said = "; ".join(f"{state}: {', '.join(names)}" for state, names in told.items())
        return " ".join([f"{said[:1].upper()}{said[1:]}.", *self.troubles])

    def compare(self) -> list[Finding]:
        wrong = []
        for state, names in self.test.steps.items():
            found = [key for key in self.definition.steps if self.state_of(key) == state]
            if sorted(found) != sorted(names):
                wanted, got = ", ".join(names) or "nothing", ", ".join(found) or "nothing"
                wrong.append(f"expected {state}: {wanted}; it is {got}.")
        status = str(self.state.status)
        if self.test.status not in (None, status):
            wrong.append(f"expected the case to be {self.test.status}; it is {status}.")
        if self.test.outcome not in (None, self.outcome):
            wrong.append(f"expected the outcome '{self.test.outcome}'; it is '{self.outcome}'.")
        return [Finding(self.test.expect_place, one, self.where()) for one in wrong]


def _moment(given: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(given))
    except ValueError:
        return NOON
    return found if found.tzinfo else found.replace(tzinfo=UTC)
