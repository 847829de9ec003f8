"""What happened: append-only, in the transaction that made it happen; sealed into a hash chain
afterwards.

Chaining inside each transaction would make every writer wait for the last, so a single sealer
numbers and chains committed events
a moment later.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect, rows
from hub.store.tables import events
from hub.store.types import from_json, to_json
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
                "actor": _plain(draft.actor),
                "on_behalf_of": draft.on_behalf_of,
                "cause": draft.cause,
                "correlation": draft.correlation or draft.id,
                "origin": draft.origin,
                "changed": _plain(draft.changed),
                "data": _plain(draft.data),
            }
            for draft in drafts
        ],
    )


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """As it is, where it is what is written: one that many events share is then written once."""
    return document if type(document) is dict else dict(document)


_HASHED = (
    "id", "type", "source", "subject", "case_id", "actor", "on_behalf_of", "cause", "correlation",
    "origin", "changed", "data", "time",
)  # fmt: skip
"""What a seal covers, in the order in which it is written."""


def _digest(previous: str, row: Mapping[str, Any]) -> str:
    content = {name: row[name] for name in _HASHED}
    time: datetime = row["time"]
    content["time"] = time.astimezone(UTC).isoformat(timespec="microseconds")
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
    sealed = []
    for row in tx.execute(_UNSEALED, {"most": limit}).mappings():
        sequence += 1
        previous = _digest(previous, _content_as_written(row.keys(), row.values()))
        sealed.append({"position": row["position"], "sequence": sequence, "hash": previous})
    rows.update(tx, events, ("sequence", "hash"), sealed, key="position")
    return len(sealed)


_DOCUMENTS = ("actor", "changed", "data")
_AS_WRITTEN = {
    column.name: sa.type_coerce(column, sa.Text).label(column.name)
    if column.name in _DOCUMENTS
    else column
    for column in events.c
}
_UNSEALED = (
    sa.select(*_AS_WRITTEN.values())
    .where(events.c.sequence.is_(None))
    .order_by(events.c.position)
    .limit(sa.bindparam("most"))
)
_SEALED = (
    sa.select(*(_AS_WRITTEN[name] for name in (*_HASHED, "sequence", "hash")))
    .where(events.c.sequence.is_not(None))
    .order_by(events.c.sequence)
)
_UNSURE = re.compile(r"\\u|[0-9]{16}|NaN|Infinity")
"""What may be written otherwise once it was read: such documents are read."""


def _content_as_written(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    """A row whose documents are text, ready to be hashed: most are the very text that would be
    written of their values, and need not be read for that. Raises ValueError.
    """
    content = dict(zip(names, values, strict=False))
    texts = [content[name] for name in _DOCUMENTS]
    read = from_json if any(map(_UNSURE.search, texts)) else orjson.Fragment
    for name, text in zip(_DOCUMENTS, texts, strict=True):
        content[name] = read(text)
    return content


def verify(
    tx: Connection,
    passing: Mapping[int, str] | None = None,
    told: Callable[[int], object] = lambda number: None,
) -> tuple[int, str, str | None]:
    """Recompute the chain: how many events are sealed, the head, and what is broken first (None:
    nothing). One row at a time, however long the log is.

    `passing` are heads that were kept elsewhere, number to hash: the chain must still pass through
    each, or its end was cut off, or it was written anew. `told` hears from time to time which
    number was reached.
    """
    previous, number, kept = GENESIS, 0, passing or {}
    loose = tx.scalar(
        sa.select(events.c.id)
        .where(events.c.sequence.is_(None), events.c.hash.is_not(None))
        .limit(1)
    )
    if loose is not None:
        return 0, GENESIS, f"the sealed event {loose} has lost its number"
    with tx.execute(_SEALED, execution_options={"yield_per": 2000}) as found:
        for part in found.partitions():
            for row in part:
                sequence, known = row[-2:]
                number += 1
                if sequence != number:
                    return number - 1, previous, f"event {number} is missing before {row[0]}"
                try:
                    digest = _digest(previous, _content_as_written(_HASHED, row))
                except ValueError:  # no JSON any more
                    digest = ""
                if digest != known:
                    return number - 1, previous, f"event {number} ({row[0]}) was changed"
                if number in kept and kept[number] != digest:
                    return (
                        number - 1,
                        previous,
                        f"event {number} ({row[0]}) is not the one that the head names:"
                        " what stands up to there was written anew",
                    )
                previous = digest
            told(number)
    if (last := max(kept, default=0)) > number:
        return number, previous, f"the log ends at event {number}, but its head was at {last}"
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


def written(tx: Connection, subjects: Sequence[str]) -> Sequence[RowMapping]:
    """When tools took writes of these, the newest first."""
    statement = sa.select(events).where(
        events.c.subject.in_(list(subjects)), events.c.type == "push.sent"
    )
    return tx.execute(statement.order_by(events.c.position.desc()).limit(1000)).mappings().all()


def event(tx: Connection, id: str) -> RowMapping | None:
    """One event."""
    return tx.execute(sa.select(events).where(events.c.id == id)).mappings().first()


def everything(tx: Connection) -> Iterator[RowMapping]:
    """All events in order, streamed."""
    statement = sa.select(events).order_by(events.c.position)
    with tx.execute(statement.execution_options(yield_per=1000)) as rows:
        yield from rows.mappings()
