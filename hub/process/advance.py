"""The process engine: from what a case is and what has happened to what must happen next.

Pure. Every function takes the state and gives effects, in the order in which they must be carried
out; `apply` says what the state is afterwards. Nothing here knows a store, a tool or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.order import in_order, successors_of
from mappings.canonical import CaseStatus, ExceptionType, StepStatus, StepType, TaskStatus
from mappings.canonical import advance as legal
from mappings.expressions import Context, ExpressionError
from mappings.expressions import context as make_ready

PASSED = (StepStatus.COMPLETED, StepStatus.SKIPPED)
"""What lets the steps behind go on."""

UNFINISHED = (StepStatus.AVAILABLE, StepStatus.ACTIVE, StepStatus.FAILED)


@dataclass(frozen=True, slots=True)
class StepState:
    """One run of a step. `blocked`: its `if` could not be evaluated and an exception says so."""

    key: str
    run: int = 1
    status: StepStatus = StepStatus.AVAILABLE
    outcome: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class CaseState:
    """A case as the engine sees it: every run of every step; one without a run is available."""

    steps: tuple[StepState, ...] = ()
    status: CaseStatus = CaseStatus.ACTIVE
    data: Mapping[str, Any] = field(default_factory=dict)
    started_by: str | None = None

    def latest(self, definition: ProcessDefinition) -> dict[str, StepState]:
        """The newest run of each step of the definition."""
        found = {key: StepState(key) for key in definition.steps}
        for step in self.steps:
            if step.key in found and step.run >= found[step.key].run:
                found[step.key] = step
        return found


# ------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class ActivateStep:
    """Someone owes this step now: make its task or decision, start its clock."""

    key: str
    run: int


@dataclass(frozen=True, slots=True)
class SkipStep:
    """Its `if` is false."""

    key: str
    run: int


@dataclass(frozen=True, slots=True)
class CompleteStep:
    """It delivered; `outcome` is a decision's option."""

    key: str
    run: int
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class FailStep:
    """It cannot deliver. Never emitted here: whoever carries effects out finds this out."""

    key: str
    run: int
    reason: str


@dataclass(frozen=True, slots=True)
class TerminateStep:
    """It is no longer needed: cancel its task, withdraw its decision, stop its clock."""

    key: str
    run: int


@dataclass(frozen=True, slots=True)
class ReopenStep:
    """A new run begins, available until its turn comes; `run` is the new number."""

    key: str
    run: int


@dataclass(frozen=True, slots=True)
class RaiseException:
    """A person must look at this step."""

    type: ExceptionType
    step: str
    title: str
    detail: str
    run: int = 1


@dataclass(frozen=True, slots=True)
class ResolveException:
    """What a person had to look at is over by itself."""

    step: str
    title: str
    why: str
    run: int = 1


@dataclass(frozen=True, slots=True)
class CompleteCase:
    """Every step is completed or skipped."""

    outcome: str


@dataclass(frozen=True, slots=True)
class TerminateCase:
    """A decision ended the case; `outcome` is its reason."""

    outcome: str


Effect = (
    ActivateStep
    | SkipStep
    | CompleteStep
    | FailStep
    | TerminateStep
    | ReopenStep
    | RaiseException
    | ResolveException
    | CompleteCase
    | TerminateCase
)

_AFTERWARDS: Mapping[type, StepStatus] = {
    ActivateStep: StepStatus.ACTIVE,
    SkipStep: StepStatus.SKIPPED,
    CompleteStep: StepStatus.COMPLETED,
    FailStep: StepStatus.FAILED,
    TerminateStep: StepStatus.TERMINATED,
}


