"""Durations: seconds here, and in the tool a number of some unit, ISO 8601, words or a clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mappings.transforms.amounts import AmountError, decimal_text, read_decimal
from mappings.transforms.step import (
    NUMERIC,
    Example,
    Fault,
    Param,
    ParamError,
    Scope,
    Step,
    Transform,
)
from mappings.transforms.text import text_of

_NUMBER = r"(\d{1,15}(?:[.,]\d{1,9})?)"
_ISO = re.compile(
    rf"([+-]?)P(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.ASCII | re.IGNORECASE,
)
_WORD = re.compile(rf"\s*{_NUMBER}\s*([a-zA-Z]{{1,7}})\s*,?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,7}):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?", re.ASCII)
_UNITS = {
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), "weeks"),
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hours"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "minutes"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "seconds"),
}
_LONGEST = 10**13


def _duration(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    hours, days = params.get("hours_per_day", 24), params.get("days_per_week", 7)
    if not 1 <= hours <= 24 or not 1 <= days <= 7:
        raise ParamError("a day has 1 to 24 hours, and a week 1 to 7 days.", param="hours_per_day")
    day = hours * 3600
    seconds = {"weeks": days * day, "days": day, "hours": 3600, "minutes": 60, "seconds": 1}
    unit = seconds[params.get("unit", "seconds")]
    form = params.get("write", "number")

    def inward(value: Any, scope: Scope) -> Any:
        if value.__class__ is str:
            text = value.strip()
            if not text:
                return None
            total = _read(text, seconds)
            if total is None:
                total = _plain(text) * unit
        else:
            total = _plain(value) * unit
        if abs(total) > _LONGEST:
            raise Fault("the duration is longer than 300,000 years")
        return int(total) if total == total.to_integral_value() else float(total)

    def outward(value: Any, scope: Scope) -> Any:
        total = _plain(value)
        if form == "number":
            share = total / unit
            return int(share) if share == share.to_integral_value() else float(share)
        if form == "iso":
            return _iso(total)
        if total < 0:
            raise Fault(f"'{form}' cannot say a duration below zero")
        return _clock(total) if form == "clock" else _words(total, seconds)

    return inward, outward


def _plain(value: Any) -> Decimal:
    try:
        return read_decimal(value)
    except AmountError:
        raise Fault(
            f"'{text_of(value)[:40]}' is not a duration; write seconds, PT1H30M, 1h 30m or 1:30"
        ) from None


def _read(text: str, seconds: Mapping[str, int]) -> Decimal | None:
    """The seconds of a text that names its units; None for one that does not."""
    if match := _ISO.fullmatch(text):
        if not any(match.groups()[1:]):
            raise Fault(f"'{text[:40]}' is not a duration")
        # ISO 8601 means days of 24 hours, however long people work
        units = (7 * 86400, 86400, 3600, 60, 1)
        parts = zip(match.groups()[1:], units, strict=True)
        total = sum((_number(part) * unit for part, unit in parts if part), Decimal(0))
        return -total if match[1] == "-" else total
    if text[:2].upper().lstrip("+-").startswith("P") and len(text) < 60:
        raise Fault(f"'{text}' has years or months, which are of no fixed length")
    if match := _CLOCK.fullmatch(text):
        whole = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)
        return whole + Decimal(f"0.{match[4] or 0}")
    at, total, found = 0, Decimal(0), False
    while match := _WORD.match(text, at):
        if (name := _UNITS.get(match[2].lower())) is None:
            raise Fault(f"'{match[2]}' is not a unit of time; write w, d, h, m or s")
        total += _number(match[1]) * seconds[name]
        at, found = match.end(), True
    if found and text[at:].strip():
        raise Fault(f"'{text[:40]}' is not a duration; write for example 1w 2d 3h 30m")
    return total if found else None


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))


def _iso(total: Decimal) -> str:
    sign, total = ("-" if total < 0 else ""), abs(total)
    hours, rest = divmod(total, 3600)
    minutes, rest = divmod(rest, 60)
    parts = "".join(
        f"{decimal_text(part.normalize())}{unit}"
        for part, unit in ((hours, "H"), (minutes, "M"), (rest, "S"))
        if part
    )
    return f"{sign}PT{parts or '0S'}"


def _clock(total: Decimal) -> str:
    hours, rest = divmod(total, 3600)
    minutes, rest = divmod(rest, 60)
    whole, _, part = decimal_text(rest.normalize()).partition(".")
    return f"{int(hours)}:{int(minutes):02d}:{int(whole):02d}{f'.{part}' if part else ''}"


def _words(total: Decimal, seconds: Mapping[str, int]) -> str:
    parts = []
    for name, length in seconds.items():
        count, total = divmod(total, length) if length > 1 else (total, Decimal(0))
        if count:
            parts.append(f"{decimal_text(count.normalize())}{name[0]}")
    return " ".join(parts) or "0m"


DURATIONS = (
    Transform(
        "duration",
        "a length of time in seconds, from a number, ISO 8601, 1w 2d 3h 30m or 1:30:00",
        _duration,
        {
            "unit": Param(
                "text",
                choices=("seconds", "minutes", "hours", "days", "weeks"),
                about="what the tool's plain numbers count: seconds",
            ),
            "write": Param(
                "text",
                choices=("number", "iso", "words", "clock"),
                about="what the tool is given: number",
            ),
            "hours_per_day": Param("number", about="of a day in words or unit: 24; Jira works 8"),
            "days_per_week": Param("number", about="of a week in words or unit: 7; Jira works 5"),
        },
        short="unit",
        takes=NUMERIC,
        gives="number",
        examples=(
            Example(90, 5400, {"unit": "minutes"}),
            Example("PT1H30M", 5400, {"write": "iso"}),
            Example(
                "1w 2d 3h",
                212400,
                {"write": "words", "hours_per_day": 8, "days_per_week": 5},
            ),
            Example("1:30:00", 5400, {"write": "clock"}),
        ),
    ),
)
