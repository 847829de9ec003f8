"""No expression fills the memory, whatever it joins: it is stopped, with the reason."""

from __future__ import annotations

import pytest

from mappings.expressions import ExpressionError, compile_condition

MANY = {"event": {"list": list(range(2_000)), "text": "x" * 1_000_000}}


@pytest.mark.parametrize(
    "text",
    [
        '["a"]' + "".join(f".map(v{n}, v{n} + v{n})" for n in range(60)) + " == []",
        "[[1]]" + "".join(f".map(v{n}, v{n} + v{n})" for n in range(60)) + " == []",
        "[b'a']" + "".join(f".map(v{n}, v{n} + v{n})" for n in range(60)) + " == []",
        "event.list.map(x, event.text + event.text) == []",
        "event.list.map(x, event.list + event.list) == []",
        "event.list.all(x, event.text + event.text == event.missing)",
        " + ".join(["event.text"] * 90) + " == ''",
    ],
)
def test_what_grows_is_stopped(text: str) -> None:
    with pytest.raises(ExpressionError, match="more than 100,000"):
        compile_condition(text).evaluate(MANY)


@pytest.mark.parametrize("test", ["contains(t)", "matches(t)", "matches('[a-c]+y')"])
def test_long_texts_are_not_looked_through_again_and_again(test: str) -> None:
    many = {"event": {"list": ["y"] * 2_000, "text": "x" * 1_000_000}}
    with pytest.raises(ExpressionError, match="more than 100,000"):
        compile_condition(f"event.list.exists(t, event.text.{test})").evaluate(many)
    few = {"event": {"list": ["y"] * 50, "text": "x" * 1_000_000}}
    assert not compile_condition(f"event.list.exists(t, event.text.{test})").evaluate(few)


def test_long_texts_are_joined_as_long_as_they_are_few() -> None:
    assert compile_condition("size(event.text + '!' + event.text) == 2000001").evaluate(MANY)
    marked = "size((event.list + event.list).map(x, x + 1)) == 4000"
    assert compile_condition(marked).evaluate({"event": {"list": [1] * 2_000}})
