"""The canonical process model: what every vendor's records become, and what cases are made of.

Field names and states are the public contract. State machines stand beside their states: `advance`
is the only way from
one state to the next, and an illegal step raises `IllegalTransition` with the legal ones named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date as CalendarDate
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator


class Model(BaseModel):
    """Frozen, and strict about names: an unknown field is an error, not a silent loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment needs a zone; write 2026-03-01T17:00:00Z")
    return value


def _iso(value: datetime) -> str:
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z").replace(".000000Z", "Z")


Moment = Annotated[datetime, AfterValidator(_utc), PlainSerializer(_iso, when_used="json")]
"""A point in time with a zone; RFC 3339 UTC in JSON."""

# ----------------------------------------------------------------------------------------------
# states


class TaskStatus(StrEnum):
    """WS-HumanTask: Ready or Reserved, InProgress, Suspended, Completed, Exited or Obsolete."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    DONE = "done"
    CANCELLED = "cancelled"


class Priority(StrEnum):
    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class WaitingOn(StrEnum):
    """Who holds the ball; drives the clocks."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    SYSTEM = "system"


class CaseStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class Health(StrEnum):
    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    OVERDUE = "overdue"
    BLOCKED = "blocked"


class StepStatus(StrEnum):
    """`available`: not yet reached. `active`: someone owes it. The rest are final for this run."""

    AVAILABLE = "available"
    ACTIVE = "active"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    TERMINATED = "terminated"


class StepType(StrEnum):
    TASK = "task"
    DECISION = "decision"
    WAIT = "wait"
    MILESTONE = "milestone"
    PROCESS = "process"


