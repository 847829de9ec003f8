"""Ours beside Google's own CEL (`cel_expr_python`): the same value, or an error in both."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mappings.cel.errors import CompileError, ExpressionError
from mappings.cel.functions import ACCESSORS
from mappings.cel.program import program
from mappings.cel.values import CelType, Duration, Timestamp

NAMES = ("item", "record", "now")
NOW = datetime(2026, 3, 1, 17, 30, 15, 250000, tzinfo=UTC)
ORACLE = cel.NewEnv(
    variables={"item": cel.Type.DYN, "record": cel.Type.DYN, "now": cel.Type.TIMESTAMP}
)

ERROR = "an error"
REFUSED = "refused when compiled"


def google(text: str, variables: dict[str, Any]) -> Any:
    try:
        compiled = ORACLE.compile(text)
    except RuntimeError:
        return REFUSED
    try:
        value = compiled.eval(data=variables)
        if value.type() in (cel.Type.ERROR, cel.Type.UNKNOWN):
            return ERROR
        if str(value.type()) == "TYPE":
            return "a type"
        return plain(value.plain_value())
    except (RuntimeError, ValueError, TypeError, OverflowError):
        return ERROR


def ours(text: str, variables: dict[str, Any], *, walked: bool) -> Any:
    try:
        compiled = program(text, NAMES)
    except CompileError:
        return REFUSED
    try:
        return plain((compiled.walk if walked else compiled.value)(variables))
    except ExpressionError:
        return ERROR


def plain(value: Any) -> Any:
    """A value that can be compared: NaN as text, moments as Google's library gives them."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if isinstance(value, Timestamp):
        return value.moment()
    if isinstance(value, Duration):
        return timedelta(microseconds=value.nanos // 1000)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in to_keys(value).items()}
    return "a type" if isinstance(value, (CelType, cel.Type)) else value


def to_keys(value: dict[Any, Any]) -> dict[Any, Any]:
    return {getattr(key, "value", key): one for key, one in value.items()}


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, float) is not isinstance(other, float):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return bool(one == other)


# ---------------------------------------------------------------------------------- what is tried

texts = st.sampled_from(["", "a", "deal", "Closed Won", "10", "-3", "1.5", "true", "é", "zz"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1])
    | st.floats(-3, 3)
    | st.sampled_from([math.nan, math.inf, 1e300])
    | texts
)
data = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "kind"]), inner, max_size=3)
    ),
    max_leaves=6,
)

