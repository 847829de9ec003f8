"""Whoever has no account in a tool: a queue there stands for them, where people.yaml names one
under `fallback`, until they have an account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hub.flow import change
from hub.live import Snapshot
from hub.store import accounts, work
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Problem

QUEUED = ("assignee", "owner")
"""The fields in which a queue may stand for somebody without an account."""


def stands_for_somebody(
    snapshot: Snapshot, connection: str, problem: Problem, ours: str | None
) -> bool:
    """Whether a tool's value is the queue there, where we have nobody, or somebody without an
    account there: then it says nothing new.
    """
    queue = snapshot.queue_of(connection)
    if queue is None or problem.who is None or problem.field not in QUEUED:
        return False
    if problem.who.strip().lower() != queue.lower():
        return False
    return ours is None or snapshot.handle_for(connection, ours) is None


class _WithQueue:
    """A directory that gives the queue's name for some people."""

    def __init__(self, snapshot: Snapshot, people: Collection[str], queue: str) -> None:
        self._snapshot, self._people, self._queue = snapshot, people, queue

    def party_for(self, connection: str, handle: str) -> str | None:
        return self._snapshot.party_for(connection, handle)

    def handle_for(self, connection: str, party: str) -> str | None:
        found = self._snapshot.handle_for(connection, party)
        return self._queue if found is None and party in self._people else found


def said_with_queue(
    snapshot: Snapshot,
    mapping: CompiledMapping,
    connection: str,
    values: Mapping[str, Any],
    names: Collection[str],
    base: Mapping[str, Any] | None,
    problems: Sequence[Problem],
) -> tuple[Any, dict[str, str]] | None:
    """The write once more, with the queue in the place of whoever has no account there; with it,
    the fields in which that is so. None where the connection has no queue, or nobody needs it.
    """
    queue = snapshot.queue_of(connection)
    queued = {one.field: queue for one in problems if one.who and one.field in QUEUED}
    if queue is None or not queued:
        return None
    others = [one for one in problems if one.field not in queued]
    left = set(names) - {one.field for one in others}
    people = {str(one.who) for one in problems if one.field in queued}
    said = mapping.outward(values, _WithQueue(snapshot, people, queue), connection, left, base)
    failed = {one.field for one in said.problems}
    said.problems += others
    return said, {field: name for field, name in queued.items() if name and field not in failed}


def tell_the_queue(unit: Unit, known: Collection[tuple[str, str]]) -> None:
    """What stood in a queue for somebody who has an account there now is given to them."""
    with_queue = {(name, party) for name, party in known if unit.snapshot.queue_of(name)}
    for connection, party in sorted(with_queue):
        queue = str(unit.snapshot.queue_of(connection)).lower()
        for kind, field in (("item", "owner"), ("task", "assignee")):
            for held in accounts.links_held_by(unit.tx, kind, [field], party, connection):
                about = {link["entity_id"] for link in held if _stands_for(link, field, queue)}
                entities = work.load(unit.tx, kind, about, lock=True)
                found = work.links_of(unit.tx, about)
                for id, entity in entities.items():
                    for link in found.get(id, ()) if entity[field] == party else ():
                        if link["connection"] != connection or not _stands_for(link, field, queue):
                            continue
                        link["hub_base"] = {k: v for k, v in link["hub_base"].items() if k != field}
                        link["updated_at"] = unit.now
                        work.save_links(unit.tx, [link])
                        change.tell(unit, link, [field])


def _stands_for(link: Mapping[str, Any], field: str, queue: str) -> bool:
    """Whether a tool has the queue there, in the place of whoever we have."""
    return str(link["remote_base"].get(field, "")).strip().lower() == queue
