"""The steps that `hub preview` shows are the steps that the compiled mapping takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.compiler import CompiledMapping, compile_mapping
from mappings.language import load_mapping
from mappings.paths import MISSING
from mappings.trace import FieldTrace, trace_inward, trace_outward
from tests.mappings.conftest import People, spec_of

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("connectors/*/mappings/*.yaml"))
EVERYTHING = """\
title: {from: [$.title, $.name, "$.names[0]"], default: (nameless)}
description: {text: "${record.name} says ${record.body}"}
status:
  from: $.state
  values: {open: open, closed: done, 3: on_hold, true: in_progress, wont_fix: done}
  back: {done: closed, cancelled: closed}
  otherwise: open
priority: {from: $.prio, values: {1: high, 2: normal, high: high}, back: {high: 1}, otherwise: keep}
waiting_on: {value: external, if: "record.state == 'open'"}
due: {from: [$.due, $.milestone.due_on], as: date}
start_by: {from: $.start, as: datetime}
assignee: {from: $.assignee.login, as: party, to: "$.assignees[0]"}
labels: {from: "$.labels[*].name", to: $.labels}
custom.amount: {from: $.body, as: [{regex: "Amount: ([0-9.]+)"}, decimal], default: 0, to: $.amount}
custom.flag: {from: $.flag, as: boolean}
custom.words: {from: $.words, as: [{split: ","}], if: "record.state != 'closed'"}
custom.choice: {from: $.choice, values: {a: 1, b: 2, "null": none}}
custom.constant: {value: fixed}
"""

WORDS = st.sampled_from(
    ["", " ", "open", "closed", "wont_fix", "high", "a", "b", "null", "1", "true", "yes", "dmeier",
     "Amount: 12.50 CHF", "2026-03-01", "2026-03-01T08:00:00Z", "2026-03-29T02:30:00",
     "x,y,,z", "ä€", "nul\x00", "\ud800", "<b>bold</b>", "10:30", "1,200.50", "lee@acme.test"]
)  # fmt: skip
ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 4), st.integers(), st.floats(), WORDS, st.text()
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "login", "due_on", "value", "currency", "date", "x"]), inner,
            max_size=3,
        ),
    ),
    max_leaves=5,
)  # fmt: skip


def _records(compiled: CompiledMapping) -> st.SearchStrategy[dict[str, Any]]:
    """Records that have some of the fields a mapping reads, at the depth it reads them."""
    members: dict[str, Any] = {}
    for path in sorted(compiled.source_paths - {"*"}):
        spot = members
        *outer, last = path.split(".")
        for name in outer:
            inner = spot.setdefault(name, {})
            spot = inner if isinstance(inner, dict) else {}
        spot.setdefault(last, None)

    def shape(tree: dict[str, Any]) -> st.SearchStrategy[Any]:
        parts = {
            name: st.one_of(shape(inner), VALUES) if inner else VALUES
            for name, inner in tree.items()
        }
        return st.fixed_dictionaries({}, optional=parts)

    return shape(members)


def _check(compiled: CompiledMapping, record: dict[str, Any]) -> None:
    mapped = compiled.inward(record, People(), "desk")
    problems = {one.field: one.message for one in mapped.problems}
    for told in trace_inward(compiled, record, People(), "desk"):
        assert told.problem == problems.pop(told.name, None)
        expected = mapped.values.get(told.name, MISSING)
        assert _same(told.result, expected), (told.name, told.result, expected)
        if told.raw is not MISSING:
            assert _same(told.raw, mapped.raw[told.name])
        assert told.steps, f"{told.name} came from nowhere"
    assert problems == {}
    outward = compiled.outward(mapped.values, People(), "desk")
    refused = {one.field: one.message for one in outward.problems}
    for told in trace_outward(compiled, mapped.values, People(), "desk"):
        assert told.problem == refused.pop(told.name, None)
        if told.problem is None:
            value = compiled.vendor_value(told.name, mapped.values[told.name], People(), "desk")
            assert _same(told.result, value), (told.name, told.result, value)
    assert refused == {}


def _same(one: Any, other: Any) -> bool:
    """Equal, and of one type all through; NaN is itself."""
    if one is MISSING or other is MISSING:
        return one is other
    return repr(one) == repr(other)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_steps_lead_to_what_the_compiled_mapping_gives(data: st.DataObject) -> None:
    compiled = compile_mapping(spec_of(EVERYTHING), "Europe/Zurich")
    _check(compiled, data.draw(_records(compiled)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_so_they_do_for_the_mappings_that_connectors_bring(path: Path, data: Any) -> None:
    spec, _ = load_mapping(path.name, path.read_text())
    assert spec is not None
    compiled = compile_mapping(spec)
    _check(compiled, data.draw(_records(compiled)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_so_they_do_for_the_examples_in_those_files(path: Path) -> None:
    spec, _ = load_mapping(path.name, path.read_text())
    assert spec is not None
    compiled = compile_mapping(spec)
    for example in spec.examples:
        given = example.given
        if isinstance(given, str):
            given = json.loads((path.parent.parent / given).read_text())
        _check(compiled, given)


Mapping = Callable[..., CompiledMapping]


def _one(compiled: CompiledMapping, record: dict[str, Any]) -> FieldTrace:
    (told,) = trace_inward(compiled, record, People(), "desk")
    return told


def test_each_source_says_what_stood_there(mapping: Mapping) -> None:
    compiled = mapping("title: {from: [$.a, $.b, $.c.d, $.e, $.f], default: none}\n")
    told = _one(compiled, {"a": None, "b": "", "c": 4, "e": "Here", "f": "not needed"})
    assert [(step.label, step.state, step.used) for step in told.steps[:5]] == [
        ("$.a", "null", True),
        ("$.b", "empty", True),
        ("$.c.d", "wrong type", True),
        ("$.e", "value", True),
        ("$.f", None, False),
    ]
    assert told.result == "Here"


def test_the_line_of_the_value_map_is_named(mapping: Mapping) -> None:
    compiled = mapping("status:\n  from: $.state\n  values:\n    open: open\n    closed: done\n")
    told = _one(compiled, {"state": "closed"})
    (line,) = [step for step in told.steps if step.kind == "values"]
    assert (line.label, line.place.line, line.gave) == ("closed ↔ done", 10, "done")
    unknown = _one(compiled, {"state": "frozen"})
    assert unknown.problem is not None
    assert "'frozen' is not in the value map" in unknown.problem
    assert unknown.steps[-1].kind == "otherwise"


def test_a_condition_that_does_not_hold_ends_a_field(mapping: Mapping) -> None:
    told = _one(mapping("title: {from: $.title, if: \"record.state == 'open'\"}\n"),
                {"title": "T", "state": "closed"})  # fmt: skip
    assert [(step.kind, step.gave) for step in told.steps] == [("condition", False)]
    assert told.result is MISSING
    broken = _one(mapping("title: {from: $.title, if: \"record.state == 'open'\"}\n"), {})
    assert broken.problem is not None
    assert broken.steps[0].error is not None


def test_transforms_are_shown_one_by_one(mapping: Mapping) -> None:
    compiled = mapping('custom.n: {from: $.body, as: [{regex: "No ([0-9]+)"}, integer]}\n')
    told = _one(compiled, {"body": "No 42"})
    assert [(step.label, step.gave) for step in told.steps] == [
        ("$.body", "No 42"),
        ("regex: No ([0-9]+)", "42"),
        ("integer", 42),
        ("as any", 42),
    ]
