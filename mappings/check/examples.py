"""The examples of a mapping file: whether they say something that can come true or fail."""

from __future__ import annotations

from collections.abc import Iterator

from mappings.canonical import MAPPED_FIELDS
from mappings.check.head import misspelt
from mappings.source import Finding, did_you_mean
from mappings.spec import ExampleSpec, MappingSpec
from mappings.values import canonical_field


def check_examples(spec: MappingSpec) -> Iterator[Finding]:
    """Findings about `tests`, without running them."""
    for example in spec.examples:
        yield from _expectations(spec, example)
        if example.filtered:
            yield from _kept_out(spec, example)
            continue
        if not example.expect and not example.roundtrip and example.back is None:
            yield spec.finding(
                example.place,
                "an example that expects nothing cannot fail.",
                "Add expect: {title: …} or roundtrip: true.",
            )
        outward = any(spec.direction_of(one) != "in" for one in spec.fields.values())
        if not outward and (example.roundtrip or example.back is not None):
            what = "roundtrip" if example.roundtrip else "back"
            yield spec.finding(
                example.place,
                f"'{what}' has nothing to look at: no field of this file goes out.",
                "Remove it, or write direction: both.",
                "warning",
            )


def _kept_out(spec: MappingSpec, example: ExampleSpec) -> Iterator[Finding]:
    if spec.filter is None and not spec.baseless:
        yield spec.finding(
            example.place,
            "the example expects a record to be filtered, and this file has no filter.",
            "Add filter: with a condition, or expect what comes of it.",
        )
    if example.roundtrip or example.back is not None:
        what = "roundtrip" if example.roundtrip else "back"
        yield spec.finding(
            example.place,
            f"'{what}' has nothing to look at: a filtered record does not come in.",
            "Remove it.",
        )


def _expectations(spec: MappingSpec, example: ExampleSpec) -> Iterator[Finding]:
    if spec.entity is None or spec.entity not in MAPPED_FIELDS or spec.baseless:
        return
    for name, value in example.expect.items():
        place = example.expect_places.get(name, example.place)
        if name == "custom":
            continue
        field = spec.fields.get(name)
        if name in spec.reported or (field is None and misspelt(spec, name)):
            continue  # what is wrong is the field, and that was said
        if field is None:
            yield spec.finding(
                place,
                f"the example expects '{name}', which this file does not fill.",
                did_you_mean(name, spec.fields),
            )
            continue
        if spec.direction_of(field) == "out":
            yield spec.finding(
                place,
                f"the example expects '{name}', which only goes out.",
                "Expect it under back.",
            )
        canonical = canonical_field(spec.entity, name)
        choices = [str(choice) for choice in canonical.choices] if canonical else []
        if choices and value is not None and value not in choices:
            yield spec.finding(
                place,
                f"'{name}' can never be '{value}'; it is one of {', '.join(choices)}.",
                did_you_mean(str(value), choices, few=0),
            )
