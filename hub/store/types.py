"""Column types that mean the same on SQLite and PostgreSQL: moments, JSON documents, positions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Dialect


def moment_text(moment: datetime) -> str:
    """An aware datetime as SQLite keeps it: ISO in UTC of one width, which sorts."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime: `timestamptz` on PostgreSQL, fixed-width ISO text (which sorts) on
    SQLite.
    """

    impl = sa.String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.DateTime(timezone=True))
        return dialect.type_descriptor(sa.String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored moment needs a zone")
        if dialect.name == "postgresql":
            return value.astimezone(UTC)
        return moment_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return datetime.fromisoformat(value)


def to_json(value: Any) -> str:
    """Compact JSON. Falls back from orjson for what only the standard library writes (lone
    surrogates, big integers).
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # what orjson raises for all it does not write
        pass
    try:
        # keys that are no strings, which costs time to look for
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))


def from_json(text: str | bytes) -> Any:
    """The value of JSON text written by `to_json`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


class Document(sa.types.TypeDecorator[Any]):
    """A JSON value as text: vendors send NULs and huge integers that `jsonb` refuses, and
    nothing searches inside.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else to_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else from_json(value)


# an identity column that SQLite keeps as its rowid and PostgreSQL as a bigint
Position = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
