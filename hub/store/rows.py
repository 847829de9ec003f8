"""Whole rows in and out of a table, in sets, past SQLAlchemy's work for each value: what every
event of the pipeline passes.

A row is a dict by column name, and its values mean what they mean everywhere in the store: aware
UTC moments, documents as JSON values. Errors are SQLAlchemy's, as the statements go through it.
How the columns of a table are converted is made into one function for each table, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store.types import Document, Moment, from_json, moment_text, to_json

Row = dict[str, Any]
Values = tuple[Any, ...]
"""A row as the driver takes or gives it."""


class Kept(dict[str, Any]):
    """A row as it was read. It knows what the driver gave, so that an update writes only what is
    different: each index that a statement names is written anew, also where nothing changed.
    """

    __slots__ = ("names", "was")
    names: tuple[str, ...]
    was: Values | None


ToDriver = Callable[[Iterable[Mapping[str, Any]]], list[Values]]
FromDriver = Callable[[Iterable[Any]], list[Kept]]


@cache
def to_driver(table: sa.Table, names: tuple[str, ...], dialect: str) -> ToDriver:
    """What makes of rows their values of these columns, in this order. A moment or a document that
    many rows in a row share is written once.
    """
    before, each, values = [], [], []
    for at, name in enumerate(names):
        kind = table.c[name].type
        if not isinstance(kind, Moment | Document):
            values.append(f"row[{name!r}]")
            continue
        write = "text_of" if isinstance(kind, Moment) else "to_json"
        before.append(f"    was{at} = made{at} = None")
        each.append(f"        if (it := row[{name!r}]) is not was{at}:")
        each.append(f"            was{at}, made{at} = it, None if it is None else {write}(it)")
        values.append(f"made{at}")
    lines = [
        "def values_of(rows):",
        *before,
        "    found = []",
        "    for row in rows:",
        *each,
        f"        found.append(({', '.join(values)},))",
        "    return found",
    ]
    space: Row = {"text_of": _text_of if dialect == "sqlite" else _aware, "to_json": to_json}
    made: ToDriver = _compiled(lines, f"to {table.name}", space)["values_of"]
    return made


@cache
def from_driver(table: sa.Table, names: tuple[str, ...], dialect: str) -> FromDriver:
    """What makes rows of the values of these columns, in this order."""
    sqlite = dialect == "sqlite"
    entries = []
    for at, name in enumerate(names):
        kind, value = table.c[name].type, f"v{at}"
        if isinstance(kind, Moment):
            value = f"None if {value} is None else moment({value})"
        elif isinstance(kind, Document):
            value = f"None if {value} is None else from_json({value})"
        elif sqlite and isinstance(kind, sa.Boolean):
            value = f"None if {value} is None else bool({value})"
        entries.append(f"{name!r}: {value}")
    lines = [
        "def rows_of(some):",
        "    found = []",
        "    for values in some:",
        f"        {', '.join(f'v{at}' for at in range(len(names)))}, = values",
        f"        row = Kept({{{', '.join(entries)}}})",
        "        row.names, row.was = names, values",
        "        found.append(row)",
        "    return found",
    ]
    space: Row = {
        "Kept": Kept,
        "names": names,
        "moment": datetime.fromisoformat if sqlite else _in_utc,
        "from_json": from_json,
    }
    made: FromDriver = _compiled(lines, f"from {table.name}", space)["rows_of"]
    return made


def _compiled(lines: Sequence[str], title: str, space: Row) -> Row:
    exec(compile("\n".join(lines), f"<rows {title}>", "exec"), space)  # noqa: S102 - names of our tables
    return space


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a stored moment needs a zone")
    return moment


def _text_of(moment: datetime) -> str:
    return moment_text(_aware(moment))


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def insert(tx: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows; a column that the first one does not name takes its default in all of them."""
    if not rows:
        return
    names = tuple([name for name in columns(table) if name in rows[0]])
    empty = {name for name in _may_be_empty(table) if all(row.get(name) is None for row in rows)}
    if empty:  # the driver takes longer over nothing than over something
        names = tuple([name for name in names if name not in empty])
    dialect = tx.dialect.name
    tx.exec_driver_sql(_insert(table, names, dialect), to_driver(table, names, dialect)(rows))


