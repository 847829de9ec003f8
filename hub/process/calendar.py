"""Business time: durations as people write them, and a calendar that adds them to a moment.

Pure: the moment is always passed in. Moments are UTC; working days, hours and holidays are those of
the calendar's own zone, so a day with 23 or 25 hours is counted as people live it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Unit = Literal["bd", "bh", "d", "h", "m", "s"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DURATION = re.compile(r"([0-9]{1,9})(bd|bh|d|h|m|s)")
DURATION_PATTERN = rf"^{_DURATION.pattern}$"
"""How a duration is written, for a JSON Schema."""
_HOURS = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DAYS_PER_UNIT = {"bd": 1.0, "bh": 1 / 8, "d": 1.0, "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86400}
_LONGEST_DAYS = 20 * 366
_NAMES = {
    "bd": "business day",
    "bh": "business hour",
    "d": "day",
    "h": "hour",
    "m": "minute",
    "s": "second",
}


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time as a person said it; `bd` and `bh` have a length only in a calendar."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"

    def in_words(self) -> str:
        """For a sentence: `2 business days`."""
        return f"{self.amount} {_NAMES[self.unit]}{'' if self.amount == 1 else 's'}"


def parse_duration(text: str) -> Duration:
    """`2bd`, `4bh`, `3d`, `2h`, `30m` or `45s`. Raises ValueError that says what to write."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text}' is not a duration. Write 2bd (business days), 4bh (business hours), 3d, 2h, "
            "30m or 45s."
        )
    amount = int(match[1])
    unit: Unit = match[2]  # type: ignore[assignment] # the pattern allows exactly the units
    if amount == 0:
        raise ValueError(f"'{text}' is no time at all. Write at least 1{unit}.")
    if amount * _DAYS_PER_UNIT[unit] > _LONGEST_DAYS:
        raise ValueError(f"'{text}' is longer than twenty years.")
    return Duration(amount, unit)


@lru_cache(maxsize=1024)
def public_holidays(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """The public holidays of one year. Raises NotImplementedError for an unknown place."""
    import holidays  # for workspaces that name a country

    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year).keys())


def supported_countries() -> dict[str, list[str]]:
    """ISO country codes with their subdivisions, as the holiday library knows them."""
    import holidays

    known: dict[str, list[str]] = holidays.list_supported_countries()
    return known


