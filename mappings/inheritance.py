"""What a mapping file inherits from the one it `extends`: all that it does not write itself, field
by field.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mappings.fields import written_path
from mappings.source import Finding, did_you_mean
from mappings.spec import UNSET, MappingSpec

_INHERITED = ("object", "entity", "filter", "direction", "conflict", "identity", "match")


def extend(base: MappingSpec, child: MappingSpec) -> MappingSpec:
    """`child` with everything it does not write itself taken from `base`, field by field. A base's
    examples stay its own.
    """
    inherited = {key: getattr(base, key) for key in _INHERITED if key not in child.written}
    if "deletes" not in child.written:
        inherited |= {"deletes_in": base.deletes_in, "deletes_out": base.deletes_out}
    if not {"connection", "connector"} & child.written:
        inherited |= {"connection": base.connection, "connector": base.connector}
    merged = {**base.fields, **child.fields}
    return replace(
        child,
        **inherited,
        # what is removed without having been there stays, so that the check can say so
        fields={
            name: spec
            for name, spec in merged.items()
            if not (spec.removed and name in base.fields)
        },
        baseless=child.baseless or base.baseless,
        places={**base.places, **child.places},
        lines={**base.lines, **child.lines},
    )


def resolve(
    specs: Sequence[MappingSpec],
    shipped: Sequence[MappingSpec] = (),
    unreadable: Collection[str] = (),
) -> tuple[dict[str, MappingSpec], list[Finding]]:
    """All mappings by name with `extends` worked out, and a finding for each duplicate name,
    unknown base, circle, and base that maps something else.

    `shipped` are the connectors' defaults: one of `specs` hides the default of its name, and means
    it where it extends its own name. `unreadable` are names of files that have their findings.
    """
    family = _Family(frozenset(unreadable))
    for spec in specs:
        first = family.own.setdefault(spec.name, spec)
        if first is not spec:
            family.findings.append(
                spec.finding(
                    spec.place,
                    f"there are two mappings '{spec.name}' (the first in {first.place}).",
                    "Rename one of them.",
                )
            )
    for spec in shipped:
        family.defaults.setdefault(spec.name, spec)
    members = {**family.defaults, **family.own}
    return {name: family.resolved(spec) for name, spec in members.items()}, family.findings


@dataclass
class _Family:
    """The mappings of a workspace, while what they inherit is worked out."""

    unreadable: frozenset[str]
    own: dict[str, MappingSpec] = field(default_factory=dict)
    defaults: dict[str, MappingSpec] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    circles: set[frozenset[str]] = field(default_factory=set)

    def resolved(self, spec: MappingSpec) -> MappingSpec:
        line = [spec]
        baseless = False
        while line[-1].extends is not None:
            base = self.base_of(line[-1])
            if base is None or base in line:
                baseless = True
                if base is not None:
                    self.circle(line[line.index(base) :])
                elif line[-1] is spec:
                    self.unknown(spec)
                break
            line.append(base)
        result = replace(line[-1], baseless=True) if baseless else line[-1]
        for child in reversed(line[:-1]):
            if child is spec and not baseless:
                self.findings += _other_things(result, child)
                self.findings += _no_longer_written(result, child)
            result = extend(result, child)
        return result

    def base_of(self, spec: MappingSpec) -> MappingSpec | None:
        assert spec.extends is not None  # noqa: S101 - the caller looked
        name = spec.extends.text
        if spec is self.defaults.get(spec.name) and name in self.defaults:
            return self.defaults[name]
        if name == spec.name:
            return self.defaults.get(name, spec)
        return self.own.get(name) or self.defaults.get(name)

    def circle(self, members: Sequence[MappingSpec]) -> None:
        names = frozenset(one.name for one in members)
        if names in self.circles:
            return
        self.circles.add(names)
        first = members[0]
        assert first.extends is not None  # noqa: S101 - it is part of a circle
        told = " → ".join([*(one.name for one in members), first.name])
        self.findings.append(
            first.finding(
                first.extends.place,
                f"'extends' goes in a circle: {told}.",
                "Let one of them stand by itself.",
            )
        )

    def unknown(self, spec: MappingSpec) -> None:
        assert spec.extends is not None  # noqa: S101 - the caller looked
        name = spec.extends.text
        if name in self.unreadable:
            return
        known = [one for one in {**self.defaults, **self.own} if one != spec.name]
        self.findings.append(
            spec.finding(
                spec.extends.place,
                f"there is no mapping '{name}' to extend.",
                did_you_mean(name, known),
            )
        )


def _no_longer_written(base: MappingSpec, child: MappingSpec) -> Iterator[Finding]:
    """Fields that went out by the base, and by the child's line for them silently do not: a
    composed text or a constant, of which nothing else is said.
    """
    merged = extend(base, child)
    for name, own in child.fields.items():
        composed = own.text is not None or (own.value is not UNSET and own.to is None)
        if own.direction is not None or not composed or name not in base.fields:
            continue
        before = written_path(base, base.fields[name])
        if before is not None and merged.direction_of(own) != "in":
            what = "composed text" if own.text else "constant"
            yield child.finding(
                own.place,
                f"'{name}' is no longer written to the tool ({before.text} in '{base.name}'): a "
                f"{what} only comes in.",
                "Write direction: in to say so.",
                "warning",
            )


def _other_things(base: MappingSpec, child: MappingSpec) -> Iterator[Finding]:
    """What a child maps that its base does not: little of the base can then hold."""
    assert child.extends is not None  # noqa: S101 - the caller looked
    name = child.extends.text
    if "entity" in child.written and base.entity and child.entity != base.entity:
        yield child.finding(
            child.place_of("entity"),
            f"'{name}' fills a {base.entity}, so a mapping that extends it cannot fill a "
            f"{child.entity}.",
            f"Write entity: {base.entity}, or a mapping of its own.",
        )
    if "object" in child.written and base.object and child.object != base.object:
        yield child.finding(
            child.place_of("object"),
            f"'{name}' reads the object '{base.object}', and this one reads '{child.object}'.",
            "See that the inherited paths exist there, or write a mapping of its own.",
            "warning",
        )
    if "connector" in child.written and base.connector and child.connector != base.connector:
        yield child.finding(
            child.place_of("connector"),
            f"'{name}' is for the connector {base.connector}, and this one for {child.connector}.",
            "See that the inherited paths exist there, or write a mapping of its own.",
            "warning",
        )
