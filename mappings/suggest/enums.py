"""Value maps: what a tool's words for a state, a priority or a visibility mean here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rapidfuzz import fuzz

from mappings.canonical import CanonicalField
from mappings.fields import value_key
from mappings.paths import MISSING, WrongType, parse_path
from mappings.suggest.names import plain_words
from mappings.suggest.values import Sample, Spot
from mappings.suggest.words import FALSE_MEANS, TRUE_MEANS, VALUES

MAX_CHOICES = 30
_BESIDE_A_FLAG = frozenset(
    {"is", "jsd", "flag", "sys", "note", "notes", "task", "comment", "card", "account", "user"}
)
_SURE = 0.75


@dataclass(frozen=True, slots=True)
class ValueGuess:
    """What one of the tool's values means here: how surely, and the word it was judged by."""

    vendor: Any
    canonical: str | None
    confidence: float
    word: str


@dataclass(frozen=True, slots=True)
class EnumGuess:
    """A value map: what is known, and how much of all that was seen or offered it covers."""

    values: Sequence[ValueGuess]
    named_by: str | None = None
    """The path whose words say what these codes mean."""
    complete: bool = False
    """The tool itself says which values there are."""

    @property
    def known(self) -> list[ValueGuess]:
        """The values that the map may name."""
        return [one for one in self.values if one.canonical and one.confidence >= _SURE]

    @property
    def unknown(self) -> list[ValueGuess]:
        """The values that somebody has to place."""
        return [one for one in self.values if not one.canonical or one.confidence < _SURE]

    @property
    def covered(self) -> float:
        """The share of values that have a meaning, each by how sure it is."""
        if not self.values:
            return 0.0
        return sum(one.confidence for one in self.known) / len(self.values)

    def back(self) -> dict[str, Any]:
        """For each of our values that several of theirs mean: which of them to write."""
        by_ours: dict[str, list[ValueGuess]] = {}
        for one in self.known:
            by_ours.setdefault(str(one.canonical), []).append(one)
        return {
            ours: max(theirs, key=lambda one: one.confidence).vendor
            for ours, theirs in by_ours.items()
            if len(theirs) > 1
        }


def guess_enum(spot: Spot, field: CanonicalField, sample: Sample) -> EnumGuess | None:
    """A value map for what stands at a path; None where that is no set of choices."""
    if spot.listed or spot.kind_share("object", "float") > 0.2 or spot.lines:
        return None
    seen = [value for value in spot.seen() if not isinstance(value, str) or len(value) <= 60]
    if any("@" in value for value in seen if isinstance(value, str)):
        return None
    if spot.kinds and spot.kind_share("bool") > 0.9:
        return _of_flag(spot, field)
    if spot.info is not None and spot.top and spot.info.type == "boolean":
        return _of_flag(spot, field)
    offered = _offered(spot, seen)
    if not offered and (spot.varied or not seen):
        return None
    various = not offered and len(seen) > max(3, spot.filled * 0.6)
    if any(spot.share(form) > 0.3 for form in ("url", "email", "date", "moment", "html", "uuid")):
        return None
    candidates = _distinct([*offered, *seen])
    if not 1 <= len(candidates) <= MAX_CHOICES:
        return None
    names, named_by = _names_of_codes(spot, sample, candidates)
    guesses = []
    for value in candidates:
        word = names.get(value_key(value), value)
        canonical, confidence = meaning(vocabulary_of(field), str(word))
        if canonical not in field.choices:
            canonical, confidence = None, 0.0
        guesses.append(ValueGuess(value, canonical, confidence, str(word)))
    found = EnumGuess(guesses, named_by, bool(offered))
    # a new value in nearly every record is no set of choices, unless all are words for one
    return None if various and found.covered < 0.75 else found


def vocabulary_of(field: CanonicalField) -> str:
    """What the words for a field's values are kept under: a user's status is none of a task."""
    return "presence" if "inactive" in field.choices else field.name


def _offered(spot: Spot, seen: Sequence[Any]) -> list[Any]:
    """The choices that the tool offers, where they are those of this very path."""
    if spot.info is None or not spot.info.choices:
        return []
    choices = [choice for choice in spot.info.choices if len(choice) <= 60 and "@" not in choice]
    if spot.top:
        return list(choices)
    keys = {value_key(choice) for choice in choices}
    found = [value for value in seen if value_key(value) in keys]
    return list(choices) if seen and len(found) == len(seen) else []


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: dict[Any, Any] = {}
    for value in values:
        # what is both offered as text and seen as a number is kept as it is seen
        found[value_key(value)] = value
    return list(found.values())


