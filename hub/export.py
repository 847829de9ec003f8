"""What happened as an object-centric event log (OCEL 2.0 JSON), which process-mining tools read:
cases, steps, tasks, items, decisions, handoffs and parties, what became of them over time, and
every event with what it touched.

The format: https://www.ocel-standard.org/specification/formats/json/. It is written as it is read,
a batch at a time, so that the length of the history does not matter. Its published schema takes
values as text only; their types are declared beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.export_shape import (
    ABOUT,
    BEGINNING,
    EVENT_ATTRIBUTES,
    MOVING,
    OBJECTS,
    STATES,
    TYPES,
    Kind,
)
from hub.store.tables import case_items, events, merged

Row = Mapping[str, Any]
BATCH = 500


class Out(Protocol):
    """What text is written to."""

    def write(self, text: str, /) -> object: ...


def counts(tx: Connection) -> tuple[int, int]:
    """How many objects and events there are, for a bar that shows how far it is."""
    objects = sum(
        tx.scalar(sa.select(sa.func.count()).select_from(kind.table)) or 0
        for kind in OBJECTS.values()
    )
    return objects, tx.scalar(sa.select(sa.func.count()).select_from(events)) or 0


def write(
    tx: Connection, out: Out, told: Callable[[int], object] = lambda done: None
) -> tuple[int, int]:
    """Write the whole log; how many objects and events it has. `told` hears how many of both are
    done.
    """
    out.write('{\n"objectTypes": ' + json.dumps(_object_types()))
    out.write(',\n"eventTypes": ' + json.dumps(_event_types(tx)))
    out.write(',\n"objects": [')
    objects = _lines(out, objects_of(tx), told, 0)
    out.write('\n],\n"events": [')
    happened = _lines(out, events_of(tx), told, objects)
    out.write("\n]\n}\n")
    return objects, happened


def _lines(
    out: Out, found: Iterable[dict[str, Any]], told: Callable[[int], object], before: int
) -> int:
    count = 0
    for one in found:
        out.write(("\n" if count == 0 else ",\n") + orjson.dumps(one).decode())
        count += 1
        if count % BATCH == 0:
            told(before + count)
    told(before + count)
    return count


def ocel(tx: Connection) -> dict[str, Any]:
    """The whole log at once, for a short history."""
    return {
        "objectTypes": _object_types(),
        "eventTypes": _event_types(tx),
        "objects": list(objects_of(tx)),
        "events": list(events_of(tx)),
    }


def _object_types() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "attributes": [
                {"name": one, "type": TYPES.get(one, "string")}
                for one in dict.fromkeys((*kind.fixed, *MOVING.get(name, ())))
            ],
        }
        for name, kind in OBJECTS.items()
    ]


def _event_types(tx: Connection) -> list[dict[str, Any]]:
    found = tx.scalars(sa.select(events.c.type).distinct().order_by(events.c.type))
    attributes = [{"name": one, "type": "string"} for one in EVENT_ATTRIBUTES]
    return [{"name": name, "attributes": attributes} for name in found]


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _moment(value) if isinstance(value, datetime) else _clean(str(value))


def _clean(text: str) -> str:
    """Half a character, which some tools send, is none that can be written."""
    return text.encode("utf-8", "replace").decode()


def _batches(tx: Connection, table: sa.Table, key: str) -> Iterator[list[Row]]:
    """All rows in the order of a unique column, a batch at a time."""
    column = table.c[key]
    last: Any = None
    while True:
        statement = sa.select(table).order_by(column).limit(BATCH)
        if last is not None:
            statement = statement.where(column > last)
        found: list[Row] = [dict(row) for row in tx.execute(statement).mappings()]
        if not found:
            return
        yield found
        last = found[-1][key]


# ---------------------------------------------------------------------------------------- objects


def objects_of(tx: Connection) -> Iterator[dict[str, Any]]:
    """Every object with its relations and what became of its attributes."""
    for name, kind in OBJECTS.items():
        for batch in _batches(tx, kind.table, "id"):
            yield from _objects(tx, name, kind, batch)


def _objects(
    tx: Connection, name: str, kind: Kind, batch: Sequence[Row]
) -> Iterator[dict[str, Any]]:
    ids = [row["id"] for row in batch]
    about: dict[str, list[str]] = {}
    if name == "case":
        for case, item in tx.execute(
            sa.select(case_items.c.case_id, case_items.c.item_id)
            .where(case_items.c.case_id.in_(ids))
            .order_by(case_items.c.case_id, case_items.c.item_id)
        ):
            about.setdefault(case, []).append(item)
    pairs = [
        (row["id"], row[column], qualifier)
        for row in batch
        for column, qualifier in kind.relations.items()
        if row[column]
    ]
    pairs += [(case, item, "is about") for case, items in about.items() for item in items]
    there = _known(tx, {other for _, other, _ in pairs})
    relations: dict[str, list[dict[str, str]]] = {id: [] for id in ids}
    for id, other, qualifier in pairs:
        _relate(relations[id], there.get(other), qualifier)
    became = _became(tx, name, ids)
    for row in batch:
        yield {
            "id": row["id"],
            "type": name,
            "attributes": [
                {"name": one, "time": BEGINNING, "value": _text(row[one])}
                for one in kind.fixed
                if row[one] is not None
            ]
            + list(_moves(name, kind, row, became.get(row["id"], {}))),
            "relationships": relations[row["id"]],
        }


def _became(tx: Connection, name: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By object and attribute, when it came to have which value, as events tell it."""
    found: dict[str, dict[str, Any]] = {}
    if name not in MOVING:
        return found
    statement = (
        sa.select(events.c.subject, events.c.type, events.c.time, events.c.changed)
        .where(events.c.subject.in_(ids))
        .order_by(events.c.position)
    )
    for subject, type, time, changed in tx.execute(statement):
        for one in MOVING[name]:
            change = changed.get(one)
            after = change.get("after") if isinstance(change, Mapping) else None
            if after is None and one == "status":
                after = STATES.get(type)
            if isinstance(after, str | int | float | bool):
                found.setdefault(subject, {}).setdefault(one, []).append((time, _text(after)))
    return found


