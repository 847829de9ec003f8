"""A process as frozen data: what its file says, once everything in it is known to be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.process.calendar import Duration
from hub.process.who import Who
from mappings.canonical import StepType, WaitingOn
from mappings.expressions import Condition, Template
from mappings.source import Place


@dataclass(frozen=True, slots=True)
class Reminders:
    """When the responsible is reminded: before the due, then `every` so often, `max` times."""

    before: tuple[Duration, ...] = ()
    every: Duration | None = None
    max: int = 3


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who hears of it when a step is still open `after` its due."""

    after: Duration
    to: Who


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from an option of a decision beside going on; at most one is set."""

    terminate: str | None = None
    reopen: str | None = None


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step. `accountable` None means the case's; `condition` is the step's `if`."""

    key: str
    type: StepType
    title: Template
    place: Place
    description: Template | None = None
    delivers: str | None = None
    after: tuple[str, ...] = ()
    condition: Condition | None = None
    condition_place: Place | None = None
    responsible: Who | None = None
    accountable: Who | None = None
    connection: str | None = None
    object: str | None = None
    due: Duration | None = None
    waiting_on: WaitingOn = WaitingOn.INTERNAL
    form: Mapping[str, Any] | None = None
    remind: Reminders | None = None
    escalate: tuple[Escalation, ...] = ()
    labels: tuple[Template, ...] = ()
    decider: Who | None = None
    options: tuple[str, ...] = ()
    quorum: int = 1
    exclude: tuple[Template, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessDefinition:
    """One process. `steps` keeps the file's order; `after` is free of cycles."""

    key: str
    title: str
    accountable: Who
    steps: Mapping[str, StepDefinition]
    place: Place
    due: Duration | None = None
    description: str | None = None
    tests: tuple[Mapping[str, Any], ...] = ()

    @property
    def after(self) -> dict[str, tuple[str, ...]]:
        """Step key to the keys it directly follows."""
        return {key: step.after for key, step in self.steps.items()}
