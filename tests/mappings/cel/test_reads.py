"""What an expression looks at of a record: no more than that is asked of a tool."""

from __future__ import annotations

import pytest

from mappings.expressions import compile_condition, compile_text


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("record.a == 1", {"a"}),
        ("has(record.a.b) && record['c d'] == 1", {"a", "c d"}),
        (r"record['\u0061'] == 1", {"a"}),
        ("record.a.exists(x, x == record.b)", {"a", "b"}),
        ("record.a.exists(record, record.b == 1)", {"a"}),
        ("size(record) > 1", {"*"}),
        ("record[record.a] == 1", {"*", "a"}),
        ("'record.a' == 'b'", set()),
    ],
)
def test_members_of_a_condition(text: str, members: set[str]) -> None:
    assert compile_condition(text, ("record",)).reads("record") == members


def test_members_of_a_text_are_those_of_its_expressions() -> None:
    template = compile_text("record.x ${record.a} and ${record.b.c}", ("record",))
    assert template.reads("record") == {"a", "b"}
