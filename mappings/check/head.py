"""The top of a mapping file: what it maps, whether it lets anything in, what it inherits."""

from __future__ import annotations

from collections.abc import Iterator

from mappings.canonical import MAPPED_FIELDS
from mappings.check.texts import check_condition, read_path
from mappings.source import Finding, did_you_mean
from mappings.spec import MappingSpec
from mappings.values import canonical_field

DECLARES_IDENTITY = ("rest", "spreadsheet", "webhook")
"""Connectors that cannot know who a record is, so that their mappings say it."""


def check_head(spec: MappingSpec) -> Iterator[Finding]:
    """Findings about everything above and beside `fields`."""
    if spec.connection and spec.connector:
        yield spec.finding(
            spec.place_of("connector"),
            "both 'connection' and 'connector' are given.",
            "Keep connection for one of them, connector for all its connections.",
        )
    if not spec.baseless:
        yield from _missing(spec)
    if spec.entity and spec.entity not in MAPPED_FIELDS:
        yield spec.finding(
            spec.place_of("entity"),
            f"there is no entity '{spec.entity}' to map to.",
            did_you_mean(spec.entity, MAPPED_FIELDS),
        )
    if spec.filter:
        yield from check_condition(
            spec, spec.filter, "filter", "no record comes in", "it keeps nothing out"
        )
    yield from _identity(spec)
    yield from _removed(spec)
    if not spec.baseless:
        yield from _required(spec)


def _missing(spec: MappingSpec) -> Iterator[Finding]:
    if not spec.connection and not spec.connector:
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
    if not any(not field.removed for field in spec.fields.values()) and not spec.reported:
        yield spec.finding(
            spec.place_of("fields"), "no field is mapped.", "Add at least title: $.title."
        )


def _identity(spec: MappingSpec) -> Iterator[Finding]:
    if not spec.identity:
        return
    connector = spec.connector
    if connector and connector not in DECLARES_IDENTITY:
        yield spec.finding(
            spec.identity.place,
            f"who a record is, is the knowledge of the connector '{connector}'.",
            f"Remove identity; it is for {', '.join(DECLARES_IDENTITY)}.",
        )
    for located in (spec.identity.key, spec.identity.version, spec.identity.url):
        if not located:
            continue
        path, bad = read_path(spec, located)
        yield from bad
        if path and path.many:
            yield spec.finding(
                located.place,
                f"'{located.text}' can match many values, and a record is known by one.",
                "Choose one: $.list[0].",
            )


def _removed(spec: MappingSpec) -> Iterator[Finding]:
    """A `field: null` that is left over removed nothing."""
    for field in spec.fields.values():
        if not field.removed or spec.baseless:
            continue
        if spec.extends is None:
            yield spec.finding(
                field.place,
                f"'{field.name}: null' removes an inherited field, and this file extends nothing.",
                "Remove the line, or give the field a source.",
            )
        else:
            yield spec.finding(
                field.place,
                f"'{field.name}: null' removes nothing: '{spec.extends.text}' has no such field.",
                did_you_mean(field.name, [n for n, f in spec.fields.items() if not f.removed]),
            )


def _required(spec: MappingSpec) -> Iterator[Finding]:
    if not spec.fields:
        return  # told already
    for name, canonical in MAPPED_FIELDS.get(spec.entity or "", {}).items():
        if not canonical.required or name in spec.reported or misspelt(spec, name):
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


def misspelt(spec: MappingSpec, name: str) -> bool:
    """Whether a field that is not there was meant by one that an entity does not have. That is said
    of the other, and mends this one too.
    """
    if name in spec.fields:
        return False
    unknown = [one for one in spec.fields if canonical_field(spec.entity or "", one) is None]
    return bool(did_you_mean(name, unknown, few=0))
