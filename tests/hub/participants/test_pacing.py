"""When people are written to: never in their quiet hours, and not more than they can read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.participants.pacing import LATELY, ONE_DIGEST, Pace, quiet_of, release

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONES = ("UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
PACE = Pace(per_day=4, at_once=2)


def minutes_ago(*ago: int) -> list[datetime]:
    return [NOON - timedelta(minutes=one) for one in ago]


def test_the_first_messages_go_at_once() -> None:
    assert release(NOON, PACE, None, [], None) == (NOON, None)
    assert release(NOON, PACE, None, minutes_ago(5), None) == (NOON, None)


def test_many_at_once_are_gathered_for_ten_minutes() -> None:
    assert release(NOON, PACE, None, minutes_ago(9, 1), None) == (NOON + LATELY, "many at once")
    assert release(NOON, PACE, None, minutes_ago(11, 1), None) == (NOON, None)


def test_what_follows_joins_what_is_gathered() -> None:
    soon = NOON + timedelta(minutes=3)
    assert release(NOON, PACE, None, [], soon) == (soon, "with others")


def test_beyond_the_budget_of_a_day_there_is_one_digest_an_hour() -> None:
    sent = minutes_ago(300, 200, 100, 30)
    assert release(NOON, PACE, None, sent, None) == (sent[-1] + ONE_DIGEST, "budget of the day")
    assert release(NOON, PACE, None, minutes_ago(300, 200, 100, 70), None) == (NOON, None)


@pytest.mark.parametrize(
    ("hours", "hour", "goes"),
    [
        ("19:00-07:00", 18, 18), ("19:00-07:00", 19, 31), ("19:00-07:00", 23, 31),
        ("19:00-07:00", 3, 7), ("19:00-07:00", 7, 7), ("12:00-13:00", 12, 13),
    ],
)  # fmt: skip
def test_quiet_hours_may_pass_midnight(hours: str, hour: int, goes: int) -> None:
    day = datetime(2026, 3, 2, tzinfo=UTC)
    quiet = quiet_of(hours, "UTC")
    assert quiet is not None
    assert quiet.over(day + timedelta(hours=hour)) == day + timedelta(hours=goes)


def test_quiet_hours_are_those_of_the_persons_own_clock() -> None:
    quiet = quiet_of("19:00-07:00", "America/New_York")
    found = release(NOON.replace(hour=11), PACE, quiet, [], None)  # six in the morning there
    assert found == (NOON.replace(hour=12), "quiet hours")


@given(
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    zone=st.sampled_from(ZONES),
    begins=st.integers(0, 47),
    lasts=st.integers(1, 47),
)
def test_nobody_is_written_to_in_quiet_hours_and_nothing_waits_longer_than_they_last(
    moment: datetime, zone: str, begins: int, lasts: int
) -> None:
    """Also when clocks are set: an hour that does not exist, and one that there is twice."""
    ends = (begins + lasts) % 48
    text = "-".join(f"{half // 2:02d}:{half % 2 * 30:02d}" for half in (begins, ends))
    quiet = quiet_of(text, zone)
    assert quiet is not None
    now = moment.replace(tzinfo=UTC)
    over = quiet.over(now)
    assert now <= over <= now + timedelta(hours=25)
    assert quiet.over(over) == over
