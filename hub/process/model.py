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
class Wait:
    """What a `wait` step waits for: a type of event (a trailing * stands for anything), a filter
    over it, and the text of the event that must be the key of the case. Without that key the event
    must be about the case itself, or one of its items or tasks.
    """

    event: str
    filter: Condition | None = None
    filter_place: Place | None = None
    key: Template | None = None
    key_place: Place | None = None

    def listens_to(self, event_type: str) -> bool:
        """Whether the type of an event is one that is waited for."""
        if self.event.endswith("*"):
            return event_type.startswith(self.event[:-1])
        return event_type == self.event


@dataclass(frozen=True, slots=True)
class Part:
    """The process that is run as a `process` step. Texts within `data` are templates."""

    process: str
    place: Place
    key: Template | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step. `accountable` None means the case's; `condition` is the step's `if`, which a wait
    has not: its `if` is a filter.
    """

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
    calendar: str | None = None
    """One of the workspace's named calendars."""
    pause: tuple[WaitingOn, ...] = ()
    """Its clock stands while it waits for one of these."""
    accept_within: Duration | None = None
    """How long there is to accept it once it is offered; None: as the process says."""
    remind: Reminders | None = None
    escalate: tuple[Escalation, ...] = ()
    labels: tuple[Template, ...] = ()
    decider: Who | None = None
    deciders: tuple[Who, ...] = ()
    options: tuple[str, ...] = ()
    quorum: int = 1
    sequence: bool = False
    veto: tuple[str, ...] = ()
    exclude: tuple[Template, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    each: Template | None = None
    each_place: Place | None = None
    wait: Wait | None = None
    part: Part | None = None
    compensation: Template | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens in an example: `kind` is done, decide, event, ended or skip; `step`
    the step that it happens to, unless it is an event; `value` an option, an outcome, the answers
    in a form, or the event with its entities.
    """

    kind: str
    place: Place
    step: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class ProcessTest:
    """An example of a process: what a case is given, what happens, and what must be so then:
    `steps` by their state (active, completed, ...), `status`, `outcome`.
    """

    given: Mapping[str, Any]
    happens: tuple[Happening, ...]
    steps: Mapping[str, tuple[str, ...]]
    place: Place
    expect_place: Place
    name: str = ""
    status: str | None = None
    outcome: str | None = None


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
    accept_within: Duration | None = None
    calendar: str | None = None
    pause: tuple[WaitingOn, ...] = ()
    """The case's clock stands while whatever is open waits for one of these."""
    tests: tuple[ProcessTest, ...] = ()

    @property
    def waits(self) -> dict[str, Wait]:
        """The steps that wait for events, by key."""
        return {key: step.wait for key, step in self.steps.items() if step.wait is not None}

    @property
    def after(self) -> dict[str, tuple[str, ...]]:
        """Step key to the keys it directly follows."""
        return {key: step.after for key, step in self.steps.items()}
