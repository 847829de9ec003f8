"""Mappings that use every transform and every way to write a field, and records that mean harm.

For `test_hostile_records.py`, and for the longer runs of `python -m tests.fuzz_mappings`.
"""

from __future__ import annotations

import copy
import json
import math
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from hypothesis import strategies as st

from mappings.compiler import CompiledMapping, Mapped, Outward, Problem, compile_mapping
from mappings.expressions import ExpressionError
from mappings.inward import judge
from mappings.language import load_mapping
from mappings.spec import UNSET
from mappings.transforms import TRANSFORMS, Scope

NEEDED = {
    "regex": "{regex: 'a(b|c)+'}",
    "truncate": "{truncate: 10}",
    "lookup": "{lookup: {table: {a: one, b: two}}}",
}
"""A use of each transform that cannot stand alone."""

TASK = """
title: $.title
description: {from: [$.body.text, $.body, $.summary]}
status:
  {from: $.state, values: {open: open, closed: done, 3: on_hold, true: open}, back: {done: closed}}
waiting_on: {from: $.state, values: {open: internal}, otherwise: external, direction: in}
priority: {from: "$.fields[?(@.name=='prio')].value", values: {High: high, Low: low}}
assignee: {from: $.assignee.login, to: "$.assignees[0].login"}
requester: $.assignee.email
custom.emails: $..email
due: {from: $.due, as: date}
start_by: $.start
labels: {from: "$.labels[*].name", to: "$.labels[*].name"}
custom.number: $.id
custom.first: $.lines[0].name
custom.last: {from: "$.lines[-1].price.amount", as: decimal}
custom.names: {from: "$.lines[*].name"}
custom.lines: {from: "$.lines[*]"}
custom.nested.a: {from: $.nested.a, default: none}
custom.nested.b: {from: $.nested.b, if: "record.nested.c == 'x'", default: 5}
custom.text: {text: "${record.title} of ${record.assignee.login}"}
custom.constant: {value: fixed, if: "size(record.title) > 3"}
custom.money: {from: $.amount, as: {money: $.currency}}
custom.keep: {from: $.state, values: {open: 1}, otherwise: keep}
"""
ITEM = """
kind: {value: deal}
title: $['Deal Name']
stage: {from: $.stage, default: new}
owner: $.owner.id
amount: {from: $.amount, as: {money: CHF}}
date: $.due
custom.all: $
custom.every: "$.*"
custom.slice: "$.lines[1:3].name"
custom.some: "$.lines[?(@.price.amount > 2 && @.name)].name"
"""
COMMENT = "author: $.author.id\nbody: $.body.text\nvisibility: {value: public}\ncreated_at: $.at\n"
PARTY = (
    "name: $.name\nkind: {from: $.kind, values: {u: person}}\nemail: {from: $.mail, as: email}\n"
)
FILTER = "filter: \"record.state != 'gone' && size(record.labels) < 100\"\n"
IDENTITY = "identity: {key: $.id, version: $.meta.version, url: '$..href'}\n"

RECORD: dict[str, Any] = {
    "id": 7,
    "title": "Wire the tenant",
    "Deal Name": "Acme",
    "summary": "short",
    "body": {"text": "<p>Long <b>text</b></p>", "format": "html"},
    "state": "open",
    "fields": [{"name": "prio", "value": "High"}, {"name": "x", "value": 1}],
    "assignee": {"login": "dana", "email": "dana@acme.test"},
    "assignees": [{"login": "dana"}],
    "due": "2026-03-01",
    "start": "2026-03-01T17:00:00Z",
    "labels": [{"name": "gate"}, {"name": "vip"}],
    "lines": [{"name": "a", "price": {"amount": 1.5}}, {"name": "b", "price": {"amount": 2}}],
    "nested": {"a": 1, "b": [1, {"c": None}], "c": "x"},
    "amount": "1250.50",
    "currency": "EUR",
    "stage": "won",
    "owner": {"id": 12},
    "author": {"id": "lee"},
    "at": "2026-03-01T17:00:00Z",
    "name": "Dana",
    "kind": "u",
    "mail": "Dana <dana@acme.test>",
    "meta": {"version": 3},
    "v": "word",
}


class Anybody:
    """A directory in which every handle is a person."""

    def party_for(self, connection: str, handle: str) -> str | None:
        return f"p_{handle}"

    def handle_for(self, connection: str, party: str) -> str | None:
        return party.removeprefix("p_")


def compiled_of(fields: str, entity: str, extra: str = "") -> CompiledMapping:
    """A mapping with these fields."""
    head = f"mapping: m\nconnection: desk\nobject: o\nentity: {entity}\n{extra}fields:\n"
    spec, findings = load_mapping("hostile.yaml", head + textwrap.indent(fields, "  "))
    assert spec is not None
    assert not findings, "\n".join(map(str, findings))
    return compile_mapping(spec, "Europe/Zurich")