def _moves(name: str, kind: Kind, row: Row, became: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Values over time. One that no event spoke of holds from the beginning, or from when the
    object came to its end: what was stopped from outside tells no event of its own.
    """
    born = row[kind.born]
    for one in MOVING.get(name, ()):
        told: list[tuple[datetime, str]] = became.get(one, [])
        for time, value in told:
            yield {"name": one, "time": _moment(time), "value": value}
        now = row[one]
        if now is None or (told and told[-1][1] == _text(now)):
            continue
        ended = row.get(kind.ended) if told and kind.ended else None
        since = ended or (told[-1][0] if told else born)
        yield {
            "name": one,
            "time": _moment(since) if since else BEGINNING,
            "value": _text(now),
        }


def _relate(relations: list[dict[str, str]], other: str | None, qualifier: str) -> None:
    """Relate to an object that is in the log; each (object, qualifier) once."""
    relation = {"objectId": other or "", "qualifier": qualifier}
    if other and relation not in relations:
        relations.append(relation)


def _known(tx: Connection, ids: set[str]) -> dict[str, str]:
    """Which of these ids are objects, and as which: one that was merged into another is that."""
    found: dict[str, str] = {}
    if not ids:
        return found
    into: dict[str, str] = {
        one: other
        for one, other in tx.execute(
            sa.select(merged.c.id, merged.c.into).where(merged.c.id.in_(ids))
        )
    }
    wanted = ids | set(into.values())
    there: set[str] = set()
    for kind in OBJECTS.values():
        missing = wanted - there
        if missing:
            column = kind.table.c.id
            there.update(tx.scalars(sa.select(column).where(column.in_(missing))))
    for id in ids:
        one = into.get(id, id)
        if one in there:
            found[id] = one
    return found


# ----------------------------------------------------------------------------------------- events


def events_of(tx: Connection) -> Iterator[dict[str, Any]]:
    """Every event in order, with the objects it touched."""
    for batch in _batches(tx, events, "position"):
        behind = _behind(tx, {row["subject"] for row in batch if row["subject"]})
        wanted = {other for others in behind.values() for other in others}
        for row in batch:
            wanted |= {row["subject"], row["case_id"], row["on_behalf_of"], row["actor"].get("id")}
        there = _known(tx, {str(id) for id in wanted if id})
        for row in batch:
            yield _event(row, there, behind)


def _behind(tx: Connection, subjects: set[str]) -> dict[str, tuple[str, ...]]:
    """The objects behind an event's subject: a decision's step, a comment's task."""
    found: dict[str, tuple[str, ...]] = {}
    for table, names in ABOUT:
        columns = [table.c.id, *(table.c[name] for name in names)]
        for row in tx.execute(sa.select(*columns).where(table.c.id.in_(subjects))):
            found[row[0]] = tuple(value for value in row[1:] if value)
    return found


def _event(
    event: Row, there: Mapping[str, str], behind: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    actor: Row = event["actor"]
    values = {
        "actor": actor.get("name") or actor.get("id"),
        "actor_kind": actor.get("kind"),
        "origin": event["origin"],
        "correlation": event["correlation"],
    }
    relations: list[dict[str, str]] = []
    subject = event["subject"] or ""
    _relate(relations, there.get(subject), "subject")
    for other in behind.get(subject, ()):
        _relate(relations, there.get(other), "concerns")
    _relate(relations, there.get(event["case_id"] or ""), "case")
    _relate(relations, there.get(str(actor.get("id"))), "actor")
    _relate(relations, there.get(event["on_behalf_of"] or ""), "on behalf of")
    return {
        "id": event["id"],
        "type": event["type"],
        "time": _moment(event["time"]),
        "attributes": [
            {"name": name, "value": _clean(str(value))} for name, value in values.items() if value
        ],
        "relationships": relations,
    }
