"""Which path of a tool's records fills which canonical field: by name, by type and by what stands
there, each choice with a confidence and its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any

from mappings.canonical import MAPPED_FIELDS, CanonicalField
from mappings.source import Place
from mappings.spec import Direction, FieldSpec, Located, ValuePair
from mappings.suggest.enums import EnumGuess
from mappings.suggest.fit import Fit, fitness
from mappings.suggest.names import Name, entity_by_name, likeness, name_of, noise_of, plain_words
from mappings.suggest.values import Sample, Spot
from mappings.suggest.words import (
    CUSTOMERS,
    FACETS,
    FIELD_NAMES,
    GROUPS,
    KINDS,
    ORGANISATIONS,
    PERSON_FACETS,
)

ACTIVE = 0.7
"""The confidence from which a line is written as one that counts; below it is commented out."""
WORTH_SAYING = 0.42
NOWHERE = Place("draft")
_ORDER = 60


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One field of the draft: how it is filled, how surely, and why."""

    field: FieldSpec
    confidence: float
    reason: str
    notes: Mapping[Any, str] = attribute(default_factory=dict)
    """Comments beside the value map, by the vendor's value."""
    hints: Sequence[str] = ()
    """What somebody should decide, each a comment below the field."""
    guess: EnumGuess | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    spot: Spot
    name: Name
    likeness: float
    fit: Fit
    confidence: float


def guess_entity(sample: Sample, offered: Iterable[str] = tuple(MAPPED_FIELDS)) -> str:
    """The entity that an object most likely is: by its name, and where that says nothing, by which
    entity's fields its own fit best.
    """
    by_name = entity_by_name(sample.object)
    best, weight = max(by_name.items(), key=lambda pair: pair[1])
    if weight >= 0.8:
        return best
    found = {}
    for entity in offered:
        suggested = suggest_fields(sample, entity)
        told = sum(one.confidence for one in suggested if one.confidence >= ACTIVE)
        found[entity] = told + by_name.get(entity, 0.0) + (0.5 if entity == "task" else 0.0)
    return max(found, key=lambda entity: found[entity])


def suggest_fields(
    sample: Sample, entity: str, *, writes: bool = True, tool: str = ""
) -> list[Suggestion]:
    """Suggestions for an entity's fields in their canonical order, unsure ones among them, each
    path used once. `writes` says whether the tool can be written to at all; `tool` is what it is
    called, which its fields may be called too.
    """
    noise = noise_of(sample.object, _top_names(sample)) | frozenset(plain_words(tool))
    names = {path: name_of(spot.members, noise) for path, spot in sample.spots.items()}
    fields = MAPPED_FIELDS[entity]
    ranked: list[tuple[float, str, _Candidate]] = []
    for canonical in fields.values():
        if canonical.name not in FIELD_NAMES[entity]:
            continue
        for one in _candidates(sample, entity, canonical, names):
            ranked.append((one.confidence, canonical.name, one))
    ranked.sort(key=lambda entry: (-entry[0], len(entry[2].spot.members), entry[2].spot.path))
    chosen: dict[str, _Candidate] = {}
    others: dict[str, list[_Candidate]] = {}
    taken: set[str] = set()
    for confidence, name, one in ranked:
        if name in chosen:
            others.setdefault(name, []).append(one)
        elif confidence >= WORTH_SAYING and one.spot.path not in taken:
            chosen[name] = one
            taken.add(one.spot.path)
    found = [
        _suggestion(sample, fields[name], chosen[name], others.get(name, ()), writes=writes)
        for name in fields
        if name in chosen
    ]
    return _completed(sample, entity, found, names)


def _top_names(sample: Sample) -> list[str]:
    """The names of the fields, of those in a container where there is one."""
    tops = [spot.members[-1] for spot in sample.spots.values() if len(spot.members) == 1]
    inner = [spot.members[-1] for spot in sample.spots.values() if len(spot.members) == 2]
    return tops if len(tops) >= len(inner) / 4 else inner


