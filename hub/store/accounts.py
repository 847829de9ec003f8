"""The users of tools, and who of our parties each is.

Whoever holds them in memory asks for what changed since: so each commit has a later `changed_at`
than all before it, whatever the clocks say, and none is ever deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import dialect, rows
from hub.store.tables import accounts, comments, exceptions, items, links, parties, tasks

Row = dict[str, Any]
Key = tuple[str, str, str]
"""Connection, object and external id. Of a mere name that a person knew: no object, the name."""

PAGE = 500
"""Rows that are read at once of what may be many."""
_COLUMNS = tuple(column.name for column in accounts.c)
_KEYS = ("connection", "object", "external_id")


def key_of(row: Mapping[str, Any]) -> Key:
    return row["connection"], row["object"], row["external_id"]


def new(connection: str, object: str, external_id: str) -> Row:
    """An account that nobody knows yet; not stored."""
    return {
        "connection": connection,
        "object": object,
        "external_id": external_id,
        "party": None,
        "evidence": None,
        "handle": external_id,
        "names": [],
        "title": None,
        "email": None,
        "active": True,
        "disputed": None,
    }


def alone(tx: Connection) -> None:
    """Let nobody else change accounts until the transaction ends: asked before they are read, so
    that what is written back is not older than what a person said meanwhile.
    """
    dialect.critical_section(tx, "accounts")


def changed_since(tx: Connection, moment: datetime | None) -> list[Row]:
    """The accounts that changed after a moment, the oldest change first; None: all."""
    statement = sa.select(accounts).order_by(accounts.c.changed_at)
    if moment is not None:
        statement = statement.where(accounts.c.changed_at > moment)
    return [dict(row) for row in tx.execute(statement).mappings()]


def of_records(
    tx: Connection, connection: str, object: str, external_ids: Collection[str]
) -> dict[str, Row]:
    """Accounts by the id of their record."""
    found = rows.select(
        tx,
        accounts,
        "external_id",
        external_ids,
        fixed={"connection": connection, "object": object},
    )
    return {row["external_id"]: row for row in found}


def bearing(tx: Connection, connection: str, name: str) -> list[Row]:
    """The accounts of a connection that are called so: reads all of its accounts, for what a
    person does.
    """
    wanted = name.strip().lower()
    return [
        row
        for row in listed(tx, connection=connection)
        if wanted in row["names"] or row["external_id"].lower() == wanted
    ]


def of_parties(tx: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """The accounts of parties, by party."""
    found: dict[str, list[Row]] = {}
    for row in rows.select(tx, accounts, "party", ids, order="connection"):
        found.setdefault(row["party"], []).append(row)
    return found


def listed(
    tx: Connection,
    *,
    connection: str | None = None,
    unknown: bool = False,
    after: Key | None = None,
    limit: int | None = None,
) -> list[Row]:
    """Accounts in order; `unknown`: those that are nobody of ours, or disputed. A name that a
    person took back is none.
    """
    columns = [accounts.c[name] for name in _KEYS]
    statement = sa.select(accounts).order_by(*columns)
    statement = statement.where(sa.or_(accounts.c.object != "", accounts.c.party.is_not(None)))
    if connection is not None:
        statement = statement.where(accounts.c.connection == connection)
    if unknown:
        statement = statement.where(
            sa.or_(accounts.c.party.is_(None), accounts.c.disputed.is_not(None))
        )
    if after is not None:
        statement = statement.where(sa.tuple_(*columns) > sa.tuple_(*map(sa.literal, after)))
    if limit is not None:
        statement = statement.limit(limit)
    return [dict(row) for row in tx.execute(statement).mappings()]


def keep(tx: Connection, changed: Sequence[Row], now: datetime) -> None:
    """Store new and changed accounts. One transaction at a time, until it ends: so that nobody
    commits an earlier moment than what others have seen.
    """
    if not changed:
        return
    alone(tx)
    newest = tx.scalar(sa.select(sa.func.max(accounts.c.changed_at)))
    moment = now if newest is None else max(now, newest + timedelta(microseconds=1))
    for row in changed:
        row["changed_at"] = moment
        dialect.upsert(
            tx,
            accounts,
            {name: row[name] for name in _COLUMNS},
            list(_KEYS),
            [name for name in _COLUMNS if name not in _KEYS],
        )


def relink(tx: Connection, account: Mapping[str, Any], now: datetime) -> None:
    """Have the link of an account's record lead to whom it is of now; without a party it has no
    link, and the next pull of everything tells of it anew.
    """
    mine = sa.and_(
        links.c.connection == account["connection"],
        links.c.object == account["object"],
        links.c.external_id == account["external_id"],
    )
    if account["party"] is None:
        tx.execute(sa.delete(links).where(mine))
    else:
        tx.execute(sa.update(links).where(mine).values(entity_id=account["party"], updated_at=now))


def parties_by_email(tx: Connection, addresses: Collection[str]) -> dict[str, list[Row]]:
    """Parties by their address in lower case, the workspace's people first."""
    found: dict[str, list[Row]] = {}
    wanted = sorted(addresses)
    for start in range(0, len(wanted), 500):
        statement = (
            sa.select(parties)
            .where(sa.func.lower(parties.c.email).in_(wanted[start : start + 500]))
            .order_by(parties.c.person.is_(None), parties.c.id)
        )
        for row in tx.execute(statement).mappings():
            found.setdefault(row["email"].lower(), []).append(dict(row))
    return found


def waiting(tx: Connection, connections: Collection[str], after: str = "") -> tuple[list[Row], str]:
    """Open exceptions about a person whom a tool, or we, could not name, of those that follow a
    place in the order of ids: `id` and `data`. With them the place to go on from; empty: that was
    all.
    """
    columns = exceptions.c
    statement = (
        sa.select(columns.id, columns.data)
        .where(
            columns.type == "unmapped_value",
            columns.status.in_(("open", "acknowledged")),
            columns.id > after,
        )
        .order_by(columns.id)
        .limit(PAGE)
    )
    found = [dict(row) for row in tx.execute(statement).mappings()]
    named = [
        row
        for row in found
        if row["data"].get("who") and row["data"].get("connection") in connections
    ]
    return named, found[-1]["id"] if len(found) == PAGE else ""


def try_again(tx: Connection, ids: Sequence[str]) -> None:
    """Have these exceptions tried anew as if another revision had come: see `hub.flow.drain`."""
    if ids:
        tx.execute(
            sa.update(exceptions).where(exceptions.c.id.in_(list(ids))).values(failed_under=0)
        )


def links_held_by(
    tx: Connection, kind: str, fields: Collection[str], party: str, connection: str
) -> Iterator[list[Row]]:
    """The links to a connection of the entities of a kind in which a party stands, some at a time,
    by the id of the entity: whoever writes them locks that first, and reads the link again.
    """
    table = {"task": tasks, "item": items, "comment": comments}[kind]
    last = ""
    while True:
        statement = (
            sa.select(links)
            .join(table, table.c.id == links.c.entity_id)
            .where(
                links.c.connection == connection,
                sa.or_(*(table.c[field] == party for field in fields)),
                table.c.id > last,
            )
            .order_by(table.c.id)
            .limit(PAGE)
        )
        found = [dict(row) for row in tx.execute(statement).mappings()]
        if found:
            yield found
        if len(found) < PAGE:
            return
        last = found[-1]["entity_id"]
