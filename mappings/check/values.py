"""The values that a mapping file writes out: those of value maps, constants, defaults. Each must
fit its field, and each line must be able to apply.
"""

from __future__ import annotations

from collections.abc import Iterator

from mappings.canonical import CanonicalField
from mappings.fields import inverse, transforms_of, value_key
from mappings.likeness import likeness
from mappings.source import Finding, Place, did_you_mean
from mappings.spec import UNSET, FieldSpec, MappingSpec, TransformUse, ValuePair
from mappings.transforms import Bound, Fault, Scope, bind
from mappings.values import IMPLIED, clean_json, closing_step

_SETTLING = frozenset(
    {"lower", "upper", "strip", "email", "integer", "number", "boolean", "date", "datetime"}
)
"""Transforms that leave alone what they gave: what they would change, they never give."""


_TYPO = 60
"""How much a word of ours resembles the tool's where it was meant to be the same."""


def check_values(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField
) -> Iterator[Finding]:
    """Findings about `values`, `back` and `otherwise`."""
    if field.values is None:
        if field.otherwise_place:
            yield spec.finding(
                field.otherwise_place,
                "'otherwise' stands without 'values'.",
                "Add values.",
            )
        if canonical.type == "enum" and field.sources and not field.transforms:
            yield spec.finding(
                field.place,
                f"'{field.name}' takes one of {listed(canonical)}, and there is no value map.",
                "Add values: {theirs: ours}, unless the tool uses exactly these words.",
                "warning",
            )
    seen: dict[object, Place] = {}
    given = _last_step(field)
    for pair in field.values or ():
        key = value_key(pair.vendor)
        if key in seen:
            yield spec.finding(
                pair.place,
                f"'{key}' is mapped twice (first on line {seen[key].line}).",
                "Remove one; text and number look the same here.",
            )
        elif given is not None:
            yield from _reachable(spec, field, pair, given)
        seen[key] = pair.place
        yield from _check_choice(spec, field, canonical, pair.canonical, _right(pair), pair.vendor)
    back: dict[object, Place] = {}
    for pair in field.back:
        key = value_key(pair.canonical)
        if key in back:
            yield spec.finding(
                pair.place, f"'{key}' stands twice (first on line {back[key].line}).", "Remove one."
            )
        back[key] = pair.place
        yield from _check_choice(spec, field, canonical, pair.canonical, pair.place)
    if field.values is not None and field.otherwise not in ("exception", "keep"):
        place = field.otherwise_place or field.place
        yield from _check_choice(spec, field, canonical, field.otherwise, place)
    if field.values is not None and field.otherwise_place and given is not None:
        known = {value_key(pair.vendor) for pair in field.values}
        if given.name == "boolean" and {"true", "false", None} <= known:
            yield spec.finding(
                field.key_at("otherwise"),
                "'otherwise' never applies: true, false and nothing are all mapped.",
                "Remove it.",
            )


def _right(pair: ValuePair) -> Place:
    return pair.value_place or pair.place


def _last_step(field: FieldSpec) -> Bound | None:
    """The last transform before the value map, if what it gives tells what it can never give."""
    if not field.transforms or field.transforms[-1].name not in _SETTLING:
        return None
    last = field.transforms[-1]
    if last.params or last.argument is not UNSET:
        return bind(TransformUse(last.name, {}, UNSET, last.place))
    return bind(last)


def _reachable(
    spec: MappingSpec, field: FieldSpec, pair: ValuePair, last: Bound
) -> Iterator[Finding]:
    """Whether the vendor value of a line can be what the last transform gives."""
    if pair.vendor is None:
        return
    key = value_key(pair.vendor)
    try:
        given = last.inward(pair.vendor, Scope(None, ""))
    except Fault:
        yield spec.finding(
            pair.place,
            f"'{key}' can never come: '{last.name}' before the value map gives no such value.",
            "Remove the line, or the transform.",
        )
        return
    if value_key(given) != key:
        yield spec.finding(
            pair.place,
            f"'{key}' can never come: '{last.name}' before the value map makes it "
            f"'{value_key(given)}'.",
            f"Write {value_key(given)}.",
        )


def _check_choice(
    spec: MappingSpec,
    field: FieldSpec,
    canonical: CanonicalField,
    value: object,
    place: Place,
    vendor: object = None,
) -> Iterator[Finding]:
    """Whether a field can be `value`, which no transform touches any more."""
    if value is None or canonical.type in ("party", "labels"):
        return
    if canonical.type != "enum":
        try:
            closing_step(canonical)(clean_json(value), Scope(None, ""))
        except Fault as fault:
            yield spec.finding(place, f"'{field.name}' cannot be '{value}': {fault}.")
        return
    choices = [str(choice) for choice in canonical.choices]
    if value in choices:
        return
    hint = did_you_mean(str(value), choices, few=0)
    if vendor in choices and likeness(str(vendor), str(value)) < _TYPO:
        hint = "A value map reads theirs: ours."
    yield spec.finding(
        place, f"'{field.name}' cannot be '{value}'; it is one of {listed(canonical)}.", hint
    )


def check_constants(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField
) -> Iterator[Finding]:
    """Whether `value` and `default` fit the field, and `default` can ever apply."""
    for key, value in (("value", field.value), ("default", field.default)):
        if value is UNSET or value is None:
            continue
        if canonical.type == "party":
            if not isinstance(value, str):
                yield spec.finding(
                    field.at(key),
                    f"the {key} of '{field.name}' is {value!r}, and a person is named by text.",
                    "Write a person's id, or remove it.",
                )
            continue
        try:
            scope = Scope(None, "")
            if canonical.type in IMPLIED:
                for bound in transforms_of(_plain_field(field), canonical):
                    value = bound.inward(value, scope)
            closing_step(canonical)(clean_json(value), scope)
        except Fault as fault:
            hint = did_you_mean(str(value), [str(choice) for choice in canonical.choices], few=0)
            yield spec.finding(field.at(key), f"the {key} of '{field.name}': {fault}.", hint)


def _plain_field(field: FieldSpec) -> FieldSpec:
    return FieldSpec(field.name, field.place)


def check_way_back_of_values(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField
) -> Iterator[Finding]:
    """Whether every value that a field may have can be said in the tool's words, in one way."""
    table, open_ = inverse(field)
    for key, pairs in open_.items():
        words = ", ".join(f"'{pair.vendor}'" for pair in pairs)
        yield spec.finding(
            pairs[-1].place,
            f"{words} all mean '{key}', so the way back is not clear.",
            f"Add back: {{{key}: {pairs[0].vendor}}}.",
        )
    unsaid = [str(c) for c in canonical.choices if str(c) not in table and str(c) not in open_]
    if unsaid:
        yield spec.finding(
            field.place,
            f"'{field.name}' may become {', '.join(unsaid)}, for which the tool has no value here.",
            "Add them under back, or such a change raises an exception.",
            "warning",
        )


def listed(canonical: CanonicalField) -> str:
    """The words an enum field can be, in one line."""
    return ", ".join(str(choice) for choice in canonical.choices)
