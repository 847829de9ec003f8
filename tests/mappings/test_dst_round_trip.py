"""A date or a moment survives 1,000 syncs across the changes of the clock, in every vendor's form.

A sync is one pass inward and one outward. Zones: Zurich and New York change by an hour, Lord Howe
by half an hour, Kolkata never, but stands half an hour off.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.compiler import CompiledMapping, compile_mapping
from tests.mappings.conftest import spec_of

ZONES = ("Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC),  # Zurich
    datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC),  # New York
    datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # Lord Howe
)  # fmt: skip
SYNCS = 1000

EXACT = ("iso", "iso_ms", "iso_offset", "epoch", "epoch_ms", "epoch_text", "epoch_ms_text",
         "rfc2822", "dotnet")  # fmt: skip
"""Forms that say which moment it is."""
WALL = ("sql", "excel", "excel_1904", "%d.%m.%Y %H:%M")
"""Forms that say what the clock on the wall shows: one hour of autumn they cannot tell apart."""
DAYS = ("iso", "epoch", "epoch_ms", "excel", "excel_1904", "%d.%m.%Y", "%m/%d/%y")


def moment_mapping(form: str, zone: str) -> CompiledMapping:
    fields = f"due: {{from: $.x, as: {{datetime: {{format: '{form}', zone: {zone}}}}}}}\n"
    return compile_mapping(spec_of(fields), zone)


def day_mapping(form: str, zone: str) -> CompiledMapping:
    return compile_mapping(
        spec_of(f"due: {{from: $.x, as: {{date: {{format: '{form}'}}}}}}\n"), zone
    )


def out(mapping: CompiledMapping, due: Any) -> Any:
    written = mapping.outward({"due": due}, None, "desk")  # type: ignore[arg-type]
    assert written.problems == []
    return written.fields["x"]


def back(mapping: CompiledMapping, raw: Any) -> Any:
    read = mapping.inward({"x": raw}, None, "desk")  # type: ignore[arg-type]
    assert read.problems == []
    return read.values["due"]


def at(moment: datetime) -> dict[str, str]:
    return {"at": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def hours() -> Iterator[datetime]:
    """Every half hour of the three days around each change."""
    for change in CHANGES:
        yield from (change + timedelta(minutes=30 * step) for step in range(-72, 73))


def told_twice(moment: datetime, zone: str) -> bool:
    """Whether the clock on the wall shows this time twice."""
    local = moment.astimezone(ZoneInfo(zone))
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("form", [*EXACT, *WALL])
def test_every_half_hour_around_a_change_comes_back_as_it_went(form: str, zone: str) -> None:
    """Only where the wall shows an hour twice may it come back as the first of the two; and then it
    stays that.
    """
    mapping = moment_mapping(form, zone)
    for moment in hours():
        due, raw = at(moment), out(mapping, at(moment))
        once = back(mapping, raw)
        if form in EXACT or not told_twice(moment, zone):
            assert once == due, (moment, raw)
        assert out(mapping, once) == raw, (moment, raw)
        assert back(mapping, out(mapping, once)) == once, (moment, raw)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("form", DAYS)
def test_every_day_of_four_years_comes_back_as_it_went(form: str, zone: str) -> None:
    """In any zone of the workspace: a day has none."""
    mapping = day_mapping(form, zone)
    for step in range(4 * 365 + 1):
        due = {"date": (date(2024, 1, 1) + timedelta(days=step)).isoformat()}
        assert back(mapping, out(mapping, due)) == due


@pytest.mark.parametrize("zone", ZONES)
def test_a_thousand_syncs_between_all_forms_move_nothing(zone: str) -> None:
    """The value goes around through every form, 1,000 times, at the hours where it is hardest."""
    mappings = [moment_mapping(form, zone) for form in (*EXACT, *WALL)]
    for change in CHANGES:
        for minutes in (-90, -60, -30, 0, 30, 60, 90):
            moment = change + timedelta(minutes=minutes)
            if told_twice(moment, zone):
                continue
            due = at(moment)
            for mapping in itertools.islice(itertools.cycle(mappings), SYNCS):
                due = back(mapping, out(mapping, due))
            assert due == at(moment)


@pytest.mark.parametrize("zone", ZONES)
def test_a_thousand_syncs_between_all_forms_of_a_day_move_nothing(zone: str) -> None:
    mappings = [day_mapping(form, zone) for form in DAYS]
    for change in CHANGES:
        for step in (-1, 0, 1):
            first = due = {"date": (change.date() + timedelta(days=step)).isoformat()}
            for mapping in itertools.islice(itertools.cycle(mappings), SYNCS):
                due = back(mapping, out(mapping, due))
            assert due == first


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_on_one_side_and_a_moment_on_the_other_come_to_rest_at_once(zone: str) -> None:
    """The moment falls on the workspace's day; the day is the moment that the mapping names."""
    day = compile_mapping(spec_of("due: {from: $.x, as: date}\n"), zone)
    clock = compile_mapping(spec_of("due: {from: $.x, as: {datetime: {time: '17:00'}}}\n"), zone)
    for moment in hours():
        written = out(day, at(moment))
        assert written == moment.astimezone(ZoneInfo(zone)).date().isoformat()
        due = back(clock, out(clock, back(day, written)))
        for _ in range(3):
            assert out(day, due) == written
            assert back(clock, out(clock, due)) == due
            due = back(clock, out(clock, back(day, out(day, due))))


moments = st.datetimes(
    datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC), allow_imaginary=False
).map(lambda moment: moment.replace(microsecond=0))


@settings(max_examples=150, deadline=None)
@given(moments, st.lists(st.sampled_from([*EXACT, *WALL]), min_size=1, max_size=8),
       st.sampled_from(ZONES))  # fmt: skip
def test_any_moment_through_any_forms_is_the_same_moment(
    moment: datetime, way: list[str], zone: str
) -> None:
    if told_twice(moment, zone) or (moment.second and "%d.%m.%Y %H:%M" in way):
        return
    due = at(moment)
    for form in way:
        due = back(moment_mapping(form, zone), out(moment_mapping(form, zone), due))
    assert due == at(moment)


@settings(max_examples=150, deadline=None)
@given(st.dates(date(1969, 1, 1), date(2068, 12, 31)), st.lists(st.sampled_from(DAYS), min_size=1),
       st.sampled_from(ZONES))  # fmt: skip
def test_any_day_through_any_forms_is_the_same_day(day: date, way: list[str], zone: str) -> None:
    due = {"date": day.isoformat()}
    for form in way:
        due = back(day_mapping(form, zone), out(day_mapping(form, zone), due))
    assert due == {"date": day.isoformat()}
