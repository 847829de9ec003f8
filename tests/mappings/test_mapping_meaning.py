"""Missing, null, empty and wrong type are four things: what each means, for every way to write a
field. The tables are the documentation; each row is a way, each column something in the record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mappings.compiler import CompiledMapping

Make = Callable[..., CompiledMapping]


class Refused(str):
    """The field has a problem whose message holds this; its value stays as it was."""


SILENT = Refused()
"""The field is not spoken of: neither a value nor a problem, and what we hold stays."""
EMPTY = Refused("it is empty")
UNKNOWN = Refused("there is no field")
MISSING: dict[str, Any] = {}

# `$.v` is missing | null | "" | [] | {} | true | 7 | "x"
SINGLE: list[tuple[str, list[Any]]] = [
    (
        "description: $.v",
        [
            SILENT,
            None,
            "",
            Refused("found a list"),
            Refused("found an object"),
            Refused("found true or false"),
            "7",
            "x",
        ],
    ),
    (
        "title: $.v",
        [
            SILENT,
            EMPTY,
            EMPTY,
            Refused("found a list"),
            Refused("found an object"),
            Refused("found true or false"),
            "7",
            "x",
        ],
    ),
    ("custom.x: $.v", [SILENT, None, "", [], {}, True, 7, "x"]),
    (
        "description: {from: $.v, default: none}",
        [
            "none",
            "none",
            "none",
            Refused("found a list"),
            Refused("found an object"),
            Refused("found true or false"),
            "7",
            "x",
        ],
    ),
    ("custom.x: {from: $.v, default: 0}", [0, 0, 0, [], {}, True, 7, "x"]),
    (
        "description: {from: [$.v, $.w]}",
        [
            SILENT,
            None,
            "",
            Refused("found a list"),
            Refused("found an object"),
            Refused("found true or false"),
            "7",
            "x",
        ],
    ),
    (
        "priority: $.v",
        [
            SILENT,
            None,
            None,
            Refused("'a list' is none of"),
            Refused("'an object' is none of"),
            Refused("found true or false"),
            Refused("'7' is none of"),
            Refused("'x' is none of urgent, high, normal, low"),
        ],
    ),
    (
        "priority: {from: $.v, values: {x: high}}",
        [
            SILENT,
            None,
            None,
            Refused("'a list' is none of"),
            Refused("'(an object)' is not in the value map (x)"),
            Refused("'true' is not in the value map"),
            Refused("'7' is not in the value map"),
            "high",
        ],
    ),
    (
        "status: {from: $.v, values: {x: open, 7: done, true: on_hold, null: cancelled}}",
        [
            SILENT,
            "cancelled",
            Refused("'' is none of"),
            Refused("'a list' is none of"),
            Refused("is not in the value map (x, 7, true, null)"),
            "on_hold",
            "done",
            "open",
        ],
    ),
    (
        "status: {from: $.v, values: {x: open}}",
        [
            SILENT,
            EMPTY,
            Refused("'' is none of"),
            Refused("'a list' is none of"),
            Refused("is not in the value map (x)"),
            Refused("'true' is not in the value map"),
            Refused("'7' is not in the value map"),
            "open",
        ],
    ),
    (
        "priority: {from: $.v, values: {x: high}, default: low}",
        [
            "low",
            "low",
            "low",
            Refused("'a list' is none of"),
            Refused("is not in the value map"),
            Refused("is not in the value map"),
            Refused("is not in the value map"),
            "high",
        ],
    ),
    (
        "priority: {from: $.v, values: {x: high}, otherwise: normal}",
        [
            SILENT,
            "normal",
            "normal",
            Refused("'a list' is none of"),
            "normal",
            "normal",
            "normal",
            "high",
        ],
    ),
    (
        "priority: {from: $.v, values: {x: high}, otherwise: keep}",
        [
            SILENT,
            SILENT,
            SILENT,
            Refused("'a list' is none of"),
            SILENT,
            SILENT,
            SILENT,
            "high",
        ],
    ),
    (
        "due: $.v",
        [
            SILENT,
            None,
            None,
            Refused("a list is not a date"),
            Refused("an object is not a date"),
            Refused("True is not a date"),
            {"date": "1900-01-06"},
            Refused("'x' is not a date or time in a known form"),
        ],
    ),
    (
        "due: {from: $.v, as: date, default: '2026-01-01'}",
        [
            {"date": "2026-01-01"},
            {"date": "2026-01-01"},
            {"date": "2026-01-01"},
            Refused("expected one date, found a list"),
            Refused("an object is not a date"),
            Refused("True is not a date"),
            {"date": "1900-01-06"},
            Refused("'x' is not a date or time in a known form"),
        ],
    ),
    (
        "custom.x: {from: $.v, as: decimal}",
        [
            SILENT,
            None,
            None,
            [],
            Refused("not a number"),
            Refused("not a number"),
            "7",
            Refused("'x' is not a number"),
        ],
    ),
    (
        "assignee: $.v",
        [
            SILENT,
            None,
            None,
            Refused("expected one person, found a list"),
            Refused("found an object"),
            Refused("found true or false"),
            Refused("nobody here is known as '7'"),
            Refused("nobody here is known as 'x'"),
        ],
    ),
    (
        "labels: $.v",
        [
            SILENT,
            None,
            [],
            [],
            Refused("expected a list of labels, found an object"),
            Refused("found true or false"),
            Refused("found a number"),
            ["x"],
        ],
    ),
    (
        "labels: {from: $.v, default: [new]}",
        [
            ["new"],
            ["new"],
            [],
            [],
            Refused("found an object"),
            Refused("found true or false"),
            Refused("found a number"),
            ["x"],
        ],
    ),
    ("custom.x: {value: fixed}", ["fixed"] * 8),
    (
        "description: {text: 'No ${record.v}'}",
        [UNKNOWN, "No ", "No ", "No []", "No {}", "No true", "No 7", "No x"],
    ),
    (
        "custom.x: {text: '${record.v}'}",
        [UNKNOWN, None, "", [], {}, True, 7, "x"],
    ),
    (
        "custom.x: {from: $.v, if: 'record.v != null'}",
        [UNKNOWN, SILENT, "", [], {}, True, 7, "x"],
    ),
    (
        "custom.x: {from: $.v, if: 'has(record.v) && record.v != null', default: none}",
        ["none", "none", "none", [], {}, True, 7, "x"],
    ),
    (
        "custom.x: {value: 1, if: 'has(record.v)'}",
        [SILENT, 1, 1, 1, 1, 1, 1, 1],
    ),
    (
        "custom.x: {value: 1, if: 'has(record.v)', default: 0}",
        [0, 1, 1, 1, 1, 1, 1, 1],
    ),
]
SEEN: list[dict[str, Any]] = [
    {},
    *({"v": value} for value in (None, "", [], {}, True, 7, "x")),
]

# a path that goes further than `v`: v is missing | null | "" | [] | {} | 7
# and what it looks for is missing | null | there
FURTHER: list[tuple[str, list[Any], Any, list[Any]]] = [
    (
        "custom.x: $.v.name",
        [
            SILENT,
            None,
            Refused("expected an object that has 'name', found text"),
            Refused("expected an object that has 'name', found a list"),
            SILENT,
            Refused("found a number"),
        ],
        lambda found: found,
        [SILENT, None, "n"],
    ),
    (
        "custom.x: $.v[0].name",
        [
            SILENT,
            None,
            Refused("expected a list, found text"),
            None,
            Refused("expected a list, found an object"),
            Refused("found a number"),
        ],
        lambda found: [found],
        [SILENT, None, "n"],
    ),
    (
        'custom.x: "$.v[*].name"',
        [SILENT, None, Refused("found text"), [], [], Refused("found a number")],
        lambda found: [found],
        [Refused("none of the 1 elements has 'name'"), [None], ["n"]],
    ),
    (
        'custom.x: "$.v[?(@.id == 7)].name"',
        [SILENT, None, Refused("found text"), None, None, Refused("found a number")],
        lambda found: [{"id": 7, **found}],
        [None, None, "n"],
    ),
    (
        'custom.x: "$..name"',
        [[], [], [], [], [], []],
        lambda found: {"deep": [found]},
        [[], [None], ["n"]],
    ),
]


def outcome(compiled: CompiledMapping, record: dict[str, Any], people: Any) -> Any:
    """What became of the only field: its value, SILENT, or what was refused."""
    mapped = compiled.inward(record, people, "desk")
    (name,) = compiled.spec.fields
    if mapped.problems:
        assert mapped.values == {}
        return Refused(mapped.problems[0].message)
    return mapped.values.get(name, SILENT)


def same(given: Any, expected: Any) -> bool:
    """Equal, and of one class; a refusal holds the expected words."""
    if isinstance(expected, Refused) and expected is not SILENT:
        return isinstance(given, Refused) and expected in given and given is not SILENT
    return given == expected and given.__class__ is expected.__class__


@pytest.mark.parametrize(("written", "expected"), SINGLE, ids=[row[0] for row in SINGLE])
def test_what_a_value_means(mapping: Make, people: Any, written: str, expected: list[Any]) -> None:
    compiled = mapping(written)
    given = [outcome(compiled, record, people) for record in SEEN]
    assert len(given) == len(expected)
    for record, one, other in zip(SEEN, given, expected, strict=True):
        assert same(one, other), f"{written} of {record} is {one!r} and not {other!r}"


@pytest.mark.parametrize(
    ("written", "expected", "around", "found"), FURTHER, ids=[row[0] for row in FURTHER]
)
def test_what_the_way_to_a_value_means(
    mapping: Make, people: Any, written: str, expected: Any, around: Any, found: Any
) -> None:
    compiled = mapping(written)
    seen = [{}, *({"v": value} for value in (None, "", [], {}, 7))]
    seen += [{"v": around(inner)} for inner in ({}, {"name": None}, {"name": "n"})]
    for record, other in zip(seen, [*expected, *found], strict=True):
        one = outcome(compiled, record, people)
        assert same(one, other), f"{written} of {record} is {one!r} and not {other!r}"


# the canonical value is missing | null | "" | a value | of the wrong type
OUTWARD: list[tuple[str, list[Any]]] = [
    ("description: $.v", [{}, {"v": None}, {"v": ""}, {"v": "x"}, {"v": [7]}]),
    (
        "priority: {from: $.v, values: {x: high}}",
        [{}, {"v": None}, Refused("'' has no value"), {"v": "x"}, Refused("'7' has no value")],
    ),
    (
        "due: {from: $.v, as: date}",
        [
            {},
            {"v": None},
            Refused("'' is not a date"),
            {"v": "2026-03-01"},
            Refused("True is not a date"),
        ],
    ),
    ("labels: $.v", [{}, {"v": []}, {"v": ""}, {"v": ["x"]}, {"v": 7}]),
    ('labels: "$.v[*].name"', [{}] * 5),  # a list of objects is written only where `to` says so
    (
        'labels: {from: $.v, to: "$.v[*].name"}',
        [{}, {"v": []}, {"v": [{"name": ""}]}, {"v": [{"name": "x"}]}, None],
    ),
    ("custom.x: $.v[0]", [{}, {"v": []}, {"v": [""]}, {"v": ["x"]}, {"v": [[7]]}]),
    ("custom.x: $.v[0].name", [{}, {"v": []}, {"v": [{"name": ""}]}, {"v": [{"name": "x"}]}, None]),
    ("custom.x: {value: fixed}", [{}] * 5),
    ("custom.x: {text: '${record.v}'}", [{}] * 5),
    ("custom.x: {from: $.v, as: {regex: a}}", [{}] * 5),
]
GIVEN: dict[str, Any] = {
    "priority": "high",
    "due": {"date": "2026-03-01"},
    "labels": ["x"],
}


@pytest.mark.parametrize(("written", "expected"), OUTWARD, ids=[row[0] for row in OUTWARD])
def test_what_a_value_means_outward(
    mapping: Make, people: Any, written: str, expected: list[Any]
) -> None:
    compiled = mapping(written)
    (name,) = compiled.spec.fields
    wrong = {"labels": 7, "due": True}.get(name, [7])
    seen = [{}, *({name: value} for value in (None, "", GIVEN.get(name, "x"), wrong))]
    for values, other in zip(seen, expected, strict=True):
        if other is None:
            continue
        result = compiled.outward(values, people, "desk")
        one = Refused(result.problems[0].message) if result.problems else result.fields
        assert same(one, other), f"{written} for {values} is {one!r} and not {other!r}"
