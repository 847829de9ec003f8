"""The functions of CEL: which there are, on which types, and what they do.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions
Where the text leaves a choice, the answer is Google's own (`cel_expr_python`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mappings.cel.errors import NoValue, Unsure
from mappings.cel.operators import fits, no_overload
from mappings.cel.times import duration_text, read_duration, read_timestamp, timestamp_text
from mappings.cel.values import (
    INT_MAX,
    INT_MIN,
    TYPES,
    UINT_MAX,
    CelType,
    Duration,
    Timestamp,
    Uint,
    kind_of,
    safe_text,
)
from mappings.patterns import PatternError, compiled

_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_OFFSET = re.compile(r"([+-]?)([0-9]{1,2}):([0-9]{2})")
_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_SPACES = " \t\n\v\f\r"


# ---------------------------------------------------------------------------------- converting


def _kind(value: Any) -> type:
    kind: type = value.__class__
    if kind is int and not fits(value):
        raise Unsure
    return kind


def to_int(value: Any) -> int:
    kind = _kind(value)
    if kind is int:
        return int(value)
    if kind is Uint or kind is bool:
        if value <= INT_MAX:
            return int(value)
        raise NoValue("a uint does not fit into an int.")
    if kind is float:
        if math.isfinite(value) and INT_MIN < value < 2.0**63:
            return int(value)
        raise NoValue(f"the double {value} does not fit into an int.")
    if kind is str:
        found = _WHOLE.fullmatch(value.strip(_SPACES))
        if found and INT_MIN <= int(found[0]) <= INT_MAX:
            return int(found[0])
        raise NoValue(f"the text '{_cut(value)}' is no int.")
    if kind is Timestamp:
        return int(value.nanos // 1_000_000_000)
    raise no_overload("int", value)


def to_uint(value: Any) -> Uint:
    kind = _kind(value)
    if kind is Uint:
        return Uint(value)
    if kind is int:
        if value >= 0:
            return Uint(value)
        raise NoValue("a negative int is no uint.")
    if kind is float:
        if math.isfinite(value) and 0 <= value < 2.0**64:
            return Uint(int(value))
        raise NoValue(f"the double {value} does not fit into a uint.")
    if kind is str:
        found = _WHOLE.fullmatch(value.strip(_SPACES))
        if found and found[0][0] != "-" and int(found[0]) <= UINT_MAX:
            return Uint(found[0])
        raise NoValue(f"the text '{_cut(value)}' is no uint.")
    raise no_overload("uint", value)


def to_double(value: Any) -> float:
    kind = _kind(value)
    if kind is float or kind is int or kind is Uint:
        return float(value)
    if kind is str:
        text = value.strip(_SPACES)
        if _REAL.fullmatch(text) or _SPECIAL.fullmatch(text):
            return float(text)
        raise NoValue(f"the text '{_cut(value)}' is no double.")
    raise no_overload("double", value)


def to_bool(value: Any) -> bool:
    if value.__class__ is bool:
        return bool(value)
    if value.__class__ is str:
        if value in _BOOLS:
            return _BOOLS[value]
        raise NoValue(f"the text '{_cut(value)}' is neither true nor false.")
    raise no_overload("bool", value)


def to_bytes(value: Any) -> bytes:
    if value.__class__ is bytes:
        return bytes(value)
    if value.__class__ is str:
        return safe_surrogates(value).encode()
    raise no_overload("bytes", value)


def to_string(value: Any) -> str:
    kind = _kind(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Uint:
        return str(int(value))
    if kind is float:
        return double_text(value)
    if kind is bytes:
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise NoValue("the bytes are no UTF-8 text.") from None
    if kind is Timestamp:
        return timestamp_text(value)
    if kind is Duration:
        return duration_text(value)
    raise no_overload("string", value)


def double_text(value: float) -> str:
    """The fewest digits that mean this number; from a million on with an exponent."""
    if value != value:
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    number = Decimal(repr(value)).normalize()
    sign, digits, power = number.as_tuple()
    exponent = len(digits) + int(power) - 1
    if value == 0 or -4 <= exponent < 6:
        return f"{number:f}"
    rest = "".join(map(str, digits[1:]))
    return f"{'-' * sign}{digits[0]}{'.' if rest else ''}{rest}e{exponent:+03d}"


def to_timestamp(value: Any) -> Timestamp:
    kind = _kind(value)
    if kind is Timestamp:
        return Timestamp(value.nanos)
    if kind is str:
        return read_timestamp(value)
    if kind is int:
        return Timestamp(value * 1_000_000_000)
    raise no_overload("timestamp", value)


def to_duration(value: Any) -> Duration:
    if value.__class__ is Duration:
        return Duration(value.nanos)
    if value.__class__ is str:
        return read_duration(value)
    raise no_overload("duration", value)


def type_of(value: Any) -> CelType:
    _kind(value)
    return TYPES[kind_of(value)]


def same(value: Any) -> Any:
    """`dyn(x)`: the value, of which the check of types knows nothing."""
    return value


def _cut(text: str) -> str:
    return safe_text(text if len(text) <= 40 else f"{text[:39]}…")


# --------------------------------------------------------------------------------------- text


def size(value: Any) -> int:
    if isinstance(value, (str, bytes, list, dict)):
        return len(value)
    raise no_overload("size", value)


def _texts(name: str, test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def run(text: Any, part: Any) -> bool:
        if text.__class__ is str and part.__class__ is str:
            return test(text, part)
        raise no_overload(name, text, part)

    return run


contains = _texts("contains", lambda text, part: part in text)
starts_with = _texts("startsWith", str.startswith)
ends_with = _texts("endsWith", str.endswith)


def safe_surrogates(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@lru_cache(maxsize=128)
def pattern(text: str) -> Any:
    """A regular expression of RE2. Raises NoValue if it is none."""
    try:
        return compiled(safe_surrogates(text))
    except PatternError as error:
        raise NoValue(f"'{_cut(text)}' is no regular expression of RE2: {error}.") from None


def matches(text: Any, regex: Any) -> bool:
    if text.__class__ is str and regex.__class__ is str:
        return pattern(regex).search(safe_surrogates(text)) is not None
    raise no_overload("matches", text, regex)


# --------------------------------------------------------------------------------------- time


@lru_cache(maxsize=256)
def _zone(name: str) -> timezone | ZoneInfo:
    if name in ("", "UTC"):
        return UTC
    if found := _OFFSET.fullmatch(name):
        hours, minutes = int(found[2]), int(found[3])
        if hours < 24 and minutes < 60:
            offset = timedelta(hours=hours, minutes=minutes)
            return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NoValue(
            f"there is no zone '{_cut(name)}'. Write one like Europe/Zurich, or +02:00."
        ) from None


def _local(name: str, moment: Any, zone: Any) -> datetime:
    if moment.__class__ is not Timestamp:
        raise no_overload(name, moment)
    if zone.__class__ is not str:
        raise no_overload(name, moment, zone)
    at: datetime = moment.moment()
    if zone == "UTC":
        return at
    try:
        return at.astimezone(_zone(zone))
    except (OverflowError, ValueError):
        raise NoValue("a timestamp lies outside the years 1 through 9999.") from None


def _of_moment(name: str, take: Callable[[datetime], int]) -> Callable[..., int]:
    def run(moment: Any, zone: Any = "UTC") -> int:
        return take(_local(name, moment, zone))

    return run


def _of_either(
    name: str, take: Callable[[datetime], int], unit: int, within: int = 0
) -> Callable[..., int]:
    """Of a moment its part; of a duration its whole length in `unit` nanoseconds."""

    def run(value: Any, *zone: Any) -> int:
        if value.__class__ is Duration and not zone:
            sign = -1 if value.nanos < 0 else 1
            amount = abs(value.nanos) // unit
            return int(sign * (amount % within if within else amount))
        return take(_local(name, value, *(zone or ("UTC",))))

    return run


ACCESSORS: dict[str, Callable[..., int]] = {
    "getFullYear": _of_moment("getFullYear", lambda at: at.year),
    "getMonth": _of_moment("getMonth", lambda at: at.month - 1),
    "getDate": _of_moment("getDate", lambda at: at.day),
    "getDayOfMonth": _of_moment("getDayOfMonth", lambda at: at.day - 1),
    "getDayOfWeek": _of_moment("getDayOfWeek", lambda at: at.isoweekday() % 7),
    "getDayOfYear": _of_moment("getDayOfYear", lambda at: at.timetuple().tm_yday - 1),
    "getHours": _of_either("getHours", lambda at: at.hour, 3_600_000_000_000),
    "getMinutes": _of_either("getMinutes", lambda at: at.minute, 60_000_000_000),
    "getSeconds": _of_either("getSeconds", lambda at: at.second, 1_000_000_000),
    "getMilliseconds": _of_either(
        "getMilliseconds", lambda at: at.microsecond // 1000, 1_000_000, 1000
    ),
}


# ------------------------------------------------------------------------------------ the table


@dataclass(frozen=True, slots=True)
class Function:
    """A function by name. Each way to call it is `(called on a value?, argument types) -> type`."""

    run: Callable[..., Any]
    ways: tuple[tuple[bool, tuple[str, ...], str], ...]


def _conversion(run: Callable[..., Any], result: str, *takes: str) -> Function:
    return Function(run, tuple((False, (kind,), result) for kind in takes))


def _text_test(run: Callable[..., Any]) -> Function:
    return Function(run, ((True, ("string", "string"), "bool"),))


def _accessor(name: str) -> Function:
    ways = [(True, ("timestamp",), "int"), (True, ("timestamp", "string"), "int")]
    if name in ("getHours", "getMinutes", "getSeconds", "getMilliseconds"):
        ways.append((True, ("duration",), "int"))
    return Function(ACCESSORS[name], tuple(ways))


FUNCTIONS: dict[str, Function] = {
    "int": _conversion(to_int, "int", "int", "uint", "double", "string", "timestamp", "duration"),
    "uint": _conversion(to_uint, "uint", "int", "uint", "double", "string"),
    "double": _conversion(to_double, "double", "int", "uint", "double", "string"),
    "bool": _conversion(to_bool, "bool", "bool", "string"),
    "string": _conversion(
        to_string,
        "string",
        *("string", "bool", "int", "uint", "double", "bytes", "timestamp", "duration"),
    ),
    "bytes": _conversion(to_bytes, "bytes", "bytes", "string"),
    "timestamp": _conversion(to_timestamp, "timestamp", "timestamp", "string", "int"),
    "duration": _conversion(to_duration, "duration", "duration", "string"),
    "type": Function(type_of, ((False, ("any",), "type"),)),
    "dyn": Function(same, ((False, ("any",), "dyn"),)),
    "size": Function(
        size,
        tuple(
            (member, (kind,), "int")
            for member in (False, True)
            for kind in ("string", "bytes", "list", "map")
        ),
    ),
    "contains": _text_test(contains),
    "startsWith": _text_test(starts_with),
    "endsWith": _text_test(ends_with),
    "matches": Function(
        matches,
        ((True, ("string", "string"), "bool"), (False, ("string", "string"), "bool")),
    ),
    **{name: _accessor(name) for name in ACCESSORS},
}
"""Every function of the language. Nothing else can be called."""

MACROS = ("exists", "exists_one", "all", "map", "filter")
