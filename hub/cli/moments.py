"""Moments and spans as they are typed: `2h` ago, or a date, or a full time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from hub.cli.output import fail

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span_of(option: str, text: str) -> timedelta:
    """`30s`, `15m`, `2h`, `3d` or `1w`; else wrong use."""
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        fail(f"{option} cannot be '{text}'. Write a time span: 30s, 15m, 2h, 3d or 1w.", 2)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment_of(option: str, text: str | None, now: datetime) -> datetime | None:
    """`2h` (ago), `07:36` (today, by the clock here), `2026-03-02` or `2026-03-02T09:30`; without a
    zone it is UTC. None stays None.
    """
    if text is None:
        return None
    if _SPAN.fullmatch(text):
        try:
            return now - span_of(option, text)
        except OverflowError:
            return datetime(1, 1, 2, tzinfo=UTC)
    try:
        if _CLOCK.fullmatch(text):  # as listen and tail print it: today, by the clock here
            here = now.astimezone()
            return datetime.combine(
                here.date(),
                time.fromisoformat(text.zfill(5) if text.count(":") == 1 else text.zfill(8)),
                here.tzinfo,
            )
        moment = datetime.fromisoformat(text.zfill(5) if text.count(":") == 1 else text.zfill(8))
    except ValueError:
        fail(
            f"{option} cannot be '{text}'. Write how long ago (2h, 3d), a time of today (07:36) or"
            " a moment (2026-03-02, 2026-03-02T09:30Z).",
            2,
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def said_until(moment: datetime | None) -> str:
    """`until 10:30 (in 25 min)`, by the clock of whoever reads; None is for good, by hub.yaml."""
    if moment is None:
        return "for good (webhook.capture in hub.yaml)"
    left = max(0, round((moment - datetime.now(UTC)).total_seconds() / 60))
    here = moment.astimezone()
    day = "" if here.date() == datetime.now().astimezone().date() else f"{here:%Y-%m-%d} "
    span = f"{left} min" if left < 120 else f"{left // 60} h {left % 60} min"
    return f"until {day}{here:%H:%M} (in {span})"
