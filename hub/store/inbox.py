"""What came in: deliveries as they arrived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id, new_ids
from hub.store import bulk, dialect, queue, rows
from hub.store.tables import deliveries
from hub.store.types import to_json
from webhooks.inbox import Incoming, Stored

# A lane is a connection here, and one worker at a time keeps it. Order is not what it is for: that
# is told by the records, so a delivery that is tried again later holds up no other.
DELIVERIES = queue.Queue(
    deliveries,
    ready="accepted",
    aside="quarantined",
    lease=timedelta(seconds=30),
    holds_up=False,
    weight="size",
    most=8 * 1024 * 1024,
    unread=(
        "dedupe", "body", "body_hash", "records", "replay_of", "lease_until", "next_attempt_at",
        "error",
    ),
)  # fmt: skip


_COLUMNS = {
    "id": "text",
    "connection": "text",
    "delivery_id": "text",
    "dedupe": "text",
    "received_at": "timestamptz",
    "method": "text",
    "url": "text",
    "headers": "text",
    "body": "bytea",
    "body_hash": "text",
    "size": "int4",
    "verdict": "text",
    "lane": "text",
    "status": "text",
    "next_attempt_at": "timestamptz",
}
"""What a new row says, with the types of PostgreSQL."""
_ID, _DEDUPE, _HASH, _VERDICT = (
    list(_COLUMNS).index(name) for name in ("id", "dedupe", "body_hash", "verdict")
)
_Row = tuple[Any, ...]


def store(tx: Connection, batch: Sequence[Incoming]) -> list[Stored]:
    """Store a batch: per delivery, in order, the row that holds it and whether it did already.

    The same delivery id with another body is stored beside the first with the verdict `altered`,
    never dropped. Nothing is looked for beforehand: the unique index tells what is known.
    """
    answers: dict[int, Stored] = {}
    twins: list[tuple[int, int]] = []
    waiting = dict(enumerate(_rows(tx, batch)))
    while waiting:
        # one of each delivery id at a time: another body under the same id comes after the first
        turn: dict[int, _Row] = {}
        later: dict[int, _Row] = {}
        firsts: dict[str, int] = {}
        for at, row in waiting.items():
            first = firsts.setdefault(row[_DEDUPE], at) if row[_DEDUPE] else at
            if first == at:
                turn[at] = row
            elif row[_HASH] == waiting[first][_HASH]:
                twins.append((at, first))
            else:
                later[at] = row
        known = _insert(tx, list(turn.values()))
        for at, row in turn.items():
            there = known.get(row[_ID])
            answers[at] = Stored(there, True) if there else Stored(row[_ID])
        waiting = later
    for at, first in twins:
        answers[at] = Stored(answers[first].id, True)
    return [answers[at] for at in range(len(batch))]


def store_at_once(
    connection: Connection,
    batch: Sequence[Incoming],
    committing: Callable[[], None] = lambda: None,
) -> list[Stored] | None:
    """Store a batch as a transaction of its own, on a PostgreSQL connection that commits by itself.
    None, and nothing is stored, where any of it is known already. From the call of `committing` on
    it may be stored, whatever is raised.
    """
    rows = _rows(connection, batch)
    keys = [row[_DEDUPE] for row in rows if row[_DEDUPE]]
    if len(set(keys)) < len(keys):
        return None
    if not bulk.copy_new(connection, "deliveries", _COLUMNS, rows, committing):
        return None
    return [Stored(row[_ID]) for row in rows]


def _rows(tx: Connection, batch: Sequence[Incoming]) -> list[_Row]:
    """Values in the order of `_COLUMNS`, as the driver takes them."""
    written = dialect.written_moment(tx)
    moment = dialect.recent_now(tx)
    now = written(moment)
    # states without a version go by when they came, so all hosts must mean the same by it
    skew = dialect.skew(moment)
    return [
        (
            id,
            one.connection,
            one.delivery_id,
            f"{one.connection}\n{one.delivery_id}"[:400] if one.delivery_id else None,
            written(one.received_at + skew),
            one.method,
            one.url,
            to_json(one.headers),
            one.body,
            one.body_hash,
            len(one.body),
            one.verdict,
            one.connection,
            "captured" if one.capture else DELIVERIES.ready,
            now,
        )
        for id, one in zip(new_ids("dlv", len(batch)), batch, strict=True)
    ]


def _insert(tx: Connection, rows: Sequence[_Row]) -> dict[str, str]:
    """Insert rows with different delivery ids; for each that was stored before, also by another
    process a moment ago, our id for it and the id of the row that holds it.

    Another body under the same delivery id is kept beside the first as `altered`.
    """
    if bulk.insert_new(tx, "deliveries", _COLUMNS, rows) == len(rows):
        return {}
    ours = {row[_DEDUPE]: row for row in rows if row[_DEDUPE]}
    known: dict[str, str] = {}
    beside: list[_Row] = []
    for there in tx.execute(
        sa.select(deliveries.c.dedupe, deliveries.c.id, deliveries.c.body_hash).where(
            deliveries.c.dedupe.in_(ours)
        )
    ):
        mine = ours[there.dedupe]
        if there.id == mine[_ID]:
            continue
        if there.body_hash == mine[_HASH]:
            known[mine[_ID]] = there.id
        else:
            altered = list(mine)
            altered[_DEDUPE] = f"{there.dedupe}\n{mine[_HASH]}"
            altered[_VERDICT] = "altered"
            beside.append(tuple(altered))
    return known | (_insert(tx, beside) if beside else {})


def replay(tx: Connection, delivery: str) -> str | None:
    """Queue a copy of a stored delivery for processing; the original stays as it was. None:
    there is none.
    """
    row = tx.execute(sa.select(deliveries).where(deliveries.c.id == delivery)).mappings().first()
    if row is None:
        return None
    now, new = dialect.database_now(tx), new_id("dlv")
    kept = ("connection", "delivery_id", "received_at", "method", "url", "headers", "body",
            "body_hash", "size", "verdict")  # fmt: skip
    tx.execute(
        sa.insert(deliveries).values(
            {name: row[name] for name in kept}
            | {"id": new, "dedupe": None, "replay_of": row["replay_of"] or delivery}
            | queue.work_row(now, row["connection"], DELIVERIES.ready)
        )
    )
    return new


def bodies(tx: Connection, positions: Sequence[int]) -> dict[int, bytes]:
    """The bodies of claimed deliveries, by position."""
    found = rows.select(tx, deliveries, "position", positions, names=("position", "body"))
    return {row["position"]: bytes(row["body"]) for row in found}


def delivery(tx: Connection, id: str) -> RowMapping | None:
    """One stored delivery."""
    return tx.execute(sa.select(deliveries).where(deliveries.c.id == id)).mappings().first()
