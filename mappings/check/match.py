"""`match`: whether what new records are to agree in can be known of them, and tells them apart."""

from __future__ import annotations

from collections.abc import Iterator

from mappings.canonical import HAS_CUSTOM, MAPPED_FIELDS
from mappings.source import Finding, did_you_mean
from mappings.spec import UNSET, Located, MappingSpec

_OF_A_TOOL = {
    "url": "The address is another one in every tool.",
    "status": "It changes, and many things share one.",
    "stage": "It changes, and many things share one.",
    "waiting_on": "It changes, and many things share one.",
    "priority": "It changes, and many things share one.",
    "labels": "They change, and many things share them.",
    "description": "Tools write long text in ways of their own.",
}
"""Fields that say nothing about which thing it is, and why."""

_WEAK = frozenset(
    {"kind", "title", "due", "start_by", "date", "assignee", "requester", "owner", "amount"}
)
"""What two different things may well agree in."""


def check_match(spec: MappingSpec) -> Iterator[Finding]:
    """What is wrong with `match`, at each field that it names."""
    match = spec.match
    if match is None:
        return
    if match.removed:
        if spec.extends is None:
            yield spec.finding(
                match.place,
                "'match: null' drops what is inherited, and this file extends nothing.",
                "Remove the line.",
            )
        return
    if spec.entity in MAPPED_FIELDS and spec.entity not in HAS_CUSTOM:
        hint = (
            "People are known by their e-mail address and by `identities` in people.yaml."
            if spec.entity == "party"
            else "Remove it: a comment is where it was said."
        )
        yield spec.finding(match.place, f"a {spec.entity} is not matched by fields.", hint)
        return
    if spec.direction == "out":
        yield spec.finding(
            match.place,
            "'match' is about records that come in, and this mapping only writes.",
            "Remove it, or write direction: both.",
        )
        return
    for key, sets in (("by", match.by), ("likely", match.likely)):
        for some in sets:
            found = [finding for one in some for finding in _field(spec, one)]
            yield from found
            bad = bool(found) or any(one.text not in spec.fields for one in some)
            yield from _twice(spec, some)
            if not bad and all(spec.fields[one.text].value is not UNSET for one in some):
                yield spec.finding(
                    some[0].place,
                    f"'{some[0].text}' is a constant, so all records agree in it.",
                    "Name a field that differs from record to record.",
                )
                continue
            if key == "by" and not bad and {one.text for one in some} <= _WEAK:
                names = ", ".join(one.text for one in some)
                yield spec.finding(
                    some[0].place,
                    f"two different things may well agree in {names}, and 'by' asks nobody.",
                    f"Write likely: [{names}], so that a person is asked.",
                    "warning",
                )
    for some in match.likely:
        if {one.text for one in some} in [{one.text for one in others} for others in match.by]:
            yield spec.finding(
                some[0].place,
                "the same fields stand in 'by', which links before anybody is asked.",
                "Remove one of them.",
                "warning",
            )


def _field(spec: MappingSpec, one: Located) -> Iterator[Finding]:
    name = one.text
    if why := _OF_A_TOOL.get(name):
        known = [field for field in spec.fields if field.startswith("custom.")]
        hint = (
            f"Name a field that says which one it is, such as {(known or ['custom.order_no'])[0]}."
        )
        yield spec.finding(one.place, f"'{name}' cannot tell which one it is. {why}", hint)
        return
    field = spec.fields.get(name)
    if field is None or field.removed:
        if name in spec.reported or spec.baseless:
            return
        mapped = [field for field in spec.fields if field not in _OF_A_TOOL]
        hint = did_you_mean(name, mapped)
        if f"custom.{name}" in spec.fields:
            hint = f"Did you mean 'custom.{name}'?"
        yield spec.finding(
            one.place,
            f"nothing fills '{name}' here, so no record can agree in it.",
            f"{hint} Or map it: {name}: $.PATH.".strip() if hint else f"Map it: {name}: $.PATH.",
        )
        return
    if spec.direction_of(field) == "out":
        yield spec.finding(
            one.place,
            f"'{name}' is only written to the tool (line {field.place.line}): records bring none.",
            "Let it come in too: direction: both, or in.",
        )


def _twice(spec: MappingSpec, some: tuple[Located, ...]) -> Iterator[Finding]:
    seen: set[str] = set()
    for one in some:
        if one.text in seen:
            yield spec.finding(one.place, f"'{one.text}' is named twice.", "Name it once.")
        seen.add(one.text)
