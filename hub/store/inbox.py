"""What came in: deliveries as they arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect, queue
from hub.store.tables import deliveries
from webhooks.inbox import Incoming, Stored

DELIVERIES = queue.Queue(deliveries, ready="accepted", aside="quarantined")


def store(tx: Connection, batch: Sequence[Incoming]) -> list[Stored]:
    """Store a batch: per delivery, in order, the row that holds it and whether it did already.

    The same delivery id with another body is stored beside the first with the verdict `altered`,
    never dropped.
    """
    now = dialect.database_now(tx)
    keys = {key for one in batch if (key := _dedupe(one))}
    known = {
        row.dedupe: (row.id, row.body_hash)
        for row in tx.execute(
            sa.select(deliveries.c.dedupe, deliveries.c.id, deliveries.c.body_hash).where(
                deliveries.c.dedupe.in_(keys)
            )
        )
    }
    rows: list[dict[str, Any]] = []
    answers: list[Stored] = []
    for one in batch:
        dedupe = _dedupe(one)
        verdict: str = one.verdict
        first = known.get(dedupe) if dedupe else None
        if first and first[1] == one.body_hash:
            answers.append(Stored(first[0], True))
            continue
        if first:
            verdict, dedupe = "altered", f"{dedupe}\n{one.body_hash}"
            again = known.get(dedupe) or _find(tx, dedupe)
            if again:
                answers.append(Stored(again[0], True))
                continue
        new = new_id("dlv")
        rows.append(
            {
                "id": new,
                "connection": one.connection,
                "delivery_id": one.delivery_id,
                "dedupe": dedupe,
                "received_at": one.received_at,
                "method": one.method,
                "url": one.url,
                "headers": dict(one.headers),
                "body": one.body,
                "body_hash": one.body_hash,
                "size": len(one.body),
                "verdict": verdict,
                **queue.work_row(
                    now, one.connection, "captured" if one.capture else DELIVERIES.ready
                ),
            }
        )
        if dedupe:
            known[dedupe] = (new, one.body_hash)
        answers.append(Stored(new))
    if not rows:
        return answers
    dialect.insert_or_ignore(tx, deliveries, rows)
    lost = _overtaken(tx, rows)
    return [Stored(lost[one.id], True) if one.id in lost else one for one in answers]


def _dedupe(one: Incoming) -> str | None:
    return f"{one.connection}\n{one.delivery_id}"[:400] if one.delivery_id else None


def _overtaken(tx: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Another process may have stored a delivery between our look and our insert: our id to its.

    Where it stored another body under the same delivery id, ours is kept beside it as `altered`.
    """
    ours = {row["dedupe"]: row for row in rows if row["dedupe"]}
    if not ours:
        return {}
    lost: dict[str, str] = {}
    beside: list[dict[str, Any]] = []
    for there in tx.execute(
        sa.select(deliveries.c.dedupe, deliveries.c.id, deliveries.c.body_hash).where(
            deliveries.c.dedupe.in_(ours)
        )
    ):
        mine = ours[there.dedupe]
        if there.id == mine["id"]:
            continue
        if there.body_hash == mine["body_hash"]:
            lost[mine["id"]] = there.id
        else:
            other = f"{there.dedupe}\n{mine['body_hash']}"
            beside.append({**mine, "verdict": "altered", "dedupe": other})
    dialect.insert_or_ignore(tx, deliveries, beside)
    return lost | (_overtaken(tx, beside) if beside else {})


def _find(tx: Connection, dedupe: str) -> tuple[str, str] | None:
    row = tx.execute(
        sa.select(deliveries.c.id, deliveries.c.body_hash).where(deliveries.c.dedupe == dedupe)
    ).first()
    return (row[0], row[1]) if row else None


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


def delivery(tx: Connection, id: str) -> RowMapping | None:
    """One stored delivery."""
    return tx.execute(sa.select(deliveries).where(deliveries.c.id == id)).mappings().first()


def list_deliveries(
    tx: Connection,
    *,
    connection: str | None = None,
    status: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Sequence[RowMapping]:
    """Deliveries, newest first, without their bodies."""
    columns = [column for column in deliveries.c if column.name != "body"]
    statement = sa.select(*columns).order_by(deliveries.c.position.desc()).limit(limit)
    if connection:
        statement = statement.where(deliveries.c.connection == connection)
    if status:
        statement = statement.where(deliveries.c.status == status)
    if before:
        statement = statement.where(deliveries.c.position < before)
    return tx.execute(statement).mappings().all()
