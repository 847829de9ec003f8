"""Dates and moments in every form a vendor writes them. A date is never turned into a moment.

The forms are those of ISO 8601 with and without colon in the offset, SQL, mail headers, Unix
seconds and milliseconds as number and text, `/Date(…)/`, spreadsheet serial numbers, and any
strptime pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mappings.paths import kind_of

NAMED_FORMATS = (
    "iso",
    "iso_ms",
    "iso_offset",
    "sql",
    "epoch",
    "epoch_ms",
    "epoch_text",
    "epoch_ms_text",
    "slack",
    "excel",
    "excel_1904",
    "rfc2822",
    "dotnet",
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"\s?([Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_CANONICAL_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\dZ", re.ASCII).fullmatch
_MAIL = re.compile(
    r"(?:[A-Za-z]{3},\s{1,3})?\d{1,2}\s{1,3}[A-Za-z]{3}\s{1,3}\d{4}\s{1,3}\d\d?:\d\d(?::\d\d)?"
    r"\s{1,3}(?:[+-]\d{4}|[A-Z]{1,4})(?:\s{1,3}\([^()]{1,40}\))?",
    re.ASCII,
)
_DOTNET = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,16}(\.\d{1,9})?", re.ASCII)
_SERIAL_ZERO = datetime(1899, 12, 30)
"""Of workbooks from Windows, where 1900 counts as a leap year; serials begin to hold in March."""
_SERIAL_ZERO_1904 = datetime(1904, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SERIALS = {"excel": _SERIAL_ZERO, "excel_1904": _SERIAL_ZERO_1904}
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
                return _from_number(Decimal(text), form, zone_name)
            if match := _DOTNET.fullmatch(text):
                return _EPOCH + timedelta(milliseconds=int(match[1]))
            if len(text) < 80 and _MAIL.fullmatch(text):
                return _from_mail(text)
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


def _from_mail(text: str) -> datetime:
    """`Sun, 01 Mar 2026 10:00:00 +0100 (CET)`; -0000 says that the zone is not known: UTC."""
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _from_number(value: Any, form: str | None, zone_name: str | None) -> date | datetime:
    if value != value or abs(value) > 10**16:
        raise TimeError(f"{_short(value)} is not a date")
    if form in SERIALS or (form is None and 0 < value < _LAST_SERIAL):
        moment = SERIALS.get(form or "excel", _SERIAL_ZERO) + timedelta(days=int(value))
        seconds = round((value - int(value)) * 86400)
        if not seconds:
            return moment.date()
        return (moment + timedelta(seconds=seconds)).replace(
            tzinfo=zone(zone_name) if zone_name else UTC
        )
    milliseconds = form in ("epoch_ms", "epoch_ms_text", "dotnet")
    if milliseconds or (form is None and abs(value) >= _FIRST_MILLISECONDS):
        return _EPOCH + timedelta(microseconds=int(value * 1000))
    if isinstance(value, Decimal):  # a text keeps all its digits
        return _EPOCH + timedelta(microseconds=int(value * 1_000_000))
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
    if form is None or form in ("iso", "sql"):
        return day.isoformat()
    if form in SERIALS:
        return (day - SERIALS[form].date()).days
    if "%" in form:
        return _by_strftime(day, form)
    return write_moment(datetime(day.year, day.month, day.day, tzinfo=UTC), form, None)


def write_moment(moment: datetime, form: str | None, zone_name: str | None) -> Any:
    """A moment in the vendor's form; RFC 3339 UTC unless told."""
    if form is None or form == "iso":
        return moment_text(moment)
    if form in _UNIX:
        return _UNIX[form]((moment - _EPOCH) // timedelta(microseconds=1))
    local = moment.astimezone(zone(zone_name) if zone_name else UTC)
    if form in SERIALS:
        return (local.replace(tzinfo=None) - SERIALS[form]) / timedelta(days=1)
    if form == "rfc2822":
        return format_datetime(local)
    plain = local.replace(tzinfo=None)
    if form == "sql":
        return plain.isoformat(" ", "seconds")
    if form == "iso_offset":
        return f"{plain.isoformat(timespec='milliseconds')}{local:%z}"
    if form == "iso_ms":
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    return _by_strftime(local, form)


def _by_strftime(when: date, pattern: str) -> str:
    # not every platform pads years before 1000, so the year is written here
    return when.strftime(re.sub(r"(?<!%)((?:%%)*)%Y", rf"\g<1>{when.year:04d}", pattern))


def _seconds(microseconds: int) -> int | float:
    return microseconds / 1_000_000 if microseconds % 1_000_000 else microseconds // 1_000_000


_UNIX: Mapping[str, Callable[[int], Any]] = {
    "epoch": _seconds,
    "epoch_ms": lambda microseconds: microseconds // 1000,
    "epoch_text": lambda microseconds: str(_seconds(microseconds)),
    "epoch_ms_text": lambda microseconds: str(microseconds // 1000),
    "slack": lambda microseconds: f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}",
    "dotnet": lambda microseconds: f"/Date({microseconds // 1000})/",
}
"""What Unix time is written as, given in microseconds."""


def _short(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return kind_of(value)
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}…"