@cache
def columns(table: sa.Table, leaving_out: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names of a table's columns."""
    return tuple(column.name for column in table.c if column.name not in leaving_out)


@cache
def _may_be_empty(table: sa.Table) -> tuple[str, ...]:
    """The columns that are NULL in a row which does not name them."""
    return tuple(
        column.name
        for column in table.c
        if column.nullable and column.default is None and column.server_default is None
    )


@lru_cache(1000)
def _insert(table: sa.Table, names: tuple[str, ...], dialect: str) -> str:
    marks = ", ".join([_mark(dialect)] * len(names))
    return f"INSERT INTO {table.name} ({_listed(names)}) VALUES ({marks})"  # noqa: S608 - names of our tables


def update(
    tx: Connection,
    table: sa.Table,
    names: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    key: str = "id",
) -> None:
    """Write these columns of the rows that have the keys: of rows that were read here, those of
    them that are different now.
    """
    if not rows:
        return
    dialect = tx.dialect.name
    groups: dict[tuple[str, ...], list[Values]] = {}
    for row, values in zip(rows, to_driver(table, (*names, key), dialect)(rows), strict=True):
        if type(row) is not Kept or row.was is None:
            groups.setdefault(names, []).append(values)
            continue
        was = _picker(row.names, (*names, key))(row.was)
        row.was = None  # whoever saves it again writes it whole
        places = tuple([at for at, value in enumerate(values) if value != was[at]])
        if places:
            changed = tuple([names[at] for at in places])
            groups.setdefault(changed, []).append((*[values[at] for at in places], values[-1]))
    for changed, some in groups.items():
        tx.exec_driver_sql(_update(table, changed, key, dialect), some)


@cache
def _picker(names: tuple[str, ...], wanted: tuple[str, ...]) -> Callable[[Values], Values]:
    return itemgetter(*[names.index(name) for name in wanted])


@lru_cache(1000)
def _update(table: sa.Table, names: tuple[str, ...], key: str, dialect: str) -> str:
    mark = _mark(dialect)
    told = ", ".join(f'"{name}" = {mark}' for name in names)
    return f'UPDATE {table.name} SET {told} WHERE "{key}" = {mark}'  # noqa: S608 - as above


def select(
    tx: Connection,
    table: sa.Table,
    column: str,
    among: Collection[Any],
    *,
    names: tuple[str, ...] | None = None,
    fixed: Mapping[str, str] | None = None,
    where: str = "",
    order: str | None = None,
    lock: bool = False,
) -> list[Kept]:
    """The rows whose `column` has one of these values, whose `fixed` ones have theirs, and of which
    `where` is true, a condition in our own words: all of their columns, or `names`. `lock` holds
    them until the transaction ends.
    """
    if not among:
        return []
    dialect = tx.dialect.name
    names = columns(table) if names is None else names
    made = from_driver(table, names, dialect)
    fixed = fixed or {}
    if dialect != "sqlite":
        statement = _select(table, names, column, tuple(fixed), where, 0, order, lock)
        return made(tx.exec_driver_sql(statement, (*fixed.values(), [*among])).fetchall())
    found: list[Kept] = []
    wanted = [*among]
    for start in range(0, len(wanted), _MOST):
        some = wanted[start : start + _MOST]
        count = 1 << (len(some) - 1).bit_length()  # few lengths, so that they stay prepared
        some += some[-1:] * (count - len(some))
        statement = _select(table, names, column, tuple(fixed), where, count, order, lock=False)
        found += made(tx.exec_driver_sql(statement, (*fixed.values(), *some)).fetchall())
    return found


_MOST = 8192
"""Values that one SELECT on SQLite compares with."""


@cache
def _select(
    table: sa.Table,
    names: tuple[str, ...],
    column: str,
    fixed: tuple[str, ...],
    where: str,
    count: int,
    order: str | None,
    lock: bool,
) -> str:
    mark = "?" if count else "%s"
    among = f"IN ({', '.join('?' * count)})" if count else "= ANY(%s)"
    also = "".join(f'"{name}" = {mark} AND ' for name in fixed)
    also += f"{where} AND " if where else ""
    return (
        f'SELECT {_listed(names)} FROM {table.name} WHERE {also}"{column}" {among}'  # noqa: S608
        f"{f' ORDER BY {_listed((order,))}' if order else ''}{' FOR UPDATE' if lock else ''}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _mark(dialect: str) -> str:
    return "?" if dialect == "sqlite" else "%s"
