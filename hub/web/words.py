"""Times, states and sizes in the words people use. Pure: the moment of looking is passed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from hub.process.calendar import Calendar

_FAR = 20
"""Business days beyond which a date says more than a distance."""

LABELS: Mapping[str, str] = {
    "on_track": "On track",
    "at_risk": "At risk",
    "in_progress": "In progress",
    "on_hold": "On hold",
    "available": "Not yet",
    "active": "Now",
    "push_failed": "Write failed",
    "push_unknown": "Write uncertain",
    "loop": "Going in circles",
    "unrouted": "No rule",
    "duplicate": "Possible duplicate",
    "identity": "Whose account?",
    "mass_deletion": "Many deleted",
    "handoff_unaccepted": "Handoff not accepted",
}


def label(word: str | None) -> str:
    """A state or type as it stands on a screen: `sync_conflict` is `Sync conflict`."""
    if not word:
        return ""
    return LABELS.get(word) or word.replace("_", " ").replace("-", " ").capitalize()


def listed(names: Iterable[str]) -> str:
    """Fields as people call them: `order no and title`."""
    return " and ".join(name.removeprefix("custom.").replace("_", " ") for name in names)


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 step`, `3 steps`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def exact(moment: datetime | None, zone: str) -> str:
    """A moment to the minute in a zone: `Mon 2 Mar 2026, 17:00 CET`."""
    if moment is None:
        return ""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def day(when: date, today: date) -> str:
    """`2 Mar`, with the year where it is not this one."""
    return f"{when.day} {when:%b}" + ("" if when.year == today.year else f" {when.year}")


def ago(moment: datetime | None, now: datetime, zone: str = "UTC") -> str:
    """How long something is past: `just now`, `5 min ago`, `yesterday`, `on 3 Mar`."""
    if moment is None:
        return "never"
    passed = now - moment
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    here, then = (one.astimezone(ZoneInfo(zone)).date() for one in (now, moment))
    days = (here - then).days
    if days == 0 or passed < timedelta(hours=6):
        return f"{passed // timedelta(hours=1)} h ago"
    if days == 1:
        return "yesterday"
    if days < 14:
        return f"{days} days ago"
    return f"on {day(then, here)}"


def due(by: datetime | None, now: datetime, calendar: Calendar) -> str:
    """How far off a deadline is: `in 2 business days`, `in 40 min`, `3 h late`; empty if there
    is none.
    """
    if by is None:
        return ""
    zone = ZoneInfo(calendar.timezone)
    here, then = now.astimezone(zone).date(), by.astimezone(zone).date()
    if by < now:
        return _late(now - by, _business_days(then, here, calendar), (here - then).days)
    left = by - now
    if left < timedelta(hours=1):
        return f"in {max(1, left // timedelta(minutes=1))} min"
    if here == then or left < timedelta(hours=6):
        return f"in {left // timedelta(hours=1)} h"
    ahead = _business_days(here, then, calendar)
    if (then - here).days == 1:
        return "tomorrow"
    if ahead > _FAR:
        return f"on {day(then, here)}"
    if ahead == 0:
        return f"in {count((then - here).days, 'day')}"
    return f"in {count(ahead, 'business day')}"


def _late(by: timedelta, business: int, days: int) -> str:
    if by < timedelta(hours=1):
        return f"{max(1, by // timedelta(minutes=1))} min late"
    if days == 0 or by < timedelta(hours=12):
        return f"{by // timedelta(hours=1)} h late"
    if business == 0:
        return f"{count(max(days, 1), 'day')} late"
    return f"{count(business, 'business day')} late"


def _business_days(start: date, end: date, calendar: Calendar) -> int:
    """Working days after `start` up to and with `end`; a far end is not counted out."""
    found, one = 0, start
    last = min(end, start + timedelta(days=400))
    while one < last:
        one += timedelta(days=1)
        found += calendar.is_workday(one)
    return found


def span(length: timedelta) -> str:
    """A length of time: `40 s`, `12 min`, `3 h`, `5 days`."""
    for unit, name in (
        (timedelta(days=2), "days"),
        (timedelta(hours=1), "h"),
        (timedelta(minutes=1), "min"),
    ):
        if length >= unit:
            each = timedelta(days=1) if name == "days" else unit
            return f"{length // each} {name}"
    return f"{max(0, int(length.total_seconds()))} s"


def amount(money: Mapping[str, Any] | None) -> str:
    """`CHF 12,000.00`; empty for none."""
    if not money or money.get("value") in (None, ""):
        return ""
    try:
        value = f"{Decimal(str(money['value'])):,}"
    except InvalidOperation:
        value = str(money["value"])
    return f"{money.get('currency') or ''} {value}".strip()


def value(thing: Any) -> str:
    """Any plain value as one readable line, never as JSON."""
    if thing is None or thing == "" or thing == [] or thing == {}:
        return "—"
    if isinstance(thing, bool):
        return "yes" if thing else "no"
    if isinstance(thing, Mapping):
        if set(thing) == {"value", "currency"}:
            return amount(thing)
        if len(thing) == 1 and set(thing) <= {"at", "date"}:
            return _due_value(thing)
        return "; ".join(f"{label(str(name))}: {value(one)}" for name, one in thing.items())
    if isinstance(thing, list | tuple):
        return ", ".join(value(one) for one in thing)
    return str(thing)


def _due_value(thing: Mapping[str, Any]) -> str:
    text = str(thing.get("at") or thing.get("date"))
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    if "date" in thing:
        return f"{moment.day} {moment:%b %Y}"
    return exact(moment.astimezone(UTC), "UTC")
