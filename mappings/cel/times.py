"""Moments and durations as CEL reads and writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mappings.cel.errors import NoValue
from mappings.cel.values import Duration, Timestamp, safe_text, timestamp_of

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)",
    re.ASCII,
)
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|ms|s|m|h)")
_UNITS = {
    "ns": 1,
    "us": 1000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LONGEST_TEXT = 100


def read_timestamp(text: str) -> Timestamp:
    """A moment as RFC 3339 writes it, with its zone. Raises NoValue."""
    found = _MOMENT.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    if found is None:
        raise _no_moment(text)
    day, clock, seconds, fraction, sign, hours, minutes = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}:00").replace(tzinfo=UTC)
    except ValueError:
        raise _no_moment(text) from None
    if int(seconds) > 60 or int(hours or 0) > 23 or int(minutes or 0) > 59:
        raise _no_moment(text)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)).total_seconds()
    since = int(seconds) - int(offset) * (-1 if sign == "-" else 1)
    nanos = int(((fraction or "0") + "000000000")[:9])
    return Timestamp(timestamp_of(at).nanos + since * 1_000_000_000 + nanos)


def _no_moment(text: str) -> NoValue:
    return NoValue(
        f"the text '{safe_text(text[:40])}' is no timestamp. "
        "It reads 2026-03-01T17:00:00Z; a date alone is no moment."
    )


def timestamp_text(moment: Timestamp) -> str:
    """RFC 3339 in UTC, with 0, 3, 6 or 9 digits behind the second."""
    at = moment.moment().strftime("%m-%dT%H:%M:%S")
    return f"{moment.moment().year:04d}-{at}{_fraction(moment.nanos % 1_000_000_000)}Z"


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}"


def read_duration(text: str) -> Duration:
    """A length such as `1h30m` or `1.5s`. Raises NoValue."""
    rest = text.strip() if len(text) <= _LONGEST_TEXT else ""
    sign = -1 if rest.startswith("-") else 1
    rest = rest[1:] if rest[:1] in ("-", "+") else rest
    if rest == "0":
        return Duration(0)
    total, position = 0, 0
    while position < len(rest):
        found = _PART.match(rest, position)
        if found is None or not (found[1] or found[2]):
            break
        unit = _UNITS[found[3]]
        total += int(found[1] or 0) * unit
        if found[2]:
            total += int(found[2]) * unit // 10 ** len(found[2])
        position = found.end()
    if position < len(rest) or not rest:
        raise NoValue(
            f"the text '{safe_text(text[:40])}' is no duration. "
            "It reads 90m, 1.5h or 1h30m; a day is 24h."
        )
    return Duration(sign * total)


def duration_text(length: Duration) -> str:
    """In seconds, with 0, 3, 6 or 9 digits behind the point."""
    seconds, nanos = divmod(abs(length.nanos), 1_000_000_000)
    return f"{'-' if length.nanos < 0 else ''}{seconds}{_fraction(nanos)}s"
