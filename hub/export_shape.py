"""What of our tables becomes which object of an exported log: types, attributes and relations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from hub.store.tables import (
    cases,
    comments,
    decisions,
    exceptions,
    handoffs,
    items,
    parties,
    pushes,
    steps,
    tasks,
)

BEGINNING = "1970-01-01T00:00:00Z"
"""The format's moment for what an object always had."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of object: its table, when a row came to be and to its end, the attributes that it
    always had, and which columns point at other objects, as what.
    """

    table: sa.Table
    born: str
    fixed: tuple[str, ...]
    relations: Mapping[str, str] = field(default_factory=dict)
    ended: str = ""


OBJECTS: Mapping[str, Kind] = {
    "party": Kind(parties, "created_at", ("name", "kind", "side")),
    "case": Kind(
        cases,
        "started_at",
        ("process", "process_version", "key", "title", "started_at", "completed_at", "due_by"),
        {"accountable": "accountable"},
        "completed_at",
    ),
    "step": Kind(
        steps,
        "started_at",
        ("key", "run", "type", "title", "delivers", "started_at", "completed_at", "due_by"),
        {
            "case_id": "part of",
            "responsible": "responsible",
            "accountable": "accountable",
            "parent": "run of",
        },
        "completed_at",
    ),
    "task": Kind(
        tasks,
        "created_at",
        ("title", "created_at", "completed_at", "due_by"),
        {
            "case_id": "part of",
            "step_id": "does",
            "assignee": "assignee",
            "accountable": "accountable",
            "requester": "requester",
        },
        "completed_at",
    ),
    "item": Kind(items, "created_at", ("kind", "title"), {"owner": "owner"}),
    "decision": Kind(
        decisions,
        "created_at",
        ("question", "run", "channel", "evidence_hash"),
        {
            "case_id": "part of",
            "step_id": "decides",
            "decider": "decider",
            "decided_by": "decided by",
            "on_behalf_of": "on behalf of",
        },
        "decided_at",
    ),
    "handoff": Kind(
        handoffs,
        "offered_at",
        ("reason", "offered_at", "answered_at"),
        {
            "case_id": "part of",
            "step_id": "hands over",
            "task_id": "hands over",
            "from_party": "from",
            "to_party": "to",
        },
        "answered_at",
    ),
}

TYPES: Mapping[str, str] = {
    "run": "integer",
    **dict.fromkeys(
        (
            "created_at", "started_at", "completed_at", "due_by", "offered_at", "answered_at",
        ),
        "time",
    ),
}  # fmt: skip
"""Attributes that are not texts."""

MOVING: Mapping[str, tuple[str, ...]] = {
    "task": ("status", "priority", "waiting_on"),
    "item": ("stage",),
    "case": ("status", "health", "outcome"),
    "step": ("status", "outcome", "waiting_on"),
    "decision": ("outcome",),
    "handoff": ("status",),
}
"""Attributes that change, with a value for each moment they did."""

STATES: Mapping[str, str] = {
    "case.started": "active",
    "case.completed": "completed",
    "case.terminated": "terminated",
    "step.activated": "active",
    "step.completed": "completed",
    "step.skipped": "skipped",
    "step.failed": "failed",
    "handoff.offered": "offered",
    "handoff.accepted": "accepted",
    "handoff.declined": "declined",
    "handoff.expired": "expired",
}
"""What an event says of its subject's status without naming it."""

EVENT_ATTRIBUTES = ("actor", "actor_kind", "origin", "correlation")

ABOUT: tuple[tuple[sa.Table, tuple[str, ...]], ...] = (
    (decisions, ("step_id", "case_id")),
    (handoffs, ("step_id", "task_id", "case_id")),
    (comments, ("task",)),
    (exceptions, ("subject",)),
    (pushes, ("entity_id",)),
    (steps, ("task",)),
    (tasks, ("step_id",)),
)
"""Where the objects behind a subject stand."""
