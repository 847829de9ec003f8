"""Changing an entity: the one way, whoever asks. Sets the fields, notes the event, and brings
the change to every linked tool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from hub.ids import new_id
from hub.store import outbox, sameness, work
from hub.store.outbox import NewPush
from hub.unit import Unit
from mappings import custom
from mappings.canonical import TaskStatus, advance

Row = dict[str, Any]

REQUIRED = {"title", "status", "waiting_on", "labels", "name", "body"}
_EMPTY: Mapping[str, Any] = {"labels": []}


def value_of(entity: Mapping[str, Any], name: str) -> Any:
    """A field's value; `custom.x` looks into `custom`."""
    if name in entity:
        return entity[name]
    return custom.value_in(entity["custom"], name) if custom.is_custom(name) else None


def values_of(entity: Mapping[str, Any], names: Iterable[str]) -> Row:
    """The same of several fields."""
    found = {}
    for name in names:
        if name in entity:
            found[name] = entity[name]
        elif (own := custom.plain(name)) is not None:
            found[name] = entity["custom"].get(own)
        else:
            found[name] = value_of(entity, name)
    return found


def put(entity: Row, name: str, value: Any) -> None:
    """Set a field, `custom.x` included; nothing is ever set to null that must have a value."""
    if value is None and name in REQUIRED:
        if name not in _EMPTY:
            return
        value = _EMPTY[name]
    if isinstance(value, str):
        value = storable(value)
    if name not in entity and custom.is_custom(name):
        entity["custom"] = custom.with_value(entity["custom"], name, value)
    else:
        entity[name] = value


def storable(text: str) -> str:
    """The text without what no database takes: NULs, and halves of characters."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode(errors="replace").decode()


def due_by(due: Mapping[str, Any] | None, unit: Unit) -> datetime | None:
    """The moment at which something is late: a date's end comes from the workspace's calendar."""
    if not due:
        return None
    if due.get("at"):
        return datetime.fromisoformat(due["at"].replace("Z", "+00:00")).astimezone(UTC)
    if due.get("date"):
        return unit.snapshot.workspace.calendar.end_of(date.fromisoformat(due["date"]))
    return None


def at(moment: datetime) -> Row:
    """A moment as a canonical due."""
    return {"at": moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}


_BLANK: Mapping[str, Mapping[str, Any]] = {
    "task": {
        "title": "(untitled)", "description": None, "status": "open", "assignee": None,
        "accountable": None, "requester": None, "waiting_on": "internal", "due": None,
        "due_by": None, "start_by": None, "priority": None, "labels": [], "url": None,
        "case_id": None, "step_id": None, "custom": {}, "completed_at": None,
    },
    "item": {
        "kind": None, "title": "(untitled)", "stage": None, "owner": None, "amount": None,
        "date": None, "url": None, "custom": {},
    },
    "comment": {"task": None, "author": None, "body": "", "visibility": "internal"},
}  # fmt: skip


def new_entity(kind: str, values: Mapping[str, Any], unit: Unit) -> Row:
    """A fresh entity with these fields, not yet stored."""
    row: Row = {**_BLANK.get(kind, {})}
    row["id"], row["version"] = new_id(work.PREFIXES[kind]), 1
    row["created_at"] = row["updated_at"] = unit.now
    if kind == "task":
        row["labels"] = []
    if "custom" in row:
        row["custom"] = {}
    for name, value in values.items():  # what `put` does, without a new `custom` for each
        if value.__class__ is str and not (value.isascii() and "\0" not in value):
            value = storable(value)
        if value is None and name in REQUIRED:
            put(row, name, value)
        elif name in row:
            row[name] = value
        elif (own := custom.plain(name)) is not None and "custom" in row:
            row["custom"][own] = value
        else:
            put(row, name, value)
    if kind == "task":
        row["due_by"] = due_by(row["due"], unit)
        row["completed_at"] = unit.now if row["status"] in work.FINISHED else None
    if kind == "comment" and isinstance(row["created_at"], str):
        row["created_at"] = datetime.fromisoformat(row["created_at"].replace("Z", "+00:00"))
    return row


_TOLD = ("title", "status", "stage", "kind", "assignee", "amount", "body")


def announce_new(unit: Unit, kind: str, entity: Row, data: Mapping[str, Any] | None = None) -> None:
    """Note that an entity was created, with its first values as changes."""
    mapped = (data or {}).get("mapping") or ()
    changed = {
        name: {"before": None, "after": value}
        for name, value in values_of(entity, (*_TOLD, *mapped)).items()
        if value or (value is not None and value.__class__ not in (list, dict))
        if name != "description"
    }
    if agreed := unit.snapshot.workspace.agreements.get(kind):
        unit.recognised.note(entity["id"], sameness.keys_of(agreed, entity), fresh=True)
    type_ = "comment.added" if kind == "comment" else f"{kind}.created"
    unit.emit(type_, entity["id"], case=entity.get("case_id"), changed=changed, data=data)


def change(
    unit: Unit,
    kind: str,
    entity: Row,
    values: Mapping[str, Any],
    *,
    links: Collection[Row] | None = None,
    origin: str | None = None,
    push_back: Collection[str] = (),
    data: Mapping[str, Any] | None = None,
) -> bool:
    """Set fields of a locked entity and note what follows. True if anything changed.

    `links` are the entity's links (looked up if not given). `origin` is the connection the values
    came from: it is not told what it said,
    except for `push_back`, where our value holds. The caller saves the entity.
    """
    changed: Row = {}
    unit.seen.pop(entity["id"], None)
    for name, value in values.items():
        before = value_of(entity, name)
        put(entity, name, value)
        after = value_of(entity, name)
        if before != after:
            changed[name] = {"before": before, "after": after}
    if links is None:
        links = work.links_of(unit.tx, [entity["id"]]).get(entity["id"], [])
    if changed:
        entity["version"] += 1
        entity["updated_at"] = unit.now
        if agreed := unit.snapshot.workspace.agreements.get(kind):
            unit.recognised.note(entity["id"], sameness.keys_of(agreed, entity))
        if kind == "task":
            entity["due_by"] = due_by(entity["due"], unit)
            _note_task(unit, entity, changed, data, from_a_tool=origin is not None)
        elif kind == "item":
            unit.emit("item.updated", entity["id"], changed=changed, data=data)
    for link in links:
        names = push_back if link["connection"] == origin else changed
        pass_on(unit, link, names)
    return bool(changed)


def _note_task(
    unit: Unit,
    entity: Row,
    changed: Mapping[str, Any],
    data: Mapping[str, Any] | None,
    *,
    from_a_tool: bool,
) -> None:
    type_ = "task.updated"
    if "status" in changed:
        before, after = (TaskStatus(changed["status"][one]) for one in ("before", "after"))
        if not from_a_tool:  # people in tools go where they like; it has happened
            advance(before, after)
        finished = after in work.FINISHED
        entity["completed_at"] = unit.now if finished else None
        if after is TaskStatus.DONE:
            type_ = "task.completed"
        elif before in work.FINISHED and not finished:
            type_ = "task.reopened"
    unit.emit(type_, entity["id"], case=entity["case_id"], changed=changed, data=data)


def outward_fields(unit: Unit, link: Mapping[str, Any]) -> frozenset[str]:
    """The fields that a link's mapping writes to its tool: none where that takes no updates."""
    connection, object = link["connection"], link["object"]
    mapping = unit.snapshot.mapping(connection, object)
    spec = unit.snapshot.offers(connection).get(object)
    if mapping is None or spec is None or "update" not in spec.push:
        return frozenset()
    return mapping.written


