"""One field of a mapping: every part by itself, then what the parts are together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mappings.canonical import HAS_CUSTOM, MAPPED_FIELDS, CanonicalField
from mappings.check.kinds import check_kinds
from mappings.check.reach import check_reach
from mappings.check.texts import check_condition, check_text, read_path
from mappings.check.values import check_constants, check_values, check_way_back_of_values
from mappings.fields import one_way, target_path, transforms_of
from mappings.paths import Path
from mappings.source import Finding, did_you_mean
from mappings.spec import UNSET, FieldSpec, MappingSpec
from mappings.transforms import ParamError
from mappings.values import canonical_field
from mappings.writing import writer


def check_field(spec: MappingSpec, field: FieldSpec) -> Iterator[Finding]:
    """What is wrong with a field. Where a part cannot be read, the whole is not judged."""
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
        path, bad = read_path(spec, located)
        yield from bad
        if path:
            paths.append(path)
    target = None
    if field.to:
        target, bad = read_path(spec, field.to)
        yield from bad
    if field.condition:
        yield from check_condition(
            spec,
            field.condition,
            f"the condition of '{field.name}'",
            "it is never filled",
            "it decides nothing",
        )
    if field.text:
        yield from check_text(spec, field.text)
    chain_ok = True
    for use in field.transforms:
        try:
            transforms_of(replace(field, transforms=(use,)), canonical)
        except ParamError as error:
            chain_ok = False
            place = use.param_places.get(error.param or "", use.place)
            yield spec.finding(place, error.message, error.hint)
    if len(paths) != len(field.sources) or (field.to and not target):
        return
    if field.text and field.to:
        yield spec.finding(
            field.key_at("to"),
            f"'{field.name}' cannot be written to {field.to.text}: a composed text cannot be "
            "written back.",
            "Remove 'to' and write direction: in, or read it with from.",
        )
        return
    yield from check_constants(spec, field, canonical)
    yield from check_reach(spec, field, paths)
    if chain_ok:
        yield from check_kinds(spec, field, canonical, paths)
        yield from check_values(spec, field, canonical)
        yield from _check_way_back(spec, field, canonical, target)


def _field_hint(spec: MappingSpec, field: FieldSpec) -> str:
    entity = spec.entity or ""
    if entity in HAS_CUSTOM and field.name.startswith("custom"):
        return "Write custom.NAME."
    hint = did_you_mean(field.name, MAPPED_FIELDS[entity])
    if entity in HAS_CUSTOM:
        return f"{hint} A field of your own is custom.{field.name}.".strip()
    return hint


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
                field.at("direction"),
                f"'{field.name}' has no field to go back to.",
                "Write direction: in.",
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
    last = one_way(field, transforms_of(field, canonical))
    if last is not None:
        yield spec.finding(
            field.place,
            f"'{field.name}' cannot be written back: '{last}' has no way back.",
            "Write direction: in.",
            "warning",
        )
        return
    if field.values is not None:
        yield from check_way_back_of_values(spec, field, canonical)