def _of_flag(spot: Spot, field: CanonicalField) -> EnumGuess | None:
    """A flag as a state: `completed`, `public`, `is_private`."""
    means = TRUE_MEANS.get(vocabulary_of(field), {})
    words = plain_words(spot.members[-1])
    found = [means[word] for word in words if word in means]
    if len(found) != 1 or set(words) - {*means, *_BESIDE_A_FLAG}:
        return None
    true = found[0]
    return EnumGuess(
        [
            ValueGuess(True, true, 0.95, "true"),
            ValueGuess(False, FALSE_MEANS.get(true), 0.95, "false"),
        ]
    )


def _names_of_codes(
    spot: Spot, sample: Sample, values: Sequence[Any]
) -> tuple[dict[Any, str], str | None]:
    """What codes are called, by a neighbour that says it in each record: `status_id` 2 stands
    beside `status.name` "In Progress".
    """
    if any(isinstance(v, str) and any(c.isalpha() for c in v) and " " in v for v in values):
        return {}, None
    codes = sum(meaning("status", str(v))[1] + meaning("priority", str(v))[1] > 0 for v in values)
    if codes > len(values) / 2:
        return {}, None
    best: tuple[dict[Any, str], str | None] = ({}, None)
    stem = set(plain_words(spot.members[0])) - {"id", "code", "key"}
    for other in sample.spots.values():
        if other is spot or other.listed or not other.texts or other.varied:
            continue
        words = [word for member in other.members for word in plain_words(member)]
        told = words and words[-1] in ("name", "label", "title", "text", "value", "display")
        if not told or not stem or not stem <= set(words) or len(set(words) - stem) > 2:
            continue
        names = _pairs(sample, spot, other)
        if len(names) > len(best[0]):
            best = (names, other.path)
    return best


def _pairs(sample: Sample, spot: Spot, other: Spot) -> dict[Any, str]:
    """Code → name over the records; empty where one code has two names."""
    code_of, name_of = parse_path(spot.path).read, parse_path(other.path).read
    found: dict[Any, str] = {}
    for record in sample.records:
        try:
            code, name = code_of(dict(record)), name_of(dict(record))
        except WrongType:
            continue
        if code is MISSING or code is None or not isinstance(name, str) or not name:
            continue
        if isinstance(code, (dict, list)) or found.setdefault(value_key(code), name) != name:
            return {}
    return found


@lru_cache(maxsize=4096)
def meaning(field: str, word: str) -> tuple[str | None, float]:
    """Which of a field's canonical values a word means, and how surely; None: it cannot be told."""
    words = plain_words(word)
    while words and words[0].isdigit():
        words = words[1:]
    text = " ".join(words)
    if not text and not word.strip():
        return None, 0.0
    best: tuple[str | None, float] = (None, 0.0)
    for canonical, phrases in _phrases(field).items():
        for phrase in phrases:
            if text == canonical.replace("_", " "):
                return canonical, 0.99
            if text == phrase or word.strip().lower() == phrase:
                return canonical, 0.97
            parts, whole = phrase.split(), text.split()
            score = 0.0
            if len(phrase) > 3 and _within(parts, whole):
                score = 0.86 - 0.03 * (len(whole) - len(parts))
            elif len(phrase) > 4 and len(text) > 4:
                near = fuzz.ratio(text, phrase, score_cutoff=85)
                score = near / 100 * 0.9
            # of two that fit, the longer one says more: "closed incomplete" is not "closed"
            if score > best[1] or (score == best[1] and score and best[0] is None):
                best = (canonical, score)
    return best


def _within(parts: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether a phrase begins or ends a text, whole words only; a negation before it counts."""
    if not 0 < len(parts) < len(whole) or len(whole) - len(parts) > 2:
        return False
    if whole[0] in ("not", "nicht", "non", "no", "un", "never", "pas"):
        return False
    return list(whole[: len(parts)]) == list(parts) or list(whole[-len(parts) :]) == list(parts)


@lru_cache(maxsize=16)
def _phrases(field: str) -> Mapping[str, tuple[str, ...]]:
    own = {
        canonical: tuple(" ".join(one.split()) for one in text.split(","))
        for canonical, text in VALUES.get(field, {}).items()
    }
    return {
        canonical: tuple(
            dict.fromkeys([*phrases, canonical.replace("_", " "), canonical.replace("_", "")])
        )
        for canonical, phrases in own.items()
    }