def tell(
    unit: Unit, link: Mapping[str, Any], fields: Collection[str], *, cause: str | None = None
) -> None:
    """Have a linked record told what these fields of its entity are by the time it is written.
    `cause` is the event or exception that asks for it, if not what the unit acts upon.
    """
    unit.push(
        NewPush(
            connection=link["connection"],
            object=link["object"],
            op="update",
            entity_type=link["entity_type"],
            entity_id=link["entity_id"],
            external_id=link["external_id"],
            fields=sorted(fields),
            cause=cause or unit.cause,
            correlation=unit.correlation,
        )
    )


def pass_on(unit: Unit, link: Mapping[str, Any], names: Collection[str]) -> None:
    """Have a linked record told those of these fields that its mapping writes, if it is there."""
    if not names or link["remote_deleted"]:
        return
    if names := custom.touched(outward_fields(unit, link), names):
        tell(unit, link, names)


def mirror(unit: Unit, kind: str, entity: Row, connection: str, object: str | None = None) -> bool:
    """Have an entity created in a tool. False where that connection takes none."""
    target = unit.snapshot.mirror(connection, kind, object)
    if target is None:
        return False
    unit.push(
        NewPush(
            connection=connection,
            object=target,
            op="create",
            entity_type=kind,
            entity_id=entity["id"],
            fields=[],
            cause=unit.cause,
            correlation=unit.correlation,
        )
    )
    return True


def mirror_comment(
    unit: Unit, comment: Row, links: Collection[Row], *, except_for: str | None = None
) -> None:
    """Have a comment written beneath its task in every tool that holds the task (`links`), or is
    about to, and may show it: a public one everywhere, an internal one where the tool can keep it
    internal. `except_for` is the connection it came from.
    """
    gone = {link["connection"] for link in links if link["remote_deleted"]}
    there = {link["connection"]: None for link in links}
    coming = outbox.to_be_created(unit.tx, comment["task"]) | {
        push.connection
        for push in unit.intended()
        if push.op == "create" and push.entity_id == comment["task"]
    }
    for connection in [*there, *sorted(coming.difference(there))]:
        if connection == except_for or connection in gone:
            continue
        target = unit.snapshot.mirror(connection, "comment")
        mapping = unit.snapshot.mapping(connection, target) if target else None
        if mapping is None:
            continue
        field = mapping.spec.fields.get("visibility")
        keeps_it = field is not None and mapping.spec.direction_of(field) != "in"
        if comment["visibility"] == "public" or keeps_it:
            mirror(unit, "comment", comment, connection, target)
