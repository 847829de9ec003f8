"""What a person must look at. The same trouble twice is one open exception with a higher count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.ids import new_id
from hub.store import dialect, rows
from hub.store.tables import exceptions

OPEN = ("open", "acknowledged")
UNMAPPED = ("unmapped_value", "mapping_error")
"""A value, or a record, that a mapping had no answer for."""

Row = dict[str, Any]


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
    failed_under: int | None = None
    """The revision under which it failed, if another one may mend it: then it is tried again."""
    counted: bool = True
    """Whether it happened once more, rather than not having gone away."""
    group: str = ""
    """What many subjects have in common, if that is one trouble: then the first stands for all."""

    @property
    def fingerprint(self) -> str:
        if self.group:
            return f"{self.type}/={self.group}"[:300]
        return f"{self.type}/{self.subject or ''}/{self.place}"[:300]


def raise_(tx: Connection, troubles: Sequence[Trouble], now: datetime) -> list[tuple[str, bool]]:
    """Open these exceptions, or count them again; per trouble its id and whether it is new."""
    if not troubles:
        return []
    newest = {trouble.fingerprint: trouble for trouble in troubles}
    known = _known(tx, newest)
    opened: set[str] = set()
    for _ in range(3):  # another worker may open one, or close one, since we looked
        missing = sorted(one for one in newest if one not in known)  # no two workers deadlock
        if not missing:
            break
        made = {one: _row(newest[one], now) for one in missing}
        dialect.insert_or_ignore(tx, exceptions, list(made.values()))
        known |= _known(tx, missing)
        opened |= {one for one in missing if known.get(one) == made[one]["id"]}
    seen: set[str] = set()
    answers: list[tuple[str, bool]] = []
    again: list[Row] = []
    for trouble in troubles:
        print_ = trouble.fingerprint
        new = print_ in opened and print_ not in seen
        seen.add(print_)
        answers.append((known[print_], new))
        if not new:
            again.append(
                {
                    "_id": known[print_],
                    "_times": int(trouble.counted),
                    "_seen_at": now,
                    "_detail": trouble.detail,
                    "_data": dict(trouble.data),
                    "_failed_under": trouble.failed_under,
                }
            )
    if again:
        tx.execute(
            sa.update(exceptions)
            .where(exceptions.c.id == sa.bindparam("_id"))
            .values(
                count=exceptions.c.count + sa.bindparam("_times"),
                **{name: sa.bindparam(f"_{name}") for name in _AGAIN},
            ),
            sorted(again, key=lambda row: str(row["_id"])),
        )
    return answers


_AGAIN = ("seen_at", "detail", "data", "failed_under")


def _known(tx: Connection, fingerprints: Iterable[str]) -> dict[str, str]:
    """Open exceptions by fingerprint."""
    rows = tx.execute(
        sa.select(exceptions.c.fingerprint, exceptions.c.id).where(
            exceptions.c.fingerprint.in_(list(fingerprints)), exceptions.c.status.in_(OPEN)
        )
    )
    return {row.fingerprint: row.id for row in rows}


def _row(trouble: Trouble, now: datetime) -> Row:
    return {
        "id": new_id("exc"),
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
        "failed_under": trouble.failed_under,
    }


def close(
    tx: Connection, id: str, status: str, now: datetime, by: str | None, resolution: str
) -> bool:
    """Resolve or waive an open exception. False: it is not open."""
    return bool(
        tx.execute(
            sa.update(exceptions)
            .where(exceptions.c.id == id, exceptions.c.status.in_(OPEN))
            .values(
                status=status,
                resolved_at=now,
                resolved_by=by,
                resolution=resolution,
                failed_under=None,
            )
        ).rowcount
    )


def close_all(tx: Connection, ids: Sequence[str], now: datetime, resolution: str) -> set[str]:
    """Resolve those that are still open, which came to an end by themselves; which they were."""
    if not ids:
        return set()
    statement = sa.select(exceptions.c.id).where(
        exceptions.c.id.in_(list(ids)), exceptions.c.status.in_(OPEN)
    )
    still = set(tx.scalars(dialect.for_update(statement.order_by(exceptions.c.id), tx)))
    if still:
        tx.execute(
            sa.update(exceptions)
            .where(exceptions.c.id.in_(sorted(still)))
            .values(
                status="resolved",
                resolved_at=now,
                resolved_by=None,
                resolution=resolution,
                failed_under=None,
            )
        )
    return still


def mendable(tx: Connection, revision: int, limit: int) -> Sequence[RowMapping]:
    """Open exceptions that failed under an older revision, locked against whoever else looks."""
    statement = (
        sa.select(exceptions)
        .where(exceptions.c.failed_under < revision)
        .order_by(exceptions.c.failed_under, exceptions.c.id)
        .limit(limit)
    )
    return tx.execute(dialect.skip_locked(statement, tx)).mappings().all()


def any_mendable(tx: Connection, revision: int) -> bool:
    """Whether there is any such exception."""
    statement = sa.select(sa.literal(1)).where(exceptions.c.failed_under < revision).limit(1)
    return tx.scalar(statement) is not None


def tried(tx: Connection, ids: Sequence[str], revision: int) -> None:
    """Note that these are being tried under a revision, so that it is done once."""
    tx.execute(
        sa.update(exceptions).where(exceptions.c.id.in_(list(ids))).values(failed_under=revision)
    )


def try_all_again(tx: Connection) -> None:
    """Have everything tried that a changed environment may have mended."""
    tx.execute(sa.update(exceptions).where(exceptions.c.failed_under > 0).values(failed_under=0))


def open_of(tx: Connection, subject: str | Collection[str], *types: str) -> Sequence[Row]:
    """Open exceptions of one or several subjects, of these types if any are named."""
    subjects = [subject] if isinstance(subject, str) else subject
    found = rows.select(
        tx, exceptions, "subject", subjects, where=f"status IN {OPEN}", order="opened_at"
    )
    return [row for row in found if row["type"] in types] if types else found


def open_in(tx: Connection, groups: Collection[str], type: str = "push_failed") -> list[str]:
    """The open exceptions of these groups."""
    if not groups:
        return []
    statement = sa.select(exceptions.c.id).where(
        exceptions.c.fingerprint.in_([f"{type}/={group}" for group in sorted(groups)]),
        exceptions.c.status.in_(OPEN),
    )
    return list(tx.scalars(statement.order_by(exceptions.c.id)))


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
