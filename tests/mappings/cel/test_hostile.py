"""Expressions that mean harm, or cannot work: refused or stopped, always by name."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mappings.cel import compile as compiling
from mappings.cel.check import check
from mappings.cel.operators import MAX_STEPS
from mappings.cel.parse import parse
from mappings.expressions import (
    CompileError,
    ExpressionError,
    compile_condition,
    compile_text,
    context,
)

NAMES = ("item", "event", "now")


def source_of(text: str) -> str:
    return compiling._Writer(check(text, parse(text), NAMES), amounts=True).source()


NASTY = [
    "'); import os; os.system('",
    '"""',
    "'''",
    "\\",
    "\\'",
    "\n",
    "\r",
    "{0}",
    "%s",
    "__import__('os')",
    "#",
    "\u2028",
    "${x}",
    "steps",
    "\u202e",
]


@pytest.mark.parametrize("nasty", NASTY)
def test_nothing_of_an_expression_reaches_the_source_but_as_a_literal(nasty: str) -> None:
    quoted = "'" + nasty.encode("unicode_escape").decode().replace("'", "\\'") + "'"
    for text in (
        f"item.x == {quoted}",
        f"{{{quoted}: 1}}[{quoted}] == 1",
        f"item[{quoted}] in [{quoted}]",
        f"[{quoted}].exists(x, x + {quoted} != '')",
        f"item.x.contains({quoted}) || size({quoted}) == 1",
    ):
        tree = ast.parse(source_of(text))
        known = {*compiling._NAMES, "make", "run", "variables", "steps", "equal", "contained"}
        for node in ast.walk(tree):
            assert not isinstance(node, (ast.Import, ast.ImportFrom, ast.Attribute)) or (
                isinstance(node, ast.Attribute) and node.attr == "__class__"
            )
            if isinstance(node, ast.Name):
                assert node.id in known or node.id[0] in "tvk"
                assert node.id in known or node.id[1:].isdigit()
    literals = ast.walk(ast.parse(source_of(f"item.x == {quoted}")))
    assert nasty in [node.value for node in literals if isinstance(node, ast.Constant)]


@pytest.mark.parametrize(
    "text",
    [
        "item.__class__",
        "item.__class__.__mro__[1].__subclasses__()",
        "item.`__class__`.x == 1",
        "''.__class__ == 1",
        "item.format",
    ],
)
def test_no_attribute_of_python_is_in_reach(text: str) -> None:
    with pytest.raises((CompileError, ExpressionError)):
        compile_text("${" + text + "}").render({"item": {}})
    with pytest.raises((CompileError, ExpressionError)):
        compile_text("${" + text + "}").render({"item": "text"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!" * 200 + "item.x", "nested deeper than 100"),
        ("(" * 3000 + "1" + ")" * 2000, "not closed"),
        ("[" * 500 + "]" * 500, "nested deeper than 100"),
        ("item" + ".a" * 300, "nested deeper than 100"),
        ("size(" * 200 + "item" + ")" * 200, "nested deeper than 100"),
        ("1" + " + 1" * 200 + " == 1", "nested deeper than 100"),
        ("item.x == '" + "a" * 10_000 + "'", "longer than 10000"),
        ("9" * 9000, "64 bits"),
    ],
)
def test_size_and_depth_are_bounded(text: str, said: str) -> None:
    with pytest.raises(CompileError, match=said):
        compile_condition(text)


def test_long_chains_and_many_brackets_are_no_depth() -> None:
    assert compile_condition(" && ".join(["item.a == 1"] * 400)).evaluate({"item": {"a": 1}})
    assert compile_condition("(" * 2000 + "true" + ")" * 2000).evaluate({})


def test_what_is_too_deep_for_python_is_still_evaluated() -> None:
    text = "item.l" + ".filter(x, true)" * 40 + ".exists(x, x == 1)"
    assert compile_condition(text).evaluate({"item": {"l": [1]}})
    assert compile_condition("[" * 95 + "1" + "]" * 95 + " != []").evaluate({})


