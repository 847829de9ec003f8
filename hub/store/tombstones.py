"""What tools said is deleted: kept for a while, so that a state from before the deletion that comes
late does not bring a record back, or make one that is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect, rows
from hub.store.tables import tombstones

KEEP = timedelta(days=60)
"""How late a delivery may be and still be known as older than a deletion."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A record that is gone: at which version, if the tool told, and when we heard it. `id` is the
    connector's own.
    """

    connection: str
    object: str
    id: str
    version: str | None
    heard_at: datetime


def put(tx: Connection, stones: Collection[Tombstone]) -> None:
    """Keep these; of a record's several the last holds."""
    for one in stones:
        dialect.upsert(
            tx,
            tombstones,
            {
                "connection": one.connection,
                "object": one.object,
                "external_id": one.id[:400],
                "version": one.version,
                "heard_at": one.heard_at,
            },
            ["connection", "object", "external_id"],
            ["version", "heard_at"],
        )


def of(
    tx: Connection, connection: str, object: str, ids: Collection[str]
) -> Mapping[str, Tombstone]:
    """Those of these records that are known to be deleted, by id."""
    if not ids:
        return {}
    short = {id[:400]: id for id in ids}
    fixed = {"connection": connection, "object": object}
    return {
        (id := short[row["external_id"]]): Tombstone(
            connection, object, id, row["version"], row["heard_at"]
        )
        for row in rows.select(tx, tombstones, "external_id", short, fixed=fixed)
    }


def take_away(tx: Connection, stones: Collection[Tombstone]) -> None:
    """Forget these: the records are back."""
    for one in stones:
        tx.execute(
            sa.delete(tombstones).where(
                tombstones.c.connection == one.connection,
                tombstones.c.object == one.object,
                tombstones.c.external_id == one.id[:400],
            )
        )


def forget(tx: Connection, older_than: datetime, limit: int) -> int:
    """Drop what was heard of long ago, so many at most; how many went."""
    columns = tombstones.c
    old = tx.execute(
        sa.select(columns.connection, columns.object, columns.external_id)
        .where(columns.heard_at < older_than)
        .order_by(columns.heard_at)
        .limit(limit)
    ).all()
    for connection, object, external_id in old:
        tx.execute(
            sa.delete(tombstones).where(
                columns.connection == connection,
                columns.object == object,
                columns.external_id == external_id,
                columns.heard_at < older_than,
            )
        )
    return len(old)
