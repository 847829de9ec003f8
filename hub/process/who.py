"""Who: the one way workspace files point at people.

A person's key, `role:NAME` (its first available member), `accountable`, `responsible`, or
`external:${…}` (an e-mail address).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hub.reading import Reader, unknown
from mappings.expressions import Template
from mappings.source import Map, Place

WhoKind = Literal["person", "role", "accountable", "responsible", "external"]


@dataclass(frozen=True, slots=True)
class Known:
    """The names that exist in the workspace; None where they are not known, so not checked."""

    people: frozenset[str] | None = None
    roles: Mapping[str, Sequence[str]] | None = None
    connections: frozenset[str] | None = None
    processes: frozenset[str] | None = None
    calendars: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """A pointer at somebody. `name` is a person's key or a role; `address` renders to an e-mail."""

    kind: WhoKind
    text: str
    name: str = ""
    address: Template | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.text


def read_who(
    reader: Reader, where: Map, key: str, known: Known, allowed: Collection[WhoKind] | None = None
) -> Who | None:
    """The who at `key`; `allowed` are the kinds that make sense there (all, if not given)."""
    text = reader.text(where, key)
    if text is None:
        return None
    place = where.at(key)
    who = parse_who(reader, text, place, known)
    if who is not None and allowed is not None and who.kind not in allowed:
        wanted = {
            "person": "a person's key",
            "role": "role:NAME",
            "accountable": "accountable",
            "responsible": "responsible",
            "external": "external:${…}",
        }
        choices = " or ".join(wanted[kind] for kind in wanted if kind in allowed)
        reader.error(place, f"'{key}' cannot be '{text}'.", f"Write {choices}.")
        return None
    return who


def parse_who(reader: Reader, text: str, place: Place, known: Known) -> Who | None:
    """`text` as a who; what is wrong with it becomes a finding at `place`."""
    if text == "accountable":
        return Who("accountable", text)
    if text == "responsible":
        return Who("responsible", text)
    if text.startswith("external:"):
        address = text.removeprefix("external:").strip()
        template = reader.template_of(address, place) if address else None
        if not address or ("${" not in address and "@" not in address):
            reader.error(
                place, f"'{text}' names no e-mail address.", 'Write "external:${case.data.email}".'
            )
            return None
        return Who("external", text, address=template) if template else None
    if text.startswith("role:"):
        role = text.removeprefix("role:")
        if known.roles is not None and role not in known.roles:
            reader.error(place, *unknown(role, "role", known.roles))
            return None
        return Who("role", text, role)
    if "${" in text or "@" in text:
        reader.error(
            place,
            f"'{text}' is not a person's key or a role.",
            f'For somebody outside write "external:{text}".',
        )
        return None
    if known.people is not None and text not in known.people:
        message, hint = unknown(text, "person", known.people)
        if known.roles and text in known.roles:
            hint = f"Did you mean 'role:{text}'?"
        reader.error(place, message, hint)
        return None
    return Who("person", text, text)
