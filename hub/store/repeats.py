"""Answers kept for those who send a request again with the same Idempotency-Key.

A row is written in the transaction of the request's effect: it is there if and only if the effect
is, whenever the process died.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store.tables import repeats

KEPT = timedelta(hours=24)
"""How long a key counts."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered, and to which body (its SHA-256 in hex)."""

    body_hash: str
    status: int
    headers: dict[str, str]
    answer: str


def find(tx: Connection, scope: str, now: datetime) -> Kept | None:
    """The answer under a scope (caller, route and key as one hash), unless it is too old."""
    row = tx.execute(
        sa.select(repeats).where(repeats.c.scope == scope, repeats.c.answered_at > now - KEPT)
    ).one_or_none()
    return None if row is None else Kept(row.body_hash, row.status, row.headers, row.answer)


def keep(tx: Connection, scope: str, kept: Kept, now: datetime) -> None:
    """Keep an answer in the place of one of this scope that no longer counts."""
    tx.execute(
        sa.delete(repeats).where(repeats.c.scope == scope, repeats.c.answered_at <= now - KEPT)
    )
    values: dict[str, Any] = {
        "scope": scope,
        "body_hash": kept.body_hash,
        "status": kept.status,
        "headers": kept.headers,
        "answer": kept.answer,
        "answered_at": now,
    }
    tx.execute(sa.insert(repeats).values(**values))


def forget(tx: Connection, older_than: datetime, limit: int) -> int:
    """Drop answers from before, so many at most; how many went."""
    old = sa.select(repeats.c.scope).where(repeats.c.answered_at < older_than).limit(limit)
    return tx.execute(sa.delete(repeats).where(repeats.c.scope.in_(old))).rowcount
