"""The canonical process model: what every vendor's records become, and what cases are made of.

Field names and states are the public contract; the states themselves, and what may follow what,
stand in `mappings.states`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date as CalendarDate
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from mappings.states import (
    TRANSITIONS as TRANSITIONS,
)
from mappings.states import (
    CaseStatus as CaseStatus,
)
from mappings.states import (
    DecisionStatus as DecisionStatus,
)
from mappings.states import (
    DeliveryStatus as DeliveryStatus,
)
from mappings.states import (
    ExceptionStatus as ExceptionStatus,
)
from mappings.states import (
    ExceptionType as ExceptionType,
)
from mappings.states import (
    HandoffReason as HandoffReason,
)
from mappings.states import (
    HandoffStatus as HandoffStatus,
)
from mappings.states import (
    Health as Health,
)
from mappings.states import (
    IllegalTransition as IllegalTransition,
)
from mappings.states import (
    Priority as Priority,
)
from mappings.states import (
    ProposalStatus as ProposalStatus,
)
from mappings.states import (
    PushStatus as PushStatus,
)
from mappings.states import (
    Severity as Severity,
)
from mappings.states import (
    State as State,
)
from mappings.states import (
    StepStatus as StepStatus,
)
from mappings.states import (
    StepType as StepType,
)
from mappings.states import (
    TaskStatus as TaskStatus,
)
from mappings.states import (
    WaitingOn as WaitingOn,
)
from mappings.states import (
    advance as advance,
)
from mappings.states import (
    is_final as is_final,
)


class Model(BaseModel):
    """Frozen, and strict about names: an unknown field is an error, not a silent loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment needs a zone; write 2026-03-01T17:00:00Z")
    return value


def moment_text(value: datetime) -> str:
    """A moment as the contract writes it."""
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z").replace(".000000Z", "Z")


Moment = Annotated[datetime, AfterValidator(_utc), PlainSerializer(moment_text, when_used="json")]
"""A point in time with a zone; RFC 3339 UTC in JSON."""

# ------------------------------------------------------------------------------------------- values


class Due(Model):
    """A deadline: a calendar date (whose end depends on the calendar) or a moment. Never converted
    into each other.
    """

    date: CalendarDate | None = Field(None, exclude_if=lambda value: value is None)
    at: Moment | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _one(self) -> Due:
        if (self.date is None) == (self.at is None):
            raise ValueError(
                'a due is either {"date": "2026-03-01"} or {"at": "2026-03-01T17:00:00Z"}'
            )
        return self


class Money(Model):
    """An amount as a decimal string, with its ISO 4217 currency if the tool tells."""

    value: str
    currency: str | None = None

    @model_validator(mode="after")
    def _decimal(self) -> Money:
        if not Decimal(self.value).is_finite():
            raise ValueError("an amount is a finite decimal")
        return self


class Party(Model):
    """Whoever takes part."""

    id: str
    kind: Literal["person", "group", "organisation", "system", "assistant"] = "person"
    side: Literal["internal", "external"] = "internal"
    name: str
    email: str | None = None


class Actor(Model):
    """Who caused an event. Only a person can decide."""

    kind: Literal["person", "system", "connector", "assistant"]
    id: str
    name: str = ""


class Link(Model):
    """Where an entity lives in a tool."""

    connection: str
    object: str
    external_id: str
    url: str | None = None
    remote_version: str | None = None
    remote_deleted: bool = False


# ----------------------------------------------------------------------------------------- entities


class Task(Model):
    """The unit that is mirrored in tools. `assignee` does the work; `accountable` answers for
    it.
    """

    id: str
    version: int
    title: str
    description: str | None = None
    status: TaskStatus = TaskStatus.OPEN
    assignee: Party | None = None
    accountable: Party | None = None
    requester: Party | None = None
    waiting_on: WaitingOn = WaitingOn.INTERNAL
    due: Due | None = None
    start_by: Due | None = None
    priority: Priority | None = None
    labels: list[str] = Field(default_factory=list)
    url: str | None = None
    case: str | None = None
    step: str | None = None
    custom: dict[str, Any] = Field(default_factory=dict)
    links: list[Link] = Field(default_factory=list)
    created_at: Moment
    updated_at: Moment
    completed_at: Moment | None = None


class Item(Model):
    """A business object a case is about. Tools own it; cases point to it."""

    id: str
    version: int
    kind: str | None = None
    title: str
    stage: str | None = None
    owner: Party | None = None
    amount: Money | None = None
    date: CalendarDate | None = None
    url: str | None = None
    custom: dict[str, Any] = Field(default_factory=dict)
    links: list[Link] = Field(default_factory=list)
    created_at: Moment
    updated_at: Moment


class Comment(Model):
    """What people say about a task; mirrored by visibility. Markdown."""

    id: str
    task: str
    author: Party | None = None
    body: str
    visibility: Literal["internal", "public"] = "internal"
    created_at: Moment
    links: list[Link] = Field(default_factory=list)


