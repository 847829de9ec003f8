"""The values of CEL, and how plain JSON is seen as such without being copied first.

JSON's own values stand for themselves: text, true, false, null, whole numbers as `int`, others as
`double`, lists and objects. What else a record may hold is adapted when an expression touches it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

from mappings.cel.errors import ExpressionError, NoValue

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1
MAX_DEPTH = 100
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_MONEY_KEYS = {"value", "currency"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000_000
_FIRST, _LAST = -62135596800 * _SECOND, 253402300800 * _SECOND - 1
_LONGEST = 315_576_000_000 * _SECOND
_DAY = 86_400_000_000


class Uint(int):
    """A `uint`: a whole number that is none of the `int`s."""

    __slots__ = ()


class Built(dict[Any, Any]):
    """A map that the expression wrote itself: no amount of the hub's, and keys of any kind."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """A bool as a key of a map. Python takes True and 1 for one key, CEL does not."""

    value: bool


@dataclass(frozen=True, slots=True)
class CelType:
    """A type as a value: what `type(x)` gives."""

    name: str


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A moment, in nanoseconds since 1970, from year 1 through 9999. Raises NoValue outside."""

    nanos: int

    def __post_init__(self) -> None:
        if not _FIRST <= self.nanos <= _LAST:
            raise NoValue("a timestamp lies outside the years 1 through 9999.")

    def moment(self) -> datetime:
        """As Python has it, in UTC, cut to microseconds."""
        return _EPOCH + timedelta(microseconds=self.nanos // 1000)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in nanoseconds, up to 10,000 years. Raises NoValue beyond."""

    nanos: int

    def __post_init__(self) -> None:
        if not -_LONGEST - _SECOND < self.nanos < _LONGEST + _SECOND:
            raise NoValue("a duration is longer than 10,000 years.")

    def length(self) -> timedelta:
        """As Python has it, cut to microseconds."""
        return timedelta(microseconds=_toward_zero(self.nanos, 1000))


def _toward_zero(value: int, unit: int) -> int:
    return value // unit if value >= 0 else -(-value // unit)


def timestamp_of(moment: datetime) -> Timestamp:
    """A moment with a zone."""
    since = moment - _EPOCH
    micros = since.days * _DAY + since.seconds * 1_000_000 + since.microseconds
    return Timestamp(micros * 1000)


def moment_of(value: Any) -> datetime:
    """`now` as a moment. Raises ExpressionError if it has no zone, or is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ExpressionError("'now' is not a moment with a zone.")
    return value


def now_of(value: Any) -> Timestamp:
    """`now` as CEL has it."""
    return value if value.__class__ is Timestamp else timestamp_of(moment_of(value))


# -------------------------------------------------------------------------------------- kinds

_KINDS: dict[type, str] = {
    str: "string",
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    dict: "map",
    Built: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    CelType: "type",
}

CEL_CLASSES = frozenset(_KINDS)
TYPES = {name: CelType(name) for name in {*_KINDS.values()}}
"""The types that an expression may name."""


def kind_of(value: Any) -> str:
    """The name of a value's type."""
    return _KINDS.get(value.__class__, "map" if isinstance(value, dict) else "value")


def short_kind(value: Any) -> str:
    """The same as people say it."""
    return kind_of(value).replace("google.protobuf.", "").replace("null_type", "null").lower()


# ----------------------------------------------------------------------------------- adapting


def adapt(value: Any) -> Any:
    """A value as CEL has it: itself if it is plain JSON, else what stands for it.

    Dates and moments become text (write `timestamp(task.due.at) < now`), decimals and integers
    beyond 64 bits become doubles. What is inside a list or an object is left for later.
    Raises ExpressionError for what has no form in CEL.
    """
    kind = value.__class__
    if kind is int:
        return value if INT_MIN <= value <= INT_MAX else _double(value)
    if kind in CEL_CLASSES:
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Enum):
        return adapt(value.value)
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _double(value)
    raise ExpressionError(f"a value of type {kind.__name__} has no form in a condition.")


def _double(value: int | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def text_keys(value: dict[Any, Any]) -> dict[str, Any]:
    """An object whose keys were not all text, with text for keys."""
    return {str(key): item for key, item in value.items()}


def amount_of(value: dict[Any, Any]) -> Any:
    """`value` of an object; a number if the object is an amount. Raises KeyError."""
    amount = value["value"]
    if (
        amount.__class__ is str
        and (len(value) == 1 or (len(value) == 2 and "currency" in value))
        and value.__class__ is not Built
    ):
        try:
            return float(amount)
        except ValueError:
            return amount
    return amount


Settle = Callable[[Any], Any]


def as_written(value: Any) -> Any:
    """A value through and through as CEL has it, amounts as they stand."""
    return _settled(value, False, 0)


def with_amounts(value: Any) -> Any:
    """The same with every amount's `value` a number."""
    return _settled(value, True, 0)


def _settled(value: Any, amounts: bool, depth: int) -> Any:
    kind = value.__class__
    if kind is str or kind is bool or kind is float or value is None:
        return value
    if kind is not list and kind is not dict and kind is not Built:
        value = adapt(value)
        kind = value.__class__
    if depth > MAX_DEPTH and (kind is list or isinstance(value, dict)):
        raise ExpressionError(f"a value is nested deeper than {MAX_DEPTH} levels.")
    if kind is list:
        return [_settled(item, amounts, depth + 1) for item in value]
    if kind is Built:
        return Built({key: _settled(item, amounts, depth + 1) for key, item in value.items()})
    if isinstance(value, dict):
        ready = {str(key): _settled(item, amounts, depth + 1) for key, item in value.items()}
        if amounts and "value" in ready and ready.keys() <= _MONEY_KEYS:
            ready["value"] = amount_of(ready)
        return ready
    return value


# ------------------------------------------------------------------------------------ outward


def safe_text(value: str) -> str:
    """Text that every store and every encoding takes: NUL and lone surrogates become U+FFFD."""
    return value if value.isascii() and "\0" not in value else _UNSAFE.sub("\ufffd", value)


def to_json(value: Any) -> Any:
    """A settled value as plain JSON: moments and durations as text, keys as text."""
    if isinstance(value, str):
        return safe_text(value)
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Timestamp):
        return value.moment().isoformat().replace("+00:00", "Z")
    if isinstance(value, Duration):
        return f"{value.length().total_seconds():g}s"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {
            safe_text(str(key.value if isinstance(key, Flag) else key)): to_json(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value.name if isinstance(value, CelType) else str(value)
