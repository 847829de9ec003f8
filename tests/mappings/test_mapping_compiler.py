"""A record inward, an entity outward: the meaning of each key, and one bad field alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.compiler import CompiledMapping, MappingError, compile_mapping
from mappings.expressions import ExpressionError
from mappings.language import MappingSpec, load_mapping

Make = Callable[..., CompiledMapping]

STATUS = """
status:
  from: $.Status
  values:
    Not Started: open
    In Progress: in_progress
    Completed: done
    Waiting on someone else: on_hold
    Deferred: on_hold
  back: {on_hold: Waiting on someone else, cancelled: Completed}
"""
CONTRACT = """
title: $.title
description: $.body
status:
  from: $.state
  values: {open: open, closed: done}
  back: {in_progress: open, on_hold: open, cancelled: closed}
  otherwise: exception
  system_of_record: github
due: {from: $.milestone.due_on, as: date, direction: in}
assignee: {from: $.assignee.login, as: party, to: "$.assignees[0]"}
labels: {from: "$.labels[*].name", to: $.labels}
custom.amount:
  {from: $.body, as: [{regex: "Amount: ([0-9.]+)"}, decimal], direction: in, default: 0}
"""


def test_the_mapping_of_the_contract_maps_a_real_issue(
    mapping: Make, github_issue: dict[str, Any], people: Any
) -> None:
    compiled = mapping(CONTRACT, extra='filter: "!has(record.pull_request)"\n')
    assert compiled.matches(github_issue)
    assert not compiled.matches({**github_issue, "pull_request": {"url": "x"}})
    people.handles = {"Codertocat": "p_coder"}
    mapped = compiled.inward(github_issue, people, "desk")
    assert mapped.problems == []
    assert mapped.values == {
        "title": "Spelling error in the README file",
        "description": "It looks like you accidently spelled 'commit' with two 't's.",
        "status": "open",
        "due": {"date": "2019-05-23"},
        "assignee": "p_coder",
        "labels": ["bug"],
        "custom.amount": 0,
    }
    assert mapped.raw["assignee"] == "Codertocat"
    outward = compiled.outward(mapped.values, people, "desk")
    assert outward.problems == []
    assert outward.fields == {
        "title": github_issue["title"],
        "body": github_issue["body"],
        "state": "open",
        "assignees": ["Codertocat"],
        "labels": ["bug"],
    }
    assert compiled.source_fields == {
        *("title", "body", "state", "milestone", "assignee", "labels", "pull_request"),
    }
    assert "milestone.due_on" in compiled.source_paths


def test_one_bad_field_never_costs_the_others(mapping: Make, people: Any) -> None:
    compiled = mapping(CONTRACT)
    record = {
        "title": "Wire",
        "body": "Amount: 12.50",
        "state": "merged",
        "milestone": {"due_on": "soon"},
        "assignee": {"login": "stranger"},
        "labels": "oops",
    }
    mapped = compiled.inward(record, people, "desk")
    assert mapped.values == {"title": "Wire", "description": "Amount: 12.50",
                             "custom.amount": "12.50"}  # fmt: skip
    problems = {problem.field: problem for problem in mapped.problems}
    assert {name: problem.kind for name, problem in problems.items()} == {
        "status": "unmapped_value",
        "due": "mapping_error",
        "assignee": "unmapped_value",
        "labels": "mapping_error",
    }
    assert problems["status"].raw == "merged"
    assert problems["labels"].raw == "oops"
    assert "'merged' is not in the value map (open, closed)" in problems["status"].message
    assert "identities: desk" in problems["assignee"].message
    assert str(problems["status"].place) == "test.yaml:9:3"
    assert mapped.raw["status"] == "merged"


def test_a_missing_field_says_nothing_and_null_clears(mapping: Make, people: Any) -> None:
    compiled = mapping(CONTRACT)
    assert compiled.inward({"title": "a"}, people, "desk").values == {
        "title": "a",
        "custom.amount": 0,
    }
    cleared = {"title": "a", "body": None, "milestone": None, "assignee": None, "labels": []}
    assert compiled.inward(cleared, people, "desk").values == {
        "title": "a",
        "description": None,
        "due": None,
        "assignee": None,
        "labels": [],
        "custom.amount": 0,
    }


def test_what_an_entity_cannot_be_without_is_never_cleared(mapping: Make, people: Any) -> None:
    compiled = mapping("title: $.t\n" + STATUS)
    mapped = compiled.inward({"t": None, "Status": None}, people, "desk")
    assert mapped.values == {}
    assert [problem.field for problem in mapped.problems] == ["title", "status"]


def test_clearing_outward_is_null_or_an_empty_list(mapping: Make, people: Any) -> None:
    compiled = mapping(CONTRACT)
    values = {"description": None, "assignee": None, "labels": []}
    assert compiled.outward(values, people, "desk").fields == {
        "body": None,
        "assignees": [],
        "labels": [],
    }


def test_a_lossy_value_map_keeps_what_the_tool_holds(mapping: Make, people: Any) -> None:
    """'Deferred' means on_hold, so nothing that says on_hold turns it into 'Waiting …'."""
    compiled = mapping(STATUS)
    base = {"Status": "Deferred"}
    assert compiled.inward(base, people, "desk").values == {"status": "on_hold"}
    kept = compiled.outward({"status": "on_hold"}, people, "desk", base=base)
    assert kept.fields == {"Status": "Deferred"}
    fresh = compiled.outward({"status": "on_hold"}, people, "desk")
    assert fresh.fields == {"Status": "Waiting on someone else"}
    changed = compiled.outward({"status": "done"}, people, "desk", base=base)
    assert changed.fields == {"Status": "Completed"}


def test_a_value_with_no_way_back_is_a_problem_of_its_field(mapping: Make, people: Any) -> None:
    compiled = mapping(
        """
        title: $.t
        priority: {from: $.p, values: {High: high, Highest: high, Low: low}}
        assignee: {from: $.who, as: party}
        """
    )
    outward = compiled.outward(
        {"title": "a", "priority": "urgent", "assignee": "p_unknown"}, people, "desk"
    )
    assert outward.fields == {"t": "a"}
    assert [p.field for p in outward.problems] == ["priority", "assignee"]
    ambiguous = compiled.outward({"priority": "high"}, people, "desk")
    assert "may be High, Highest; choose one under back" in ambiguous.problems[0].message


def test_only_what_changed_is_written(mapping: Make, people: Any) -> None:
    compiled = mapping("title: $.fields.summary\npriority: $.fields.priority.name\nlabels: $.tags")
    values = {"title": "a", "priority": "high", "labels": ["x"]}
    assert compiled.outward(values, people, "desk", only={"priority"}).fields == {
        "fields": {"priority": {"name": "high"}}
    }
    assert compiled.outward(values, people, "desk").fields == {
        "fields": {"summary": "a", "priority": {"name": "high"}},
        "tags": ["x"],
    }


@pytest.mark.parametrize(
    ("to", "value", "written"),
    [
        ("$.a", ["x"], {"a": ["x"]}),
        ("$.a[*]", ["x", "y"], {"a": ["x", "y"]}),
        ("$.a[*].name", ["x", "y"], {"a": [{"name": "x"}, {"name": "y"}]}),
        ("$.a.b[*].name.text", ["x"], {"a": {"b": [{"name": {"text": "x"}}]}}),
        ("$.a[*].name", [], {"a": []}),
    ],
)
def test_a_list_goes_where_the_path_says(
    mapping: Make, people: Any, to: str, value: Any, written: Any
) -> None:
    compiled = mapping(f'labels: {{from: "$.x[*].name", to: "{to}"}}')
    assert compiled.outward({"labels": value}, people, "desk").fields == written


def test_the_first_source_that_is_not_empty_counts(mapping: Make, people: Any) -> None:
    compiled = mapping("description: {from: [$.long, $.short.text]}")

    def described(record: dict[str, Any]) -> Any:
        return compiled.inward(record, people, "desk").values.get("description", "nothing said")

    assert described({"long": "", "short": {"text": "s"}}) == "s"
    assert described({"long": "l", "short": {"text": "s"}}) == "l"
    assert described({"long": "", "short": None}) == ""
    assert described({"long": None}) is None
    assert described({}) == "nothing said"
    assert described({"long": None, "short": "oops"}) is None


def test_otherwise_keeps_ours_or_says_a_value(mapping: Make, people: Any) -> None:
    keep = mapping("priority: {from: $.p, values: {1: high}, otherwise: keep}")
    assert keep.inward({"p": 1}, people, "desk").values == {"priority": "high"}
    assert keep.inward({"p": 9}, people, "desk").values == {}
    assert keep.inward({"p": 9}, people, "desk").problems == []
    other = mapping("priority: {from: $.p, values: {1: high}, otherwise: normal}")
    assert other.inward({"p": 9}, people, "desk").values == {"priority": "normal"}


def test_value_maps_know_numbers_and_flags_from_text(mapping: Make, people: Any) -> None:
    """Unquoted keys are numbers and flags and go back as such; both spellings are read."""
    compiled = mapping(
        """
        status: {from: $.done, values: {true: done, false: open}}
        priority: {from: $.p, values: {1: high, "2": low}}
        """
    )
    assert compiled.inward({"done": True, "p": "1"}, people, "desk").values == {
        "status": "done",
        "priority": "high",
    }
    back = compiled.outward({"status": "open", "priority": "high"}, people, "desk").fields
    assert back == {"done": False, "p": 1}
    assert compiled.outward({"priority": "low"}, people, "desk").fields == {"p": "2"}


def test_constants_conditions_and_composed_text(mapping: Make, people: Any) -> None:
    compiled = mapping(
        """
        kind: {value: deal}
        title: {text: "${record.first} ${record.last}"}
        stage: {from: $.stage, if: "record.type == 'sale'"}
        """,
        entity="item",
    )
    record = {"first": "Dana", "last": "Meier", "type": "sale", "stage": "won"}
    assert compiled.inward(record, people, "desk").values == {
        "kind": "deal",
        "title": "Dana Meier",
        "stage": "won",
    }
    other = {"first": "Dana", "type": "x", "stage": "won"}
    mapped = compiled.inward(other, people, "desk")
    assert mapped.values == {"kind": "deal"}
    assert 'no field "last"' in mapped.problems[0].message
    assert compiled.source_fields == {"first", "last", "stage", "type"}
    assert compiled.outward(mapped.values, people, "desk").fields == {}


def test_directions_hold_per_field(mapping: Make, people: Any) -> None:
    compiled = mapping(
        "title: {from: $.t, direction: in}\ndescription: {from: $.d, direction: out}\nlabels: $.l"
    )
    record = {"t": "a", "d": "b", "l": ["c"]}
    assert compiled.inward(record, people, "desk").values == {"title": "a", "labels": ["c"]}
    values = {"title": "a", "description": "b", "labels": ["c"]}
    assert compiled.outward(values, people, "desk").fields == {"d": "b", "l": ["c"]}


def test_types_are_implied_by_the_field(mapping: Make, people: Any) -> None:
    task = mapping("assignee: $.who\ndue: $.when\nlabels: $.tags\ntitle: $.no")
    record = {"who": "dmeier", "when": "2026-03-01T10:00:00Z", "tags": "a, b", "no": 12.0}
    assert task.inward(record, people, "desk").values == {
        "assignee": "p_dana",
        "due": {"at": "2026-03-01T10:00:00Z"},
        "labels": ["a", "b"],
        "title": "12",
    }
    assert task.inward({"when": "2026-03-01"}, people, "desk").values == {
        "due": {"date": "2026-03-01"}
    }
    item = mapping("amount: $.a\ndate: $.d\ncustom.x: $.x", entity="item")
    values = item.inward({"a": 15000.0, "d": "2026-03-01", "x": {"y": [1]}}, people, "desk").values
    assert values == {
        "amount": {"value": "15000.00", "currency": None},
        "date": "2026-03-01",
        "custom.x": {"y": [1]},
    }
    assert item.outward(values, people, "desk").fields == {
        "a": 15000,
        "d": "2026-03-01",
        "x": {"y": [1]},
    }


def test_a_due_goes_to_a_date_only_tool_as_the_day_here(mapping: Make, people: Any) -> None:
    compiled = mapping("due: {from: $.d, as: date}", zone="Europe/Zurich")
    due = {"due": {"at": "2026-03-01T23:30:00Z"}}
    assert compiled.outward(due, people, "desk").fields == {"d": "2026-03-02"}


@pytest.mark.parametrize("text", ["a\x00b", "half \ud800", "\udfffx"])
def test_text_that_no_store_can_hold_is_flagged(mapping: Make, people: Any, text: str) -> None:
    compiled = mapping("title: $.t\ndescription: $.d\nlabels: $.l\ncustom.x: $.x")
    record = {"t": text, "d": "fine", "l": ["ok", text], "x": {"deep": [text]}}
    mapped = compiled.inward(record, people, "desk")
    assert mapped.values == {"description": "fine"}
    assert [problem.field for problem in mapped.problems] == ["title", "labels", "custom.x"]


def test_a_filter_without_an_answer_says_so(mapping: Make) -> None:
    compiled = mapping("title: $.t", extra="filter: \"record.type == 'bug'\"\n")
    assert compiled.matches({"type": "bug"})
    with pytest.raises(ExpressionError, match='no field "type"'):
        compiled.matches({"t": "x"})


def test_identity_is_read_where_the_file_gives_it(mapping: Make) -> None:
    compiled = mapping("title: $.t", extra="identity: {key: $.ID, version: $.v, url: $.link}\n")
    assert compiled.identity({"ID": 7, "v": None}) == {"key": 7}
    assert compiled.source_fields == {"t", "ID", "v", "link"}


def test_a_mapping_with_errors_does_not_compile(spec: Callable[..., MappingSpec]) -> None:
    for fields in ("titel: $.t", "title: t", "title: {from: $.t, as: nothing}"):
        with pytest.raises(MappingError, match=r"test\.yaml"):
            compile_mapping(spec(fields))


def _deep(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [_deep(2000), 10**5000, float("nan"), float("inf"), {"\ud800": 1}, {"a": 10**5000}, [[]], {}],
    ids=["deep", "long number", "nan", "infinity", "key", "inner number", "lists", "empty"],
)
def test_hostile_values_are_a_result_or_a_located_problem(
    mapping: Make, people: Any, value: Any
) -> None:
    compiled = mapping(
        """
        title: $.v
        status: {from: $.v, values: {a: open}}
        assignee: $.v
        due: $.v
        labels: $.v
        custom.raw: $.v
        custom.deep: $..name
        custom.number: {from: $.v, as: decimal}
        custom.found: {from: $.v, as: {regex: "a"}}
        """
    )
    mapped = compiled.inward({"v": value}, people, "desk")
    json.dumps(mapped.values, allow_nan=False).encode()
    spoken = mapped.values.keys() | {problem.field for problem in mapped.problems}
    assert {"title", "status", "assignee", "due", "custom.number"} <= spoken


texts = st.text(st.characters(codec=None), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["title", "state", "body", "labels", "assignee"]), values))
def test_any_record_gives_storable_values(record: dict[str, Any]) -> None:
    """Whatever a vendor sends, what comes in can be stored and what goes out can be sent."""
    head = "mapping: m\nconnection: desk\nobject: o\nentity: task\nfields:\n"
    body = "".join(f"  {line}\n" for line in CONTRACT.strip().splitlines())
    spec, findings = load_mapping("m.yaml", head + body)
    assert spec is not None
    assert findings == []
    compiled = compile_mapping(spec)

    class Everyone:
        def party_for(self, connection: str, handle: str) -> str | None:
            return handle

        def handle_for(self, connection: str, party: str) -> str | None:
            return party

    mapped = compiled.inward(record, Everyone(), "desk")
    json.dumps(mapped.values, allow_nan=False, ensure_ascii=False).encode()
    outward = compiled.outward(mapped.values, Everyone(), "desk", base=record)
    json.dumps(outward.fields, allow_nan=False)
    assert outward.problems == []


def test_a_constant_is_there_only_while_its_condition_holds(mapping: Make, people: Any) -> None:
    compiled = mapping("waiting_on: {value: external, if: \"record.state == 'open'\"}\n")
    assert compiled.inward({"state": "open"}, people, "desk").values == {"waiting_on": "external"}
    assert compiled.inward({"state": "closed"}, people, "desk").values == {}
