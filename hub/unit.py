"""A unit of work: what one transaction changes, and everything that follows from it.

Stages change entities and note here what happened, what must go out and what a person must look at;
`flush` writes that in the same
transaction. Events wait in `unrouted` until rules and processes have seen them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from hub.live import Snapshot
from hub.store import events, exceptions, outbox, sameness
from hub.store.events import EventDraft
from hub.store.exceptions import Trouble
from hub.store.outbox import NewPush
from hub.store.sameness import Recognised

SYSTEM: Mapping[str, Any] = {"kind": "system", "id": "hub", "name": "Process Hub"}
MAX_HOPS = 3
"""Events caused by events caused by events, and writes caused by writes: beyond this a chain is
stopped and shown.
"""


def person_actor(party: Mapping[str, Any]) -> dict[str, Any]:
    """A person as the actor of an event."""
    return {"kind": "person", "id": party["id"], "name": party["name"]}


def connector_actor(connection: str, name: str | None = None) -> dict[str, Any]:
    """A change that came from a tool; `name` is the vendor's name for who made it."""
    return {"kind": "connector", "id": connection, "name": name or connection}


@dataclass(slots=True)
class Unit:
    """One transaction with a clock, a workspace and the notes of what happened in it."""

    tx: Connection
    snapshot: Snapshot
    now: datetime
    key: bytes = field(repr=False)
    actor: Mapping[str, Any] = field(default_factory=lambda: SYSTEM)
    cause: str | None = None
    correlation: str | None = None
    origin: str | None = None
    hops: int = 0
    unrouted: deque[tuple[EventDraft, int]] = field(default_factory=deque)
    _events: list[EventDraft] = field(default_factory=list)
    _pushes: list[NewPush] = field(default_factory=list)
    _troubles: list[tuple[Trouble, int, str | None, str | None]] = field(default_factory=list)
    recognised: Recognised = field(default_factory=Recognised)
    """What the entities that were made or changed here are recognised by, where a mapping has
    `match`.
    """
    more_keys: Mapping[str, Sequence[str]] | None = None
    """In a rehearsal: entities by the keys that nobody keeps yet."""
    listening: Mapping[str, Mapping[str, Any]] | None = None
    """The steps that wait for events, by version of their definition and key; None: not looked
    for, or not since a case was started.
    """
    topics: set[str] = field(default_factory=set)
    followed: int = 0
    """How many events were looked at for where the ball lies."""
    seen: dict[str, tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]] = field(
        default_factory=dict
    )
    """Entities as they are stored, with their links, by id, so that rules need not read each again.
    Whatever changes an entity takes it out.
    """

    def acting(
        self,
        actor: Mapping[str, Any],
        *,
        cause: str | None = None,
        correlation: str | None = None,
        origin: str | None = None,
    ) -> AbstractContextManager[None]:
        """Attribute what happens in this block."""
        return _Acting(self, (actor, cause, correlation, origin))

    def emit(
        self,
        type: str,
        subject: str | None,
        *,
        case: str | None = None,
        changed: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        on_behalf_of: str | None = None,
        told: bool = True,
    ) -> EventDraft:
        """Note a fact; rules see it before the transaction ends, unless it is not `told` and for
        the history alone.
        """
        draft = EventDraft(
            type=type,
            subject=subject,
            actor=self.actor,
            case=case,
            changed=changed or {},
            data=data or {},
            cause=self.cause,
            correlation=self.correlation,
            origin=self.origin,
            on_behalf_of=on_behalf_of,
        )
        draft.correlation = draft.correlation or draft.id
        self._events.append(draft)
        if told:
            self.unrouted.append((draft, self.hops))
        return draft

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """All of this block, or nothing of it: if it raises, what it wrote and noted is undone, and
        the error goes on to whoever knows what to tell.
        """
        before = (len(self._events), len(self._pushes), len(self._troubles))
        waiting, recognised = list(self.unrouted), self.recognised.copy()
        savepoint = self.tx.begin_nested()
        try:
            yield
        except BaseException:
            savepoint.rollback()
            del self._events[before[0] :], self._pushes[before[1] :], self._troubles[before[2] :]
            self.unrouted, self.recognised = deque(waiting), recognised
            self.seen.clear()
            raise
        savepoint.commit()

    def noted(self) -> Sequence[EventDraft]:
        """What has happened in this unit so far, oldest first."""
        return self._events

    def intended(self) -> Sequence[NewPush]:
        """The writes that were noted so far."""
        return self._pushes

    def push(self, push: NewPush) -> None:
        """Note an intended write. What rules wanted in the last turn they have is written too, but
        whatever it causes in a tool ends there.
        """
        if self.hops and not push.hops:
            push = replace(push, hops=min(self.hops, MAX_HOPS))
        self._pushes.append(push)

    def trouble(self, trouble: Trouble) -> None:
        """Note something that a person must look at."""
        self._troubles.append((trouble, self.hops, self.cause, self.correlation))

    def open_troubles(self) -> bool:
        """Open an exception for every trouble noted so far. True if any is new: that is an event,
        and rules may listen to it.
        """
        noted, self._troubles = self._troubles, []
        if not noted:
            return False
        raised = exceptions.raise_(self.tx, [trouble for trouble, *_ in noted], self.now)
        for (trouble, hops, cause, correlation), (id, new) in zip(noted, raised, strict=True):
            if not new:
                continue
            draft = EventDraft(
                type="exception.raised",
                subject=id,
                actor=SYSTEM,
                case=trouble.data.get("case"),
                data={"type": trouble.type, "title": trouble.title, "about": trouble.subject},
                cause=cause,
                correlation=correlation,
            )
            draft.correlation = draft.correlation or draft.id
            self._events.append(draft)
            if hops <= MAX_HOPS:
                self.unrouted.append((draft, hops))
        return bool(self.unrouted)

    def flush(self) -> None:
        """Write the notes. Call once, last."""
        self.open_troubles()
        events.append(self.tx, self._events, self.now)
        outbox.enqueue(self.tx, self._pushes, self.now)
        sameness.keep(self.tx, self.recognised.keys, self.recognised.fresh)
        self.topics = {draft.type.split(".")[0] for draft in self._events}
        if self._pushes:
            self.topics.add("push")


Attribution = tuple[Mapping[str, Any], str | None, str | None, str | None]
"""Actor, cause, correlation and origin of what happens in a unit."""


class _Acting:
    """Attributes a block. Every record that comes in has one, so it is no generator."""

    __slots__ = ("_other", "_unit")

    def __init__(self, unit: Unit, within: Attribution) -> None:
        self._unit, self._other = unit, within

    def __enter__(self) -> None:
        self._exchange()

    def __exit__(self, *_: object) -> None:
        self._exchange()

    def _exchange(self) -> None:
        unit = self._unit
        before = (unit.actor, unit.cause, unit.correlation, unit.origin)
        unit.actor, unit.cause, unit.correlation, unit.origin = self._other
        self._other = before