@pytest.mark.parametrize(
    "text",
    [
        "item.l.exists(a, item.l.exists(b, item.l.exists(c, a + b + c < 0)))",
        "item.l.all(a, item.l.all(b, item.l.map(c, c).size() > 0))",
        "item.l.filter(a, item.l.exists_one(b, b == -1)).size() == 3",
        "item.l.exists(a, item.l == item.m)",
        "item.l.exists(a, (-1 in item.l) || (item.nothing == 1 && false))",
        "item.l.exists(a, item.l.exists(b, item.nothing == b))",
    ],
)
def test_nested_macros_over_long_lists_are_stopped_by_name(text: str) -> None:
    many = list(range(2000))
    with pytest.raises(ExpressionError, match=f"more than {MAX_STEPS:,} elements"):
        compile_condition(text).evaluate({"item": {"l": many, "m": [*many[:-1], -5]}})


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("item.s.lowerAscii() == 'a'", 8, r"no function 'lowerAscii'.*matches"),
        ("item.l.exist(x, x > 1)", 8, "no function 'exist'. Did you mean 'exists'"),
        ("siz(item.l) > 1", 1, "no function 'siz'. Did you mean 'size'"),
        ("math.greatest(1, 2) == 2", 1, "no function 'math.greatest'"),
        ("google.protobuf.Int64Value{value: 1} == 1", 1, "messages"),
        ("google.protobuf.Foo == 1", 1, "no 'google.protobuf.Foo'"),
        ("item.a == 1 and item.b == 2", 13, "Write &&"),
        ("not item.a", 1, "Write !"),
        ("1 == 1.0", 3, r"'==' does not work on \(int, double\). Write 1.0"),
        ("!item.a == 'x'", 9, r"'==' does not work on \(bool, string\). Put the comparison"),
        ("!'a'", 1, r"'!' does not work on \(string\)"),
        ("now > 'x'", 5, r"'>' does not work on \(timestamp, string\)"),
        ("item.s.matches('(')", 16, "no regular expression"),
        ("timestamp('2026-03-01') < now", 11, "a date alone is no moment"),
        ("now - duration('1d') > now", 16, "a day is 24h"),
        ("size(1) == 1", 1, r"'size' does not work on \(int\)"),
        ("item.s.contains('a', 'b')", 8, "takes 1 in its brackets, not 2"),
        ("has(item)", 1, "has.. asks for one field"),
        ("item.l.all(x.y, true)", 12, "must be one word"),
        ("all(item.l, x, true)", 1, "called on a list"),
        ("size == 1", 1, "'size' is a function"),
        ("(item.a == 1", 1, "not closed"),
        ("item.a == 'x", 11, "a text is not closed"),
        ("item.a == \u201cx\u201d", 11, "no quote of CEL"),
        ("item.a == '\\q'", 12, "means nothing in text"),
        ("package.x == 1", 1, "reserved word"),
        ("item.a === 1", 10, "Write =="),
        ("item.a & true", 8, "Write &&"),
    ],
)
def test_what_is_no_part_of_the_language_is_refused_by_name(
    text: str, column: int, said: str
) -> None:
    with pytest.raises(CompileError, match=said) as caught:
        compile_condition(text)
    assert caught.value.column == column


class Colour(StrEnum):
    RED = "red"


class Model(BaseModel):
    kind: str = "deal"


def test_values_that_are_not_json_are_seen_as_what_stands_for_them() -> None:
    item: dict[str, Any] = {
        "colour": Colour.RED,
        "price": Decimal("2.5"),
        "at": datetime(2026, 3, 1, tzinfo=UTC),
        "pair": (1, 2),
        "big": 10**30,
        "model": Model(),
        "view": MappingProxyType({"a": 1}),
        1: "one",
    }
    for text in (
        "item.colour == 'red' && item.colour in ['red']",
        "item.price > 2.0 && item.price == 2.5",
        "item.at == '2026-03-01T00:00:00Z'",
        "timestamp(item.at) < timestamp('2026-03-02T00:00:00Z')",
        "item.pair == [1, 2] && item.pair.exists(x, x == 2) && size(item.pair) == 2",
        "item.big == 1e30 && type(item.big) == double && item.big - item.big == 0.0",
        "item.model.kind == 'deal' && has(item.model.kind)",
        "item.view.a == 1 && has(item.view.a)",
        "item['1'] == 'one' && '1' in item && !(1 in item)",
    ):
        assert compile_condition(text).evaluate({"item": item}), text
        assert compile_condition(text).evaluate(context({"item": item})), text


def test_amounts_are_numbers_wherever_an_expression_meets_them() -> None:
    amount = {"value": "12.50", "currency": "CHF"}
    sees = {"item": {"amount": amount, "list": [amount]}, "record": {"amount": amount}}
    for text in (
        "item.amount.value == 12.5",
        "item.amount['value'] > 12.0",
        "['value', 'x'].exists(k, k == 'value' && item.amount[k] == 12.5)",
        "item.list.exists(a, a.value == 12.5)",
        "item.amount == {'value': 12.5, 'currency': 'CHF'}",
        "{'value': '1'}.value == '1'",
        "record.amount.value == '12.50'",
        "record.amount.value == '12.50' && item.amount.value == 12.5",
    ):
        assert compile_condition(text).evaluate(sees), text
    assert compile_text("${item}").render(sees)["amount"]["value"] == 12.5
    assert compile_text("${record.amount}").render(sees) == amount


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def outcome(text: str, value: Any) -> Any:
    """The answer, or the error, which must be one of the two named ones."""
    try:
        return compile_condition(text, ("item", "a", "b")).evaluate({"item": value, "a": value})
    except (CompileError, ExpressionError) as error:
        return error


SCRAPS = "item.ab[]{}()!&|=<>?:,'\"\\ 01uex+-*/%`rb#\n"


@given(st.text(st.sampled_from(SCRAPS), max_size=30), json_values)
def test_any_text_is_a_program_or_a_located_error(text: str, value: Any) -> None:
    found = outcome(text, value)
    if isinstance(found, CompileError):
        assert 1 <= found.line <= text.count("\n") + 1
        assert 1 <= found.column <= len(text) + 1
    else:
        assert isinstance(found, (bool, ExpressionError))
