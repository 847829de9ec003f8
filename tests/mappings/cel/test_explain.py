"""Which clause of a condition decided, and what it saw."""

from __future__ import annotations

import pytest

from mappings.expressions import compile_condition, explain

DEAL = {
    "event": {"changed": {"stage": {"after": "Won"}}},
    "item": {
        "kind": "deal",
        "stage": "Won",
        "title": "Acme",
        "amount": {"value": "9500.00", "currency": "CHF"},
        "tags": ["a", "b"],
        "lines": [{"price": 5}, {"price": -1}],
        "open": False,
        "none": None,
    },
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("item.kind == 'deal'", "true"),
        (
            "item.kind == 'deal' && item.amount.value > 10000.0",
            "`item.amount.value > 10000.0` was false: 9500.0 > 10000.0",
        ),
        (
            "(item.kind == 'order' || item.stage == 'Lost') && item.open",
            "`(item.kind == 'order' || item.stage == 'Lost')` was false:"
            " `item.kind == 'order'` was false: 'deal' == 'order';"
            " `item.stage == 'Lost'` was false: 'Won' == 'Lost'",
        ),
        ("item.kind == 'deal' && item.open", "`item.open` was false"),
        (
            "!has(item.title) && item.open",
            "`!has(item.title)` was false: `has(item.title)` is true",
        ),
        (
            "has(item.owner) || has(item.team)",
            "`has(item.owner) || has(item.team)` was false:"
            ' `has(item.owner)` was false: there is no field "owner";'
            ' `has(item.team)` was false: there is no field "team"',
        ),
        ("item.tags.exists(t, t == 'c')", "`item.tags.exists(t, t == 'c')` was false: none of 2"),
        (
            "item.lines.all(line, line.price > 0)",
            'element 1 is {"price": -1}, and -1 > 0 is false',
        ),
        ("item.title.startsWith('B')", "was false: 'Acme'.startsWith('B')"),
        ("'c' in item.tags", "`'c' in item.tags` was false: 'c' in [\"a\", \"b\"]"),
        (
            "item.kind == 'deal' ? item.stage == 'Lost' : true",
            "`item.stage == 'Lost'` was false: 'Won' == 'Lost'",
        ),
        (
            "item.kind == 'deal' && item.owner.name == 'x'",
            "`item.owner.name == 'x'` failed: there is no field \"owner\"",
        ),
        ("item.none.x == 1 && true", 'failed: null has no field "x"'),
        ("item.title > 3 || item.open", "`item.title > 3` failed: '>' does not work on (string"),
        ("item.title", "`item.title` failed: it gave 'Acme', which is neither true nor false"),
        ("task.title == 'x'", "failed: 'task' has no value here"),
    ],
)
def test_the_clause_that_decided_is_named(text: str, expected: str) -> None:
    assert expected in str(explain(compile_condition(text), DEAL))


def test_an_error_beside_a_false_clause_is_not_what_decided() -> None:
    why = explain(compile_condition("item.missing == 1 && item.kind == 'order'"), DEAL)
    assert (why.verdict, why.clause) == ("false", "item.kind == 'order'")


def test_the_clause_stands_at_a_place_of_the_text() -> None:
    why = explain(compile_condition("item.kind == 'deal'\n  && item.open"), DEAL)
    assert (why.line, why.column, why.clause) == (2, 6, "item.open")


def test_signs_within_texts_and_macros_are_no_clauses() -> None:
    text = "item.title != ' && ' && item.tags.all(t, t != 'a' && t != 'c') && item.open"
    why = explain(compile_condition(text), DEAL)
    assert why.clause == "item.tags.all(t, t != 'a' && t != 'c')"
    assert why.detail == "element 0 is 'a'"
