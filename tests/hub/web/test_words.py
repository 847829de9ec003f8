"""Times and values in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.process.calendar import Calendar
from hub.web import words

NOW = datetime(2026, 3, 6, 10, 0, tzinfo=UTC)  # a Friday, 11:00 in Zurich
ZURICH = Calendar("Europe/Zurich", country="CH")


@pytest.mark.parametrize(
    ("away", "said"),
    [
        ({"seconds": 20}, "in 1 min"),
        ({"minutes": 40}, "in 40 min"),
        ({"hours": 3}, "in 3 h"),
        ({"days": 1}, "tomorrow"),
        ({"days": 2}, "in 2 days"),  # a Sunday: no business day until then
        ({"days": 3}, "in 1 business day"),
        ({"days": 4}, "in 2 business days"),
        ({"days": 45}, "on 20 Apr"),
        ({"days": 400}, "on 10 Apr 2027"),
        ({"seconds": -20}, "1 min late"),
        ({"minutes": -59}, "59 min late"),
        ({"hours": -3}, "3 h late"),
        ({"days": -1}, "1 business day late"),
        ({"days": -4}, "4 business days late"),
    ],
)
def test_a_deadline_is_told_by_its_distance(away: dict[str, int], said: str) -> None:
    assert words.due(NOW + timedelta(**away), NOW, ZURICH) == said


def test_a_holiday_is_no_business_day() -> None:
    """From Maundy Thursday to Wednesday after Easter there are two, in Switzerland."""
    thursday = datetime(2026, 4, 2, 9, 0, tzinfo=UTC)
    wednesday = datetime(2026, 4, 8, 9, 0, tzinfo=UTC)
    assert words.due(wednesday, thursday, Calendar("Europe/Zurich")) == "in 4 business days"
    assert words.due(wednesday, thursday, Calendar("Europe/Zurich", country="DE")) == (
        "in 2 business days"
    )


def test_something_late_over_a_weekend_is_late_by_days() -> None:
    saturday, sunday = NOW + timedelta(days=1), NOW + timedelta(days=2)
    assert words.due(saturday, sunday, ZURICH) == "1 day late"


def test_no_deadline_is_nothing_said() -> None:
    assert words.due(None, NOW, ZURICH) == ""


@pytest.mark.parametrize(
    ("past", "said"),
    [
        ({"seconds": 5}, "just now"),
        ({"minutes": 5}, "5 min ago"),
        ({"hours": 5}, "5 h ago"),
        ({"hours": 12}, "yesterday"),
        ({"days": 3}, "3 days ago"),
        ({"days": 30}, "on 4 Feb"),
        ({"days": 100}, "on 26 Nov 2025"),
    ],
)
def test_what_happened_is_told_by_how_long_ago(past: dict[str, int], said: str) -> None:
    assert words.ago(NOW - timedelta(**past), NOW, "Europe/Zurich") == said


def test_what_never_happened_says_never() -> None:
    assert words.ago(None, NOW) == "never"


def test_an_exact_time_names_its_zone() -> None:
    assert words.exact(NOW, "Europe/Zurich") == "Fri 6 Mar 2026, 11:00 CET"
    assert words.exact(None, "Europe/Zurich") == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "—"),
        (True, "yes"),
        (["a", 2], "a, 2"),
        ({"value": "12000.50", "currency": "CHF"}, "CHF 12,000.50"),
        ({"value": "not a number", "currency": None}, "not a number"),
        ({"at": "2026-03-06T10:00:00Z"}, "Fri 6 Mar 2026, 10:00 UTC"),
        ({"date": "2026-03-06"}, "6 Mar 2026"),
        ({"vat_id": "CH1", "deep": {"x": False}}, "Vat id: CH1; Deep: X: no"),
    ],
)
def test_no_value_is_shown_as_json(value: Any, said: str) -> None:
    assert words.value(value) == said


def test_states_have_words_of_their_own() -> None:
    assert [words.label(one) for one in ("on_track", "sync_conflict", None)] == [
        "On track",
        "Sync conflict",
        "",
    ]


def test_spans_and_counts_agree_with_their_numbers() -> None:
    assert words.span(timedelta(seconds=40)) == "40 s"
    assert words.span(timedelta(hours=30)) == "30 h"
    assert words.span(timedelta(days=5)) == "5 days"
    assert words.count(1, "step") == "1 step"
    assert words.count(2, "step") == "2 steps"
