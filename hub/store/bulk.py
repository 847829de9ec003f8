"""Many rows into a table past SQLAlchemy, in the driver's own fast way: the intake's hot path.

SQLite: a few INSERTs of many rows each. The driver lets go of the interpreter's lock at each step
of a statement, and with one row for each step a busy event loop would keep the writer waiting at
every row. PostgreSQL: binary COPY, in a savepoint, and by INSERT where a row collides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from hub.store.dialect import is_sqlite

if TYPE_CHECKING:
    import psycopg

Rows = Sequence[tuple[Any, ...]]

_STEPS = (64, 16, 4, 1)
"""How many rows one statement takes: few sizes, so that the driver keeps them all prepared."""


def insert_new(tx: Connection, table: str, columns: dict[str, str], rows: Rows) -> int:
    """Insert the rows that collide with no unique key; how many those were.

    `columns` are names and PostgreSQL types, in the order of the values, which are what the driver
    takes: SQLite gets moments as text. Names come from our code, never from outside.
    """
    if not rows:
        return 0
    if is_sqlite(tx):
        return _insert_into_sqlite(tx, table, tuple(columns), rows)
    return _copy_or_insert(tx, table, columns, rows)


def copy_new(
    connection: Connection,
    table: str,
    columns: dict[str, str],
    rows: Rows,
    committing: Callable[[], None] = lambda: None,
) -> bool:
    """Insert all rows as a transaction of their own, on a PostgreSQL connection that commits by
    itself. False, and nothing is inserted, where one collides. `committing` is called when they
    have been handed over: from then on they may be stored, whatever is raised.
    """
    from psycopg.errors import UniqueViolation

    with _driver(connection).cursor() as cursor:
        try:
            _copy(cursor, table, columns, rows, committing)
        except UniqueViolation:
            return False
        return True


def _insert_into_sqlite(tx: Connection, table: str, columns: tuple[str, ...], rows: Rows) -> int:
    cursor = tx.connection.cursor()
    inserted, at = 0, 0
    try:
        for size in _STEPS:
            while len(rows) - at >= size:
                values = [value for row in rows[at : at + size] for value in row]
                cursor.execute(_sqlite_statement(table, columns, size), values)
                inserted += cursor.rowcount
                at += size
    finally:
        cursor.close()
    return inserted


@lru_cache(maxsize=32)
def _sqlite_statement(table: str, columns: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"  # noqa: S608
        " ON CONFLICT DO NOTHING"
    )


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    return connection.connection.driver_connection  # type: ignore[return-value]


def _copy(
    cursor: psycopg.Cursor[Any],
    table: str,
    columns: dict[str, str],
    rows: Rows,
    handed_over: Callable[[], None] = lambda: None,
) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)
        handed_over()


def _copy_or_insert(tx: Connection, table: str, columns: dict[str, str], rows: Rows) -> int:
    from psycopg.errors import UniqueViolation

    names, types = ", ".join(columns), list(columns.values())
    with _driver(tx).cursor() as cursor:
        cursor.execute("SAVEPOINT copied", prepare=False)
        try:
            _copy(cursor, table, columns, rows)
        except UniqueViolation:
            cursor.execute("ROLLBACK TO SAVEPOINT copied", prepare=False)
        else:
            cursor.execute("RELEASE SAVEPOINT copied", prepare=False)
            return len(rows)
        values = ", ".join(f"%s::{kind}" for kind in types)
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING",  # noqa: S608
            rows,
        )
        return cursor.rowcount
