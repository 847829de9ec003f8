"""The source that a mapping becomes: nothing of the file's own words in it but quoted literals, and
one walk for what several fields share.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from mappings.compiler import CompiledMapping
from mappings.inward import write_inward
from mappings.outward import write_whole

Make = Callable[..., CompiledMapping]

NASTY = [
    "__import__('os').system('false')",
    '"""',
    "'''",
    "x}); raise SystemExit(1)  #",
    "{value}",
    "%s %(x)s",
    "\u2028\u2029",
    "\u2603",
    "\x1b[31m",
    "a\nb",
    "directory",
    "__class__",
    "lambda: 0",
]


def sources(compiled: CompiledMapping) -> list[str]:
    """Both ways of a mapping, as source."""
    plans = list(compiled.plans.values())
    inward, _ = write_inward([plan for plan in plans if plan.inward], compiled.zone)
    whole = write_whole([plan for plan in plans if plan.outward and plan.give], compiled.zone)
    return [inward, whole[0] if whole else ""]


def shape_of(source: str) -> str:
    """A source without its literals."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            assert node.value.__class__ in (str, int, float, bool, type(None))
            node.value = "literal"
    return ast.dump(tree)


def fields_with(word: str, name: str) -> str:
    """A mapping that has this word wherever a mapping may have one."""
    quoted = json.dumps(word)
    member = word.replace("'", "")  # a quoted member ends at the next quote
    path = json.dumps(f"$['{member}m']['{member}n']")
    return (
        f"title: {path}\n"
        f"description: {{from: $.d, default: {quoted}}}\n"
        f"custom.kind: {{from: $.k, values: {{{quoted}: {quoted}}}, otherwise: {quoted}}}\n"
        f"custom.x: {{from: $.a, as: {{join: {quoted}}}}}\n"
        f"{json.dumps('custom.' + name)}: $.n\n"
    )


@pytest.mark.parametrize("word", NASTY, ids=range(len(NASTY)))
def test_a_nasty_word_is_a_literal_and_nothing_else(mapping: Make, people: Any, word: str) -> None:
    """The source is that of the same mapping with innocent words, but for its literals."""
    name = re.sub(r"[.\s]", "", word) or "nameless"
    compiled = mapping(fields_with(word, name))
    innocent = mapping(fields_with("word", "name"))
    for source, other in zip(sources(compiled), sources(innocent), strict=True):
        assert source
        assert shape_of(source) == shape_of(other)
    key = word.replace("'", "")
    record = {key + "m": {key + "n": "t"}, "k": word, "d": None, "n": 1}
    mapped = compiled.inward(record, people, "desk")
    assert mapped.problems == []
    assert mapped.values == {
        "title": "t",
        "description": word,
        "custom.kind": word,
        f"custom.{name}": 1,
    }
    back = compiled.outward(mapped.values, people, "desk").fields
    assert back == {key + "m": {key + "n": "t"}, "d": word, "k": word, "n": 1}


def test_what_paths_share_is_walked_once(mapping: Make) -> None:
    compiled = mapping(
        "title: $.ticket.a.b.c\ndescription: $.ticket.a.b.d\ncustom.x: $.ticket.a.b.c\n"
        "custom.y: $.ticket.list[0].p\ncustom.z: $.ticket.list[0].q\n"
    )
    inward, outward = sources(compiled)
    for member in ("'ticket'", "'a'", "'b'", "'c'", "'d'", "'list'"):
        assert inward.count(f"[{member}]") == 1
    assert outward == "", "two fields in one place are put together one by one"


def test_an_entity_that_has_every_field_is_written_as_one_literal(mapping: Make) -> None:
    compiled = mapping("title: $.f.t\ndescription: $.f.d\nlabels: {from: $.l, to: '$.l[*].n.m'}")
    literal = sources(compiled)[1].splitlines()[-3].strip()
    assert literal.startswith("return {'f': {'t': y0, 'd': y1}, 'l': [{'n': {'m': one}} for one in")


def test_the_general_way_is_taken_where_no_value_is_usual(mapping: Make, people: Any) -> None:
    compiled = mapping("custom.x: {from: $.v, as: {regex: '[0-9]+'}}\ncustom.y: $..v")
    inward, _ = sources(compiled)
    assert inward.count("judge(") == 2
    assert compiled.inward({"v": "No 7"}, people, "desk").values == {
        "custom.x": "7",
        "custom.y": ["No 7"],
    }


@pytest.mark.parametrize("depth", [30, 120])
def test_a_path_however_long_compiles(mapping: Make, people: Any, depth: int) -> None:
    compiled = mapping(f"title: $.t\ncustom.deep: $.{'.'.join(['d'] * depth)}")
    value: Any = "end"
    for _ in range(depth):
        value = {"d": value}
    mapped = compiled.inward({"t": "t", **value}, people, "desk")
    assert mapped.values["custom.deep"] == "end"
    assert compiled.outward(mapped.values, people, "desk").fields == {"t": "t", **value}


def test_a_default_is_not_shared_between_records(mapping: Make, people: Any) -> None:
    """Else a change to one task's labels would be a change to all that have none of their own."""
    compiled = mapping("labels: {from: $.l, default: [new]}")
    first = compiled.inward({}, people, "desk").values["labels"]
    first.append("mine")
    assert compiled.inward({}, people, "desk").values["labels"] == ["new"]
    second = compiled.inward({"l": None}, people, "desk").values["labels"]
    second.append("mine")
    assert compiled.inward({"l": None}, people, "desk").values["labels"] == ["new"]


def test_an_index_behind_a_star_never_takes_a_letter_out_of_a_text(
    mapping: Make, people: Any
) -> None:
    compiled = mapping("labels: {from: '$.tags[*][0]', direction: in}")
    for tags, expected in (["abc", "def"], []), ([["a", "b"], ["c"]], ["a", "c"]):
        assert compiled.inward({"tags": tags}, people, "desk").values == {"labels": expected}
