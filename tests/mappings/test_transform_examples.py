"""The examples that documentation shows of each transform hold, and each behaves as all do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.transforms import TRANSFORMS, Bound, Example, Fault, Scope, bind

NAMES = sorted(TRANSFORMS)
CASES = [(name, example) for name in NAMES for example in TRANSFORMS[name].examples]


class Office:
    """A directory of one."""

    def party_for(self, connection: str, handle: str) -> str | None:
        return {"dmeier": "dana"}.get(handle)

    def handle_for(self, connection: str, party: str) -> str | None:
        return {"dana": "dmeier"}.get(party)


SCOPE = Scope(Office(), "desk", {}, "Europe/Zurich")


def bound(name: str, **params: Any) -> Bound:
    return bind(TransformUse(name, params, UNSET, Place("t.yaml")))


@pytest.mark.parametrize("name", NAMES)
def test_every_transform_says_what_it_does_by_an_example(name: str) -> None:
    transform = TRANSFORMS[name]
    assert transform.about
    assert transform.examples
    assert all(param.about for param in transform.params.values())


@pytest.mark.parametrize(
    ("name", "example"), CASES, ids=[f"{name}-{place}" for place, (name, _) in enumerate(CASES)]
)
def test_an_example_holds_both_ways(name: str, example: Example) -> None:
    step = bound(name, **example.params)
    ours = step.inward(example.vendor, SCOPE)
    assert ours == example.ours
    assert type(ours) is type(example.ours)
    if step.outward is None:
        assert example.back is UNSET
        return
    if ours is None:
        return  # null goes out as null, whatever the transform
    back = step.outward(ours, SCOPE)
    assert back == (example.vendor if example.back is UNSET else example.back)
    # what is written means the same again
    assert step.inward(back, SCOPE) == ours


def usual(name: str) -> Bound:
    return bound(name, **TRANSFORMS[name].examples[0].params)


EMPTY = {"text", "lower", "upper", "strip", "truncate", "join", "html", "plain", "first", "last"}
"""What makes of an empty text an empty text; for all others it is nothing."""


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_text_is_empty_or_nothing_but_no_fault(name: str) -> None:
    result = usual(name).inward("", SCOPE)
    if name in EMPTY | {"lookup", "unique", "sort"}:
        assert result == ""
    else:
        assert not result


@pytest.mark.parametrize("name", [one for one in NAMES if not TRANSFORMS[one].whole])
def test_a_list_is_worked_on_element_by_element_and_null_stays_null(name: str) -> None:
    step, example = usual(name), TRANSFORMS[name].examples[0]
    assert step.inward([example.vendor, None], SCOPE) == [example.ours, None]
    if step.outward is not None:
        once = step.outward(example.ours, SCOPE)
        assert step.outward([example.ours, None], SCOPE) == [once, None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(value=JSON.filter(lambda value: value is not None))
def test_any_json_is_a_value_or_a_fault_with_a_reason(name: str, value: Any) -> None:
    for example in TRANSFORMS[name].examples:
        step = bound(name, **example.params)
        for way in (step.inward, step.outward):
            if way is None:
                continue
            try:
                way(value, SCOPE)
            except Fault as fault:
                told = str(fault)
                assert told, example


HOSTILE = {
    "long number": "9" * 5000,
    "a surrogate": "\ud800",
    "NUL": "\x00",
    "tags": "<div>" * 10_000,
    "brackets": "[" * 10_000,
    "stars": "*a " * 3_000,
    "spaces": " " * 50_000 + "x",
    "weeks": "1w " * 10_000,
    "commas": "," * 50_000,
    "dates": "0000-00-00T00:00:00" + "0" * 5000,
    "mail": "a@" * 10_000,
    "parentheses": "(" * 20_000,
    "quotes": '"' * 20_000,
    "a huge number": 10**5000,
    "not a number": float("nan"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_nothing_hostile_stalls_or_escapes(what: str) -> None:
    """The time limit is far above what any of them takes; a quadratic one would not end."""
    for name in NAMES:
        step = usual(name)
        for way in (step.inward, step.outward):
            if way is None:
                continue
            try:
                way(HOSTILE[what], SCOPE)
            except Fault as fault:
                told = len(str(fault))
                assert told < 400, name
