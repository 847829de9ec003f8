"""The states of everything that has any, and the only ways from one to the next.

`advance` is how a state changes: an illegal step raises `IllegalTransition` with the legal ones
named.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar


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
    DUPLICATE = "duplicate"
    IDENTITY = "identity"
    MASS_DELETION = "mass_deletion"
    LOOP = "loop"


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
        _S.ACTIVE: frozenset({_S.COMPLETED, _S.SKIPPED, _S.FAILED, _S.TERMINATED}),
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
