"""The process engine: from what a case is and what has happened to what must happen next.

Pure. Every function takes the state and gives effects, in the order in which they must be carried
out; `apply` says what the state is afterwards. Nothing here knows a store, a tool or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.order import in_order, successors_of
from hub.process.state import (
    PASSED,
    UNFINISHED,
    ActivateStep,
    CaseState,
    CompleteCase,
    CompleteStep,
    Effect,
    FailStep,
    FanOut,
    HearEvent,
    RaiseException,
    ReopenStep,
    ResolveException,
    SkipStep,
    StepState,
    TerminateCase,
    TerminateStep,
    apply,
)
from mappings.canonical import CaseStatus, ExceptionType, StepStatus, StepType, TaskStatus
from mappings.expressions import Context, ExpressionError
from mappings.expressions import context as make_ready

__all__ = [
    "PASSED",
    "UNFINISHED",
    "ActivateStep",
    "CaseState",
    "CompleteCase",
    "CompleteStep",
    "Effect",
    "FailStep",
    "FanOut",
    "HearEvent",
    "RaiseException",
    "ReopenStep",
    "ResolveException",
    "SkipStep",
    "StepState",
    "TerminateCase",
    "TerminateStep",
    "advance",
    "apply",
    "on_decision",
    "on_heard",
    "on_task_status",
    "reopen",
    "terminate",
    "with_element",
]

MOST_ELEMENTS = 500
"""Runs of a step that `each` may give."""

Runs = tuple[StepState, ...]


def advance(
    state: CaseState, definition: ProcessDefinition, context: Mapping[str, Any], now: datetime
) -> list[Effect]:
    """Everything that follows from the state; nothing more follows once it is applied.

    `context` is what conditions see; `now` is added to it. One pass in the order of `after` is
    enough, for no step changes the fate of one before it.
    """
    if state.status is not CaseStatus.ACTIVE:
        return []
    sees = Context(make_ready({"now": now}))
    sees.update(context if isinstance(context, Context) else make_ready(context))
    sees["now"] = now
    newest = state.newest(definition)
    effects: list[Effect] = []
    for key in in_order(definition.after):
        step, runs = definition.steps[key], newest[key]
        reached = all(_passed(newest[one]) for one in step.after)
        if reached and step.each is not None and runs[0].index is None:
            following = _fan_out(step, runs[0], sees)
            effects += following
            runs = _applied(runs, following)
        following = [
            one
            for run in runs
            # what `each` is to give is not known yet, so whether it is needed neither
            if step.each is None or run.index is not None or run.status is not StepStatus.AVAILABLE
            for one in _move(step, run, reached, sees)
        ]
        effects += following
        newest[key] = _applied(runs, following)
    if all(_passed(runs) for runs in newest.values()):
        effects.append(CompleteCase("completed"))
    return effects


def _passed(runs: Runs) -> bool:
    return all(run.status in PASSED for run in runs)


def _applied(runs: Runs, effects: Sequence[Effect]) -> Runs:
    return apply(CaseState(runs), effects).steps if effects else runs


def _fan_out(step: StepDefinition, run: StepState, sees: Context) -> list[Effect]:
    """A run for each element of the step's list; none for an empty one."""
    if run.status is not StepStatus.AVAILABLE or step.each is None:
        return []
    try:
        found = step.each.render(sees)
    except ExpressionError as error:
        wrong = str(error)
    else:
        if isinstance(found, list) and len(found) <= MOST_ELEMENTS:
            return [FanOut(step.key, run.run, tuple(found))] if found else [_skip(run)]
        wrong = f"'{step.each.text}' gives something that is no list."
        if isinstance(found, list):
            wrong = f"The list has {len(found)} elements; {MOST_ELEMENTS} is the most."
    if run.blocked:
        return []
    return [
        RaiseException(
            ExceptionType.VALIDATION,
            step.key,
            f"It is not clear how often '{step.key}' is needed",
            f"{step.each_place or step.place}: {wrong} The step waits until there is a list.",
            run.run,
        )
    ]


def with_element(sees: Context, element: Any, index: int | None) -> Context:
    """What is seen, and in a run of `each` its element and its place from 0."""
    if index is None:
        return sees
    mine = Context(sees)
    mine.update(make_ready({"each": element, "each_index": index}))
    return mine


def _skip(run: StepState) -> Effect:
    return SkipStep(run.key, run.run)


def _move(step: StepDefinition, run: StepState, reached: bool, sees: Context) -> list[Effect]:
    """What happens to one run of a step by itself. `reached`: those before it have passed."""
    by_itself = step.type is StepType.MILESTONE or run.heard
    ended: list[Effect] = [CompleteStep(run.key, run.run, run.outcome)] if by_itself else []
    if run.status is StepStatus.ACTIVE:
        return ended
    if run.status is not StepStatus.AVAILABLE or not reached:
        return []
    if step.condition is not None:
        try:
            if not step.condition.evaluate(with_element(sees, run.element, run.index)):
                return [_skip(run)]
        except ExpressionError as error:
            if run.blocked:
                return []
            return [
                RaiseException(
                    ExceptionType.VALIDATION,
                    step.key,
                    f"It is not clear whether '{step.key}' is needed",
                    f"{step.condition_place or step.place}: {error} The step waits until the "
                    "condition has an answer.",
                    run.run,
                )
            ]
    return [ActivateStep(run.key, run.run), *ended]