def _candidates(
    sample: Sample, entity: str, canonical: CanonicalField, names: Mapping[str, Name]
) -> Iterable[_Candidate]:
    vocabulary = FIELD_NAMES[entity][canonical.name]
    outside = entity == "party" and _is_of(sample, CUSTOMERS)
    if outside and canonical.name == "handle":
        return  # their account is what they are customers by
    for path, spot in sample.spots.items():
        name = names[path]
        if outside and canonical.name == "status" and _GONE.intersection(name.words):
            continue  # the record is, and nobody was switched off
        alike = likeness(name, vocabulary)
        if spot.info is not None and spot.info.label and (spot.top or _one_facet(spot, name)):
            label = Name(plain_words(spot.info.label.split("(")[0]))
            alike = max(alike, 0.98 * likeness(label, vocabulary))
        if entity == "party" and name.facet and set(name.words) <= _OWN_PERSON:
            # the profile of the person that the record is
            alike = max(alike, 0.97 * likeness(Name(plain_words(name.facet)), vocabulary))
        fit = fitness(sample, spot, name, canonical)
        if fit.score <= 0:
            continue
        # values that can hardly be anything else speak for themselves, though not loudly
        if fit.telling:
            alike = max(0.5, alike)
            if canonical.type == "enum":
                alike = max(alike, min(0.9, alike + 0.25))
        if alike < 0.4:
            continue
        confidence = alike * (0.45 + 0.55 * fit.score) * _facet(name, canonical, spot)
        if spot.info is not None and spot.top and spot.info.writable:
            confidence += 0.02
        elif spot.info is not None and not spot.info.writable:
            confidence -= 0.04
        confidence -= 0.015 * max(0, len(spot.members) - 1)
        yield _Candidate(spot, name, alike, fit, round(min(confidence, 0.98), 4))


def _is_of(sample: Sample, kinds: Iterable[str]) -> bool:
    """Whether the records are called so, in the plural or not."""
    words = set(plain_words(sample.object))
    return bool({*words, *(word.removesuffix("s") for word in words)}.intersection(kinds))


_GONE = frozenset({"deleted", "archived"})
_NO_TEXT = frozenset({"id", "gid", "key", "code", "type", "category", "color", "slug"})
_OWN_PERSON = frozenset({"profile", "user", "contact", "person", "member", "customer", "account"})


def _one_facet(spot: Spot, name: Name) -> bool:
    """Whether a path is a top-level object's own facet, so that the object's label is its too."""
    return len(spot.members) == 2 and bool(name.facet)


def _facet(name: Name, canonical: CanonicalField, spot: Spot) -> float:
    """How well a value is told by this part of an object."""
    if not name.facet:
        return 1.0
    weight = FACETS.get(name.facet, 0.8)
    if canonical.type == "party":
        return weight if name.facet in PERSON_FACETS else 0.3
    if canonical.type in ("text", "markdown") and name.facet in _NO_TEXT:
        return 0.4
    if spot.top and name.facet in ("id", "name", "text", "value", "key"):
        return max(weight, 0.95)
    return weight


# ---------------------------------------------------------------------------- what is written


def _suggestion(
    sample: Sample,
    canonical: CanonicalField,
    chosen: _Candidate,
    others: Sequence[_Candidate],
    *,
    writes: bool,
) -> Suggestion:
    spot, fit = chosen.spot, chosen.fit
    values: tuple[ValuePair, ...] | None = None
    back: tuple[ValuePair, ...] = ()
    notes: dict[Any, str] = {}
    hints = list(fit.hints)
    if fit.guess is not None:
        guess = fit.guess
        values = tuple(ValuePair(one.vendor, one.canonical, NOWHERE) for one in guess.known)
        back = tuple(ValuePair(vendor, ours, NOWHERE) for ours, vendor in guess.back().items())
        for one in guess.known:
            parts = [f"{one.confidence:.2f}"] if one.confidence < 0.9 else []
            if guess.named_by:
                parts.append(f"called '{one.word}' in {guess.named_by}")
            if parts:
                notes[one.vendor] = ", ".join(parts)
        if guess.unknown:
            words = ", ".join(f"'{one.word}'" for one in guess.unknown[:10])
            hints.append(
                f"{words}: whoever knows what that means here adds it under values; until then a "
                "record that says so raises an exception"
            )
    direction = _direction(spot, canonical, writes=writes)
    path = spot.path
    spec = FieldSpec(
        canonical.name,
        NOWHERE,
        sources=(Located(path, NOWHERE),),
        values=values,
        back=back if direction is None and writes else (),
        otherwise_place=NOWHERE if values is not None else None,
        transforms=fit.transforms,
        direction=direction,
    )
    near = [one for one in others if one.confidence >= max(WORTH_SAYING, chosen.confidence - 0.25)]
    if near:
        told = ", ".join(f"{one.spot.path} ({one.confidence:.2f})" for one in near[:3])
        hints.append(f"or from {told}")
    return Suggestion(spec, chosen.confidence, _reason(chosen), notes, tuple(hints), fit.guess)


