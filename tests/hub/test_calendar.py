"""Business time: worked examples first, then what must hold for every moment and duration."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.process.calendar import Calendar, Duration, parse_duration

ZURICH = Calendar("Europe/Zurich", country="CH", subdivision="ZH")
CALENDARS = [
    ZURICH,
    Calendar("America/New_York", country="US", hours="08:30-18:15"),
    Calendar("Asia/Dubai", workdays=["sun", "mon", "tue", "wed", "thu"], hours="07:00-15:00"),
    Calendar("Australia/Lord_Howe", hours="00:30-23:30", workdays=["sat", "sun", "mon"]),
    Calendar("Asia/Kathmandu", hours="10:00-11:00"),
]

moments = st.datetimes(
    datetime(2020, 1, 1),
    datetime(2032, 1, 1),
    timezones=st.just(UTC),
)
calendars = st.sampled_from(CALENDARS)
small = st.integers(1, 40)


def local(text: str, zone: str = "Europe/Zurich") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("2bd", 2, "bd"),
        ("4bh", 4, "bh"),
        ("3d", 3, "d"),
        ("2h", 2, "h"),
        ("30m", 30, "m"),
        ("45s", 45, "s"),
    ],
)
def test_a_duration_reads_and_prints_as_it_was_written(text: str, amount: int, unit: str) -> None:
    duration = parse_duration(text)
    assert (duration.amount, duration.unit, str(duration)) == (amount, unit, text)


@pytest.mark.parametrize("text", ["", "2", "bd", "-1d", "1.5h", "2 bd", "2w", "0d", "1d\n", "٣d"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write"):
        parse_duration(text)


def test_a_duration_longer_than_twenty_years_is_refused() -> None:
    with pytest.raises(ValueError, match="twenty years"):
        parse_duration("99999bd")


@pytest.mark.parametrize(
    ("start", "duration", "expected", "why"),
    [
        ("2026-03-06T15:00", "2bd", "2026-03-10T15:00", "over a weekend"),
        ("2026-03-06T08:00", "1bd", "2026-03-09T09:00", "before opening counts from opening"),
        ("2026-03-06T20:00", "1bd", "2026-03-09T17:00", "after closing counts from closing"),
        ("2026-03-07T10:00", "1bd", "2026-03-09T17:00", "a Saturday gives the whole Monday"),
        ("2026-04-02T10:00", "1bd", "2026-04-07T10:00", "over Good Friday and Easter Monday"),
        ("2026-03-27T10:00", "1bd", "2026-03-30T10:00", "over the change to summer time"),
        ("2026-03-06T15:00", "4bh", "2026-03-09T11:00", "two hours today, two on Monday"),
        ("2026-03-06T15:00", "2bh", "2026-03-06T17:00", "ends at closing, not on Monday"),
        ("2026-03-07T03:00", "1bh", "2026-03-09T10:00", "starts on Monday morning"),
        ("2026-03-28T12:00", "1d", "2026-03-29T12:00", "same wall time after 23 hours"),
        ("2026-03-28T02:30", "1d", "2026-03-29T03:00", "a wall time that does not exist"),
        ("2026-10-24T02:30", "1d", "2026-10-25T02:30", "the first of two equal wall times"),
        ("2026-03-28T12:00", "24h", "2026-03-29T13:00", "absolute hours"),
        ("2026-03-06T15:00", "30m", "2026-03-06T15:30", "minutes"),
        ("2026-03-06T15:00", "45s", "2026-03-06T15:00:45", "seconds"),
    ],
)
def test_adding_a_duration(start: str, duration: str, expected: str, why: str) -> None:
    assert ZURICH.add(local(start), parse_duration(duration)) == local(expected), why


@pytest.mark.parametrize(
    ("end", "duration", "expected"),
    [
        ("2026-03-10T15:00", "2bd", "2026-03-06T15:00"),
        ("2026-03-09T11:00", "4bh", "2026-03-06T15:00"),
        ("2026-03-08T12:00", "1bd", "2026-03-06T09:00"),
        ("2026-03-29T12:00", "1d", "2026-03-28T12:00"),
    ],
)
def test_subtracting_is_the_mirror_of_adding(end: str, duration: str, expected: str) -> None:
    assert ZURICH.subtract(local(end), parse_duration(duration)) == local(expected)


def test_working_time_is_half_open_and_knows_holidays() -> None:
    assert ZURICH.is_working(local("2026-03-06T09:00"))
    assert not ZURICH.is_working(local("2026-03-06T17:00"))
    assert not ZURICH.is_working(local("2026-03-07T10:00"))
    assert not ZURICH.is_working(local("2026-08-01T10:00"))
    assert not ZURICH.is_working(local("2026-01-01T10:00"))


def test_a_date_only_due_ends_at_closing_time_of_that_day_in_that_zone() -> None:
    assert ZURICH.end_of(date(2026, 3, 2)) == datetime(2026, 3, 2, 16, tzinfo=UTC)
    assert ZURICH.end_of(date(2026, 7, 2)) == datetime(2026, 7, 2, 15, tzinfo=UTC)
    whole_day = Calendar("Europe/Zurich", hours="00:00-24:00")
    assert whole_day.end_of(date(2026, 3, 2)) == datetime(2026, 3, 2, 23, tzinfo=UTC)


def test_extra_closed_days_are_not_worked() -> None:
    calendar = Calendar("Europe/Zurich", closed=[date(2026, 3, 9)])
    assert calendar.add(local("2026-03-06T15:00"), Duration(1, "bd")) == local("2026-03-10T15:00")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"timezone": "../etc/passwd"}, "time zone"),
        ({"workdays": []}, "workdays"),
        ({"workdays": ["monday"]}, "workdays"),
        ({"hours": "17:00-09:00"}, "09:00-17:00"),
        ({"hours": "9-17"}, "09:00-17:00"),
        ({"hours": "09:00-24:30"}, "09:00-17:00"),
        ({"country": "ZZ"}, "ZZ"),
        ({"country": "CH", "subdivision": "XX"}, "XX"),
    ],
)
def test_an_impossible_calendar_is_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Calendar(**settings)  # type: ignore[arg-type]


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        ZURICH.add(datetime(2026, 3, 6, 15), Duration(1, "h"))


@given(calendars, moments, moments, small, st.sampled_from(["bd", "bh", "h", "m", "s"]))
def test_a_later_start_never_gives_an_earlier_end(
    calendar: Calendar, one: datetime, two: datetime, amount: int, unit: str
) -> None:
    first, second = sorted((one, two))
    duration = Duration(amount, unit)  # type: ignore[arg-type]
    assert calendar.add(first, duration) <= calendar.add(second, duration)


@given(calendars, moments, small, st.sampled_from(["bd", "bh", "d", "h", "m", "s"]))
def test_more_time_always_ends_later(
    calendar: Calendar, start: datetime, amount: int, unit: str
) -> None:
    less = calendar.add(start, Duration(amount, unit))  # type: ignore[arg-type]
    more = calendar.add(start, Duration(amount + 1, unit))  # type: ignore[arg-type]
    assert less < more
    assert less.tzinfo is UTC


@given(calendars, moments, small)
def test_business_days_end_inside_a_working_day(
    calendar: Calendar, start: datetime, amount: int
) -> None:
    end = calendar.add(start, Duration(amount, "bd"))
    inside = end - timedelta(microseconds=1)  # closing time belongs to its day
    assert calendar.is_working(end) or calendar.is_working(inside)
    assert end > start


@given(calendars, moments, small)
def test_business_hours_use_up_exactly_what_was_asked(
    calendar: Calendar, start: datetime, amount: int
) -> None:
    end = calendar.add(start, Duration(amount, "bh"))
    assert calendar.working_time(start, end) == timedelta(hours=amount)
    assert calendar.working_time(calendar.subtract(end, Duration(amount, "bh")), end) == timedelta(
        hours=amount
    )


@given(calendars, moments, small)
def test_days_keep_the_wall_time_where_it_exists(
    calendar: Calendar, start: datetime, amount: int
) -> None:
    zone = ZoneInfo(calendar.timezone)
    end = calendar.add(start, Duration(amount, "d")).astimezone(zone)
    wanted = start.astimezone(zone).replace(tzinfo=None) + timedelta(days=amount)
    assert end.date() == wanted.date()
    shifted = end.replace(tzinfo=None) - wanted
    assert timedelta() <= shifted <= timedelta(hours=1)
