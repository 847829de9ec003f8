"""What means the same is the same, and what is empty is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.language import load_mapping, resolve
from mappings.sameness import agreements_of, normal
from mappings.written_mapping import match_of, resolved_text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (" A-17 ", "a-17"), ("Straße", "STRASSE"), ("a  b", "a b"), (4711, "4711"),
        (7.0, 7), ({"value": "12000.00", "currency": "CHF"}, {"value": "12000", "currency": "chf"}),
        (["b", "a"], ["A", "B"]), ({"date": "2026-03-01"}, {"date": "2026-03-01", "at": None}),
    ],
    ids=str,
)  # fmt: skip
def test_two_ways_of_writing_one_value_agree(one: Any, other: Any) -> None:
    assert normal(one) == normal(other)
    assert normal(one) is not None


@pytest.mark.parametrize("value", [None, "", "  ", [], {}, [None, ""], float("nan")], ids=repr)
def test_nothing_agrees_with_nothing(value: Any) -> None:
    assert normal(value) is None


@pytest.mark.parametrize(("one", "other"), [("007", 7), ("a b", "ab"), (1, True)])
def test_different_values_do_not_agree(one: Any, other: Any) -> None:
    assert normal(one) != normal(other)


def test_match_is_inherited_written_out_and_dropped() -> None:
    base, _ = load_mapping("b.yaml", "mapping: b\nconnection: c\nobject: o\nentity: task\n"
                           "match: {by: custom.n, likely: [title, due]}\n"
                           "fields: {title: $.t, custom.n: $.n, due: $.d}\n")  # fmt: skip
    child, _ = load_mapping("c.yaml", "mapping: c\nextends: b\nfields: {}\n")
    none, _ = load_mapping("d.yaml", "mapping: d\nextends: b\nmatch: null\n")
    assert base is not None
    assert child is not None
    assert none is not None
    resolved, found = resolve([base, child, none])
    assert found == []
    assert match_of(resolved["c"]) == {"by": "custom.n", "likely": ["title", "due"]}
    assert "match: {by: custom.n, likely: [title, due]}" in resolved_text(resolved["c"])
    assert [one.role for one in agreements_of(resolved["c"])] == ["by", "likely"]
    assert agreements_of(resolved["d"]) == ()
