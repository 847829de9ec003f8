"""Business time in zones that are hard on it: half-hour shifts, days that never were, midnights
that do not exist, and years in which the rules changed. What must hold for every moment there is.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.process.calendar import Calendar, Duration, Unit, parse_duration

ALL_WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ZONES = [
    "Europe/Zurich",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "UTC",
]
CALENDARS = [
    Calendar(zone, **settings)
    for zone in ZONES
    for settings in (
        {},
        {"workdays": ALL_WEEK, "hours": "00:00-24:00"},
        {"workdays": ["sat", "sun", "mon"], "hours": "00:30-23:30"},
        {"workdays": ALL_WEEK, "hours": "01:15-02:45"},
        {"country": "US", "hours": "08:00-16:30", "closed": [date(2024, 2, 29)]},
    )
]  # fmt: skip
UNITS: tuple[Unit, ...] = ("bd", "bh", "d", "h", "m", "s")

moments = st.datetimes(datetime(2009, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))
calendars = st.sampled_from(CALENDARS)
durations = st.builds(Duration, st.integers(1, 60), st.sampled_from(UNITS))


def _changes() -> list[datetime]:
    """The moments at which one of the zones changes its distance from UTC, 2009 to 2028."""
    found = []
    for name in ZONES:
        zone = ZoneInfo(name)
        day = datetime(2009, 1, 1, tzinfo=UTC)
        before = day.astimezone(zone).utcoffset()
        while day.year < 2029:
            after = day.astimezone(zone).utcoffset()
            if after != before:
                found.append(day)
            before, day = after, day + timedelta(days=1)
    return found


CHANGES = _changes()
hard = st.one_of(
    moments,
    st.builds(
        lambda day, minutes: day + timedelta(minutes=minutes),
        st.sampled_from(CHANGES),
        st.integers(-72 * 60, 72 * 60),
    ),
)
"""Any moment, and more often one around a change."""


@given(calendars, hard, hard, durations)
def test_a_later_start_never_ends_earlier_in_any_unit(
    calendar: Calendar, one: datetime, two: datetime, duration: Duration
) -> None:
    first, second = sorted((one, two))
    assert calendar.add(first, duration) <= calendar.add(second, duration)
    assert calendar.subtract(first, duration) <= calendar.subtract(second, duration)


@given(calendars, hard, st.integers(0, 180), durations)
def test_nor_does_one_a_few_minutes_later(
    calendar: Calendar, start: datetime, minutes: int, duration: Duration
) -> None:
    """The repeated hour, and the one that is left out."""
    later = start + timedelta(minutes=minutes)
    assert calendar.add(start, duration) <= calendar.add(later, duration)
    assert calendar.subtract(start, duration) <= calendar.subtract(later, duration)


@given(calendars, hard, durations)
def test_more_time_ends_later_and_less_begins_later(
    calendar: Calendar, start: datetime, duration: Duration
) -> None:
    more = Duration(duration.amount + 1, duration.unit)
    assert start < calendar.add(start, duration) < calendar.add(start, more)
    assert start > calendar.subtract(start, duration) > calendar.subtract(start, more)


@given(calendars, hard, st.integers(1, 60), st.sampled_from(["bh", "h", "m", "s"]))
def test_adding_and_taking_away_measured_time_are_opposites(
    calendar: Calendar, start: datetime, amount: int, unit: Unit
) -> None:
    duration = Duration(amount, unit)
    end = calendar.add(start, duration)
    back = calendar.subtract(end, duration)
    if unit == "bh":
        assert calendar.working_time(back, end) == timedelta(hours=amount)
        assert calendar.working_time(start, end) == timedelta(hours=amount)
    else:
        assert back == start


@given(calendars, hard, st.integers(1, 60), st.sampled_from(["bd", "d"]))
def test_days_are_opposites_where_the_wall_clock_shows_the_same(
    calendar: Calendar, start: datetime, amount: int, unit: Unit
) -> None:
    """Not where an hour was left out or shown twice on the way, and from working hours only."""
    zone = ZoneInfo(calendar.timezone)
    if unit == "bd" and not calendar.is_working(start):
        return
    end = calendar.add(start, Duration(amount, unit))
    begun, ended = start.astimezone(zone), end.astimezone(zone)
    if begun.fold or begun.time() != ended.time() or ended.fold:
        return
    assert calendar.subtract(end, Duration(amount, unit)) in (
        start,
        begun.replace(fold=0).astimezone(UTC),
    )


@given(calendars, hard, hard, hard)
def test_working_time_adds_up(
    calendar: Calendar, one: datetime, two: datetime, three: datetime
) -> None:
    a, b, c = sorted((one, two, three))
    c = min(c, a + timedelta(days=200))
    b = min(b, c)
    whole = calendar.working_time(a, c)
    assert calendar.working_time(a, b) + calendar.working_time(b, c) == whole
    assert timedelta() <= whole <= c - a


@given(calendars, hard, st.integers(1, 400_000), st.integers(0, 400_000))
def test_a_clock_that_stood_has_as_much_time_left_as_before(
    calendar: Calendar, start: datetime, seconds: int, more: int
) -> None:
    due = calendar.after_working(start, timedelta(seconds=seconds))
    on = start + timedelta(seconds=more)
    stood = calendar.working_time(start, on)
    assert calendar.working_time(on, calendar.after_working(due, stood)) == timedelta(
        seconds=seconds
    )


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hours", ["00:00-24:00", "01:15-02:45", "09:00-17:00"])
def test_every_day_of_twenty_years_opens_once_and_closes_after(zone: str, hours: str) -> None:
    """No day overlaps the next, and a day that never was is none."""
    calendar = Calendar(zone, ALL_WEEK, hours)
    day, last = date(2009, 1, 1), datetime(2000, 1, 1, tzinfo=UTC)
    while day.year < 2029:
        closes = calendar.end_of(day)
        opens = calendar.subtract(closes, Duration(1, "s"))
        if calendar.is_workday(day):
            assert closes > last
            assert opens < closes
            last = closes
        else:
            assert (zone, day) == ("Pacific/Apia", date(2011, 12, 30))
        day += timedelta(days=1)


@pytest.mark.parametrize("zone", ZONES)
def test_daily_timers_of_a_year_of_changes_fire_each_once_at_its_time(zone: str) -> None:
    """Set ahead, and ticked off every five minutes: none is skipped, none comes twice."""
    for calendar, year in (
        (Calendar(zone, ALL_WEEK, "00:15-23:45"), 2018),
        (Calendar(zone, hours="01:30-10:00"), 2011),
    ):
        start = datetime(year, 1, 1, 2, 10, tzinfo=UTC)
        end = start + timedelta(days=366)
        for unit in ("d", "bd"):
            timers, at = [], start
            while at < end:
                at = calendar.add(at, Duration(1, unit))
                timers.append(at)
            assert timers == sorted(set(timers))
            days = [one.astimezone(ZoneInfo(zone)).date() for one in timers]
            assert len(set(days)) == len(days)
            skipped = [
                day
                for day in (days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days))
                if day not in set(days) and (unit == "d" or calendar.is_workday(day))
            ]
            assert skipped == ([date(2011, 12, 30)] if _left_out(zone, year, unit) else [])
            fired: list[datetime] = []
            now, waiting = start, list(timers)
            while waiting and now < end + timedelta(days=9):
                now += timedelta(minutes=5)
                while waiting and waiting[0] <= now:
                    assert now - waiting[0] < timedelta(minutes=5)
                    fired.append(waiting.pop(0))
            assert fired == timers


def _left_out(zone: str, year: int, unit: str) -> bool:
    return (zone, year, unit) == ("Pacific/Apia", 2011, "d")


@pytest.mark.parametrize(
    ("zone", "start", "duration", "expected", "why"),
    [
        ("Pacific/Apia", "2011-12-29T10:00", "1d", "2011-12-31T10:00", "the day that never was"),
        ("Pacific/Apia", "2011-12-28T10:00", "2bd", "2012-01-02T10:00", "was no business day"),
        ("Pacific/Apia", "2011-12-29T16:00", "2bh", "2012-01-02T10:00", "nor had any hours"),
        ("Australia/Lord_Howe", "2024-04-06T15:30", "1d", "2024-04-07T15:30", "half an hour more"),
        ("Australia/Lord_Howe", "2024-10-05T02:15", "1d", "2024-10-06T02:30", "half an hour gone"),
        ("America/Sao_Paulo", "2018-11-03T00:30", "1d", "2018-11-04T01:00", "no midnight"),
        ("Africa/Cairo", "2024-04-25T00:10", "1d", "2024-04-26T01:00", "no midnight there either"),
        ("Africa/Casablanca", "2024-03-09T02:30", "1d", "2024-03-10T02:30", "the first of two"),
        ("UTC", "2024-02-28T10:00", "1bd", "2024-02-29T10:00", "a leap day"),
        ("UTC", "2024-02-29T10:00", "365d", "2025-02-28T10:00", "a year of days after one"),
        ("UTC", "2023-02-28T10:00", "1d", "2023-03-01T10:00", "no leap day"),
        ("UTC", "2024-12-31T16:00", "2bh", "2025-01-01T10:00", "over the end of the year"),
        ("Europe/Zurich", "2026-10-24T12:00", "24h", "2026-10-25T11:00", "a day of 25 hours"),
    ],
)
def test_worked_examples(zone: str, start: str, duration: str, expected: str, why: str) -> None:
    calendar = Calendar(zone)

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    assert calendar.add(at(start), parse_duration(duration)) == at(expected), why


def test_business_days_pass_over_a_holiday_at_the_end_of_a_year() -> None:
    calendar = Calendar("Europe/Zurich", country="CH", subdivision="ZH")
    start = datetime(2026, 12, 24, 10, tzinfo=UTC)
    # Christmas on a Friday, a weekend, and then New Year
    assert calendar.add(start, Duration(2, "bd")) == datetime(2026, 12, 29, 10, tzinfo=UTC)
    assert calendar.add(start, Duration(5, "bd")) == datetime(2027, 1, 4, 10, tzinfo=UTC)