class HandoffStatus(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"


class HandoffReason(StrEnum):
    ASSIGN = "assign"
    DELEGATE = "delegate"
    DEPUTY = "deputy"
    ESCALATE = "escalate"
    RELEASE = "release"


class DecisionStatus(StrEnum):
    """Derived from `outcome`: open while it is null. A decision's outcome is written once."""

    REQUESTED = "requested"
    MADE = "made"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ExceptionStatus(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    WAIVED = "waived"


class ExceptionType(StrEnum):
    SYNC_CONFLICT = "sync_conflict"
    UNMAPPED_VALUE = "unmapped_value"
    MAPPING_ERROR = "mapping_error"
    VALIDATION = "validation"
    PUSH_FAILED = "push_failed"
    PUSH_UNKNOWN = "push_unknown"
    OVERDUE = "overdue"
    STALLED = "stalled"
    HANDOFF_UNACCEPTED = "handoff_unaccepted"
    UNROUTED = "unrouted"
    UNPARSEABLE = "unparseable"
    CONNECTION = "connection"
    BOUNCED = "bounced"
    ASSISTANT = "assistant"


class Severity(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class ProposalStatus(StrEnum):
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"
    EXPIRED = "expired"


class DeliveryStatus(StrEnum):
    ACCEPTED = "accepted"
    PROCESSED = "processed"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"
    CAPTURED = "captured"


class PushStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    SUPERSEDED = "superseded"


State = TypeVar("State", bound=StrEnum)

_T, _C, _S = TaskStatus, CaseStatus, StepStatus
_E, _P, _D, _U = ExceptionStatus, ProposalStatus, DeliveryStatus, PushStatus
_H, _Q = HandoffStatus, DecisionStatus

TRANSITIONS: Mapping[type[StrEnum], Mapping[Any, frozenset[Any]]] = {
    # people reopen and cancel in their own tools, so a task may go anywhere but stay final by
    # accident
    TaskStatus: {
        _T.OPEN: frozenset({_T.IN_PROGRESS, _T.ON_HOLD, _T.DONE, _T.CANCELLED}),
        _T.IN_PROGRESS: frozenset({_T.OPEN, _T.ON_HOLD, _T.DONE, _T.CANCELLED}),
        _T.ON_HOLD: frozenset({_T.OPEN, _T.IN_PROGRESS, _T.DONE, _T.CANCELLED}),
        _T.DONE: frozenset({_T.OPEN, _T.IN_PROGRESS}),
        _T.CANCELLED: frozenset({_T.OPEN, _T.IN_PROGRESS}),
    },
    CaseStatus: {
        _C.ACTIVE: frozenset({_C.SUSPENDED, _C.COMPLETED, _C.TERMINATED}),
        _C.SUSPENDED: frozenset({_C.ACTIVE, _C.TERMINATED}),
        _C.COMPLETED: frozenset(),
        _C.TERMINATED: frozenset(),
    },
    # a step that must be done again gets a new run; a finished run never moves
    StepStatus: {
        _S.AVAILABLE: frozenset({_S.ACTIVE, _S.SKIPPED, _S.TERMINATED}),
        _S.ACTIVE: frozenset({_S.COMPLETED, _S.FAILED, _S.TERMINATED}),
        _S.COMPLETED: frozenset(),
        _S.SKIPPED: frozenset(),
        _S.FAILED: frozenset({_S.ACTIVE, _S.TERMINATED}),
        _S.TERMINATED: frozenset(),
    },
    HandoffStatus: {
        _H.OFFERED: frozenset({_H.ACCEPTED, _H.DECLINED, _H.EXPIRED}),
        _H.EXPIRED: frozenset({_H.ACCEPTED}),
        _H.ACCEPTED: frozenset(),
        _H.DECLINED: frozenset(),
    },
    DecisionStatus: {
        _Q.REQUESTED: frozenset({_Q.MADE, _Q.EXPIRED, _Q.WITHDRAWN}),
        _Q.MADE: frozenset(),
        _Q.EXPIRED: frozenset({_Q.MADE, _Q.WITHDRAWN}),
        _Q.WITHDRAWN: frozenset(),
    },
    ExceptionStatus: {
        _E.OPEN: frozenset({_E.ACKNOWLEDGED, _E.RESOLVED, _E.WAIVED}),
        _E.ACKNOWLEDGED: frozenset({_E.RESOLVED, _E.WAIVED}),
        _E.RESOLVED: frozenset(),
        _E.WAIVED: frozenset(),
    },
    ProposalStatus: {
        _P.PROPOSED: frozenset({_P.ACCEPTED, _P.EDITED, _P.REJECTED, _P.EXPIRED}),
        _P.ACCEPTED: frozenset(),
        _P.EDITED: frozenset(),
        _P.REJECTED: frozenset(),
        _P.EXPIRED: frozenset(),
    },
    DeliveryStatus: {
        _D.ACCEPTED: frozenset({_D.PROCESSED, _D.QUARANTINED, _D.IGNORED}),
        _D.QUARANTINED: frozenset({_D.ACCEPTED, _D.PROCESSED, _D.IGNORED}),
        _D.CAPTURED: frozenset({_D.ACCEPTED}),
        _D.PROCESSED: frozenset(),
        _D.IGNORED: frozenset(),
    },
    PushStatus: {
        _U.PENDING: frozenset({_U.SENT, _U.UNKNOWN, _U.FAILED, _U.SUPERSEDED}),
        _U.UNKNOWN: frozenset({_U.PENDING, _U.SENT, _U.FAILED, _U.SUPERSEDED}),
        _U.FAILED: frozenset({_U.PENDING, _U.SUPERSEDED}),
        _U.SENT: frozenset(),
        _U.SUPERSEDED: frozenset(),
    },
}


class IllegalTransition(ValueError):
    """A state machine was asked for a step it does not have. Nothing was changed."""

    def __init__(self, before: StrEnum, after: StrEnum) -> None:
        legal = sorted(TRANSITIONS[type(before)][before])
        allowed = (
            f"From '{before}' it can become: {', '.join(legal)}."
            if legal
            else f"'{before}' is final."
        )
        super().__init__(
            f"{type(before).__name__} cannot go from '{before}' to '{after}'. {allowed}"
        )
        self.before = before
        self.after = after


def advance(before: State, after: State) -> State:
    """`after`, if that is a legal step from `before` (staying is always legal); else
    IllegalTransition.
    """
    if before is not after and after not in TRANSITIONS[type(before)][before]:
        raise IllegalTransition(before, after)
    return after


def is_final(state: StrEnum) -> bool:
    """Whether nothing follows this state, or only an explicit reopening (a task done or
    cancelled).
    """
    return state in (TaskStatus.DONE, TaskStatus.CANCELLED) or not TRANSITIONS[type(state)][state]


# ----------------------------------------------------------------------------------------------
# values


class Due(Model):
    """A deadline: a calendar date (whose end depends on the calendar) or a moment. Never converted
    into each other.
    """

    date: CalendarDate | None = None
    at: Moment | None = None

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


# ----------------------------------------------------------------------------------------------
# entities


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


class Step(Model):
    """A stage of a case, owned for what it delivers. Runs are numbered from 1."""

    id: str
    key: str
    run: int = 1
    parent: str | None = None
    type: StepType
    title: str
    delivers: str | None = None
    status: StepStatus
    suspended: bool = False
    responsible: Party | None = None
    accountable: Party | None = None
    due: Due | None = None
    task: str | None = None
    decision: str | None = None
    handoff: str | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    waiting_on: WaitingOn = WaitingOn.INTERNAL


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
    data: dict[str, Any] = Field(default_factory=dict)
    started_by: Actor
    started_at: Moment
    due: Due | None = None
    completed_at: Moment | None = None
    outcome: str | None = None
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
        "item.created",
        "item.updated",
        "item.deleted",
        "comment.added",
        "case.started",
        "case.completed",
        "case.terminated",
        "case.health_changed",
        "step.activated",
        "step.completed",
        "step.skipped",
        "step.failed",
        "handoff.offered",
        "handoff.accepted",
        "handoff.declined",
        "handoff.expired",
        "decision.requested",
        "decision.made",
        "decision.expired",
        "decision.withdrawn",
        "exception.raised",
        "exception.resolved",
        "exception.waived",
        "link.added",
        "link.removed",
        "push.sent",
        "push.failed",
        "proposal.made",
        "proposal.accepted",
        "proposal.rejected",
        "clock.at_risk",
        "clock.breached",
        "nudge.sent",
        "connection.paused",
        "connection.resumed",
        "revision.applied",
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
