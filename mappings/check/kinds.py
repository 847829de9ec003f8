"""Whether what a field is given can become what the field is: the kinds of value along a chain of
transforms, as far as they are known before there is a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mappings.canonical import CanonicalField, ValueType
from mappings.paths import Path
from mappings.source import Finding
from mappings.spec import FieldSpec, Located, MappingSpec, TransformUse
from mappings.transforms import TRANSFORMS
from mappings.transforms.step import NUMERIC, TIMES, ValueKind

ACCEPTS: Mapping[ValueType, tuple[ValueKind, ...]] = {
    "text": (*TIMES,),
    "markdown": (*TIMES,),
    "enum": ("text",),
    "party": (*NUMERIC, "party"),
    "due": TIMES,
    "date": TIMES,
    "moment": ("text", "number", "decimal", "moment"),
    "money": (*NUMERIC, "money"),
    "labels": ("text", "list"),
    "any": (),
}
"""Per type of field, the kinds of value it can be made of; none: any."""

KINDS: Mapping[ValueKind, str] = {
    "any": "a value",
    "text": "text",
    "number": "a number",
    "decimal": "a decimal",
    "boolean": "true or false",
    "date": "a date",
    "moment": "a moment",
    "money": "an amount",
    "party": "a person",
    "list": "a list",
}
TYPES: Mapping[ValueType, str] = {
    "text": "text",
    "markdown": "text",
    "enum": "one of its words",
    "party": "a person",
    "due": "a date or moment",
    "date": "a date",
    "moment": "a moment",
    "money": "an amount",
    "labels": "a list of labels",
    "any": "anything",
}

_MADE_OF: Mapping[ValueType, tuple[ValueKind, ...]] = {
    "text": (),
    "markdown": (),
    "enum": (),
    "party": ("party",),
    "due": ("date", "moment"),
    "date": ("date",),
    "moment": ("moment",),
    "money": ("money",),
    "labels": ("list",),
    "any": (),
}
"""The kinds that a transform should give for a type; none: it needs none."""


def check_kinds(
    spec: MappingSpec, field: FieldSpec, canonical: CanonicalField, paths: Sequence[Path]
) -> Iterator[Finding]:
    """A finding at the first step of a field's chain that can never work on what it is given, or
    at the last where the field cannot take what comes of it.
    """
    kind: ValueKind = "text" if field.text else "any"
    last: TransformUse | None = None
    lister: Located | TransformUse | None = next(
        (at for path, at in zip(paths, field.sources, strict=True) if path.many), None
    )
    for use in field.transforms:
        transform = TRANSFORMS[use.name]
        if kind != "any" and transform.takes and kind not in transform.takes:
            giver = f"'{last.name}' gives" if last else "the text is"
            yield spec.finding(
                use.place,
                f"'{use.name}' cannot work on {KINDS[kind]}, which is what {giver}.",
                "Change the order, or remove one of them.",
            )
            return
        kind, last = transform.gives, use
        if kind == "list":
            kind, lister = "text", use
        elif transform.whole:
            lister = None
    if lister is not None and canonical.type not in ("labels", "any"):
        yield _one_wanted(spec, field, lister)
        return
    if field.values is not None or kind == "any":
        return
    taken = ACCEPTS[canonical.type]
    if taken and kind not in taken and not (lister and canonical.type == "labels"):
        assert last is not None  # noqa: S101 - only a transform gives a kind that is not text
        fitting = [
            name for name, one in TRANSFORMS.items() if one.gives in _MADE_OF[canonical.type]
        ]
        if canonical.type in fitting:
            fitting = [canonical.type]  # others give it too, and are about something else
        hint = f"'{field.name}' takes {TYPES[canonical.type]}"
        if fitting:
            hint = f"{hint}, as {' or '.join(sorted(fitting)[:3])} gives"
        yield spec.finding(
            last.place,
            f"'{last.name}' gives {KINDS[kind]}, which '{field.name}' cannot be.",
            f"{hint}.",
        )


def _one_wanted(spec: MappingSpec, field: FieldSpec, lister: Located | TransformUse) -> Finding:
    if isinstance(lister, TransformUse):
        return spec.finding(
            lister.place,
            f"'{lister.name}' gives a list, and '{field.name}' takes one value.",
            "Add join behind it, or choose one with regex instead.",
        )
    return spec.finding(
        lister.place,
        f"'{lister.text}' can match many values, and '{field.name}' takes one.",
        "Choose one ($.list[0]), filter ([?(@.type=='x')]), or add as: join.",
    )
