"""Paths read as jsonpath-ng reads, and know missing, null, empty and wrong apart."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.parser import parse

from mappings.paths import MISSING, NODE_BUDGET, PathError, WrongType, parse_path

NAMES = ["a", "b", "name", "Due date", "x-1", "_id", "0", "a.b", "length", "it's"]
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "name", "ab", 0.5]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=25,
)
bare = st.sampled_from(["a", "b", "name", "x-1", "_id", "length"])
quoted = st.sampled_from(["a", "b", "Due date", "x-1", "0", "a.b", "length", "*"])
number = st.integers(-3, 3)
bound = st.just("") | number.map(str)
literal = st.sampled_from(["1", "0", "-1", "'a'", '"name"', "true", "null", "0.5"])
compare = st.sampled_from(["==", "!=", "<", ">", "<=", ">="])

members = (
    bare.map(".{}".format)
    | quoted.map("['{}']".format)
    | quoted.map('["{}"]'.format)
    | quoted.map(".'{}'".format)
)
indexes = number.map("[{}]".format) | number.map(".[{}]".format)
stars = st.sampled_from(["[*]", ".*", ".[*]"])
slices = st.builds("[{}:{}]".format, bound, bound) | st.builds(
    "[{}:{}:{}]".format, bound, bound, st.sampled_from(["1", "2"])
)
unions = (
    st.lists(bare, min_size=2, max_size=3).map(lambda names: "." + ",".join(names))
    | st.lists(quoted, min_size=2, max_size=3).map(
        lambda names: "[" + ",".join(f"'{name}'" for name in names) + "]"
    )
    | st.lists(number, min_size=2, max_size=3).map(lambda at: "[" + ",".join(map(str, at)) + "]")
)
deep = bare.map("..{}".format) | number.map("..[{}]".format) | st.sampled_from(["..*", "..[*]"])
clause = (
    bare.map("@.{}".format)
    | st.builds("@.{}{}{}".format, bare, compare, literal)
    | st.builds("@['{}'] {} {}".format, quoted, compare, literal)
    | st.builds("@.{}.{} {} {}".format, bare, bare, compare, literal)
)
filters = st.lists(clause, min_size=1, max_size=2).map(" && ".join).map("[?({})]".format)

plain = st.lists(members | indexes, min_size=1, max_size=5).map(lambda parts: "$" + "".join(parts))
one_star = st.builds(
    lambda before, after: "$" + "".join([*before, "[*]", *after]),
    st.lists(members | indexes, max_size=3),
    st.lists(members | indexes, max_size=3),
)
others = st.lists(
    members | indexes | stars | slices | unions | deep | filters, min_size=1, max_size=5
).map(lambda parts: "$" + "".join(parts))


parsed = lru_cache(parse)


def peer(path: str, document: Any) -> list[Any]:
    return [match.value for match in parsed(path).find(document)]


def refused(path: str) -> bool:
    """Whether the peer itself has no meaning for this path."""
    try:
        parsed(path)
    except (JSONPathError, ValueError, TypeError, AttributeError):
        return True
    return False


@settings(max_examples=500, deadline=None)
@given(plain | one_star | others, documents)
def test_every_path_finds_what_jsonpath_ng_finds(path: str, document: Any) -> None:
    """The same matches in the same order, of the same classes; or both refuse the path."""
    if refused(path):
        with pytest.raises(PathError):
            parse_path(path)
        return
    found, expected = parse_path(path).find(document), peer(path, document)
    assert found == expected
    assert [one.__class__ for one in found] == [one.__class__ for one in expected]


@settings(max_examples=250, deadline=None)
@given(plain, documents)
def test_the_fast_way_of_a_plain_path_gives_the_peers_value(path: str, document: Any) -> None:
    """Where the peer finds nothing, ours may only say missing, null or wrong type."""
    expected = peer(path, document)
    try:
        value = parse_path(path).read(document)
    except WrongType:
        assert expected == []
        return
    assert [value] == expected if expected else value is None or value is MISSING


@settings(max_examples=200, deadline=None)
@given(one_star | others, documents)
def test_a_path_for_many_reads_the_peers_list(path: str, document: Any) -> None:
    assume(not refused(path))
    compiled = parse_path(path)
    expected = peer(path, document)
    try:
        value = compiled.read(document)
    except WrongType:
        assert expected == [] or not compiled.many
        return
    if compiled.many:
        assert value == expected if expected else value in ([], None) or value is MISSING


@pytest.mark.parametrize(
    ("path", "document", "expected"),
    [
        ("$.assignee.login", {"assignee": {"login": "dana"}}, "dana"),
        ("$.assignee.login", {"assignee": {"login": None}}, None),
        ("$.assignee.login", {"assignee": None}, None),
        ("$.assignee.login", {"assignee": {}}, MISSING),
        ("$.assignee.login", {}, MISSING),
        ("$.assignees[0].login", {"assignees": []}, None),
        ("$.assignees[0].login", {"assignees": None}, None),
        ("$.assignees[0].login", {}, MISSING),
        ("$.labels[*].name", {"labels": [{"name": "a"}, {"id": 1}]}, ["a"]),
        ("$.labels[*].name", {"labels": []}, []),
        ("$.labels[*].name", {"labels": None}, None),
        ("$.labels[*].name", {}, MISSING),
        ("$.f[?(@.id==7)].value", {"f": [{"id": 7, "value": "x"}]}, "x"),
        ("$.f[?(@.id==7)].value", {"f": [{"id": 8, "value": "x"}]}, None),
        ("$.f[?(@.id==7)].value", {}, MISSING),
        ("$.a.b.c.d.e", {"a": {"b": {"c": {"d": {"e": 5}}}}}, 5),
        ("$.a.b.c.d", {"a": {"b": {"c": {"d": 4}}}}, 4),
        ("$.title", {"title": ""}, ""),
    ],
)
def test_missing_null_and_empty_are_different(path: str, document: Any, expected: Any) -> None:
    value = parse_path(path).read(document)
    assert value is expected or value == expected
    assert (value is MISSING) == (expected is MISSING)


@pytest.mark.parametrize(
    ("path", "document", "said"),
    [
        ("$.a.b", {"a": "text"}, "object that has 'b', found text"),
        ("$.a[0]", {"a": "text"}, "a list, found text"),
        ("$.a[0]", {"a": {"0": 1}}, "a list, found an object"),
        ("$.a[*].b", {"a": 3}, "a list, found a number"),
        ("$.f[?(@.id==7)].v", {"f": [{"id": 7, "v": 1}, {"id": 7, "v": 2}]}, "2 different values"),
    ],
)
def test_a_wrong_type_on_the_way_is_said(path: str, document: Any, said: str) -> None:
    with pytest.raises(WrongType, match=said.replace("(", r"\(")):
        parse_path(path).read(document)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("title", r"Write \$\.title"),
        ("$.a[", "not a path"),
        ("$.a b", r"Write \$\['a b'\]"),
        ("$.x.due date.y", r"Write \$\.x\['due date'\]\.y"),
        ("$subject", r"not a path, a dot is missing: \$\.subject\."),
        ("$.a[0]value", r"a dot is missing: \$\.a\[0\]\.value\."),
        ("$.a]", "this ] closes nothing"),
        ("$.a.", r"nothing stands behind the last dot\. Write \$\.a, or"),
        ("$.a!b", "cannot be read at '!'"),
        ("$.a[?(@.b =~ '(a+)+$')]", "regular expression inside a path"),
        ("$.a.`sub(/(a+)+$/, x)`", "computes instead of reading"),
        ("$.a + $.b", "computes instead of reading"),
        ("$.a[?(@.b == 1 & @.c == 2)]", "Write && between"),
        ("$" + ".a" * 400, "longer than"),
    ],
)
def test_a_bad_path_is_refused_with_the_reason(path: str, said: str) -> None:
    with pytest.raises(PathError, match=said):
        parse_path(path)


@pytest.mark.parametrize(
    ("path", "column"), [("$subject", 2), ("$.a[0]value", 7), ("$.a[0", 4), ("$.a]", 4)]
)
def test_a_mistake_in_a_path_is_told_where_it_stands(path: str, column: int) -> None:
    with pytest.raises(PathError) as refused:
        parse_path(path)
    assert refused.value.column == column


def test_a_recursive_path_stops_at_its_budget() -> None:
    """`$..x` over a huge record is a named fault, not a stall."""
    with pytest.raises(WrongType, match="too many for"):
        parse_path("$..x").read({"list": [0] * (NODE_BUDGET + 1)})


def test_the_fields_a_path_reads_are_known() -> None:
    assert parse_path("$.a.b[0]").roots == {"a"}
    assert parse_path("$['Due date']").roots == {"Due date"}
    assert parse_path("$.a[?(@.x==1)].y").roots == {"a"}
    assert parse_path("$..a").roots == {"*"}