class HeldTimes(Model):
    """Seconds that something lay with each side, which add up to the time that passed; for how many
    of these it was suspended; and with which party, by id.
    """

    internal: float = 0.0
    external: float = 0.0
    system: float = 0.0
    suspended: float = 0.0
    parties: dict[str, float] = Field(default_factory=dict)


class Forecast(Model):
    """Seconds that completed runs of a step took: half of them at most `p50`, and so on. `clock` is
    `working` where that is working time, `elapsed` where it is all of it.
    """

    p50: float
    p80: float
    p90: float
    count: int
    clock: Literal["working", "elapsed"]


class Step(Model):
    """A stage of a case, owned for what it delivers. Runs are numbered from 1."""

    id: str
    key: str
    run: int = 1
    round: int = 1
    element: Any = None
    each_index: int | None = None
    subcase: str | None = None
    parent: str | None = None
    type: StepType
    title: str
    delivers: str | None = None
    status: StepStatus
    suspended: bool = False
    responsible: Party | None = None
    accountable: Party | None = None
    acting: Party | None = None
    """Who stands in now for whoever answers for it, if that one is away."""
    standing_in: Party | None = None
    """Who stands in now for the responsible, if that one is away."""
    due: Due | None = None
    task: str | None = None
    decision: str | None = None
    handoff: str | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    waiting_on: WaitingOn = WaitingOn.INTERNAL
    paused_at: Moment | None = None
    paused_for: float = 0.0
    paused_why: str | None = None
    at_risk: bool = False
    held: HeldTimes | None = None
    forecast: Forecast | None = None
    outcome: str | None = None


class Parent(Model):
    """Of a case that is a part of another: that case, and the step that it is run as."""

    case: str
    step: str | None = None


class Case(Model):
    """One run of a process for one subject; exactly one live human answers for it."""

    id: str
    version: int
    process: str
    process_version: str
    key: str | None = None
    title: str
    status: CaseStatus
    health: Health
    accountable: Party
    acting: Party | None = None
    """Who stands in now for whoever answers for it, if that one is away."""
    acting_until: str | None = None
    """The last day of that, YYYY-MM-DD."""
    data: dict[str, Any] = Field(default_factory=dict)
    started_by: Actor
    started_at: Moment
    due: Due | None = None
    completed_at: Moment | None = None
    outcome: str | None = None
    paused_at: Moment | None = None
    paused_for: float = 0.0
    paused_why: str | None = None
    held: HeldTimes | None = None
    parent: Parent | None = None
    steps: list[Step] = Field(default_factory=list)
    items: list[str] = Field(default_factory=list)
    tasks: list[str] = Field(default_factory=list)
    links: list[Link] = Field(default_factory=list)


class Handoff(Model):
    """Work offered by one party to another; nobody owns what they have not accepted."""

    id: str
    case: str | None
    step: str | None
    task: str | None
    from_: Party | None = Field(None, alias="from")
    to: Party
    reason: HandoffReason
    note: str | None = None
    status: HandoffStatus
    offered_at: Moment
    answered_at: Moment | None = None
    due: Due | None = None
    role: str | None = None
    """The role it was offered to: any member may accept."""
    on_behalf_of: Party | None = None
    """Who was meant, where it was offered to somebody who stands in."""
    answered_by: Party | None = None
    closed: Literal["superseded", "moot"] | None = None
    """Why it cannot be accepted any more."""
    brings: dict[str, Any] | None = None
    """What was promised, and what comes with it."""


class Seat(Model):
    """One voice of a decision. `party` is asked; `on_behalf_of` handed the seat on to them; `role`
    is one any of whose members may answer. `status`: `asked` now, `waiting` for its turn, `given`,
    `stale` (given on other evidence: it counts once it is given again), `moot` (decided without).
    """

    id: str
    position: int
    party: Party
    on_behalf_of: Party | None = None
    role: str | None = None
    note: str | None = None
    status: Literal["asked", "waiting", "given", "stale", "moot"]
    outcome: str | None = None
    given_by: Party | None = None
    channel: str | None = None
    comment: str | None = None
    evidence_hash: str | None = None
    given_at: Moment | None = None


class Decision(Model):
    """A question to a person, bound to the evidence that this person saw."""

    id: str
    case: str
    step: str
    run: int
    question: str
    options: list[str]
    outcome: str | None = None
    decided_by: Party | None = None
    on_behalf_of: Party | None = None
    channel: str | None = None
    evidence: dict[str, Any] = Field(default_factory=dict)
    evidence_hash: str
    comment: str | None = None
    due: Due | None = None
    decided_at: Moment | None = None
    quorum: int = 1
    sequence: bool = False
    veto: list[str] = Field(default_factory=list)
    held: str | None = None
    seats: list[Seat] = Field(default_factory=list)


