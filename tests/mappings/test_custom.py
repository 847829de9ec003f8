"""Fields of a team's own, also several levels deep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.check import check_mapping
from mappings.compiler import compile_mapping
from mappings.custom import flat, related, value_in, with_value
from mappings.examples import run_examples
from mappings.language import load_mapping

MAPPING = """
mapping: m
connection: desk
object: ticket
entity: task
fields:
  title: $.title
  custom.site.building: $.site.number
  custom.site.floor.number: {{from: $.site.floor, as: integer}}
  custom.plain: $.plain
{more}
"""

names = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3).map(".".join)


@given(st.lists(st.tuples(names, st.integers()), max_size=6), names, st.integers())
def test_what_is_set_is_read_and_nothing_given_is_changed(
    before: list[tuple[str, int]], name: str, value: int
) -> None:
    custom: dict[str, Any] = {}
    for one, number in before:
        custom = with_value(custom, f"custom.{one}", number)
    kept = repr(custom)
    changed = with_value(custom, f"custom.{name}", value)
    assert value_in(changed, f"custom.{name}") == value
    assert repr(custom) == kept
    for one, _ in before:
        if not related(one, name):
            assert value_in(changed, f"custom.{one}") == value_in(custom, f"custom.{one}")


def test_a_field_kept_under_its_dotted_name_is_still_read_and_then_nested() -> None:
    custom = {"site.building": 7, "other": 1}
    assert value_in(custom, "custom.site.building") == 7
    assert with_value(custom, "custom.site.building", 8) == {"site": {"building": 8}, "other": 1}


def test_what_is_expected_may_be_written_nested() -> None:
    expected = {"title": "x", "custom": {"site": {"building": 7, "floor": {"number": 2}}}}
    known = ("title", "custom.site.building", "custom.site.floor.number")
    assert flat(expected, known) == {
        "title": "x",
        "custom.site.building": 7,
        "custom.site.floor.number": 2,
    }
    assert flat({"custom.site": {"building": 7}}, ("custom.site",)) == {
        "custom.site": {"building": 7}
    }


def test_an_example_of_nested_fields_holds_both_ways() -> None:
    tests = """
tests:
  - given: {title: x, site: {number: 7, floor: "2"}, plain: 1}
    expect: {custom: {site: {building: 7, floor: {number: 2}}, plain: 1}}
    back: {site: {number: 7, floor: 2}}
"""
    spec, found = load_mapping("mappings/m.yaml", MAPPING.format(more=tests))
    assert spec is not None
    assert not [one for one in (*found, *check_mapping(spec)) if one.severity == "error"]
    assert run_examples(compile_mapping(spec), lambda _: None) == []


@pytest.mark.parametrize("name", ["custom.site", "custom.plain.more", "custom.site.floor"])
def test_a_field_inside_another_is_a_finding(name: str) -> None:
    spec, _ = load_mapping("mappings/m.yaml", MAPPING.format(more=f"  {name}: $.other"))
    assert spec is not None
    (found,) = (one for one in check_mapping(spec) if one.severity == "error")
    assert str(found).startswith(f"mappings/m.yaml:11:3 error: '{name}' and 'custom.")
