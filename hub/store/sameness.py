"""What entities are recognised by, kept for those agreements that a mapping's `match` speaks of;
and what people said of records that are not what they look like.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect, rows, work
from hub.store.database import Database
from hub.store.tables import match_heads, match_keys, merged, parted
from mappings.sameness import Agreement, value_in

Agreements = Mapping[str, Sequence[Agreement]]
"""By kind of entity."""
Keys = Mapping[str, frozenset[str]]
"""The keys of entities, by id."""
Record = tuple[str, str, str]
"""Connection, object and external id."""

_CHUNK = 2000


@dataclass(slots=True)
class Recognised:
    """What the entities that one transaction made or changed are recognised by from now on."""

    keys: dict[str, frozenset[str]] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    """Those that were made in it."""
    by_key: dict[str, set[str]] = field(default_factory=dict)
    stored: dict[str, list[str]] = field(default_factory=dict)
    """Entities by key, as they were in the database when the transaction looked first."""

    def note(self, id: str, keys: frozenset[str], *, fresh: bool = False) -> None:
        for key in self.keys.get(id, frozenset()) - keys:
            self.by_key[key].discard(id)
        for key in keys:
            self.by_key.setdefault(key, set()).add(id)
        self.keys[id] = keys
        if fresh:
            self.fresh.add(id)

    def copy(self) -> Recognised:
        by_key = {key: set(ids) for key, ids in self.by_key.items()}
        return Recognised(dict(self.keys), set(self.fresh), by_key)


def keys_of(agreements: Iterable[Agreement], entity: Mapping[str, Any]) -> frozenset[str]:
    """What an entity is recognised by now. What is finished is no likely duplicate of anything."""
    over = entity.get("status") in work.FINISHED
    found = (
        one.key(lambda name: value_in(entity, name))
        for one in agreements
        if not (over and one.role == "likely")
    )
    return frozenset(key for key in found if key is not None)


def keep(tx: Connection, keys: Keys, fresh: Collection[str] = ()) -> None:
    """Store these entities' keys in the place of those that they had; `fresh` ones had none."""
    if not keys:
        return
    before = [id for id in keys if id not in fresh]
    for start in range(0, len(before), 500):
        some = before[start : start + 500]
        tx.execute(sa.delete(match_keys).where(match_keys.c.entity_id.in_(some)))
    new = [{"key": key, "entity_id": id} for id, some in keys.items() for key in sorted(some)]
    rows.insert(tx, match_keys, new)


def forget(tx: Connection, entity: str) -> None:
    """It is not recognised by anything any more."""
    tx.execute(sa.delete(match_keys).where(match_keys.c.entity_id == entity))


def having(tx: Connection, keys: Collection[str]) -> dict[str, list[str]]:
    """The entities that have these keys, by key."""
    found: dict[str, list[str]] = {}
    for row in rows.select(tx, match_keys, "key", keys):
        found.setdefault(row["key"], []).append(row["entity_id"])
    return found


def alone_with(tx: Connection, keys: Iterable[str]) -> None:
    """Let nobody else look for entities with these keys until the transaction ends: who comes
    second finds what the first one has made. A SQLite writer is alone already.
    """
    if dialect.is_sqlite(tx):
        return
    buckets = sorted({int(key[-2:], 16) for key in keys})
    if buckets:
        tx.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(70077, bucket) FROM"
            " (SELECT unnest(%s::int[]) AS bucket ORDER BY 1) AS these",
            (buckets,),
        )


# --------------------------------------------------------------------------------- keeping in step


def settle(database: Database, agreements: Agreements, now: datetime) -> int:
    """Have all entities indexed by the agreements that are new, and drop what no mapping speaks of
    any more; how many entities were looked at. In small transactions; broken off, it begins anew.
    """
    wanted = {one.head: one for some in agreements.values() for one in some}
    with database.read() as tx:
        known = set(tx.scalars(sa.select(match_heads.c.head)))
    seen = 0
    if gone := known - wanted.keys():
        with database.write() as tx:
            tx.execute(sa.delete(match_heads).where(match_heads.c.head.in_(sorted(gone))))
            for head in gone:
                tx.execute(sa.delete(match_keys).where(match_keys.c.key.startswith(head)))
    for kind, some in agreements.items():
        new = [one for one in some if one.head not in known]
        if not new:
            continue
        last = ""
        while True:
            with database.write() as tx:
                entities = _after(tx, kind, last)
                _add(tx, new, entities)
                if len(entities) < _CHUNK:
                    for one in new:
                        row = {"head": one.head, "entity_type": kind, "indexed_at": now}
                        dialect.insert_or_ignore(tx, match_heads, [row])
            seen += len(entities)
            if len(entities) < _CHUNK:
                break
            last = entities[-1]["id"]
    return seen


