"""What happened: append-only, in the transaction that made it happen; sealed into a hash chain
afterwards.

Chaining inside each transaction would make every writer wait for the last, so a single sealer
numbers and chains committed events
a moment later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect, rows
from hub.store.tables import events
from hub.store.types import to_json
from mappings.canonical import EVENT_TYPES

GENESIS = "0" * 64


@dataclass(slots=True)
class EventDraft:
    """An event about to be stored. `changed` maps a field to its before and after."""

    type: str
    subject: str | None
    actor: Mapping[str, Any]
    source: str = "hub"
    case: str | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    cause: str | None = None
    correlation: str | None = None
    origin: str | None = None
    on_behalf_of: str | None = None
    id: str = field(default_factory=lambda: new_id("evt"))


def append(tx: Connection, drafts: Sequence[EventDraft], now: datetime) -> None:
    """Store events in order."""
    if not drafts:
        return
    for draft in drafts:
        if draft.type not in EVENT_TYPES:
            raise ValueError(f"{draft.type} is not an event type of the contract")
    rows.insert(
        tx,
        events,
        [
            {
                "id": draft.id,
                "type": draft.type,
                "time": now,
                "source": draft.source,
                "subject": draft.subject,
                "case_id": draft.case,
                "actor": dict(draft.actor),
                "on_behalf_of": draft.on_behalf_of,
                "cause": draft.cause,
                "correlation": draft.correlation or draft.id,
                "origin": draft.origin,
                "changed": dict(draft.changed),
                "data": dict(draft.data),
            }
            for draft in drafts
        ],
    )


def _digest(previous: str, row: RowMapping) -> str:
    time: datetime = row["time"]
    content = {
        **{
            name: row[name]
            for name in (
                "id", "type", "source", "subject", "case_id", "actor", "on_behalf_of", "cause",
                "correlation", "origin", "changed", "data",
            )
        },
        "time": time.astimezone(UTC).isoformat(timespec="microseconds"),
    }  # fmt: skip
    return hashlib.sha256(f"{previous}\n{to_json(content)}".encode()).hexdigest()


def head(tx: Connection) -> tuple[int, str]:
    """The last sealed number and its hash; (0, zeros) before the first."""
    row = tx.execute(
        sa.select(events.c.sequence, events.c.hash)
        .where(events.c.sequence.is_not(None))
        .order_by(events.c.sequence.desc())
        .limit(1)
    ).first()
    return (row[0], row[1]) if row else (0, GENESIS)


def unsealed(tx: Connection) -> int:
    """How many events are not in the chain yet."""
    statement = sa.select(sa.func.count()).where(events.c.sequence.is_(None))
    return tx.scalar(statement) or 0


def seal(tx: Connection, limit: int = 1000) -> int:
    """Number and chain what is committed and not sealed yet; how many. One sealer at a time."""
    dialect.critical_section(tx, "seal")
    sequence, previous = head(tx)
    rows = (
        tx.execute(
            sa.select(events)
            .where(events.c.sequence.is_(None))
            .order_by(events.c.position)
            .limit(limit)
        )
        .mappings()
        .all()
    )
    sealed = []
    for row in rows:
        sequence += 1
        previous = _digest(previous, row)
        sealed.append({"at": row["position"], "number": sequence, "digest": previous})
    if sealed:
        tx.execute(
            sa.update(events)
            .where(events.c.position == sa.bindparam("at"))
            .values(sequence=sa.bindparam("number"), hash=sa.bindparam("digest")),
            sealed,
        )
    return len(sealed)


def verify(tx: Connection) -> tuple[int, str, str | None]:
    """Recompute the chain: how many events are sealed, the head, and what is broken first (None:
    nothing).
    """
    previous, number = GENESIS, 0
    statement = (
        sa.select(events)
        .where(events.c.sequence.is_not(None))
        .order_by(events.c.sequence)
        .execution_options(yield_per=1000)
    )
    with tx.execute(statement) as rows:
        for row in rows.mappings():
            number += 1
            if row["sequence"] != number:
                return number - 1, previous, f"event {number} is missing before {row['id']}"
            digest = _digest(previous, row)
            if digest != row["hash"]:
                return number - 1, previous, f"event {number} ({row['id']}) was changed"
            previous = digest
    return number, previous, None


def of(
    tx: Connection,
    *,
    subject: str | None = None,
    case: str | None = None,
    after: int = 0,
    limit: int = 200,
    newest_first: bool = True,
) -> Sequence[RowMapping]:
    """Events of a subject or a case, or all after a position."""
    statement = sa.select(events).where(events.c.position > after).limit(limit)
    if subject:
        statement = statement.where(events.c.subject == subject)
    if case:
        statement = statement.where(events.c.case_id == case)
    order = events.c.position.desc() if newest_first else events.c.position
    return tx.execute(statement.order_by(order)).mappings().all()


def event(tx: Connection, id: str) -> RowMapping | None:
    """One event."""
    return tx.execute(sa.select(events).where(events.c.id == id)).mappings().first()


def everything(tx: Connection) -> Iterator[RowMapping]:
    """All events in order, streamed."""
    statement = sa.select(events).order_by(events.c.position)
    with tx.execute(statement.execution_options(yield_per=1000)) as rows:
        yield from rows.mappings()
