"""What assistants suggest. The database takes an answer from a person only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store.tables import proposals

Row = dict[str, Any]


def insert(tx: Connection, row: Row) -> None:
    tx.execute(sa.insert(proposals).values(**row))


def proposal(tx: Connection, id: str) -> Row | None:
    """One proposal."""
    row = tx.execute(sa.select(proposals).where(proposals.c.id == id)).mappings().first()
    return dict(row) if row else None


def list_proposals(
    tx: Connection,
    *,
    status: str | None = None,
    kind: str | None = None,
    target: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Row]:
    """Proposals, newest first; `before` is the (created_at, id) of the last one seen."""
    statement = (
        sa.select(proposals)
        .order_by(proposals.c.created_at.desc(), proposals.c.id.desc())
        .limit(limit)
    )
    for column, value in (
        (proposals.c.status, status),
        (proposals.c.kind, kind),
        (proposals.c.target, target),
    ):
        if value:
            statement = statement.where(column == value)
    if before:
        statement = statement.where(
            sa.tuple_(proposals.c.created_at, proposals.c.id)
            < sa.tuple_(sa.literal(before[0], proposals.c.created_at.type), sa.literal(before[1]))
        )
    return [dict(row) for row in tx.execute(statement).mappings()]


def answer(
    tx: Connection, id: str, status: str, by: str, kind: str, patch: Row, now: datetime
) -> bool:
    """Accept, edit or reject an open proposal; `kind` is the kind of the party `by`. False: it was
    answered before.
    """
    return bool(
        tx.execute(
            sa.update(proposals)
            .where(proposals.c.id == id, proposals.c.status == "proposed")
            .values(
                status=status,
                answered_by=by,
                answered_by_kind=kind,
                answered_at=now,
                patch=patch,
            )
        ).rowcount
    )
