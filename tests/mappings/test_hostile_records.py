"""Any JSON, however hostile, gives a result or a named, located problem; nothing else comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.paths import NODE_BUDGET, parse_path
from mappings.transforms import TRANSFORMS
from mappings.transforms.step import pattern
from tests.mappings.hostile import (
    NEEDED,
    RECORD,
    SPECIAL,
    Anybody,
    anything,
    compiled_of,
    deep,
    every_mapping,
    general_inward,
    general_outward,
    made,
    mutated,
    mutations,
    survive,
    texts,
)

MAPPINGS = every_mapping()
anyone = st.sampled_from(MAPPINGS)
patient = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.large_base_example]
)


def test_the_mappings_use_every_transform() -> None:
    named = {
        name for name, one in TRANSFORMS.items() if any(p.required for p in one.params.values())
    }
    assert named == NEEDED.keys()
    used = {use.name for one in MAPPINGS for f in one.spec.fields.values() for use in f.transforms}
    assert used == TRANSFORMS.keys()


def test_the_good_record_is_good() -> None:
    """Else the tests below would start from a record that already fails."""
    for compiled in MAPPINGS[:4]:
        problems = compiled.inward(RECORD, Anybody(), "desk").problems
        assert problems == [], problems[0].message
        survive(compiled, RECORD)


@patient
@given(anyone, mutations)
def test_a_good_record_with_bad_places_is_survived(compiled: Any, changes: Any) -> None:
    survive(compiled, mutated(changes))


@patient
@given(anyone, st.dictionaries(st.sampled_from([*RECORD, "x"]) | texts, anything, max_size=8))
def test_any_object_is_survived(compiled: Any, record: dict[str, Any]) -> None:
    survive(compiled, made(record))


@patient
@given(anyone, mutations)
def test_the_written_source_gives_what_the_general_way_gives(compiled: Any, changes: Any) -> None:
    """For every record: the same values, raw values and problems, in the same order."""
    record = mutated(changes)
    mapped, expected = compiled.inward(record, Anybody(), "desk"), general_inward(compiled, record)
    assert mapped == expected
    assert list(mapped.values) == list(expected.values)
    assert list(mapped.raw) == list(expected.raw)
    values = {name: None for name in compiled.spec.fields} | mapped.values
    assert compiled.outward(values, Anybody(), "desk") == general_outward(compiled, values)


@pytest.mark.parametrize("kind", [list, dict])
def test_nesting_without_end_is_a_problem_of_its_field(kind: type) -> None:
    """A hundred thousand levels, at every place of the record in turn."""
    value = deep(kind)
    for compiled in MAPPINGS:
        for name in RECORD:
            record = {**RECORD, name: value}
            survive(compiled, record)
    mapped = MAPPINGS[1].inward({**RECORD, "stage": value}, Anybody(), "desk")
    said = {problem.field: problem.message for problem in mapped.problems}
    assert "stage" in said
    assert "deeper than" in said["custom.all"] or "too deep" in said["custom.all"]


@pytest.mark.parametrize("value", SPECIAL, ids=range(len(SPECIAL)))
def test_every_special_value_is_survived_everywhere(value: Any) -> None:
    for compiled in MAPPINGS:
        survive(compiled, {"v": value})
        survive(compiled, dict.fromkeys(RECORD, value))


def test_a_huge_record_stops_at_the_node_budget_and_not_at_its_end() -> None:
    """`..` counts what it walks through before it walks: so many steps and no more."""

    class Counting(list[Any]):
        steps = 0

        def __iter__(self) -> Any:
            for one in super().__iter__():
                Counting.steps += 1
                yield one

    compiled = compiled_of('custom.x: "$..name"\ntitle: $.title', "task")
    record = {"title": "t", "rows": [Counting([{"name": 1}] * 100) for _ in range(10_000)]}
    mapped = compiled.inward(record, Anybody(), "desk")
    assert mapped.values == {"title": "t"}
    assert f"more than {NODE_BUDGET} values" in mapped.problems[0].message
    assert Counting.steps <= NODE_BUDGET


@pytest.mark.parametrize("text", ["$..*", "$..a..b..c..d", "$..[0]..[0]..[0]"])
def test_paths_that_multiply_stay_within_the_budget(text: str) -> None:
    """Each `..` walks all that the one before it found: matches are bounded with the values."""
    value: Any = 1
    for _ in range(30):
        value = {name: value if name == "a" else 1 for name in "abcd"}
    found = parse_path(text).find(value)
    assert len(found) <= NODE_BUDGET


def test_regular_expressions_are_re2_and_cannot_backtrack() -> None:
    """RE2 refuses what only backtracking can do, and runs the rest in one pass."""
    program = pattern("(a+)+$")
    assert type(program).__module__.startswith("re2")
    compiled = compiled_of("custom.x: {from: $.v, as: {regex: '(a+)+$'}}", "task")
    mapped = compiled.inward({"v": "a" * 50_000 + "!"}, Anybody(), "desk")
    assert mapped.values == {"custom.x": None}
