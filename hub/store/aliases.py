"""Ids that records had once: what comes late under one of them still finds its link."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect, rows
from hub.store.tables import aliases


def move(
    tx: Connection, connection: str, object: str, former: str, external_id: str, now: datetime
) -> None:
    """A record is called `external_id` from now on; so is whatever became it before."""
    known = aliases.c
    here = sa.and_(known.connection == connection, known.object == object)
    tx.execute(sa.delete(aliases).where(here, known.former_id == external_id))
    tx.execute(
        sa.update(aliases)
        .where(here, known.external_id == former)
        .values(external_id=external_id, changed_at=now)
    )
    dialect.upsert(
        tx,
        aliases,
        {
            "connection": connection,
            "object": object,
            "former_id": former,
            "external_id": external_id,
            "changed_at": now,
        },
        ["connection", "object", "former_id"],
        ["external_id", "changed_at"],
    )


def any_of(tx: Connection, connection: str, object: str) -> bool:
    """Whether any record of an object was ever called otherwise."""
    return tx.scalar(_ANY, {"connection": connection, "object": object}) is not None


_ANY: sa.Select[tuple[int]] = (
    sa.select(sa.literal_column("1"))
    .where(
        aliases.c.connection == sa.bindparam("connection"),
        aliases.c.object == sa.bindparam("object"),
    )
    .limit(sa.literal_column("1"))
)
"""Asked for every batch of records."""


def now_called(
    tx: Connection, connection: str, object: str, ids: Collection[str]
) -> Mapping[str, str]:
    """What those of these records are called now that are called otherwise, by their former ids."""
    found = rows.select(
        tx, aliases, "former_id", ids, fixed={"connection": connection, "object": object}
    )
    return {row["former_id"]: row["external_id"] for row in found}
