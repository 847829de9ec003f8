"""What the page of one case shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from hub.web.board import Person
from hub.web.decision_view import Panel
from hub.web.sentences import Sentence
from hub.web.site import When

Facts = tuple[tuple[str, str], ...]
"""Labels and values."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """Where something lives in a tool."""

    connection: str
    object: str
    external_id: str
    url: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class CommentView:
    author: Person | None
    body: str
    public: bool
    at: When
    gone: tuple[str, ...] = ()
    """Connections in which it was deleted."""


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A question. `barred` says why the reader may not answer; empty: they may."""

    id: str
    question: str
    options: tuple[str, ...]
    outcome: str
    decider: Person | None
    decided_by: Person | None
    on_behalf_of: Person | None
    decided: When
    comment: str
    evidence: tuple[tuple[str, Facts], ...]
    evidence_hash: str
    open: bool
    barred: str
    panel: Panel


@dataclass(frozen=True, slots=True)
class HandoffView:
    id: str
    to: Person | None
    by: Person | None
    status: str
    note: str
    offered: When
    mine: bool
    brings: Facts = ()
    """What comes with it."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One run of a step."""

    id: str
    key: str
    run: int
    type: str
    title: str
    delivers: str
    state: str
    responsible: Person | None
    planned: str
    accountable: Person | None
    waits_for: tuple[str, ...]
    clock: str
    """Why its clock stands, or how long others like it take; may be empty."""
    had: str
    """Who had it for how long."""
    waiting_on: str
    due: When
    started: When
    completed: When
    outcome: str
    task: str
    mark: str = ""
    """Which of several runs it is."""
    part: str = ""
    """The case that is run as this step."""
    by_hand: bool = False
    """A person may complete or skip it."""
    links: tuple[LinkView, ...] = ()
    answers: Facts = ()
    decision: DecisionView | None = None
    handoff: HandoffView | None = None
    comments: tuple[CommentView, ...] = ()
    stands_in: str = ""
    """Who stands in for the responsible, in words."""


@dataclass(frozen=True, slots=True)
class TroubleView:
    id: str
    title: str
    detail: str
    severity: str
    opened: When


@dataclass(frozen=True, slots=True)
class Happening:
    said: Sentence
    at: When


@dataclass(frozen=True, slots=True)
class ItemView:
    """A business object that the case is about."""

    title: str
    kind: str
    stage: str
    amount: str
    links: tuple[LinkView, ...] = ()


@dataclass(frozen=True, slots=True)
class UndoView:
    """A task of a case that belongs to none of its steps: what is to be undone, or made by a
    rule.
    """

    title: str
    state: str
    assignee: Person | None
    links: tuple[LinkView, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case."""

    id: str
    title: str
    process: str
    key: str
    state: str
    status: str
    outcome: str
    accountable: Person | None
    started_by: str
    started: When
    completed: When
    due: When
    done: int
    total: int
    steps: tuple[StepView, ...]
    items: tuple[ItemView, ...]
    data: Facts
    beside: tuple[UndoView, ...]
    parent: tuple[str, str] | None
    """Id and title of the case that this one is a part of."""
    steers: bool
    """The reader may let it rest, and end it."""
    troubles: tuple[TroubleView, ...]
    timeline: tuple[Happening, ...]
    more: bool
    stands_in: str = ""
    """Who stands in for whoever answers for it, in words."""
