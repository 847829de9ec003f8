"""The times of vendors: read in whichever shape they come, kept as text that sorts, written in the
shape that a parameter wants.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from connectors.sdk.records import Json

Format = Literal["iso", "iso_ms", "epoch", "epoch_ms", "datetime", "minute", "date"]
FORMATS: dict[str, str] = {
    "iso": "%Y-%m-%dT%H:%M:%SZ",
    "datetime": "%Y-%m-%d %H:%M:%S",
    "minute": "%Y-%m-%d %H:%M",
    "date": "%Y-%m-%d",
}
STEP: dict[str, timedelta] = {
    "iso_ms": timedelta(milliseconds=1),
    "epoch_ms": timedelta(milliseconds=1),
    "minute": timedelta(minutes=1),
    "date": timedelta(days=1),
}
"""The smallest difference a format can tell; one second for the rest."""
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|z|UTC|[+-]\d\d:?\d\d)?"
)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:\d\d)")
"""What most vendors write, and Python reads by itself."""
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


Timed = tuple[datetime, str]
"""A moment, and the text of it that sorts."""


def timed(value: Json, zone: str = "UTC") -> Timed | None:
    """A moment from ISO text, text without a zone (which is in `zone`), or an epoch in seconds or
    milliseconds. None where there is none.
    """
    try:
        if isinstance(value, str):
            return _timed_text(value, zone) if len(value) < 50 else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            moment = _since_the_epoch(value)
            return moment, stamp(moment)
    except (ValueError, OverflowError):
        pass
    return None


@lru_cache(maxsize=8192)
def _timed_text(written: str, zone: str) -> Timed:
    """Each row's time is asked for several times while a page is read. Raises ValueError."""
    text = written.strip()
    if _PLAIN.fullmatch(text):
        moment = datetime.fromisoformat(text).astimezone(UTC)
    elif text.isascii() and text.isdigit():
        moment = _since_the_epoch(int(text))
    elif match := _ISO.fullmatch(text):
        moment = _from_iso(match, zone)
    else:
        raise ValueError
    return moment, stamp(moment)


def _since_the_epoch(number: float) -> datetime:
    """Of seconds, or of milliseconds where there are too many for seconds."""
    return _EARLIEST + timedelta(seconds=number / 1000 if abs(number) > 1e11 else number)


def _from_iso(match: re.Match[str], zone: str) -> datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micro = int((match[7] or "").ljust(6, "0")[:6] or 0)
    plain = datetime(year, month, day, hour, minute, second, micro)
    written = match[8]
    if written == "Z":
        return plain.replace(tzinfo=UTC)
    if written is None:
        return plain.replace(tzinfo=zone_of(zone)).astimezone(UTC)
    offset = timedelta()
    if written[0] in "+-":
        digits = written[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        offset = -offset if written[0] == "-" else offset
    return plain.replace(tzinfo=UTC) - offset


def floor(moment: datetime, format: Format, zone: str = "UTC") -> datetime:
    """The earliest moment that is written the same: what is asked from there comes again."""
    if format == "date":
        local = moment.astimezone(zone_of(zone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.astimezone(UTC)
    if format in ("iso_ms", "epoch_ms"):
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return moment.replace(second=0 if format == "minute" else moment.second, microsecond=0)


def stamp(moment: datetime) -> str:
    """Text that sorts as the moments do, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def unstamp(text: str) -> datetime:
    """The moment of a `stamp`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def written(moment: datetime, format: Format, zone: str = "UTC") -> str | int:
    """A moment as a parameter wants it, rounded down to what the format can say."""
    moment = max(moment, _EARLIEST)
    if format in ("epoch", "epoch_ms"):
        since = moment - _EARLIEST
        return (
            since // timedelta(milliseconds=1)
            if format == "epoch_ms"
            else int(since // timedelta(seconds=1))
        )
    if format in ("iso", "iso_ms"):
        moment = moment.astimezone(UTC)
        if format == "iso_ms":
            return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
        return moment.strftime(FORMATS[format])
    local = moment.astimezone(zone_of(zone))
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        local -= timedelta(hours=1)  # the hour that clocks show twice: ask for both
    return local.strftime(FORMATS[format])
