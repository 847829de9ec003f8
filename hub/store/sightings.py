"""What a pull of everything has seen, and the links it did not see: set by set, so that a million
of them take no more memory than a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import bulk, dialect
from hub.store.tables import links, sightings

CHUNK = 1000
MOST = 400
"""Characters of an id that a link can have."""
EXCUSED = -1
"""In place of a count of misses: a person said that it is not gone, though no list shows it."""

_COLUMNS = {"connection": "varchar", "object": "varchar", "external_id": "varchar"}


@dataclass(frozen=True, slots=True)
class Missed:
    """A link that was not seen."""

    external_id: str
    address: Mapping[str, Any]


def clear(tx: Connection, connection: str, object: str) -> None:
    """Forget what was seen of an object."""
    tx.execute(sa.delete(sightings).where(_among(sightings, connection, object)))


def any_living(tx: Connection, connection: str, object: str) -> bool:
    """Whether there is a link of this object that could be missed."""
    living = sa.and_(_among(links, connection, object), links.c.remote_deleted.is_(sa.false()))
    return tx.scalar(sa.select(sa.literal(1)).where(living).limit(1)) is not None


def note(tx: Connection, connection: str, object: str, ids: Collection[str]) -> None:
    """Note records as seen, by the ids that their links have; more than once is harmless."""
    seen = [(connection, object, id) for id in dict.fromkeys(ids) if len(id) <= MOST]
    bulk.insert_new(tx, "sightings", _COLUMNS, seen)


def linked(tx: Connection, connection: str, object: str) -> int:
    """How many links were seen."""
    one = sightings.alias()
    statement = (
        sa.select(sa.func.count())
        .select_from(one)
        .where(_among(one, connection, object), sa.exists().where(_same(links, one)))
    )
    return tx.scalar(statement) or 0


def count_misses(
    tx: Connection,
    connection: str,
    object: str,
    since: datetime,
    covered: Callable[[Mapping[str, Any]], bool] = lambda address: True,
) -> int:
    """Count one miss more for each link that is not deleted, was not heard of since then and was
    not seen, and none for those that were seen; how many were missed. Whoever is being written at
    this moment is not missed: no two wait for one another. Nor is what could not be seen, by its
    address (`covered`) or as its id is too long to be noted, nor what a person excused.
    """
    _seen_again(tx, connection, object)
    missed = 0
    known = links.c
    for ids in _unseen(tx, connection, object):
        statement = sa.select(known.id, known.address).where(
            _among(links, connection, object),
            known.external_id.in_(ids),
            sa.func.length(known.external_id) <= MOST,
            known.misses != EXCUSED,
            known.remote_deleted.is_(sa.false()),
            known.created_at < since,
            sa.or_(known.heard_at.is_(None), known.heard_at < since),
        )
        found = tx.execute(dialect.skip_locked(statement, tx)).all()
        gone = [row.id for row in found if covered(row.address)]
        if gone:
            more = sa.update(links).where(known.id.in_(gone)).values(misses=known.misses + 1)
            missed += tx.execute(more).rowcount
    return missed


def missed(
    tx: Connection, connection: str, object: str, at_least: int = 1
) -> Iterator[list[Missed]]:
    """The links that were missed so often in a row, some at a time."""
    last = ""
    known = links.c
    while True:
        statement = (
            sa.select(known.external_id, known.address)
            .where(
                _among(links, connection, object),
                _counted(),
                known.misses >= at_least,
                known.remote_deleted.is_(sa.false()),
                known.external_id > last,
            )
            .order_by(known.external_id)
            .limit(CHUNK)
        )
        some = [Missed(row.external_id, row.address) for row in tx.execute(statement)]
        if some:
            yield some
        if len(some) < CHUNK:
            return
        last = some[-1].external_id


def excuse(tx: Connection, connection: str, object: str) -> None:
    """What was missed is not gone: it counts as missed no more until it was seen once again."""
    for some in missed(tx, connection, object):
        ids = [one.external_id for one in some]
        these = sa.and_(_among(links, connection, object), links.c.external_id.in_(ids))
        tx.execute(sa.update(links).where(these).values(misses=EXCUSED))


def _seen_again(tx: Connection, connection: str, object: str) -> None:
    """Whatever was missed before, or excused, and is there now is missed no more."""
    statement = sa.select(links.c.id).where(
        _among(links, connection, object),
        _counted(),
        sa.exists().where(_same(sightings, links)),
    )
    back = list(tx.scalars(dialect.skip_locked(statement, tx)))
    for start in range(0, len(back), CHUNK):
        some = back[start : start + CHUNK]
        tx.execute(sa.update(links).where(links.c.id.in_(some)).values(misses=0))


def _unseen(tx: Connection, connection: str, object: str) -> Iterator[list[str]]:
    """The ids of links that were not seen, some at a time: from the indexes alone."""
    last = ""
    while True:
        statement = (
            sa.select(links.c.external_id)
            .where(
                _among(links, connection, object),
                links.c.external_id > last,
                sa.not_(sa.exists().where(_same(sightings, links))),
            )
            .order_by(links.c.external_id)
            .limit(CHUNK)
        )
        ids = list(tx.scalars(statement))
        if ids:
            yield ids
        if len(ids) < CHUNK:
            return
        last = ids[-1]


def _among(table: sa.FromClause, connection: str, object: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.connection == connection, table.c.object == object)


def _same(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    names = ("connection", "object", "external_id")
    return sa.and_(*(one.c[name] == other.c[name] for name in names))


def _counted() -> sa.ColumnElement[bool]:
    return links.c.misses != sa.literal_column("0")  # as its index has it
