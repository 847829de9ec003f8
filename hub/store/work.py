"""Entities and their links: tasks, items, comments and parties, read and written in sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect, rows
from hub.store.tables import case_items, comments, items, links, parties, tasks
from hub.store.types import to_json

ENTITIES: Mapping[str, sa.Table] = {
    "task": tasks,
    "item": items,
    "comment": comments,
    "party": parties,
}
PREFIXES = {"task": "tsk", "item": "itm", "comment": "cmt", "party": "pty"}
FINISHED = ("done", "cancelled")

Row = dict[str, Any]


def load(tx: Connection, kind: str, ids: Collection[str], *, lock: bool = False) -> dict[str, Row]:
    """Entities by id; `lock` holds them, in id order, until the transaction ends."""
    found = rows.select(tx, ENTITIES[kind], "id", ids, order="id", lock=lock)
    return {row["id"]: row for row in found}


def insert(tx: Connection, kind: str, entities: Sequence[Row]) -> None:
    """Add new entities; a column that they do not name takes its default."""
    rows.insert(tx, ENTITIES[kind], entities)


def save(tx: Connection, kind: str, entities: Sequence[Row]) -> None:
    """Write entities that were loaded with a lock; their `version` is the caller's to raise."""
    rows.update(tx, ENTITIES[kind], _CHANGING[kind], entities)


_CHANGING: Mapping[str, tuple[str, ...]] = {
    kind: tuple(column.name for column in table.c if column.name not in ("id", "created_at"))
    for kind, table in ENTITIES.items()
}


# ------------------------------------------------------------------------------------------ links


def links_by_external(
    tx: Connection, connection: str, object: str, external_ids: Collection[str]
) -> dict[str, Row]:
    """Links of remote records, by external id."""
    found = rows.select(
        tx, links, "external_id", external_ids, fixed={"connection": connection, "object": object}
    )
    return {row["external_id"]: row for row in found}


def link_by_address(
    tx: Connection, connection: str, object: str, part: str, value: str
) -> Row | None:
    """The link whose address has this value: looks through them, for what is rare."""
    written = to_json({part: value})[1:-1]
    statement = sa.select(links).where(
        links.c.connection == connection,
        links.c.object == object,
        sa.type_coerce(links.c.address, sa.Text).contains(written, autoescape=True),
    )
    row = tx.execute(statement).mappings().first()
    return dict(row) if row else None


def links_of(
    tx: Connection, entities: Collection[str], *, briefly: bool = False
) -> dict[str, list[Row]]:
    """Links of entities, by entity id; an entity without links is absent. `briefly`: without the
    record as last seen and the bases, which are most of a link.
    """
    found: dict[str, list[Row]] = {}
    names = rows.columns(links, ("data", "remote_base", "hub_base") if briefly else ())
    for row in rows.select(tx, links, "entity_id", entities, names=names, order="id"):
        found.setdefault(row["entity_id"], []).append(row)
    return found


def link_of(tx: Connection, entity: str, connection: str) -> Row | None:
    """The link of an entity in one connection."""
    row = (
        tx.execute(
            sa.select(links).where(links.c.entity_id == entity, links.c.connection == connection)
        )
        .mappings()
        .first()
    )
    return dict(row) if row else None


def new_link(
    entity_type: str, entity_id: str, connection: str, object: str, external_id: str, now: datetime
) -> Row:
    """A link that nothing has been agreed on yet."""
    return {
        "id": new_id("lnk"),
        "entity_type": entity_type,
        "entity_id": entity_id,
        "connection": connection,
        "object": object,
        "external_id": external_id,
        "address": {},
        "url": None,
        "remote_version": None,
        "remote_deleted": False,
        "remote_base": {},
        "hub_base": {},
        "data": {},
        "heard_at": None,
        "misses": 0,
        "created_at": now,
        "updated_at": now,
    }