def on_heard(
    state: CaseState, definition: ProcessDefinition, step: str, run: int, outcome: str | None = None
) -> list[Effect]:
    """What a step waits for has come: kept if its turn has not, or while the case is suspended;
    `advance` then says what follows. What comes for a run that is over means nothing.
    """
    found = state.run_of(definition, step, run)
    if (
        found is None
        or found.heard
        or found.status not in (StepStatus.AVAILABLE, StepStatus.ACTIVE)
        or state.status not in (CaseStatus.ACTIVE, CaseStatus.SUSPENDED)
    ):
        return []
    return [HearEvent(step, run, outcome)]


def on_decision(
    state: CaseState,
    definition: ProcessDefinition,
    step: str,
    outcome: str,
    run: int | None = None,
) -> list[Effect]:
    """What a decision's outcome does at once; `advance` then says what follows from it. `run` is
    the run that the decision belongs to, the newest if left out.

    Silence never decides: `expired` leaves the step active with an `overdue` exception. Raises
    ValueError if the step is not waiting for a decision or has no such option.
    """
    decided = definition.steps.get(step)
    if decided is None or decided.type is not StepType.DECISION:
        raise ValueError(f"'{step}' is not a decision of {definition.key}.")
    found = state.run_of(definition, step, run)
    if found is None:
        raise ValueError(f"'{step}' is not waiting for a decision: it was begun anew.")
    if state.status is not CaseStatus.ACTIVE:
        raise ValueError(f"'{step}' is not waiting for a decision: the case is {state.status}.")
    if found.status is not StepStatus.ACTIVE:
        raise ValueError(f"'{step}' is not waiting for a decision: it is {found.status}.")
    if outcome == "withdrawn":
        return []
    if outcome == "expired":
        return [
            RaiseException(
                ExceptionType.OVERDUE,
                step,
                f"Nobody has decided '{step}' in time",
                "The step stays open; the decision can still be made.",
                found.run,
            )
        ]
    if outcome not in decided.options:
        raise ValueError(f"'{outcome}' is not an option. Options: {', '.join(decided.options)}.")
    effects: list[Effect] = [CompleteStep(step, found.run, outcome)]
    follows = decided.outcomes.get(outcome)
    if follows is None:
        return effects
    after = apply(state, effects)
    if follows.terminate is not None:
        effects += terminate(after, definition, follows.terminate)
    elif follows.reopen is not None:
        effects += reopen(after, definition, follows.reopen)
    return effects


def terminate(state: CaseState, definition: ProcessDefinition, reason: str) -> list[Effect]:
    """End the case now: nothing that is still open is needed any more."""
    ended: list[Effect] = [
        TerminateStep(run.key, run.run)
        for runs in state.newest(definition).values()
        for run in runs
        if run.status in UNFINISHED
    ]
    return [*ended, TerminateCase(reason)]


def reopen(state: CaseState, definition: ProcessDefinition, step: str) -> list[Effect]:
    """A new round of a step and of everything after it. What was never reached needs none."""
    newest = state.newest(definition)
    effects: list[Effect] = []
    for key in (step, *successors_of(step, definition.after)):
        runs = newest[key]
        if len(runs) == 1 and runs[0].index is None and runs[0].status is StepStatus.AVAILABLE:
            continue
        effects += [TerminateStep(key, run.run) for run in runs if run.status in UNFINISHED]
        effects.append(ReopenStep(key, max(run.run for run in runs) + 1))
    return effects


_FINAL: Sequence[TaskStatus] = (TaskStatus.DONE, TaskStatus.CANCELLED)


def on_task_status(
    state: CaseState,
    definition: ProcessDefinition,
    step: str,
    before: TaskStatus,
    after: TaskStatus,
    form_missing: bool,
    run: int | None = None,
) -> list[Effect]:
    """What the status of a step's task means for the step. `run` is the run the task belongs to.

    Only `done`, with the form where one is required, completes a task step. A cancelled or reopened
    task, one done without its form, and a decision's task closed in a tool are for a person to see.
    A task of an earlier round means nothing any more.
    """
    found = state.run_of(definition, step, run)
    if found is None or before is after or state.status is not CaseStatus.ACTIVE:
        return []

    def flag(title: str, detail: str) -> list[Effect]:
        return [RaiseException(ExceptionType.VALIDATION, step, title, detail, found.run)]

    if found.status is StepStatus.COMPLETED:
        reopened = f"The task of '{step}' was reopened after the step was completed"
        if before in _FINAL and after not in _FINAL:
            return flag(
                reopened,
                "The process went on and stays where it is. Close the task, or reopen the step.",
            )
        if after in _FINAL and before not in _FINAL:
            return [ResolveException(step, reopened, "the task is closed again", found.run)]
        return []
    if found.status is not StepStatus.ACTIVE:
        return []
    if after is TaskStatus.CANCELLED:
        return flag(
            f"The task of '{step}' was cancelled, but the process still needs it",
            "The step stays active. Reopen the task, or end the case.",
        )
    if after is not TaskStatus.DONE:
        return []
    if definition.steps[step].type is StepType.DECISION:
        return flag(
            f"The task of '{step}' was closed without a decision",
            "Closing a task decides nothing. A person must choose one of the options.",
        )
    if form_missing:
        return flag(
            f"'{step}' was closed without the information it asks for",
            "The step stays active until its form is filled in.",
        )
    return [CompleteStep(step, found.run)]
