"""Whole rows in and out of a table, in sets, past SQLAlchemy's work for each value: what every
event of the pipeline passes.

A row is a dict by column name, and its values mean what they mean everywhere in the store: aware
UTC moments, documents as JSON values. Errors are SQLAlchemy's, as the statements go through it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store.types import Document, Moment, from_json, moment_text, to_json

Row = dict[str, Any]
Convert = Callable[[Any], Any]

_STEPS = (64, 16, 4, 1)
"""Rows that one INSERT takes on SQLite: few sizes, so that the driver keeps them all prepared."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Some columns of a table as one dialect's driver takes and gives them."""

    names: tuple[str, ...]
    to_driver: tuple[Convert | None, ...]
    from_driver: tuple[tuple[str, Convert], ...]

    def values(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """A row's values for the driver, in the order of the names."""
        return tuple(
            [
                value if convert is None or value is None else convert(value)
                for value, convert in zip([row[name] for name in self.names], self.to_driver)  # noqa: B905 - as many
            ]
        )

    def row(self, values: Sequence[Any]) -> Row:
        """The row that the driver gave."""
        row: Row = dict(zip(self.names, values, strict=True))
        for name, convert in self.from_driver:
            if (value := row[name]) is not None:
                row[name] = convert(value)
        return row


@cache
def shape(table: sa.Table, names: tuple[str, ...], dialect: str) -> Shape:
    """The shape of these columns."""
    sqlite = dialect == "sqlite"
    to_driver: list[Convert | None] = []
    from_driver: list[tuple[str, Convert]] = []
    for name in names:
        kind = table.c[name].type
        if isinstance(kind, Moment):
            to_driver.append(_text_of if sqlite else _aware)
            from_driver.append((name, datetime.fromisoformat if sqlite else _in_utc))
        elif isinstance(kind, Document):
            to_driver.append(to_json)
            from_driver.append((name, from_json))
        else:
            to_driver.append(None)
            if sqlite and isinstance(kind, sa.Boolean):
                from_driver.append((name, bool))
    return Shape(names, tuple(to_driver), tuple(from_driver))


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
    names = tuple(column.name for column in table.c if column.name in rows[0])
    dialect = tx.dialect.name
    values = [*map(shape(table, names, dialect).values, rows)]
    if dialect != "sqlite":
        tx.exec_driver_sql(_insert(table, names, 1, "%s"), values)
        return
    at = 0
    for size in _STEPS:
        statement = _insert(table, names, size, "?")
        while len(values) - at >= size:
            flat = tuple(value for row in values[at : at + size] for value in row)
            tx.exec_driver_sql(statement, flat)
            at += size


@cache
def _insert(table: sa.Table, names: tuple[str, ...], count: int, mark: str) -> str:
    row = f"({', '.join([mark] * len(names))})"
    return (
        f"INSERT INTO {table.name} ({_listed(names)}) VALUES"  # noqa: S608 - names of our tables
        f" {', '.join([row] * count)}"
    )


def update(
    tx: Connection,
    table: sa.Table,
    names: tuple[str, ...],
    rows: Iterable[Mapping[str, Any]],
    key: str = "id",
) -> None:
    """Write these columns of the rows that have the keys."""
    dialect = tx.dialect.name
    values = [*map(shape(table, (*names, key), dialect).values, rows)]
    if values:
        tx.exec_driver_sql(_update(table, names, key, "?" if dialect == "sqlite" else "%s"), values)


@cache
def _update(table: sa.Table, names: tuple[str, ...], key: str, mark: str) -> str:
    told = ", ".join(f'"{name}" = {mark}' for name in names)
    return f'UPDATE {table.name} SET {told} WHERE "{key}" = {mark}'  # noqa: S608 - as above


def select(
    tx: Connection,
    table: sa.Table,
    column: str,
    among: Collection[str],
    *,
    fixed: Mapping[str, str] | None = None,
    order: str | None = None,
    lock: bool = False,
    leaving_out: tuple[str, ...] = (),
) -> list[Row]:
    """The rows whose `column` has one of these values, and whose `fixed` ones have theirs; `lock`
    holds them until the transaction ends.
    """
    if not among:
        return []
    sqlite = tx.dialect.name == "sqlite"
    names = tuple(one.name for one in table.c if one.name not in leaving_out)
    made = shape(table, names, tx.dialect.name)
    fixed = fixed or {}
    if not sqlite:
        statement = _select(table, names, column, tuple(fixed), 0, order, lock)
        return [*map(made.row, tx.exec_driver_sql(statement, (*fixed.values(), [*among])))]
    found: list[Row] = []
    wanted = [*among]
    for start in range(0, len(wanted), _MOST):
        some = wanted[start : start + _MOST]
        count = 1 << (len(some) - 1).bit_length()  # few lengths, so that they stay prepared
        some += some[-1:] * (count - len(some))
        statement = _select(table, names, column, tuple(fixed), count, order, lock=False)
        found += map(made.row, tx.exec_driver_sql(statement, (*fixed.values(), *some)))
    return found


_MOST = 8192
"""Values that one SELECT on SQLite compares with."""


@cache
def _select(
    table: sa.Table,
    names: tuple[str, ...],
    column: str,
    fixed: tuple[str, ...],
    count: int,
    order: str | None,
    lock: bool,
) -> str:
    mark = "?" if count else "%s"
    among = f"IN ({', '.join('?' * count)})" if count else "= ANY(%s)"
    where = "".join(f'"{name}" = {mark} AND ' for name in fixed)
    return (
        f'SELECT {_listed(names)} FROM {table.name} WHERE {where}"{column}" {among}'  # noqa: S608
        f"{f' ORDER BY {_listed((order,))}' if order else ''}{' FOR UPDATE' if lock else ''}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