def _after(tx: Connection, kind: str, last: str) -> list[dict[str, Any]]:
    table = work.ENTITIES[kind]
    statement = sa.select(table).where(table.c.id > last).order_by(table.c.id).limit(_CHUNK)
    return [dict(row) for row in tx.execute(statement).mappings()]


def _add(tx: Connection, new: Sequence[Agreement], entities: Sequence[Mapping[str, Any]]) -> None:
    found = [{"key": key, "entity_id": one["id"]} for one in entities for key in keys_of(new, one)]
    if found:
        dialect.insert_or_ignore(tx, match_keys, found)


def not_kept(tx: Connection, agreements: Agreements) -> dict[str, list[str]]:
    """What a workspace that is not in force would find besides: the entities by the keys of those
    agreements that nobody keeps.
    """
    known = set(tx.scalars(sa.select(match_heads.c.head)))
    found: dict[str, list[str]] = {}
    for kind, some in agreements.items():
        new = [one for one in some if one.head not in known]
        last = ""
        while new:
            entities = _after(tx, kind, last)
            for one in entities:
                for key in keys_of(new, one):
                    found.setdefault(key, []).append(one["id"])
            if len(entities) < _CHUNK:
                break
            last = entities[-1]["id"]
    return found


# ------------------------------------------------------------------------------ what people said


def part(
    tx: Connection, record: Record, entities: Collection[str], now: datetime, *, alone: bool = False
) -> None:
    """A person says that a record is none of these. `alone`: and is to be left alone."""
    connection, object, external_id = record
    for entity in sorted(entities):
        row = {
            "connection": connection, "object": object, "external_id": external_id[:400],
            "entity_id": entity, "alone": alone, "at": now,
        }  # fmt: skip
        keys = ["connection", "object", "external_id", "entity_id"]
        dialect.upsert(tx, parted, row, keys, ["alone", "at"])


def ask_again(tx: Connection, record: Record, entity: str | None = None) -> bool:
    """A record is to come in again; with `entity`, it is that one after all. True if it was left
    alone.
    """
    mine = _of(record)
    left = tx.scalar(sa.select(parted.c.entity_id).where(*mine, parted.c.alone).limit(1))
    tx.execute(sa.update(parted).where(*mine).values(alone=False))
    if entity is not None:
        tx.execute(sa.delete(parted).where(*mine, parted.c.entity_id == entity))
    return left is not None


def _of(record: Record) -> tuple[sa.ColumnElement[bool], ...]:
    connection, object, external_id = record
    return (
        parted.c.connection == connection,
        parted.c.object == object,
        parted.c.external_id == external_id[:400],
    )


def any_parted(tx: Connection) -> bool:
    """Whether a person ever said so of any record: mostly not."""
    return tx.exec_driver_sql("SELECT 1 FROM parted LIMIT 1").first() is not None


def parted_from(
    tx: Connection, connection: str, object: str, ids: Collection[str]
) -> dict[str, dict[str, bool]]:
    """Per record, the entities that it is not, and whether it is left alone because of them."""
    found: dict[str, dict[str, bool]] = {}
    fixed = {"connection": connection, "object": object}
    for row in rows.select(tx, parted, "external_id", {id[:400] for id in ids}, fixed=fixed):
        found.setdefault(row["external_id"], {})[row["entity_id"]] = row["alone"]
    return found


def left_alone(tx: Connection, connection: str | None, limit: int) -> Sequence[sa.RowMapping]:
    """Records that were unlinked and are left alone, the last first."""
    statement = sa.select(parted).where(parted.c.alone).order_by(parted.c.at.desc()).limit(limit)
    if connection is not None:
        statement = statement.where(parted.c.connection == connection)
    return tx.execute(statement).mappings().all()


# ------------------------------------------------------------------------------------------ merged


def answers_for(tx: Connection, id: str) -> str:
    """The entity that answers for this one: itself, or the one it was merged into."""
    return tx.scalar(sa.select(merged.c.into).where(merged.c.id == id)) or id


def merged_into(tx: Connection, id: str) -> list[str]:
    """The ids of those that were merged into this one."""
    return list(tx.scalars(sa.select(merged.c.id).where(merged.c.into == id).order_by(merged.c.at)))
