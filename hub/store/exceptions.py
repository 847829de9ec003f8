"""What a person must look at. The same trouble twice is one open exception with a higher count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect
from hub.store.tables import exceptions

OPEN = ("open", "acknowledged")


@dataclass(frozen=True, slots=True)
class Trouble:
    """An exception about to be raised. `place` tells two troubles of one subject apart (a field,
    a step).
    """

    type: str
    title: str
    detail: str = ""
    severity: str = "normal"
    subject: str | None = None
    owner: str | None = None
    place: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return f"{self.type}/{self.subject or ''}/{self.place}"[:300]


def raise_(tx: Connection, troubles: Sequence[Trouble], now: datetime) -> list[tuple[str, bool]]:
    """Open these exceptions, or count them again; per trouble its id and whether it is new."""
    if not troubles:
        return []
    wanted = {trouble.fingerprint for trouble in troubles}
    known = {
        row.fingerprint: row.id
        for row in tx.execute(
            sa.select(exceptions.c.fingerprint, exceptions.c.id).where(
                exceptions.c.fingerprint.in_(wanted), exceptions.c.status.in_(OPEN)
            )
        )
    }
    answers = []
    for trouble in troubles:
        there = known.get(trouble.fingerprint)
        while there is None:
            made = _open(tx, trouble, now)
            if made is not None:
                break
            # another worker opened it since we looked
            there = tx.scalar(
                sa.select(exceptions.c.id).where(
                    exceptions.c.fingerprint == trouble.fingerprint, exceptions.c.status.in_(OPEN)
                )
            )
        if there is None:
            assert made is not None  # noqa: S101 - the loop ends with one or the other
            known[trouble.fingerprint] = made
            answers.append((made, True))
            continue
        tx.execute(
            sa.update(exceptions)
            .where(exceptions.c.id == there)
            .values(
                count=exceptions.c.count + 1,
                seen_at=now,
                detail=trouble.detail,
                data=dict(trouble.data),
            )
        )
        answers.append((there, False))
    return answers


def _open(tx: Connection, trouble: Trouble, now: datetime) -> str | None:
    """A new exception's id; None if the same one is open already."""
    made = new_id("exc")
    new = dialect.insert_new(
        tx,
        exceptions,
        {
            "id": made,
            "type": trouble.type,
            "severity": trouble.severity,
            "title": trouble.title,
            "detail": trouble.detail,
            "owner": trouble.owner,
            "status": "open",
            "subject": trouble.subject,
            "fingerprint": trouble.fingerprint,
            "data": dict(trouble.data),
            "opened_at": now,
            "seen_at": now,
        },
    )
    return made if new else None


def close(
    tx: Connection, id: str, status: str, now: datetime, by: str | None, resolution: str
) -> bool:
    """Resolve or waive an open exception. False: it is not open."""
    return bool(
        tx.execute(
            sa.update(exceptions)
            .where(exceptions.c.id == id, exceptions.c.status.in_(OPEN))
            .values(status=status, resolved_at=now, resolved_by=by, resolution=resolution)
        ).rowcount
    )


def open_of(
    tx: Connection, subject: str | Sequence[str], type: str | None = None
) -> Sequence[RowMapping]:
    """Open exceptions of one or several subjects."""
    subjects = [subject] if isinstance(subject, str) else list(subject)
    statement = sa.select(exceptions).where(
        exceptions.c.subject.in_(subjects), exceptions.c.status.in_(OPEN)
    )
    if type:
        statement = statement.where(exceptions.c.type == type)
    return tx.execute(statement.order_by(exceptions.c.opened_at)).mappings().all()


def exception(tx: Connection, id: str, *, lock: bool = False) -> RowMapping | None:
    """One exception; `lock` holds it until the transaction ends."""
    statement = sa.select(exceptions).where(exceptions.c.id == id)
    if lock:
        statement = dialect.for_update(statement, tx)
    return tx.execute(statement).mappings().first()


def list_exceptions(
    tx: Connection,
    *,
    status: str | None = "open",
    type: str | None = None,
    subject: str | None = None,
    owner: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> Sequence[RowMapping]:
    """Exceptions, the newest first; `status="open"` includes acknowledged ones, None means all.
    `before` is the (opened_at, id) of the last one seen.
    """
    statement = (
        sa.select(exceptions)
        .order_by(exceptions.c.opened_at.desc(), exceptions.c.id.desc())
        .limit(limit)
    )
    if before:
        statement = statement.where(
            sa.tuple_(exceptions.c.opened_at, exceptions.c.id)
            < sa.tuple_(sa.literal(before[0], exceptions.c.opened_at.type), sa.literal(before[1]))
        )
    if status == "open":
        statement = statement.where(exceptions.c.status.in_(OPEN))
    elif status:
        statement = statement.where(exceptions.c.status == status)
    for column, value in (
        (exceptions.c.type, type),
        (exceptions.c.subject, subject),
        (exceptions.c.owner, owner),
    ):
        if value:
            statement = statement.where(column == value)
    return tx.execute(statement).mappings().all()
