"""Dates and moments in every form a vendor writes them. A date is never turned into a moment.

The forms are those of ISO 8601 with and without colon in the offset, SQL, Unix seconds and
milliseconds, spreadsheet serial numbers, and any strptime pattern.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NAMED_FORMATS = ("iso", "iso_offset", "sql", "epoch", "epoch_ms", "excel")

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"\s?([Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_CANONICAL_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\dZ", re.ASCII).fullmatch
_NUMBER = re.compile(r"-?\d{1,16}(\.\d{1,9})?", re.ASCII)
_SERIAL_ZERO = datetime(1899, 12, 30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SERIAL = 200_000
_FIRST_MILLISECONDS = 10**11


class TimeError(ValueError):
    """A text or number is not a date or moment in any known form."""


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The zone of this IANA name. Raises TimeError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeError(
            f"there is no time zone '{name}'; write one such as Europe/Zurich"
        ) from None


def read_time(value: Any, form: str | None = None, zone_name: str | None = None) -> date | datetime:
    """A vendor's date (a `date`) or moment (a `datetime` that keeps the offset it was written in).

    A moment without a zone is read in `zone_name`, else as UTC, which is what such APIs mean.
    A number without a `form` is a spreadsheet serial below 200,000, Unix milliseconds from 10¹¹,
    and Unix seconds between. Raises TimeError.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TimeError(f"{_short(value)} is not a date")
    try:
        if isinstance(value, str):
            text = value.strip()
            if form is not None and "%" in form:
                return _by_pattern(text, form, zone_name)
            if _DATE.fullmatch(text):
                return date.fromisoformat(text)
            if match := _MOMENT.fullmatch(text):
                return _from_parts(match, zone_name)
            if _NUMBER.fullmatch(text):
                return _from_number(float(text), form, zone_name)
            raise TimeError(f"{_short(value)} is not a date or time in a known form")
        return _from_number(value, form, zone_name)
    except (ValueError, OverflowError) as error:
        if isinstance(error, TimeError):
            raise
        raise TimeError(f"{_short(value)} is not a date that exists") from None


def is_canonical(text: str) -> bool:
    """Whether a text is a date or moment in exactly the form the canonical model writes."""
    try:
        if len(text) == 10:
            # nothing else of this length has its dashes here; a week's are elsewhere
            return text[4] == text[7] == "-" and bool(date.fromisoformat(text))
        return _CANONICAL_MOMENT(text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _from_parts(match: re.Match[str], zone_name: str | None) -> datetime:
    day, minute, second, fraction, offset = match.groups()
    text = f"{day}T{minute}:{second or '00'}.{(fraction or '0')[:6]:0<6}"
    if not offset:
        return datetime.fromisoformat(text).replace(tzinfo=zone(zone_name) if zone_name else UTC)
    return datetime.fromisoformat(text + ("+00:00" if offset in "Zz" else offset))


def _from_number(value: float, form: str | None, zone_name: str | None) -> date | datetime:
    if value != value or abs(value) > 1e16:
        raise TimeError(f"{_short(value)} is not a date")
    if form == "excel" or (form is None and 0 < value < _LAST_SERIAL):
        moment = _SERIAL_ZERO + timedelta(days=int(value))
        seconds = round((value - int(value)) * 86400)
        if not seconds:
            return moment.date()
        return (moment + timedelta(seconds=seconds)).replace(
            tzinfo=zone(zone_name) if zone_name else UTC
        )
    if form == "epoch_ms" or (form is None and abs(value) >= _FIRST_MILLISECONDS):
        return _EPOCH + timedelta(milliseconds=value)
    return _EPOCH + timedelta(seconds=value)


def _by_pattern(text: str, pattern: str, zone_name: str | None) -> date | datetime:
    try:
        found = datetime.strptime(text, pattern)
    except (ValueError, re.error):
        raise TimeError(f"{_short(text)} is not of the form {pattern}") from None
    if not any(mark in pattern for mark in ("%H", "%I", "%X", "%c", "%T")):
        return found.date()
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone(zone_name) if zone_name else UTC)
    return found


def moment_text(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are any."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text}Z"


def write_date(day: date, form: str | None) -> Any:
    """A calendar date in the vendor's form; ISO unless told."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if form == "epoch":
        return round((midnight - _EPOCH).total_seconds())
    if form == "epoch_ms":
        return round((midnight - _EPOCH).total_seconds() * 1000)
    if form == "excel":
        return (day - _SERIAL_ZERO.date()).days
    if form is not None and "%" in form:
        return day.strftime(form)
    return day.isoformat()


def write_moment(moment: datetime, form: str | None, zone_name: str | None) -> Any:
    """A moment in the vendor's form; RFC 3339 UTC unless told."""
    seconds = (moment - _EPOCH) / timedelta(seconds=1)
    if form == "epoch":
        return int(seconds) if seconds.is_integer() else seconds
    if form == "epoch_ms":
        return round(seconds * 1000)
    local = moment.astimezone(zone(zone_name) if zone_name else UTC)
    if form == "iso_offset":
        return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"
    if form == "sql":
        return f"{local:%Y-%m-%d %H:%M:%S}"
    if form == "excel":
        return (local.replace(tzinfo=None) - _SERIAL_ZERO) / timedelta(days=1)
    if form is not None and "%" in form:
        return local.strftime(form)
    return moment_text(moment)


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}…"
