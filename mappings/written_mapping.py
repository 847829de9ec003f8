"""A whole mapping as text: with all that it inherits, or as a file that extends it."""

from __future__ import annotations

from typing import Any

from mappings.spec import MappingSpec
from mappings.written import comment, field_lines, flow, scalar


def resolved_text(spec: MappingSpec) -> str:
    """What holds in the end, as a file that says it all by itself; each field has the place where
    it is written beside it.
    """
    lines = [f"# {spec.name}, with all that it inherits; each line says where it is written."]
    lines += _head(spec, spec.name)
    lines.append("fields:")
    for field in spec.fields.values():
        if not field.removed:
            lines += field_lines(field, note=f"{field.place.file}:{field.place.line}")
    lines.append(f"deletes: {{in: {spec.deletes_in}, out: {spec.deletes_out}}}")
    if match := match_text(spec):
        lines.append(f"match: {match}  # {spec.place_of('match')}")
    return "\n".join(lines) + "\n"


def extending_text(spec: MappingSpec, name: str, connection: str | None) -> str:
    """A file called `name` that extends a mapping and changes nothing yet: its fields stand in it
    as comments. `connection`: for that one only.
    """
    lines = [
        f"# Everything in {comment(spec.name)} holds here too, also what a newer version of it"
        " says.",
        "# To change a field, take away its # and write what differs; `FIELD: null` drops one.",
        f"mapping: {scalar(name)}",
        f"extends: {scalar(spec.name)}",
    ]
    if connection is not None:
        lines.append(f"connection: {scalar(connection)}")
    for key in ("direction", "conflict"):
        lines.append(f"# {key}: {getattr(spec, key)}")
    if spec.filter is not None:
        lines.append(f"# filter: {flow(spec.filter.text)}")
    lines.append("fields:")
    for field in spec.fields.values():
        lines += [f"#{row}" for row in field_lines(field)]
    lines.append(f"# deletes: {{in: {spec.deletes_in}, out: {spec.deletes_out}}}")
    lines.append(f"# match: {match_text(spec) or '{by: FIELD, likely: [FIELD, FIELD]}'}")
    return "\n".join(lines) + "\n"


def match_of(spec: MappingSpec) -> dict[str, Any] | None:
    """What `match` says, as it would be written; None where it says nothing."""
    if spec.match is None or spec.match.removed:
        return None
    said: dict[str, Any] = {}
    for key, sets in (("by", spec.match.by), ("likely", spec.match.likely)):
        names = [[one.text for one in some] for some in sets]
        if names:
            said[key] = names if len(names) > 1 else names[0] if len(names[0]) > 1 else names[0][0]
    return said or None


def match_text(spec: MappingSpec) -> str:
    """The same in one line of YAML."""
    said = match_of(spec)
    return flow(said) if said else ""


def _head(spec: MappingSpec, name: str) -> list[str]:
    lines = [f"mapping: {scalar(name)}"]
    for key in ("connection", "connector", "object", "entity"):
        value = getattr(spec, key)
        if value is not None:
            lines.append(f"{key}: {scalar(value)}")
    if spec.filter is not None:
        lines.append(f"filter: {flow(spec.filter.text)}  # {spec.filter.place}")
    lines += [f"direction: {spec.direction}", f"conflict: {spec.conflict}"]
    if spec.identity is not None:
        names = ("key", "version", "url", "former")
        keys = {name: getattr(spec.identity, name) for name in names}
        said = {name: located.text for name, located in keys.items() if located is not None}
        lines.append(f"identity: {flow(said)}")
    return lines