class Calendar:
    """When an organisation works: a zone, weekdays, one span of hours a day, public holidays.

    `hours` is `HH:MM-HH:MM` of the local wall clock and ends later than it begins (24:00 is
    allowed). `closed` are further days without work. Raises ValueError for anything impossible.
    """

    def __init__(
        self,
        timezone: str = "UTC",
        workdays: Collection[str] = WEEKDAYS[:5],
        hours: str = "09:00-17:00",
        country: str | None = None,
        subdivision: str | None = None,
        closed: Collection[date] = (),
    ) -> None:
        self._ends: dict[date, datetime] = {}
        self._worked: dict[date, bool] = {}
        self._spans: dict[date, tuple[datetime, datetime]] = {}
        try:
            self._zone: tzinfo = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"'{timezone}' is not a time zone. Write an IANA name such as Europe/Zurich."
            ) from None
        unknown = [day for day in workdays if day not in WEEKDAYS]
        if unknown or not workdays:
            raise ValueError(f"workdays are some of {', '.join(WEEKDAYS)}.")
        if country is not None:
            try:
                public_holidays(country, subdivision, 2026)
            except NotImplementedError:
                place = f"{country}, {subdivision}" if subdivision else country
                raise ValueError(f"no public holidays are known for '{place}'.") from None
        self.timezone = timezone
        self.workdays = frozenset(WEEKDAYS.index(day) for day in workdays)
        self.hours = hours
        self.country = country
        self.subdivision = subdivision
        self.closed = frozenset(closed)
        self._opens, self._closes = parse_hours(hours)

    def is_workday(self, day: date) -> bool:
        """Whether people work on this local date. One that a zone left out, as Samoa did on 30
        December 2011, is no day at all.
        """
        found = self._worked.get(day)
        if found is None:
            if len(self._worked) > 20_000:
                self._worked.clear()
            found = self._worked[day] = self._is_workday(day)
        return found

    def _is_workday(self, day: date) -> bool:
        if day.weekday() not in self.workdays or day in self.closed or not self._exists(day):
            return False
        return self.country is None or day not in public_holidays(
            self.country, self.subdivision, day.year
        )

    def in_zone(self, timezone: str) -> Calendar:
        """The same days and hours, lived in another zone. Raises ValueError for an unknown one."""
        days = [WEEKDAYS[number] for number in sorted(self.workdays)]
        return Calendar(timezone, days, self.hours, self.country, self.subdivision, self.closed)

    def is_working(self, moment: datetime) -> bool:
        """Whether people work at this moment; the closing moment itself no longer counts."""
        day = moment.astimezone(self._zone).date()
        return self.is_workday(day) and self._open(day) <= moment < self._close(day)

    def end_of(self, day: date) -> datetime:
        """When a date-only due is over: at closing time of that day, working day or not."""
        found = self._ends.get(day)
        if found is None:
            if len(self._ends) > 10_000:
                self._ends.clear()
            found = self._ends[day] = self._close(day)
        return found

    def add(self, start: datetime, duration: Duration) -> datetime:
        """The moment (UTC) that lies `duration` after `start`.

        `bd` keeps the wall time, moved into working hours; a start outside working days counts from
        the close of the last one. `bh` uses up working time. `d` keeps the wall time. `h`, `m` and
        `s` are absolute. A later start never gives an earlier end: in an hour that the wall clock
        shows twice, the second time counts from the end of that hour.
        """
        return self._move(start, duration, 1)

    def subtract(self, end: datetime, duration: Duration) -> datetime:
        """The moment (UTC) that lies `duration` before `end`; the mirror image of `add`."""
        return self._move(end, duration, -1)

    def after_working(self, start: datetime, worked: timedelta) -> datetime:
        """The moment (UTC) at which so much working time has passed since `start`."""
        start = start.astimezone(UTC)
        return self._business_time(start, worked, 1) if worked > timedelta() else start

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """How much working time lies between two moments; zero if `end` is not later."""
        total = timedelta()
        day = start.astimezone(self._zone).date()
        last = end.astimezone(self._zone).date()
        while day <= last:
            if self.is_workday(day):
                opens, closes = self._span(day)
                if start < closes and end > opens:
                    total += min(end, closes) - max(start, opens)
            day += timedelta(days=1)
        return total

    # ------------------------------------------------------------------------------------------

    def _move(self, start: datetime, duration: Duration, sign: Literal[1, -1]) -> datetime:
        if start.tzinfo is None:
            raise ValueError("a moment needs a zone")
        start = start.astimezone(UTC)
        amount = duration.amount
        match duration.unit:
            case "bd":
                return self._business_days(start, amount, sign)
            case "bh":
                return self._business_time(start, timedelta(hours=amount), sign)
            case "d":
                shown = self._shown(start)
                return self._utc(self._days_on(shown.date(), amount, sign), shown.time())
            case "h":
                return start + sign * timedelta(hours=amount)
            case "m":
                return start + sign * timedelta(minutes=amount)
            case "s":
                return start + sign * timedelta(seconds=amount)

    def _business_days(self, start: datetime, amount: int, sign: Literal[1, -1]) -> datetime:
        local = self._shown(start)
        day, wall = local.date(), timedelta(hours=local.hour, minutes=local.minute)
        wall += timedelta(seconds=local.second, microseconds=local.microsecond)
        if not self.is_workday(day):
            wall = self._closes if sign > 0 else self._opens
        for _ in range(amount):
            day = self._next_workday(day, sign)
        return self._at(day, min(max(wall, self._opens), self._closes))

    def _business_time(self, start: datetime, left: timedelta, sign: Literal[1, -1]) -> datetime:
        day = start.astimezone(self._zone).date()
        if not self.is_workday(day):
            day = self._next_workday(day, sign)
        while True:
            opens, closes = self._open(day), self._close(day)
            if sign > 0:
                begin = max(start, opens)
                if begin + left <= closes:
                    return begin + left
                left -= max(closes - begin, timedelta())
            else:
                begin = min(start, closes)
                if begin - left >= opens:
                    return begin - left
                left -= max(begin - opens, timedelta())
            day = self._next_workday(day, sign)

    def _next_workday(self, day: date, sign: Literal[1, -1]) -> date:
        for _ in range(3660):
            day += timedelta(days=sign)
            if self.is_workday(day):
                return day
        raise ValueError("this calendar has no working day in ten years")

    def _shown(self, moment: datetime) -> datetime:
        """What the wall clock shows, without a zone. While it shows an hour for the second time it
        counts as standing at the end of that hour, so that it never goes back.
        """
        local = moment.astimezone(self._zone)
        shown = local.replace(tzinfo=None, fold=0)
        if not local.fold:
            return shown
        first = shown.replace(tzinfo=self._zone).utcoffset()
        repeated = (first or timedelta()) - (local.utcoffset() or timedelta())
        # the first pass ended, by the wall clock, where the second one will
        ended = self._turned(moment.astimezone(UTC) - repeated, moment.astimezone(UTC))
        return (ended + (first or timedelta())).replace(tzinfo=None)

    def _turned(self, before: datetime, after: datetime) -> datetime:
        """When, between two moments, the zone changed its distance from UTC."""
        early = before.astimezone(self._zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) / 2
            if middle.astimezone(self._zone).utcoffset() == early:
                before = middle
            else:
                after = middle
        return after.replace(microsecond=0)

    def _exists(self, day: date) -> bool:
        """Whether any moment has this local date."""
        return self._utc(day, time()).astimezone(self._zone).date() == day

    def _days_on(self, day: date, amount: int, sign: Literal[1, -1]) -> date:
        """The local date so many days on; dates that the zone left out are not counted."""
        target = day + sign * timedelta(days=amount)
        first, last = min(day, target), max(day, target)
        noon = time(12)
        offsets = [
            datetime.combine(one, noon, self._zone).utcoffset() or timedelta()
            for one in (first, last)
        ]
        if abs(offsets[1] - offsets[0]) < timedelta(hours=20) and self._exists(target):
            return target
        for _ in range(amount):
            day += timedelta(days=sign)
            while not self._exists(day):
                day += timedelta(days=sign)
        return day

    def _span(self, day: date) -> tuple[datetime, datetime]:
        found = self._spans.get(day)
        if found is None:
            if len(self._spans) > 10_000:
                self._spans.clear()
            found = self._spans[day] = (self._open(day), self._close(day))
        return found

    def _open(self, day: date) -> datetime:
        return self._at(day, self._opens)

    def _close(self, day: date) -> datetime:
        return self._at(day, self._closes)

    def _at(self, day: date, wall: timedelta) -> datetime:
        shown = datetime.combine(day, time()) + wall  # 24:00 is the next day's midnight
        return self._utc(shown.date(), shown.time())

    def _utc(self, day: date, wall: time) -> datetime:
        """A wall time as a moment: the first of two, and the end of the gap if there is none."""
        local = datetime.combine(day, wall.replace(fold=0), self._zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(self._zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return moment
        return self._turned(local.replace(fold=1).astimezone(UTC), moment)


def parse_hours(hours: str) -> tuple[timedelta, timedelta]:
    """`09:00-17:00` as two distances from local midnight. Raises ValueError."""
    match = _HOURS.fullmatch(hours)
    if match is not None:
        a, b, c, d = map(int, match.groups())
        begin, end = timedelta(hours=a, minutes=b), timedelta(hours=c, minutes=d)
        if b < 60 and d < 60 and begin < end <= timedelta(hours=24):
            return begin, end
    raise ValueError(f"'{hours}' are not hours of one day. Write \"09:00-17:00\".")
