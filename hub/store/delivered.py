"""Looking at what came in: deliveries narrowed down, followed as they come, and picked for replay;
what each became.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.store.exceptions import OPEN
from hub.store.tables import deliveries, events, exceptions, links, records

_LATER = deliveries.alias("later")
_LISTED = [column for column in deliveries.c if column.name != "body"]


@dataclass(frozen=True, slots=True)
class Narrow:
    """What deliveries are narrowed by; None is any. `since` and `until` are moments of receipt, the
    second not included. `text` stands in the id, the vendor's id or the address. `not_replayed`: of
    an original and its copies only the newest.
    """

    connection: str | None = None
    status: str | None = None
    verdict: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    ids: Sequence[str] | None = None
    not_replayed: bool = False


def _where(narrow: Narrow) -> list[sa.ColumnElement[bool]]:
    columns = deliveries.c
    found: list[sa.ColumnElement[bool]] = [
        column == value
        for column, value in (
            (columns.connection, narrow.connection),
            (columns.status, narrow.status),
            (columns.verdict, narrow.verdict),
        )
        if value is not None
    ]
    if narrow.since is not None:
        found.append(columns.received_at >= narrow.since)
    if narrow.until is not None:
        found.append(columns.received_at < narrow.until)
    if narrow.ids is not None:
        found.append(columns.id.in_(narrow.ids))
    if narrow.not_replayed:
        found.append(_newest_of_its_line())
    if narrow.text:
        found.append(
            sa.or_(
                *(
                    column.icontains(narrow.text, autoescape=True)
                    for column in (columns.id, columns.delivery_id, columns.url)
                )
            )
        )
    return found


def search(
    tx: Connection, narrow: Narrow, *, before: int | None = None, limit: int = 50
) -> Sequence[RowMapping]:
    """Deliveries, newest first, without their bodies."""
    statement = sa.select(*_LISTED).where(*_where(narrow)).order_by(deliveries.c.position.desc())
    if before is not None:
        statement = statement.where(deliveries.c.position < before)
    return tx.execute(statement.limit(limit)).mappings().all()


def newest(tx: Connection) -> int:
    """The position of the newest delivery, 0 before the first."""
    return tx.scalar(sa.select(sa.func.max(deliveries.c.position))) or 0


def last_received(tx: Connection, names: Collection[str]) -> dict[str, datetime]:
    """When each of these connections last got a delivery; replays are none."""
    found = {}
    for name in names:
        newest = tx.scalar(
            sa.select(deliveries.c.received_at)
            .where(deliveries.c.connection == name, deliveries.c.replay_of.is_(None))
            .order_by(deliveries.c.position.desc())
            .limit(1)
        )
        if newest is not None:
            found[name] = newest
    return found


# --------------------------------------------------------------------------------- as they come


BEHIND = 500
"""Rows before the newest that are looked at again: PostgreSQL hands out a position before the row
can be seen, so that a later one may be seen first.
"""


class Follower:
    """Hands out each delivery, of one connection or of all, once, as it comes; oldest first."""

    def __init__(self, tx: Connection, connection: str | None = None, last: int = 0) -> None:
        """`last` of those that are there already are handed out first."""
        self._connection = connection
        there = [row["position"] for row in search(tx, Narrow(connection), limit=last + BEHIND)]
        self._seen = set(there[last:])
        self._floor = min(there, default=newest(tx))

    def look(self, tx: Connection, limit: int = 500) -> Sequence[RowMapping]:
        """What has come since the last look, with bodies."""
        columns = deliveries.c
        statement = sa.select(columns.position).where(columns.position >= self._floor)
        if self._connection:
            statement = statement.where(columns.connection == self._connection)
        there = list(tx.scalars(statement.order_by(columns.position).limit(limit + 2 * BEHIND)))
        fresh = [position for position in there if position not in self._seen][:limit]
        if not fresh:
            return []
        self._seen.update(fresh)
        if len(self._seen) > 2 * BEHIND:
            kept = sorted(self._seen)[-BEHIND:]
            self._floor, self._seen = kept[0], set(kept)
        chosen = sa.select(deliveries).where(columns.position.in_(fresh))
        return tx.execute(chosen.order_by(columns.position)).mappings().all()


def whole(tx: Connection, ids: Collection[str]) -> dict[str, RowMapping]:
    """Deliveries by their id, without bodies, as they are now."""
    rows = tx.execute(sa.select(*_LISTED).where(deliveries.c.id.in_(ids))).mappings()
    return {row["id"]: row for row in rows}


def with_bodies(tx: Connection, ids: Sequence[str], at_once: int = 50) -> Iterator[RowMapping]:
    """These deliveries, some at a time, as bodies may be large."""
    for begin in range(0, len(ids), at_once):
        chosen = sa.select(deliveries).where(deliveries.c.id.in_(ids[begin : begin + at_once]))
        yield from tx.execute(chosen.order_by(deliveries.c.position)).mappings().all()


# ------------------------------------------------------------------------------------ for replay


def _last_of_its_line(upto: int) -> sa.ColumnElement[bool]:
    """Not replayed yet: of an original and its copies only the newest counts, so that a replay
    that is begun again goes on where it stopped, and none takes up what was replayed since.
    """
    return sa.and_(deliveries.c.position <= upto, _newest_of_its_line())


def _newest_of_its_line() -> sa.ColumnElement[bool]:
    origin = sa.func.coalesce(deliveries.c.replay_of, deliveries.c.id)
    newer = (
        sa.select(_LATER.c.position)
        .where(_LATER.c.replay_of == origin, _LATER.c.position > deliveries.c.position)
        .exists()
    )
    return ~newer


@dataclass(frozen=True, slots=True)
class Picked:
    """What a replay would take: how many, of which connection in which status, from when to when,
    and how many bytes.
    """

    count: int
    size: int
    oldest: datetime | None
    newest: datetime | None
    groups: Sequence[tuple[str, str, int]]


def pick(tx: Connection, narrow: Narrow, *, after: int = 0, upto: int) -> Picked:
    """What a replay of positions after `after` up to `upto` would take."""
    columns = deliveries.c
    rows = tx.execute(
        sa.select(
            columns.connection,
            columns.status,
            sa.func.count(),
            sa.func.sum(columns.size),
            sa.func.min(columns.received_at, type_=columns.received_at.type),
            sa.func.max(columns.received_at, type_=columns.received_at.type),
        )
        .where(*_where(narrow), columns.position > after, _last_of_its_line(upto))
        .group_by(columns.connection, columns.status)
        .order_by(columns.connection, columns.status)
    ).all()
    return Picked(
        count=sum(row[2] for row in rows),
        size=int(sum(row[3] for row in rows)),
        oldest=min((row[4] for row in rows), default=None),
        newest=max((row[5] for row in rows), default=None),
        groups=[(row[0], row[1], row[2]) for row in rows],
    )


def to_replay(
    tx: Connection, narrow: Narrow, *, after: int, upto: int, limit: int
) -> Sequence[RowMapping]:
    """The next ones to replay, oldest first: position, id and size."""
    columns = deliveries.c
    return (
        tx.execute(
            sa.select(columns.position, columns.id, columns.size)
            .where(*_where(narrow), columns.position > after, _last_of_its_line(upto))
            .order_by(columns.position)
            .limit(limit)
        )
        .mappings()
        .all()
    )


# ------------------------------------------------------------------------------- what they became


def copies(tx: Connection, ids: Collection[str]) -> dict[str, list[str]]:
    """The replays of each of these originals, oldest first."""
    found: dict[str, list[str]] = {}
    for row in tx.execute(
        sa.select(deliveries.c.replay_of, deliveries.c.id)
        .where(deliveries.c.replay_of.in_(ids))
        .order_by(deliveries.c.position)
    ):
        found.setdefault(row[0], []).append(row[1])
    return found


def became(tx: Connection, delivery: str) -> list[dict[str, Any]]:
    """The records of a delivery that wait or waited for their turn, each with how far it is. What
    was brought in at once, or long ago, has no row.
    """
    columns = records.c
    rows = tx.execute(
        sa.select(columns.object, columns.external_id, columns.kind, columns.status, columns.error)
        .where(columns.delivery == delivery)
        .order_by(columns.position)
    ).mappings()
    return [dict(row) for row in rows]


def entities(
    tx: Connection, connection: str, external: Collection[str]
) -> dict[tuple[str, str], str]:
    """What is linked to these records of a connection: (object, external id) to the entity."""
    columns = links.c
    rows = tx.execute(
        sa.select(columns.object, columns.external_id, columns.entity_id).where(
            columns.connection == connection, columns.external_id.in_(external)
        )
    )
    return {(row[0], row[1]): row[2] for row in rows}


def troubles(tx: Connection, delivery: str, about: Collection[str] = ()) -> list[dict[str, Any]]:
    """Exceptions about a delivery itself and, while open, about what it became."""
    columns = exceptions.c
    rows = tx.execute(
        sa.select(
            columns.id, columns.type, columns.severity, columns.status, columns.title,
            columns.detail,
        )
        .where(
            sa.or_(
                columns.subject == delivery,
                sa.and_(columns.subject.in_(about), columns.status.in_(OPEN)),
            )
        )
        .order_by(columns.opened_at)
    ).mappings()  # fmt: skip
    return [dict(row) for row in rows]


def events_because_of(tx: Connection, delivery: str, since: datetime) -> list[dict[str, Any]]:
    """What happened because of a delivery that came since this moment: type and subject. Looks at
    the newest events only, as they are not found by their cause.
    """
    recent = (
        sa.select(events.c.position, events.c.type, events.c.subject, events.c.cause, events.c.time)
        .order_by(events.c.position.desc())
        .limit(2000)
        .subquery()
    )
    rows = tx.execute(
        sa.select(recent.c.type, recent.c.subject)
        .where(recent.c.cause == delivery, recent.c.time >= since - timedelta(minutes=1))
        .order_by(recent.c.position)
    ).mappings()
    return [dict(row) for row in rows]


# --------------------------------------------------------------------------------------- forgotten

DEALT_WITH = ("processed", "ignored")
"""What waits for a person (quarantined, captured) is kept until somebody acts."""


def forget(tx: Connection, older_than: datetime, after: int, limit: int) -> tuple[int, int | None]:
    """Drop deliveries that were dealt with and came before a moment, but for those of which a
    record still waits. Looks at so many of the oldest behind this position; how many went, and the
    position to go on from, None at the end.
    """
    columns = deliveries.c
    found = tx.execute(
        sa.select(columns.position, columns.id, columns.status, columns.received_at)
        .where(columns.position > after)
        .order_by(columns.position)
        .limit(limit)
    ).all()
    old = [row for row in found if row.received_at < older_than]
    done = {row.id: row.position for row in old if row.status in DEALT_WITH}
    if done:
        open_ = records.c.status != "done"
        for id in tx.scalars(
            sa.select(records.c.delivery).where(records.c.delivery.in_(done), open_)
        ):
            done.pop(id or "", None)
        tx.execute(sa.delete(deliveries).where(columns.position.in_(list(done.values()))))
    # they come in the order of their positions, but for replays, which stand among newer ones
    ended = len(found) < limit or not old
    return len(done), None if ended else found[-1].position
