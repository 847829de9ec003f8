"""Lines of a field that can never apply: a source behind another that always answers first, a
default that nothing can need, a way out of a field that only comes in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from mappings.paths import Path, Step
from mappings.source import Finding
from mappings.spec import UNSET, FieldSpec, MappingSpec

_EXPRESSION = re.compile(r"\$\{[^}]*\}")
_INWARD = ("default", "otherwise")
_CONVERTING = ("as", "values", "back", "otherwise")


def check_reach(spec: MappingSpec, field: FieldSpec, paths: Sequence[Path]) -> Iterator[Finding]:
    """A finding for each line of a field that changes nothing whatever the record is."""
    yield from _sources(spec, field, paths)
    yield from _constant(spec, field)
    direction = spec.direction_of(field)
    if direction == "in":
        yield from _only_in(spec, field)
    elif direction == "out":
        yield from _only_out(spec, field)
    yield from _record_holder(spec, field)


def _sources(spec: MappingSpec, field: FieldSpec, paths: Sequence[Path]) -> Iterator[Finding]:
    for index, path in enumerate(paths):
        for before in paths[:index]:
            if path.text == before.text or _within(path, before):
                what = "the same" if path.text == before.text else "what it stands in"
                yield spec.finding(
                    field.sources[index].place,
                    f"'{path.text}' is never looked at: '{before.text}' before it is {what}.",
                    "Remove it, or put it first.",
                )
                break


def _within(path: Path, outer: Path) -> bool:
    if outer.steps is None:
        return False
    inner = _chain(path)
    return len(inner) > len(outer.steps) and inner[: len(outer.steps)] == outer.steps


def _chain(path: Path) -> tuple[Step, ...]:
    if path.steps is not None:
        return path.steps
    return (*path.projection[0], "*") if path.projection else ()


def _constant(spec: MappingSpec, field: FieldSpec) -> Iterator[Finding]:
    if field.value is not UNSET:
        for key in ("default",) if field.to else ("default", *_CONVERTING):
            if key in field.keys and not (key == "default" and field.condition):
                yield spec.finding(
                    field.key_at(key),
                    f"'{key}' never applies: '{field.name}' is always its 'value'.",
                    "Remove one of them.",
                )
    elif field.text and field.default is not UNSET and field.condition is None:
        around = _EXPRESSION.sub("", field.text.text)
        if around.strip() and field.values is None and not field.transforms:
            yield spec.finding(
                field.key_at("default"),
                f"'default' never applies: the text of '{field.name}' is never empty.",
                "Remove it.",
            )


def _severity(field: FieldSpec) -> Literal["error", "warning"]:
    """A whole file may be turned to one direction for a while; a field that says so itself, and
    something else beside it, contradicts itself.
    """
    return "warning" if field.direction is None else "error"


def _only_in(spec: MappingSpec, field: FieldSpec) -> Iterator[Finding]:
    for key in ("to", "back"):
        if key in field.keys:
            yield spec.finding(
                field.key_at(key),
                f"'{key}' never applies: '{field.name}' only comes in.",
                "Remove it, or write direction: both for this field.",
                _severity(field),
            )


def _only_out(spec: MappingSpec, field: FieldSpec) -> Iterator[Finding]:
    for key in _INWARD:
        if key in field.keys:
            yield spec.finding(
                field.key_at(key),
                f"'{key}' never applies: '{field.name}' only goes out.",
                "Remove it, or write direction: both for this field.",
                _severity(field),
            )


def _record_holder(spec: MappingSpec, field: FieldSpec) -> Iterator[Finding]:
    """Who has the last word about a field, and by which way it could be heard."""
    holder, direction = field.system_of_record, spec.direction_of(field)
    if holder is not None and "conflict" in field.keys:
        yield spec.finding(
            field.key_at("conflict"),
            f"'conflict' never applies: '{holder}' is the system of record of '{field.name}'.",
            "Remove one of them.",
        )
    elif "conflict" in field.keys and direction != "both":
        ways = {"in": "comes in", "out": "goes out"}
        yield spec.finding(
            field.key_at("conflict"),
            f"'conflict' never applies: '{field.name}' only {ways[direction]}.",
            "Remove it, or write direction: both for this field.",
            _severity(field),
        )
    if holder == "hub" and direction == "in":
        yield spec.finding(
            field.at("system_of_record"),
            f"'{field.name}' only comes in, so the hub cannot be its system of record.",
            "Write direction: both for this field, or name a connection.",
            _severity(field),
        )
    elif holder is not None and direction == "out" and holder in (spec.connection, spec.connector):
        yield spec.finding(
            field.at("system_of_record"),
            f"'{field.name}' only goes out to '{holder}', so that cannot be its system of record.",
            "Write direction: both for this field, or system_of_record: hub.",
            _severity(field),
        )