def insert_links(tx: Connection, new: Sequence[Row]) -> None:
    rows.insert(tx, links, new)


def remove_link(tx: Connection, id: str) -> None:
    """Forget that an entity lives in a tool; the record there stays."""
    tx.execute(sa.delete(links).where(links.c.id == id))


def mark_deleted(tx: Connection, id: str, now: datetime) -> None:
    """Note of a link that its record is gone."""
    gone = {"remote_deleted": True, "misses": 0, "updated_at": now}
    tx.execute(sa.update(links).where(links.c.id == id).values(**gone))


def beside_steps(tx: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """Tasks that belong to a case and to none of its steps, by case, the oldest first."""
    statement = (
        sa.select(tasks)
        .where(tasks.c.case_id.in_(ids), tasks.c.step_id.is_(None))
        .order_by(tasks.c.id)
    )
    found: dict[str, list[Row]] = {}
    for row in tx.execute(statement).mappings():
        found.setdefault(row["case_id"], []).append(dict(row))
    return found


def remove_task(tx: Connection, id: str) -> None:
    """Delete a task with its comments. Their links stay."""
    tx.execute(sa.delete(comments).where(comments.c.task == id))
    tx.execute(sa.delete(tasks).where(tasks.c.id == id))


def save_links(tx: Connection, changed: Sequence[Row]) -> None:
    """Write links that were loaded before."""
    names = (
        "address", "url", "remote_version", "remote_deleted", "remote_base", "hub_base", "data",
        "external_id", "heard_at", "misses", "updated_at",
    )  # fmt: skip
    rows.update(tx, links, names, changed)


# ------------------------------------------------------------------------------------------ parties


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person of the workspace as the store keeps it."""

    key: str
    name: str
    email: str | None
    active: bool = True
    """False: their last day is over."""


def keep_people(tx: Connection, people: Sequence[PersonRow], now: datetime) -> None:
    """Bring the parties of the workspace's people up to date; someone who left stays, inactive."""
    known = {
        row["person"]: row
        for row in tx.execute(sa.select(parties).where(parties.c.person.is_not(None))).mappings()
    }
    wanted = {person.key: person for person in people}
    for key, person in wanted.items():
        values = {"name": person.name, "email": person.email, "active": person.active}
        if key not in known:
            tx.execute(
                sa.insert(parties).values(
                    id=new_id("pty"), kind="person", side="internal", person=key, created_at=now,
                    **values,
                )
            )  # fmt: skip
        elif any(known[key][name] != value for name, value in values.items()):
            tx.execute(sa.update(parties).where(parties.c.person == key).values(**values))
    gone = [key for key, row in known.items() if row["active"] and key not in wanted]
    if gone:
        tx.execute(sa.update(parties).where(parties.c.person.in_(gone)).values(active=False))


def people(tx: Connection) -> dict[str, Row]:
    """Parties of the workspace's people, by their key."""
    statement = sa.select(parties).where(parties.c.person.is_not(None))
    return {row["person"]: dict(row) for row in tx.execute(statement).mappings()}


def ensure_external(tx: Connection, email: str, now: datetime, name: str | None = None) -> Row:
    """The external party with this address, made on first sight."""
    dialect.critical_section(tx, f"party:{email.lower()}")
    row = (
        tx.execute(
            sa.select(parties)
            .where(sa.func.lower(parties.c.email) == email.lower())
            .order_by(parties.c.person.is_(None), parties.c.id)
        )
        .mappings()
        .first()
    )
    if row:
        return dict(row)
    made = {
        "id": new_id("pty"),
        "kind": "person",
        "side": "external",
        "name": name or email,
        "email": email,
        "person": None,
        "active": True,
        "created_at": now,
    }
    tx.execute(sa.insert(parties).values(**made))
    return made


def find_party(tx: Connection, name: str) -> Row | None:
    """The party with this id, person key or e-mail address; people of the workspace first."""
    row = (
        tx.execute(
            sa.select(parties)
            .where(
                sa.or_(
                    parties.c.id == name,
                    parties.c.person == name,
                    sa.func.lower(parties.c.email) == name.lower(),
                )
            )
            .order_by(parties.c.id != name, parties.c.person.is_(None), parties.c.id)
            .limit(1)
        )
        .mappings()
        .first()
    )
    return dict(row) if row else None


def list_parties(
    tx: Connection,
    q: str | None = None,
    limit: int = 200,
    *,
    kind: str | None = None,
    after: tuple[str, str] | None = None,
) -> Sequence[RowMapping]:
    """Parties by name; `after` is the (name, id) of the last one seen."""
    statement = sa.select(parties).order_by(parties.c.name, parties.c.id).limit(limit)
    if q:
        statement = statement.where(_contains(q, parties.c.name, parties.c.email))
    if kind:
        statement = statement.where(parties.c.kind == kind)
    if after:
        statement = statement.where(
            sa.tuple_(parties.c.name, parties.c.id) > sa.tuple_(*map(sa.literal, after))
        )
    return tx.execute(statement).mappings().all()


# ------------------------------------------------------------------------------------------ lists


@dataclass(frozen=True, slots=True)
class WorkFilter:
    """What a list of tasks or items is narrowed by; None means any. `now` decides what is
    overdue.
    """

    connection: str | None = None
    object: str | None = None
    external_id: str | None = None
    status: str | None = None
    assignee: str | None = None
    accountable: str | None = None
    case: str | None = None
    waiting_on: str | None = None
    kind: str | None = None
    overdue: bool | None = None
    q: str | None = None


def search(
    tx: Connection,
    kind: str,
    narrow: WorkFilter,
    now: datetime,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Row]:
    """Tasks or items, last changed first; `after` is the (updated_at, id) of the last one seen."""
    table = ENTITIES[kind]
    columns = table.c
    statement = sa.select(table).order_by(columns.updated_at.desc(), columns.id.desc())
    for name in ("status", "assignee", "accountable", "waiting_on", "kind"):
        value = getattr(narrow, name)
        if value is not None and name in columns:
            statement = statement.where(columns[name] == value)
    if narrow.case is not None:
        if kind == "task":
            statement = statement.where(columns.case_id == narrow.case)
        else:
            statement = statement.where(
                columns.id.in_(
                    sa.select(case_items.c.item_id).where(case_items.c.case_id == narrow.case)
                )
            )
    if narrow.overdue is not None and kind == "task":
        late = sa.and_(columns.due_by < now, columns.status.not_in(FINISHED))
        statement = statement.where(
            late if narrow.overdue else sa.not_(sa.func.coalesce(late, False))
        )
    if narrow.q:
        text = columns.description if kind == "task" else columns.stage
        statement = statement.where(_contains(narrow.q, columns.title, text))
    remote = {
        name: value
        for name in ("connection", "object", "external_id")
        if (value := getattr(narrow, name)) is not None
    }
    if remote:
        linked = sa.select(links.c.entity_id).where(
            links.c.entity_type == kind, *(links.c[name] == value for name, value in remote.items())
        )
        statement = statement.where(columns.id.in_(linked))
    if after:
        statement = statement.where(
            sa.tuple_(columns.updated_at, columns.id)
            < sa.tuple_(sa.literal(after[0], columns.updated_at.type), sa.literal(after[1]))
        )
    return [dict(row) for row in tx.execute(statement.limit(limit)).mappings()]


def _contains(text: str, *columns: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return sa.or_(*(column.icontains(text, autoescape=True) for column in columns))


def comments_of(tx: Connection, task: str) -> Sequence[RowMapping]:
    """A task's comments, oldest first."""
    return (
        tx.execute(
            sa.select(comments)
            .where(comments.c.task == task)
            .order_by(comments.c.created_at, comments.c.id)
        )
        .mappings()
        .all()
    )