def every_mapping() -> list[CompiledMapping]:
    """Mappings that between them use every transform, both ways."""
    every = "".join(
        f"custom.{name}: {{from: $.v, as: {NEEDED.get(name, name)}}}\n"
        f'custom.all_{name}: {{from: "$..v", as: {NEEDED.get(name, name)}, to: $.x.{name}}}\n'
        for name in TRANSFORMS
    )
    return [
        compiled_of(TASK, "task", FILTER + IDENTITY),
        compiled_of(ITEM, "item", FILTER),
        compiled_of(COMMENT, "comment"),
        compiled_of(PARTY, "party"),
        compiled_of(every, "item"),
    ]


# ------------------------------------------------------------------------------------- the records

SPECIAL: list[Any] = [
    math.nan,
    math.inf,
    -0.0,
    1e308,
    10**5000,
    -(10**400),
    2**63,
    "\ud800",
    "a\x00b",
    "\u202e\ufeff",
    "=1+1",
    "9" * 5000,
    "2026-02-30",
    "2026-03-01T24:00:00Z",
    "0000-00-00",
    "<p>" * 200,
    "[" * 500,
    "*_`~" * 100,
    "((a+)+)+$" * 20,
    "a" * 20_000,
    {"\ud800": 1},
    {"k" * 20_000: 1},
    {"value": 10**5000, "currency": 7},
    {"type": "doc", "content": [{"type": "doc", "content": "x"}]},
    {"date": 1, "at": 2},
    [[[[[]]]]],
    [None, None],
    "",
    [],
    {},
]


class Special(NamedTuple):
    """Stands for one of `SPECIAL`, some of which cannot even be printed."""

    number: int


def made(value: Any) -> Any:
    """A drawn value with what its placeholders stand for."""
    if isinstance(value, Special):
        return copy.deepcopy(SPECIAL[value.number])
    if isinstance(value, list):
        return [made(one) for one in value]
    return {key: made(one) for key, one in value.items()} if isinstance(value, dict) else value


specials = st.integers(0, len(SPECIAL) - 1).map(Special)
texts = st.text(st.characters(codec=None), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | specials,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts | st.just("name"), inner, max_size=4)
    ),
    max_leaves=10,
)


def places_of(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within a record."""
    if at:
        yield at
    items: Any = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else items:
        yield from places_of(inner, (*at, key))


PLACES = list(places_of(RECORD))
mutations = st.lists(
    st.tuples(st.sampled_from(PLACES), anything | st.just(UNSET)), min_size=1, max_size=4
)
"""What to put where in a good record; UNSET takes the value away."""


def mutated(changes: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
    """The good record with some values replaced or gone."""
    record = copy.deepcopy(RECORD)
    for place, value in changes:
        inner: Any = record
        try:
            for key in place[:-1]:
                inner = inner[key]
            if value is UNSET:
                del inner[place[-1]]
            else:
                inner[place[-1]] = made(value)
        except (LookupError, TypeError):
            continue  # an earlier change took the place away
    return record


def deep(kind: type, depth: int = 100_000) -> Any:
    """Lists or objects within each other, made without recursion."""
    value: Any = "x"
    for _ in range(depth):
        value = [value] if kind is list else {"v": value}
    return value


# --------------------------------------------------------------------------------- what must hold


def survive(compiled: CompiledMapping, record: dict[str, Any]) -> None:
    """Both ways, the filter and the identity: a result or a named, located problem."""
    with suppress(ExpressionError):
        compiled.matches(record)
    compiled.identity(record)
    mapped = compiled.inward(record, Anybody(), "desk")
    located(mapped.problems)
    spoken = mapped.values.keys() & {problem.field for problem in mapped.problems}
    assert not spoken, "a field has a value and a problem"
    json.dumps(mapped.values, allow_nan=False, ensure_ascii=False).encode()
    for outward in (
        compiled.outward(mapped.values, Anybody(), "desk"),
        compiled.outward(mapped.values, Anybody(), "desk", only=list(mapped.values)[:3]),
        compiled.outward(mapped.values, Anybody(), "desk", base=record),
    ):
        located(outward.problems)


def located(problems: list[Problem]) -> None:
    """Each problem names its field, what is wrong, and the line."""
    for problem in problems:
        assert problem.message.startswith(f"{problem.field}: ")
        assert problem.place.file == "hostile.yaml"
        assert problem.place.line > 0
        assert "Error: " not in problem.message, problem.message


def general_inward(compiled: CompiledMapping, record: dict[str, Any]) -> Mapped:
    """What `inward` must give, without its source."""
    mapped = Mapped()
    scope = Scope(Anybody(), "desk", record, compiled.zone)
    for plan in compiled.plans.values():
        if plan.inward:
            judge(plan, record, scope, mapped)
    return mapped


def general_outward(compiled: CompiledMapping, values: Mapping[str, Any]) -> Outward:
    """What `outward` must give, field by field."""
    return compiled.outward(values, Anybody(), "desk", only=set(values))
