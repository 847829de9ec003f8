"""A case as the engine sees it, what can happen to it, and what it is afterwards. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hub.process.model import ProcessDefinition
from mappings.canonical import CaseStatus, ExceptionType, StepStatus
from mappings.canonical import advance as legal

PASSED = (StepStatus.COMPLETED, StepStatus.SKIPPED)
"""What lets the steps behind go on."""

UNFINISHED = (StepStatus.AVAILABLE, StepStatus.ACTIVE, StepStatus.FAILED)


@dataclass(frozen=True, slots=True)
class StepState:
    """One run of a step. `blocked`: its `if` or `each` could not be evaluated and an exception says
    so. `heard`: what it waits for has come. `index` and `element`: which of `each` it is for; a
    step with `each` has one run without an index until its turn comes.
    """

    key: str
    run: int = 1
    status: StepStatus = StepStatus.AVAILABLE
    outcome: str | None = None
    blocked: bool = False
    round: int = 1
    index: int | None = None
    element: Any = None
    heard: bool = False


@dataclass(frozen=True, slots=True)
class CaseState:
    """A case as the engine sees it: every run of every step; one without a run is available."""

    steps: tuple[StepState, ...] = ()
    status: CaseStatus = CaseStatus.ACTIVE
    data: Mapping[str, Any] = field(default_factory=dict)
    started_by: str | None = None

    def newest(self, definition: ProcessDefinition) -> dict[str, tuple[StepState, ...]]:
        """The runs of each step's newest round: those that count. There is at least one."""
        found: dict[str, tuple[StepState, ...]] = dict.fromkeys(definition.steps, ())
        for step in self.steps:
            if step.key not in found:
                continue
            runs = found[step.key]
            if not runs or step.round > runs[0].round:
                found[step.key] = (step,)
            elif step.round == runs[0].round:
                found[step.key] = (*runs, step)
        return {key: runs or (StepState(key),) for key, runs in found.items()}

    def latest(self, definition: ProcessDefinition) -> dict[str, StepState]:
        """The newest run of each step of the definition."""
        return {
            key: max(runs, key=lambda step: step.run)
            for key, runs in self.newest(definition).items()
        }

    def run_of(self, definition: ProcessDefinition, key: str, run: int | None) -> StepState | None:
        """A run that counts; the newest one if no number is given."""
        runs = self.newest(definition).get(key, ())
        if run is None:
            return max(runs, key=lambda step: step.run) if runs else None
        return next((one for one in runs if one.run == run), None)


# ------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class FanOut:
    """The list of `each` is known: this run is for its first element, a further run for each of the
    others, numbered on from it.
    """

    key: str
    run: int
    elements: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ActivateStep:
    """Someone owes this step now: make its task or decision, start its clock."""

    key: str
    run: int


@dataclass(frozen=True, slots=True)
class HearEvent:
    """What the step waits for has come, now or before its turn. `outcome` is that of its case."""

    key: str
    run: int
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class SkipStep:
    """Its `if` is false, its list is empty, or a person goes on without it."""

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
    """A new round begins with this run, available until its turn comes; `run` is its number."""

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
    FanOut
    | ActivateStep
    | HearEvent
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
                before = runs.setdefault((key, run - 1), StepState(key, run - 1))
                runs[key, run] = StepState(key, run, round=before.round + 1)
            case FanOut(key, run, elements):
                first = runs.get((key, run), StepState(key, run))
                for index, element in enumerate(elements):
                    runs[key, run + index] = replace(
                        first, run=run + index, index=index, element=element, blocked=False
                    )
            case HearEvent(key, run, outcome):
                step = runs.get((key, run), StepState(key, run))
                runs[key, run] = replace(step, heard=True, outcome=outcome or step.outcome)
            case _:
                step = runs.get((effect.key, effect.run), StepState(effect.key, effect.run))
                runs[effect.key, effect.run] = replace(
                    step,
                    status=legal(step.status, _AFTERWARDS[type(effect)]),
                    outcome=effect.outcome if isinstance(effect, CompleteStep) else step.outcome,
                    blocked=False,
                )
    return replace(state, steps=tuple(runs.values()), status=status)
