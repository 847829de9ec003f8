"""Everything that can be known to be wrong with a mapping before it runs: where, and a way out.

`load_mapping` has found what has the wrong form; this finds what has the right form and no meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mappings.canonical import HAS_CUSTOM, MAPPED_FIELDS, CanonicalField
from mappings.expressions import CompileError, compile_condition, compile_text
from mappings.fields import RECORD, inverse, target_path, transforms_of, value_key
from mappings.paths import Path, PathError, parse_path
from mappings.source import Finding, Place, did_you_mean
from mappings.spec import UNSET, FieldSpec, Located, MappingSpec, TransformUse
from mappings.transforms import Fault, ParamError, Scope
from mappings.values import IMPLIED, canonical_field, clean_json, closing_step
from mappings.writing import writer

DECLARES_IDENTITY = ("rest", "spreadsheet", "webhook")
"""Connectors that cannot know who a record is, so that their mappings say it."""

_JOINING = frozenset({"join", "labels"})


def check_mapping(spec: MappingSpec) -> list[Finding]:
    """What is wrong with a mapping whose `extends` is resolved, in the order of the file."""
    findings = sorted(
        [
            *_check_head(spec),
            *(
                finding
                for field in spec.fields.values()
                if not field.removed
                for finding in _check_field(spec, field)
            ),
            *_check_examples(spec),
        ],
        key=lambda finding: finding.place,
    )
    return list(dict.fromkeys(findings))


def _check_head(spec: MappingSpec) -> Iterator[Finding]:
    if spec.connection and spec.connector:
        yield spec.finding(
            spec.place_of("connector"),
            "both 'connection' and 'connector' are given.",
            "Keep connection for one of them, connector for all its connections.",
        )
    elif not spec.connection and not spec.connector:
        yield spec.finding(
            spec.place, "there is no 'connection' or 'connector'.", "Add connection: NAME."
        )
    if not spec.object:
        yield spec.finding(
            spec.place, "there is no 'object'.", "Name the tool's kind of record: object: issue."
        )
    if not spec.entity:
        yield spec.finding(
            spec.place, "there is no 'entity'.", f"Write one of {', '.join(MAPPED_FIELDS)}."
        )
    elif spec.entity not in MAPPED_FIELDS:
        yield spec.finding(
            spec.place_of("entity"),
            f"there is no entity '{spec.entity}' to map to.",
            did_you_mean(spec.entity, MAPPED_FIELDS),
        )
    if spec.filter:
        yield from _check_condition(spec, spec.filter, "filter")
    if not any(not field.removed for field in spec.fields.values()):
        yield spec.finding(
            spec.place_of("fields"), "no field is mapped.", "Add at least title: $.title."
        )
    if spec.identity:
        connector = spec.connector
        if connector and connector not in DECLARES_IDENTITY:
            yield spec.finding(
                spec.identity.place,
                f"who a record is, is the knowledge of the connector '{connector}'.",
                f"Remove identity; it is for {', '.join(DECLARES_IDENTITY)}.",
            )
        for located in (spec.identity.key, spec.identity.version, spec.identity.url):
            if located:
                _, bad = _path(spec, located)
                yield from bad
    yield from _check_required(spec)


def _check_required(spec: MappingSpec) -> Iterator[Finding]:
    for name, canonical in MAPPED_FIELDS.get(spec.entity or "", {}).items():
        if not canonical.required:
            continue
        field = spec.fields.get(name)
        inbound = field is not None and spec.direction_of(field) != "out"
        if spec.direction != "out" and not inbound:
            yield spec.finding(
                spec.place_of("fields"),
                f"'{name}' is not filled, and a {spec.entity} needs one.",
                f"Add {name}: $.PATH.",
                "warning",
            )


# ----------------------------------------------------------------------------------- one field


def _check_field(spec: MappingSpec, field: FieldSpec) -> Iterator[Finding]:
    if spec.entity is None or spec.entity not in MAPPED_FIELDS:
        return
    canonical = canonical_field(spec.entity, field.name)
    if canonical is None:
        yield spec.finding(
            field.place, f"a {spec.entity} has no field '{field.name}'.", _field_hint(spec, field)
        )
        return
    paths: list[Path] = []
    for located in field.sources:
        path, bad = _path(spec, located)
        yield from bad
        if path:
            paths.append(path)
    target = None
    if field.to:
        target, bad = _path(spec, field.to)
        yield from bad
    if field.condition:
        yield from _check_condition(spec, field.condition, f"the condition of '{field.name}'")
    if field.text:
        yield from _check_text(spec, field.text)
    chain_ok = True
    for use in field.transforms:
        try:
            transforms_of(_with_only(field, use), canonical)
        except ParamError as error:
            chain_ok = False
            place = use.param_places.get(error.param or "", use.place)
            yield spec.finding(place, error.message, error.hint)
    if len(paths) != len(field.sources) or (field.to and not target):
        return
    yield from _check_shape(spec, field, canonical, paths)
    yield from _check_values(spec, field, canonical)
    yield from _check_constants(spec, field, canonical)
    if chain_ok:
        yield from _check_way_back(spec, field, canonical, target)


def _field_hint(spec: MappingSpec, field: FieldSpec) -> str:
    entity = spec.entity or ""
    if entity in HAS_CUSTOM and field.name.startswith("custom"):
        return "Write custom.NAME."
    hint = did_you_mean(field.name, MAPPED_FIELDS[entity])
    if entity in HAS_CUSTOM:
        return f"{hint} A field of your own is custom.{field.name}.".strip()
    return hint


def _with_only(field: FieldSpec, use: TransformUse) -> FieldSpec:
    return replace(field, transforms=(use,))


def _check_shape(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField, paths: list[Path]
) -> Iterator[Finding]:
    """A path that gives a list belongs to a field that takes one, or to a transform that joins."""
    if canonical.type in ("labels", "any"):
        return
    if any(use.name in _JOINING for use in field.transforms):
        return
    for path, located in zip(paths, field.sources, strict=True):
        if path.many:
            yield spec.finding(
                located.place,
                f"'{located.text}' can match many values, and '{field.name}' takes one.",
                "Choose one ($.list[0]), filter ([?(@.type=='x')]), or add as: join.",
            )


def _check_values(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField
) -> Iterator[Finding]:
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
                f"'{field.name}' takes one of {_listed(canonical)}, and there is no value map.",
                "Add values: {theirs: ours}, unless the tool uses exactly these words.",
                "warning",
            )
    seen: dict[object, Place] = {}
    for pair in field.values or ():
        key = value_key(pair.vendor)
        if key in seen:
            yield spec.finding(
                pair.place,
                f"'{key}' is mapped twice (first on line {seen[key].line}).",
                "Remove one; text and number look the same here.",
            )
        seen[key] = pair.place
        yield from _check_choice(spec, field, canonical, pair.canonical, pair.place)
    for pair in field.back:
        yield from _check_choice(spec, field, canonical, pair.canonical, pair.place, "back")
    if field.values is not None and field.otherwise not in ("exception", "keep"):
        place = field.otherwise_place or field.place
        yield from _check_choice(spec, field, canonical, field.otherwise, place)


def _check_choice(
    spec: MappingSpec,
    field: FieldSpec,
    canonical: CanonicalField,
    value: object,
    place: Place,
    where: str = "values",
) -> Iterator[Finding]:
    choices = [str(choice) for choice in canonical.choices]
    if canonical.type != "enum" or value is None or value in choices:
        return
    hint = did_you_mean(str(value), choices)
    if where == "values" and isinstance(value, str):
        hint = f"{hint} A value map reads theirs: ours.".strip()
    yield spec.finding(
        place, f"'{field.name}' cannot be '{value}'; it is one of {_listed(canonical)}.", hint
    )


def _check_constants(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField
) -> Iterator[Finding]:
    for key, value in (("value", field.value), ("default", field.default)):
        if value is UNSET or value is None or canonical.type == "party":
            continue
        try:
            scope = Scope(None, "")
            if canonical.type in IMPLIED:
                for bound in transforms_of(_with_no_transforms(field), canonical):
                    value = bound.inward(value, scope)
            closing_step(canonical)(clean_json(value), scope)
        except Fault as fault:
            yield spec.finding(field.place, f"the {key} of '{field.name}': {fault}.")


def _with_no_transforms(field: FieldSpec) -> FieldSpec:
    return replace(field, transforms=(), values=None)


def _check_way_back(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField, target: Path | None
) -> Iterator[Finding]:
    """Whether a field that should go to the tool can, and says every value it may have to say."""
    if spec.direction_of(field) == "in":
        return
    if target is not None and writer(target) is None:
        assert field.to is not None  # noqa: S101 - a target was parsed from it
        yield spec.finding(
            field.to.place,
            f"'{field.to.text}' does not name one place to write to.",
            "Name a field ($.a.b), the first element ($.a[0]) or all ($.a[*].b).",
        )
        return
    if field.text or (field.value is not UNSET and not field.to):
        if field.direction is not None:
            yield spec.finding(
                field.place, f"'{field.name}' has no field to go back to.", "Write direction: in."
            )
        return
    if target is None and target_path(field) is None:
        yield spec.finding(
            field.place,
            f"'{field.name}' cannot be written back: where to is not clear.",
            "Add to: $.PATH, or direction: in.",
            "warning",
        )
        return
    one_way = [b.name for b in transforms_of(field, canonical) if b.outward is None]
    if one_way and field.values is None:
        yield spec.finding(
            field.place,
            f"'{field.name}' cannot be written back: '{one_way[0]}' has no way back.",
            "Write direction: in.",
            "warning",
        )
        return
    if field.values is None:
        return
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


# --------------------------------------------------------------------------------- expressions


def _path(spec: MappingSpec, located: Located) -> tuple[Path | None, list[Finding]]:
    try:
        return parse_path(located.text), []
    except PathError as error:
        place = _within(spec, located, error.column)
        return None, [spec.finding(place, error.message, error.hint)]


def _check_condition(spec: MappingSpec, located: Located, what: str) -> Iterator[Finding]:
    yield from _compiled(spec, located, what, lambda text: compile_condition(text, RECORD))


def _check_text(spec: MappingSpec, located: Located) -> Iterator[Finding]:
    yield from _compiled(spec, located, "the text", lambda text: compile_text(text, RECORD))


def _compiled(
    spec: MappingSpec, located: Located, what: str, compile_: Callable[[str], object]
) -> Iterator[Finding]:
    try:
        compile_(located.text)
    except CompileError as error:
        place = _within(spec, located, error.column, error.line)
        yield spec.finding(place, f"{what}: {error.message}", error.hint)


def _within(spec: MappingSpec, located: Located, column: int, line: int = 1) -> Place:
    """The place of a column inside a piece of text that stands in one line of the file."""
    place = located.place
    lines = spec.lines.get(place.file, ())
    text = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    first = text[place.column - 1 : place.column]
    if line != 1 or first in ("|", ">"):
        return Place(place.file, place.line, place.column)
    return Place(place.file, place.line, place.column + column - 1 + (first in ("'", '"')))


def _listed(canonical: CanonicalField) -> str:
    return ", ".join(str(choice) for choice in canonical.choices)


# ------------------------------------------------------------------------------------ examples


def _check_examples(spec: MappingSpec) -> Iterator[Finding]:
    for example in spec.examples:
        for name in example.expect:
            if spec.entity in MAPPED_FIELDS and name != "custom" and name not in spec.fields:
                yield spec.finding(
                    example.place,
                    f"the example expects '{name}', which this file does not fill.",
                    did_you_mean(name, spec.fields),
                )
        if not example.expect and not example.roundtrip and example.back is None:
            yield spec.finding(
                example.place,
                "an example that expects nothing cannot fail.",
                "Add expect: {title: …} or roundtrip: true.",
            )