class Exception_(Model):
    """Something a person must look at; open until resolved or waived."""

    id: str
    type: ExceptionType
    severity: Severity
    title: str
    detail: str | None = None
    owner: Party | None = None
    status: ExceptionStatus
    subject: str | None = None
    opened_at: Moment
    resolved_at: Moment | None = None
    resolution: str | None = None


class Proposal(Model):
    """What an assistant suggests. Accepted, edited or rejected by a person only."""

    id: str
    kind: str
    by: Actor
    target: str
    patch: dict[str, Any] = Field(default_factory=dict)
    text: str | None = None
    citations: list[str] = Field(default_factory=list)
    confidence: float | None = None
    status: ProposalStatus
    created_at: Moment
    answered_by: Party | None = None
    answered_at: Moment | None = None


class Event(Model):
    """One fact, CloudEvents-shaped: with who, why and what before."""

    id: str
    type: str
    time: Moment
    source: str
    subject: str | None = None
    actor: Actor
    on_behalf_of: str | None = None
    cause: str | None = None
    correlation: str | None = None
    origin: str | None = None
    changed: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    sequence: int | None = None


EVENT_TYPES: frozenset[str] = frozenset(
    {
        "delivery.received",
        "task.created",
        "task.updated",
        "task.completed",
        "task.reopened",
        "task.deleted",
        "task.merged",
        "task.restored",
        "item.created",
        "item.updated",
        "item.deleted",
        "item.merged",
        "item.restored",
        "comment.added",
        "comment.deleted",
        "comment.restored",
        "case.started",
        "case.completed",
        "case.terminated",
        "case.health_changed",
        "case.reassigned",
        "case.suspended",
        "case.resumed",
        "case.migrated",
        "step.activated",
        "step.completed",
        "step.skipped",
        "step.failed",
        "step.heard",
        "step.reassigned",
        "handoff.offered",
        "handoff.accepted",
        "handoff.declined",
        "handoff.expired",
        "decision.requested",
        "decision.answered",
        "decision.delegated",
        "decision.delegation_ended",
        "decision.made",
        "decision.taken_back",
        "decision.expired",
        "decision.withdrawn",
        "exception.raised",
        "exception.resolved",
        "exception.waived",
        "link.added",
        "link.removed",
        "link.moved",
        "push.sent",
        "push.failed",
        "proposal.made",
        "proposal.accepted",
        "proposal.rejected",
        "proposal.expired",
        "clock.at_risk",
        "clock.breached",
        "clock.paused",
        "clock.resumed",
        "nudge.sent",
        "connection.capturing",
        "connection.paused",
        "connection.reachable",
        "connection.resumed",
        "connection.unreachable",
        "delivery.replayed",
        "revision.applied",
        "party.away",
        "party.back",
        "party.identified",
        "party.left",
        "party.unidentified",
    }
)

# ------------------------------------------------------------------------------- what a mapping may
# fill

ValueType = Literal[
    "text", "markdown", "enum", "party", "due", "date", "moment", "money", "labels", "any"
]


@dataclass(frozen=True, slots=True)
class CanonicalField:
    """One field that a mapping can write and read, with the form its value has."""

    name: str
    type: ValueType
    choices: tuple[str, ...] = ()
    required: bool = False


def _fields(*fields: CanonicalField) -> Mapping[str, CanonicalField]:
    return {field.name: field for field in fields}


MAPPED_FIELDS: Mapping[str, Mapping[str, CanonicalField]] = {
    "task": _fields(
        CanonicalField("title", "text", required=True),
        CanonicalField("description", "markdown"),
        CanonicalField("status", "enum", tuple(TaskStatus)),
        CanonicalField("assignee", "party"),
        CanonicalField("requester", "party"),
        CanonicalField("waiting_on", "enum", tuple(WaitingOn)),
        CanonicalField("due", "due"),
        CanonicalField("start_by", "due"),
        CanonicalField("priority", "enum", tuple(Priority)),
        CanonicalField("labels", "labels"),
    ),
    "item": _fields(
        CanonicalField("kind", "text"),
        CanonicalField("title", "text", required=True),
        CanonicalField("stage", "text"),
        CanonicalField("owner", "party"),
        CanonicalField("amount", "money"),
        CanonicalField("date", "date"),
    ),
    "party": _fields(
        CanonicalField("kind", "enum", ("person", "group", "organisation", "system")),
        CanonicalField("name", "text", required=True),
        CanonicalField("email", "text"),
        CanonicalField("handle", "text"),
        CanonicalField("login", "text"),
        CanonicalField("side", "enum", ("internal", "external")),
        CanonicalField("status", "enum", ("active", "inactive")),
    ),
    "comment": _fields(
        CanonicalField("author", "party"),
        CanonicalField("body", "markdown", required=True),
        CanonicalField("visibility", "enum", ("internal", "public")),
        CanonicalField("created_at", "moment"),
    ),
}
"""Per entity, what a mapping may name; `custom.*` is free beside these where the entity has
`custom`.
"""

HAS_CUSTOM: frozenset[str] = frozenset({"task", "item"})
