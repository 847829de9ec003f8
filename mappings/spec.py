"""What a mapping file says, as data: every part with the place where it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mappings.source import Finding, Place

Direction = Literal["in", "out", "both"]
Conflict = Literal["review", "newest", "ours", "theirs"]


class Unset:
    """Nothing was written, which is not the same as null."""

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET = Unset()


@dataclass(frozen=True, slots=True)
class Located:
    """A piece of text with its place: a path, an expression."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class ValuePair:
    """One line of a value map; `vendor` has the type that its YAML key had."""

    vendor: Any
    canonical: Any
    place: Place
    value_place: Place | None = None
    """Where the right-hand side stands; None: with the key."""


@dataclass(frozen=True, slots=True)
class TransformUse:
    """One step of `as`: a transform's name and its parameters. `argument` is the short form."""

    name: str
    params: Mapping[str, Any]
    argument: Any
    place: Place
    param_places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """How one canonical field is filled, and how it goes back."""

    name: str
    place: Place
    sources: tuple[Located, ...] = ()
    value: Any = UNSET
    text: Located | None = None
    condition: Located | None = None
    values: tuple[ValuePair, ...] | None = None
    back: tuple[ValuePair, ...] = ()
    otherwise: Any = "exception"
    otherwise_place: Place | None = None
    system_of_record: str | None = None
    direction: Direction | None = None
    conflict: Conflict | None = None
    transforms: tuple[TransformUse, ...] = ()
    to: Located | None = None
    default: Any = UNSET
    removed: bool = False
    """`field: null` in a file that extends another: the inherited field is dropped."""
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)
    """Where the value of each key stands that the field was written with."""
    keys: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)
    """Where each of these keys itself stands."""

    def at(self, key: str) -> Place:
        """Where the value of a key stands; the field itself if it has no such key."""
        return self.places.get(key, self.place)

    def key_at(self, key: str) -> Place:
        """Where the word `key` stands; the field itself if it is not written."""
        return self.keys.get(key, self.place)


@dataclass(frozen=True, slots=True)
class ExampleSpec:
    """One example of `tests`: a record (inline, or the path of a sample) and what comes of it."""

    given: Any
    place: Place
    expect: Mapping[str, Any] = field(default_factory=dict)
    filtered: bool = False
    """The filter keeps this record out."""
    roundtrip: bool = False
    back: Mapping[str, Any] | None = None
    given_place: Place | None = None
    expect_places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)
    """Where each expected field is named."""


@dataclass(frozen=True, slots=True)
class IdentitySpec:
    """Who a record is, for connectors that cannot know (`rest`, `spreadsheet`, `webhook`)."""

    place: Place
    key: Located | None = None
    version: Located | None = None
    url: Located | None = None
    former: Located | None = None


@dataclass(frozen=True, slots=True)
class MatchSpec:
    """How a record that nobody knows yet is told to be something that is here already. Each is a
    set of fields, of which any one will do.
    """

    place: Place
    by: tuple[tuple[Located, ...], ...] = ()
    """Equal in all of a set: it is the same."""
    likely: tuple[tuple[Located, ...], ...] = ()
    """Equal in all of a set: a person is asked."""
    removed: bool = False
    """`match: null`: what was inherited is dropped."""


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """A mapping file as written (or, after `resolve`, with what it extends)."""

    name: str
    place: Place
    connection: str | None = None
    connector: str | None = None
    extends: Located | None = None
    object: str | None = None
    entity: str | None = None
    filter: Located | None = None
    direction: Direction = "both"
    conflict: Conflict = "review"
    fields: Mapping[str, FieldSpec] = field(default_factory=dict)
    deletes_in: str = "tombstone"
    deletes_out: str = "never"
    identity: IdentitySpec | None = None
    match: MatchSpec | None = None
    examples: tuple[ExampleSpec, ...] = ()
    baseless: bool = False
    """What it extends is not there, which was said: what it lacks is no mistake of its own."""
    reported: frozenset[str] = frozenset()
    """Fields of this file of whose form something was said: nothing follows from what they lack."""
    written: frozenset[str] = frozenset()
    """The keys this file writes itself, so that `extends` knows what to inherit."""
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    lines: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False, repr=False)
    """The text of each file the parts come from, for excerpts."""

    def place_of(self, key: str) -> Place:
        """Where the value of a top-level key stands."""
        return self.places.get(key, self.place)

    def direction_of(self, spec: FieldSpec) -> Direction:
        """A field's direction: its own, else the file's."""
        return spec.direction or self.direction

    def conflict_of(self, spec: FieldSpec) -> Conflict:
        """What happens when both sides changed a field that has no system of record."""
        return spec.conflict or self.conflict

    def finding(
        self,
        place: Place,
        message: str,
        hint: str = "",
        severity: Literal["error", "warning"] = "error",
    ) -> Finding:
        """A finding with the line it points at."""
        lines = self.lines.get(place.file, ())
        excerpt = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
        return Finding(place, message, hint, severity, excerpt)
