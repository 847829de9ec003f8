"""Who is there, until when, and who stands in for whom."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from hub.process.presence import Person, Presence, Stands

NOON = datetime(2026, 12, 22, 12, tzinfo=UTC)
AWAY = ((date(2026, 12, 20), date(2026, 12, 24)),)


def people(**those: dict[str, object]) -> Presence:
    return Presence(
        {name: Person(name, True, "UTC", **values) for name, values in those.items()}  # type: ignore[arg-type]
    )


def test_the_first_deputy_who_is_there_stands_in_and_ones_own_come_before_theirs() -> None:
    presence = people(
        dana={"deputies": ("lee", "kim"), "away": AWAY},
        lee={"deputies": ("max",), "away": AWAY},
        kim={},
        max={},
    )
    assert presence.stands("dana", NOON) == Stands("away", "kim", date(2026, 12, 24))
    assert presence.stands("lee", NOON).acting == "max"
    assert presence.stands("kim", NOON) == Stands("present")


def test_the_deputys_deputy_is_asked_when_the_deputy_is_away_too() -> None:
    presence = people(
        dana={"deputies": ("lee",), "away": AWAY}, lee={"deputies": ("max",), "away": AWAY}, max={}
    )
    assert presence.acting("dana", NOON) == "max"
    assert presence.stands_in("dana", "max", NOON)
    later = datetime(2026, 12, 26, 12, tzinfo=UTC)
    assert presence.stands_in("dana", "lee", later)
    assert not presence.stands_in("dana", "max", later), "lee is there"
    assert presence.stands_in("dana", "max"), "at some time"


def test_a_circle_of_deputies_who_are_all_away_leads_to_nobody() -> None:
    presence = people(
        dana={"deputies": ("lee",), "away": AWAY}, lee={"deputies": ("dana",), "away": AWAY}
    )
    assert presence.acting("dana", NOON) is None
    assert not presence.stands("dana", NOON).covered
    assert not presence.stands_in("dana", "dana", NOON)


@pytest.mark.parametrize(
    ("zone", "moment", "there"),
    [
        ("Pacific/Auckland", datetime(2026, 12, 19, 12, tzinfo=UTC), False),
        ("America/New_York", datetime(2026, 12, 20, 3, tzinfo=UTC), True),
        ("America/New_York", datetime(2026, 12, 25, 3, tzinfo=UTC), False),
        ("UTC", datetime(2026, 12, 25, 0, tzinfo=UTC), True),
    ],
)
def test_a_day_begins_and_ends_where_the_person_is(
    zone: str, moment: datetime, there: bool
) -> None:
    presence = Presence({"dana": Person("dana", True, zone, away=AWAY)})
    assert presence.here("dana", moment) is there


def test_absences_that_follow_on_without_a_day_between_are_one() -> None:
    presence = people(dana={"away": (*AWAY, (date(2026, 12, 25), date(2027, 1, 3)))})
    assert presence.stands("dana", NOON).until == date(2027, 1, 3)


def test_somebody_is_here_on_their_last_day_and_gone_on_the_next() -> None:
    presence = people(dana={"last_day": date(2026, 12, 22), "deputies": ("lee",)}, lee={})
    assert presence.stands("dana", NOON).standing == "present"
    assert presence.stands("dana", datetime(2026, 12, 23, tzinfo=UTC)) == Stands("gone", "lee")
    assert not presence.stands("dana", datetime(2026, 12, 23, tzinfo=UTC)).covered


def test_somebody_who_is_none_of_ours_is_there() -> None:
    assert people().stands("pty_customer", NOON) == Stands("present")