def apply(state: CaseState, effects: Iterable[Effect]) -> CaseState:
    """The state after the effects. Raises IllegalTransition for one that does not fit."""
    runs = {(step.key, step.run): step for step in state.steps}
    status = state.status
    for effect in effects:
        match effect:
            case CompleteCase():
                status = legal(status, CaseStatus.COMPLETED)
            case TerminateCase():
                status = legal(status, CaseStatus.TERMINATED)
            case RaiseException(type=ExceptionType.VALIDATION, step=key, run=run):
                step = runs.get((key, run), StepState(key, run))
                if step.status is StepStatus.AVAILABLE:
                    runs[key, run] = replace(step, blocked=True)
            case RaiseException() | ResolveException():
                pass
            case ReopenStep(key, run):
                runs.setdefault((key, run - 1), StepState(key, run - 1))
                runs[key, run] = StepState(key, run)
            case _:
                step = runs.get((effect.key, effect.run), StepState(effect.key, effect.run))
                runs[effect.key, effect.run] = replace(
                    step,
                    status=legal(step.status, _AFTERWARDS[type(effect)]),
                    outcome=effect.outcome if isinstance(effect, CompleteStep) else step.outcome,
                    blocked=False,
                )
    return replace(state, steps=tuple(runs.values()), status=status)


# -------------------------------------------------------------------------------- what follows


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
    latest = state.latest(definition)
    effects: list[Effect] = []
    for key in in_order(definition.after):
        step, run = definition.steps[key], latest[key]
        if run.status is StepStatus.AVAILABLE and all(
            latest[one].status in PASSED for one in step.after
        ):
            following = _turn(step, run, sees)
        elif run.status is StepStatus.ACTIVE and step.type is StepType.MILESTONE:
            following = [CompleteStep(key, run.run)]
        else:
            continue
        effects += following
        latest = apply(replace(state, steps=tuple(latest.values())), following).latest(definition)
    if all(run.status in PASSED for run in latest.values()):
        effects.append(CompleteCase("completed"))
    return effects


def _turn(step: StepDefinition, run: StepState, sees: Context) -> list[Effect]:
    """What happens to a step whose turn has come."""
    if step.condition is not None:
        try:
            if not step.condition.evaluate(sees):
                return [SkipStep(step.key, run.run)]
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
    if step.type is StepType.MILESTONE:
        return [ActivateStep(step.key, run.run), CompleteStep(step.key, run.run)]
    return [ActivateStep(step.key, run.run)]


def on_decision(
    state: CaseState, definition: ProcessDefinition, step: str, outcome: str
) -> list[Effect]:
    """What a decision's outcome does at once; `advance` then says what follows from it.

    Silence never decides: `expired` leaves the step active with an `overdue` exception. Raises
    ValueError if the step is not waiting for a decision or has no such option.
    """
    decided = definition.steps.get(step)
    if decided is None or decided.type is not StepType.DECISION:
        raise ValueError(f"'{step}' is not a decision of {definition.key}.")
    run = state.latest(definition)[step]
    if run.status is not StepStatus.ACTIVE or state.status is not CaseStatus.ACTIVE:
        raise ValueError(f"'{step}' is not waiting for a decision: it is {run.status}.")
    if outcome == "withdrawn":
        return []
    if outcome == "expired":
        return [
            RaiseException(
                ExceptionType.OVERDUE,
                step,
                f"Nobody has decided '{step}' in time",
                "The step stays open; the decision can still be made.",
                run.run,
            )
        ]
    if outcome not in decided.options:
        raise ValueError(f"'{outcome}' is not an option. Options: {', '.join(decided.options)}.")
    effects: list[Effect] = [CompleteStep(step, run.run, outcome)]
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
        for run in state.latest(definition).values()
        if run.status in UNFINISHED
    ]
    return [*ended, TerminateCase(reason)]


def reopen(state: CaseState, definition: ProcessDefinition, step: str) -> list[Effect]:
    """A new run of a step and of everything after it. What was never reached needs none."""
    latest = state.latest(definition)
    effects: list[Effect] = []
    for key in (step, *successors_of(step, definition.after)):
        run = latest[key]
        if run.status is StepStatus.AVAILABLE:
            continue
        if run.status in UNFINISHED:
            effects.append(TerminateStep(key, run.run))
        effects.append(ReopenStep(key, run.run + 1))
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
    A task of an earlier run means nothing any more.
    """
    found = state.latest(definition).get(step)
    if found is None or before is after or state.status is not CaseStatus.ACTIVE:
        return []
    if run is not None and run != found.run:
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