LITERALS = st.sampled_from(
    """
0|1|-1|2|3|9223372036854775807|1u|2u|0u|18446744073709551615u|0.0|1.0|1.5|-2.5|1e300|true|false
null|''|'a'|'deal'|'10'|b'a'|b''|[]|[1, 2]|['a', 'b']|{}|{'a': 1}|now|r'a.*'|'é'|duration('90m')
duration('-1.5s')|timestamp('2026-03-01T17:00:00Z')|timestamp('2024-02-29T23:59:59.5+02:00')
'2026-03-01T00:00:00Z'|'1h'|int|[1.0]|{1: 'a', 2u: 'b', 'c': true}|"it's"|'true'
""".strip()
    .replace("\n", "|")
    .split("|")
)
VALUES = LITERALS | LITERALS.map("dyn({})".format) | LITERALS.map("dyn({})".format)
PATHS = st.sampled_from(
    [
        *("item", "item.a", "item.b", "item.kind", "item.a.b", "item['a']", "item.b.a"),
        *("item.list", "item.list[0]", "item.list[1]", "item.nothing", "record.a", "record.list"),
    ]
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    wrapped = inner.map(lambda text: f"({text})")
    return st.one_of(
        st.tuples(
            wrapped,
            st.sampled_from(
                [
                    "==",
                    "!=",
                    "<",
                    "<=",
                    ">",
                    ">=",
                    "&&",
                    "||",
                    "&&",
                    "||",
                    "+",
                    "-",
                    "*",
                    "/",
                    "%",
                    "in",
                ]
            ),
            wrapped,
        ).map(" ".join),
        wrapped.map("!{}".format),
        wrapped.map("-{}".format),
        st.tuples(wrapped, wrapped, wrapped).map(lambda t: f"{t[0]} ? {t[1]} : {t[2]}"),
        st.tuples(st.sampled_from(["item.a", "item", "record.b"]), st.sampled_from("ab")).map(
            lambda t: f"has({t[0]}.{t[1]})"
        ),
        st.tuples(
            st.sampled_from(
                [
                    "size",
                    "int",
                    "uint",
                    "double",
                    "string",
                    "bool",
                    "bytes",
                    "timestamp",
                    "duration",
                    "dyn",
                ]
            ),
            inner,
        ).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(
            wrapped, st.sampled_from(["contains", "startsWith", "endsWith", "matches"]), inner
        ).map(lambda t: f"{t[0]}.{t[1]}({t[2]})"),
        st.tuples(
            wrapped,
            st.sampled_from([*ACCESSORS]),
            st.sampled_from(["", "'Europe/Zurich'", "'-03:30'", "'UTC'", "'Nowhere'"]),
        ).map(lambda t: f"{t[0]}.{t[1]}({t[2]})"),
        st.tuples(wrapped, inner).map(lambda t: f"{t[0]}[{t[1]}]"),
        st.tuples(
            wrapped,
            st.sampled_from(["exists", "all", "exists_one", "filter", "map"]),
            inner,
            st.sampled_from(["x > {}", "x == {}", "x in [{}]", "{} == x", "x.a == {}"]),
        ).map(lambda t: f"{t[0]}.{t[1]}(x, {t[3].format(f'({t[2]})')})"),
        st.tuples(wrapped, inner, inner).map(lambda t: f"{t[0]}.map(x, x != {t[1]}, [x, {t[2]}])"),
        st.lists(inner, max_size=3).map(lambda some: f"[{', '.join(some)}]"),
        st.tuples(inner, inner).map(lambda t: f"{{'a': {t[0]}, 'b': {t[1]}}}"),
    )


expressions = st.recursive(VALUES | PATHS, _combined, max_leaves=6)


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    item = draw(st.dictionaries(st.sampled_from(["a", "b", "kind"]), data, max_size=3))
    return {**item, "list": draw(st.lists(data, max_size=3))}


WHOLE = st.sampled_from(["1", "2", "-7", "3", "item.n", "item.m", "size(item.s)", "int(item.d)"])
REAL = st.sampled_from(["1.5", "-0.5", "1e10", "item.d", "double(item.n)", "double('2.25')"])
TEXT = st.sampled_from(["'deal'", "'won'", "''", "item.s", "item.t", "string(item.n)", "'1h'"])
MOMENT = st.sampled_from(["now", "timestamp(item.at)", "now - duration('36h')", "timestamp(0)"])
LENGTH = st.sampled_from(["duration('90m')", "now - timestamp(item.at)", "duration('-1.5s')"])
LIST = st.sampled_from(["item.l", "[1, item.n]", "item.l.map(x, x + 1)", "item.l + [item.n]", "[]"])


def _sums(inner: st.SearchStrategy[str], signs: str) -> st.SearchStrategy[str]:
    return st.recursive(
        inner,
        lambda sub: st.tuples(sub, st.sampled_from(signs), sub).map(lambda t: f"({' '.join(t)})"),
        max_leaves=3,
    )


def _compared(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    return st.tuples(inner, signs, inner).map(" ".join)


TRUTH = st.recursive(
    st.one_of(
        _compared(_sums(WHOLE, "+-*/%")),
        _compared(_sums(REAL, "+-*/")),
        _compared(_sums(TEXT, "+")),
        _compared(MOMENT),
        _compared(LENGTH),
        st.tuples(WHOLE, st.just("in"), LIST).map(" ".join),
        st.tuples(WHOLE, st.sampled_from(["==", "<", ">="]), REAL).map(
            lambda t: f"dyn({t[0]}) {t[1]} {t[2]}"
        ),
        st.tuples(LIST, st.sampled_from(["all", "exists", "exists_one"]), WHOLE).map(
            lambda t: f"{t[0]}.{t[1]}(x, x > {t[2]})"
        ),
        st.tuples(TEXT, st.sampled_from(["contains", "startsWith", "matches"]), TEXT).map(
            lambda t: f"{t[0]}.{t[1]}({t[2]})"
        ),
        st.tuples(MOMENT, st.sampled_from([*ACCESSORS]), WHOLE).map(
            lambda t: f"{t[0]}.{t[1]}('America/New_York') > {t[2]}"
        ),
        st.sampled_from(
            ["has(item.n)", "has(item.no)", "item.no == 1", "item.yes", "item.n / 0 > 1"]
        ),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map("!({})".format),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
    ),
    max_leaves=5,
)

ENTITIES = st.fixed_dictionaries(
    {
        "n": st.integers(-4, 4),
        "m": st.integers(-(2**63), 2**63 - 1),
        "d": st.floats(-1e6, 1e6),
        "s": texts,
        "t": texts,
        "at": st.sampled_from(["2026-03-01T17:00:00Z", "2026-02-28T23:59:59.999+01:00", "soon"]),
        "l": st.lists(st.integers(-2, 4), max_size=4),
        "yes": st.booleans(),
    }
)


@settings(max_examples=250, deadline=None)
@given(expressions, items(), items())
@example("item.nothing == 1 || true", {"list": []}, {})
@example("item.list.exists(x, x.a == 1)", {"list": [1, {"a": 1}]}, {})
@example("item.a == 9007199254740992.0", {"a": 2**53 + 1, "list": []}, {})
@example("item.a < 'b' && false", {"a": 1, "list": []}, {})
def test_values_and_errors_are_googles(text: str, item: dict[str, Any], record: Any) -> None:
    compare(text, item, record)


def compare(text: str, item: dict[str, Any], record: dict[str, Any]) -> None:
    variables = {"item": item, "record": record, "now": NOW}
    theirs = google(text, variables)
    if theirs == REFUSED:
        return  # its check of types knows more than ours, which only refuses what is sure to fail
    found = ours(text, variables, walked=False)
    walked = ours(text, variables, walked=True)
    assert alike(found, walked), f"{text}: compiled {found!r}, walked {walked!r}"
    if found == REFUSED:
        # what can be known to fail is refused earlier here than there
        assert theirs == ERROR, f"{text}: refused, and there {theirs!r}"
    else:
        assert alike(found, theirs), f"{text}: {found!r}, and there {theirs!r}"


@settings(max_examples=250, deadline=None)
@given(TRUTH, ENTITIES)
def test_conditions_as_people_write_them_have_googles_answers(
    text: str, item: dict[str, Any]
) -> None:
    compare(text, item, {})