def _direction(spot: Spot, canonical: CanonicalField, *, writes: bool) -> Direction | None:
    """`in` where the tool takes no such value, or where it would take is not known: what is told by
    one member of an object or of a list's elements is seldom written the same way.
    """
    if not writes:
        return None
    if spot.info is not None and not spot.info.writable:
        return "in"
    if canonical.name in ("created_at", "author"):
        return "in"
    plain = [word for member in spot.members[:-1] for word in plain_words(member)]
    only_containers = all(word in _HOLDERS for word in plain)
    return None if only_containers and not (spot.listed and len(spot.members) > 1) else "in"


_HOLDERS = frozenset({"properties", "fields", "attributes"})


def _reason(chosen: _Candidate) -> str:
    by = []
    if chosen.likeness >= 0.6:
        by.append("name")
    if chosen.fit.told:
        by.append("values" if chosen.spot.filled else "type")
    return f"{' and '.join(by) or 'values'}{': ' + chosen.fit.told if chosen.fit.told else ''}"


# --------------------------------------------------------------- what no single path can say


def _completed(
    sample: Sample, entity: str, found: list[Suggestion], names: Mapping[str, Name]
) -> list[Suggestion]:
    """With a full name put together, the kind of an item, and a title in any case."""
    by_name = {one.field.name: one for one in found}
    words = plain_words(sample.object)
    if entity == "party" and by_name.get("name", _NOTHING).confidence < 0.8:
        composed = _full_name(sample, names)
        if composed is not None:
            by_name["name"] = composed
    if entity == "item":
        by_name["kind"] = _constant("kind", KINDS.get(words[-1], words[-1]) if words else "item")
    if entity == "party" and set(words) & (ORGANISATIONS | GROUPS):
        kind = "organisation" if set(words) & ORGANISATIONS else "group"
        by_name["kind"] = _constant("kind", kind)
    if entity == "party" and _is_of(sample, CUSTOMERS):
        by_name["side"] = _constant("side", "external")
    required = next(name for name, one in MAPPED_FIELDS[entity].items() if one.required)
    if required not in by_name:
        by_name[required] = _any_text(sample, required)
    order = {name: number for number, name in enumerate(MAPPED_FIELDS[entity])}
    return sorted(by_name.values(), key=lambda one: order.get(one.field.name, _ORDER))


_NOTHING = Suggestion(FieldSpec("", NOWHERE), 0.0, "")


_SAYS_NOTHING = frozenset({"row", "record", "item", "object", "entry", "zeile", "line"})
"""Names of objects that are no kind of thing."""


def _constant(name: str, value: str) -> Suggestion:
    spec = FieldSpec(name, NOWHERE, value=value)
    if value in _SAYS_NOTHING:
        return Suggestion(spec, 0.3, "only the object's name: write what it is, such as invoice")
    return Suggestion(spec, 0.9, "by the object's name; a word that rules ask for")


def _full_name(sample: Sample, names: Mapping[str, Name]) -> Suggestion | None:
    """`first name last name` as one text, from fields that a template can name."""
    parts: dict[str, Spot] = {}
    for path, spot in sample.spots.items():
        said = "".join(names[path].words) + names[path].facet.replace(" ", "")
        plain = all(member.isidentifier() and member.isascii() for member in spot.members)
        if not plain or spot.listed or (spot.kind_share("str") < 0.5 and spot.filled):
            continue
        for part, ways in (("first", _FIRST), ("last", _LAST)):
            if said in ways and part not in parts:
                parts[part] = spot
    if len(parts) < 2:
        return None
    text = " ".join("${record." + ".".join(parts[p].members) + "}" for p in ("first", "last"))
    spec = FieldSpec("name", NOWHERE, text=Located(text, NOWHERE))
    return Suggestion(spec, 0.88, "name: a first and a last name")


_FIRST = frozenset({"firstname", "givenname", "vorname", "prenom", "forename", "nombre"})
_LAST = frozenset({"lastname", "familyname", "surname", "nachname", "nomdefamille", "name"})


def _any_text(sample: Sample, name: str) -> Suggestion:
    """Something for a field that no entity can be without, to be looked at."""
    best = None
    for spot in sample.spots.values():
        if spot.listed or not spot.texts or spot.kind_share("str") < 0.9:
            continue
        rank = (spot.filled, spot.share("prose"), -len(spot.members))
        if best is None or rank > best[0]:
            best = (rank, spot)
    said = f"nothing here is called like a {name}; look at this one"
    if best is None:
        spec = FieldSpec(name, NOWHERE, value=" ".join(plain_words(sample.object)) or "record")
        return Suggestion(spec, 0.1, said)
    spec = FieldSpec(name, NOWHERE, sources=(Located(best[1].path, NOWHERE),), direction="in")
    return Suggestion(spec, 0.3, said)
