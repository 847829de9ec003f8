"""What happened as an object-centric event log (OCEL 2.0 JSON), which process-mining tools read:
cases, steps, tasks, items and parties, and every event that touched them.

The format: https://www.ocel-standard.org/specification/formats/json/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import events
from hub.store.tables import (
    case_items,
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

Row = Mapping[str, Any]

_OBJECTS: Mapping[str, tuple[sa.Table, str, tuple[str, ...]]] = {
    "party": (parties, "created_at", ("name", "kind", "side")),
    "case": (cases, "started_at", ("process", "process_version", "key", "title")),
    "step": (steps, "started_at", ("key", "run", "type", "title")),
    "task": (tasks, "created_at", ("title",)),
    "item": (items, "created_at", ("kind", "title")),
}
"""Per object type: its table, when it came to be, and the attributes it had from then on."""

_MOVING: Mapping[str, tuple[str, ...]] = {
    "task": ("status", "priority", "waiting_on"),
    "item": ("stage",),
    "case": ("status", "health", "outcome"),
    "step": ("status", "outcome"),
}
"""Attributes that change, with a value for each moment they did."""

_STATES = {
    "case.started": "active",
    "case.completed": "completed",
    "case.terminated": "terminated",
    "step.activated": "active",
    "step.completed": "completed",
    "step.skipped": "skipped",
    "step.failed": "failed",
}
_EVENT_ATTRIBUTES = ("actor", "actor_kind", "origin", "correlation")
_INTEGERS = {"run"}


def ocel(tx: Connection) -> dict[str, Any]:
    """The whole log: objectTypes, eventTypes, objects, events."""
    objects: dict[str, dict[str, Any]] = {}
    for kind, (table, born, names) in _OBJECTS.items():
        for row in tx.execute(sa.select(table).order_by(table.c.id)).mappings():
            objects[row["id"]] = _object(kind, dict(row), born, names)
    _relate_objects(tx, objects)
    about = _about(tx)
    log = []
    for event in events.everything(tx):
        log.append(_event(dict(event), objects, about))
        _note_states(dict(event), objects)
    for kind in _MOVING:
        _settle_states(tx, kind, objects)
    return {
        "objectTypes": [
            {
                "name": kind,
                "attributes": [
                    {"name": name, "type": "integer" if name in _INTEGERS else "string"}
                    for name in dict.fromkeys((*names, *_MOVING.get(kind, ())))
                ],
            }
            for kind, (_, _, names) in _OBJECTS.items()
        ],
        "eventTypes": [
            {
                "name": name,
                "attributes": [{"name": one, "type": "string"} for one in _EVENT_ATTRIBUTES],
            }
            for name in sorted({one["type"] for one in log})
        ],
        "objects": list(objects.values()),
        "events": log,
    }


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _object(kind: str, row: Row, born: str, names: tuple[str, ...]) -> dict[str, Any]:
    # a step that has not begun has no moment of its own; the format's convention is the epoch
    since = _moment(row[born]) if row[born] else "1970-01-01T00:00:00Z"
    return {
        "id": row["id"],
        "type": kind,
        "attributes": [
            {"name": name, "time": since, "value": row[name]}
            for name in names
            if row[name] is not None
        ],
        "relationships": [],
    }


def _relate_objects(tx: Connection, objects: dict[str, dict[str, Any]]) -> None:
    for table, columns in (
        (cases, {"accountable": "accountable"}),
        (steps, {"case_id": "part of", "responsible": "responsible", "accountable": "accountable"}),
        (tasks, {"case_id": "part of", "step_id": "does", "assignee": "assignee",
                 "accountable": "accountable", "requester": "requester"}),
        (items, {"owner": "owner"}),
    ):  # fmt: skip
        names = [table.c.id, *(table.c[name] for name in columns)]
        for row in tx.execute(sa.select(*names)).mappings():
            for name, qualifier in columns.items():
                _relate(objects[row["id"]], row[name], qualifier, objects)
    for row in tx.execute(sa.select(case_items)).mappings():
        if row["case_id"] in objects:
            _relate(objects[row["case_id"]], row["item_id"], "is about", objects)


def _relate(
    one: dict[str, Any], other: str | None, qualifier: str, objects: Mapping[str, Any]
) -> None:
    """Relate to an object that is in the log; each (object, qualifier) once."""
    relation = {"objectId": other, "qualifier": qualifier}
    if other in objects and relation not in one["relationships"]:
        one["relationships"].append(relation)


def _about(tx: Connection) -> dict[str, tuple[str, ...]]:
    """The objects behind an event's subject that is none itself: a decision's step, say."""
    found: dict[str, tuple[str, ...]] = {}
    for table, names in (
        (decisions, ("step_id", "case_id")),
        (handoffs, ("step_id", "task_id", "case_id")),
        (comments, ("task",)),
        (exceptions, ("subject",)),
        (pushes, ("entity_id",)),
    ):
        for row in tx.execute(sa.select(table.c.id, *(table.c[name] for name in names))).mappings():
            found[row["id"]] = tuple(row[name] for name in names if row[name])
    return found


def _event(
    event: Row, objects: Mapping[str, Any], about: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    actor: Row = event["actor"]
    values = {
        "actor": actor.get("name") or actor.get("id"),
        "actor_kind": actor.get("kind"),
        "origin": event["origin"],
        "correlation": event["correlation"],
    }
    shown: dict[str, Any] = {
        "id": event["id"],
        "type": event["type"],
        "time": _moment(event["time"]),
        "attributes": [
            {"name": name, "value": str(value)} for name, value in values.items() if value
        ],
        "relationships": [],
    }
    subject = event["subject"]
    _relate(shown, subject, "subject", objects)
    for other in about.get(subject or "", ()):
        _relate(shown, other, "concerns", objects)
    _relate(shown, event["case_id"], "case", objects)
    _relate(shown, str(actor.get("id")), "actor", objects)
    _relate(shown, event["on_behalf_of"], "on behalf of", objects)
    return shown


def _note_states(event: Row, objects: Mapping[str, dict[str, Any]]) -> None:
    one = objects.get(event["subject"] or "")
    if one is None:
        return
    for name, value in _changes(one["type"], event):
        one["attributes"].append({"name": name, "time": _moment(event["time"]), "value": value})


def _changes(kind: str, event: Row) -> Iterator[tuple[str, str]]:
    for name in _MOVING.get(kind, ()):
        change = event["changed"].get(name)
        after = change.get("after") if isinstance(change, Mapping) else None
        if after is None and name == "status":
            after = _STATES.get(event["type"])
        if after is not None:
            yield name, str(after)


def _settle_states(tx: Connection, kind: str, objects: Mapping[str, dict[str, Any]]) -> None:
    """A value that no event spoke of (a first one, mostly) holds from the beginning."""
    table, born, _ = _OBJECTS[kind]
    for row in tx.execute(sa.select(table)).mappings():
        one = objects[row["id"]]
        told = {attribute["name"] for attribute in one["attributes"]}
        since = _moment(row[born]) if row[born] else "1970-01-01T00:00:00Z"
        for name in _MOVING[kind]:
            if name not in told and row[name] is not None:
                one["attributes"].append({"name": name, "time": since, "value": str(row[name])})
