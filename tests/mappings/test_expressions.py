"""Conditions and templates: CEL's rules, errors with a column, values that keep their type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.canonical import Money, TaskStatus
from mappings.expressions import (
    CompileError,
    ExpressionError,
    cel_view,
    compile_condition,
    compile_text,
    context,
    to_cel,
)

DEAL = {
    "event": {"changed": {"stage": {"before": "Negotiation", "after": "Closed Won"}}},
    "item": {
        "kind": "deal",
        "stage": "Closed Won",
        "amount": {"value": "20000.00", "currency": "CHF"},
        "custom": {"account_id": "A1", "tenants": [{"name": "one"}, {"name": "two"}]},
    },
}


def test_the_rule_of_the_contract_sees_amounts_as_numbers() -> None:
    rule = compile_condition(
        "item.kind == 'deal' && has(event.changed.stage) && item.stage == 'Closed Won'"
        " && item.amount.value > 10000.0"
    )
    assert rule.evaluate(DEAL) is True
    assert rule.evaluate(context(DEAL)) is True
    cheap = {**DEAL, "item": {**DEAL["item"], "amount": {"value": "9.50", "currency": "CHF"}}}
    assert rule.evaluate(cheap) is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("item.stag == 'x'", 'no field "stag"'),
        ("!(item.nothing)", 'no field "nothing"'),
        ("item.stage > 3", "does not work on"),
        ("item.stage", "neither true nor false"),
        ("case.title == 'x'", "'case' has no value here"),
        ("1 / 0 == 1", "divi"),
    ],
)
def test_no_result_is_an_error_and_not_false(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        compile_condition(text).evaluate(DEAL)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("item.kind = 'deal'", 11, "Write =="),
        ("itm.kind == 'deal'", 1, "Did you mean 'item'"),
        ("true && tsk.title == 'x'", 9, "Did you mean 'task'"),
        ("item.kind ==", 13, "ends too early"),
        ("", 1, "empty"),
        ("item.kind == \x00", 14, "cannot stand"),
    ],
)
def test_a_wrong_expression_names_the_column_and_the_remedy(
    text: str, column: int, said: str
) -> None:
    with pytest.raises(CompileError, match=said) as caught:
        compile_condition(text)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("type == 'bug'", 1, "Did you mean record.type?"),
        ("'bug' == type", 10, "Did you mean record.type?"),
        ("type in ['bug', 'task']", 1, "Did you mean record.type?"),
        ("type", 1, "Did you mean record.type?"),
        ("!bool", 2, "Did you mean record.bool?"),
        ("string.startsWith('x')", 1, "Did you mean record.string?"),
        ("has(type.name) && type.name == 'x'", 5, "Did you mean record.type?"),
        ("record.open && size(list) > 1", 21, "Did you mean record.list?"),
        ("status == 'open'", 1, "Did you mean record.status?"),
        ("requester.email == 'a'", 1, "Did you mean record.requester?"),
        ("rec.status == 'open'", 1, "Did you mean 'record'?"),
        ("duration == 3", 1, "Write duration(…), or record.duration for a field."),
    ],
)
def test_a_word_that_lacks_the_record_is_told_so_also_where_it_names_a_type(
    text: str, column: int, hint: str
) -> None:
    with pytest.raises(CompileError) as refused:
        compile_condition(text, ["record"])
    assert (refused.value.column, refused.value.hint) == (column, hint)


@pytest.mark.parametrize(
    "text",
    [
        "type(record.x) == string",
        "type(record.x) in [int, double]",
        "record.a.exists(type, type == 'x')",
        "[int, bool].exists(t, type(record.x) == t)",
    ],
)
def test_a_type_is_named_where_it_is_compared_with_one(text: str) -> None:
    assert compile_condition(text, ["record"]).text == text


def test_a_lone_expression_keeps_its_type() -> None:
    assert compile_text("${item.amount.value}").render(DEAL) == 20000.0
    assert compile_text("${item.custom.tenants}").render(DEAL) == [{"name": "one"}, {"name": "two"}]
    assert compile_text("${item.stage == 'x'}").render(DEAL) is False


def test_text_around_expressions_reads_like_text() -> None:
    template = compile_text("${item.kind}: ${item.amount.value} for ${item.custom.account_id}.")
    assert template.render(DEAL) == "deal: 20000 for A1."
    assert compile_text("a ${null} b").render({}) == "a  b"


def test_braces_and_quotes_inside_an_expression_are_its_own() -> None:
    assert compile_text("${{'a': '}'}.a}!").render({}) == "}!"
    assert compile_text('${"\\"}"}').render({}) == '"}'


def test_a_doubled_dollar_is_plain_text() -> None:
    assert compile_text("costs $${x} and $5").render({}) == "costs ${x} and $5"
    assert compile_text("plain").constant


def test_an_error_in_a_template_points_into_the_whole_text() -> None:
    with pytest.raises(CompileError) as caught:
        compile_text("Hello ${itm.kind}")
    assert caught.value.column == 9
    with pytest.raises(CompileError, match="not closed") as caught:
        compile_text("Hello ${item.kind")
    assert caught.value.column == 7


def test_moments_compare_and_come_out_as_text() -> None:
    now = datetime(2026, 3, 1, 17, tzinfo=UTC)
    late = compile_condition("timestamp(task.due.at) < now")
    assert late.evaluate({"now": now, "task": {"due": {"at": "2026-03-01T16:59:59Z"}}})
    text = compile_text("${now + duration('1h')}").render({"now": now})
    assert text == "2026-03-01T18:00:00Z"


def test_every_python_value_has_its_cel_form() -> None:
    assert to_cel({"a": Decimal("1.5"), "b": date(2026, 3, 1), "c": (1, 2)}) == {
        "a": 1.5,
        "b": "2026-03-01",
        "c": [1, 2],
    }
    assert to_cel(Money(value="1.00")) == {"value": "1.00", "currency": None}
    assert to_cel(TaskStatus.OPEN) == "open"
    assert to_cel(10**30) == 1e30
    with pytest.raises(ExpressionError, match="has no form"):
        to_cel(object())


def test_only_amounts_become_numbers() -> None:
    item = {"amount": {"value": "12.00", "currency": None}, "title": "12.00"}
    assert cel_view("item", item) == {
        "amount": {"value": 12.0, "currency": None},
        "title": "12.00",
    }
    assert cel_view("record", item) == item


def test_text_behind_a_nul_still_counts() -> None:
    """CEL's own text would end at the NUL, so that a longer text looked equal."""
    assert not compile_condition("item.stage == 'won'").evaluate({"item": {"stage": "won\0not"}})


texts = st.text(st.characters(codec=None), max_size=5)
hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(hostile)
def test_any_json_gives_a_result_or_a_named_error(value: Any) -> None:
    condition = compile_condition("item.a == item.b || size(item.c) > 2")
    try:
        result = condition.evaluate({"item": {"a": value, "b": 1, "c": value}})
    except ExpressionError:
        return
    assert result in (True, False)
