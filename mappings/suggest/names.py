"""How alike two names are: of a field in a tool, and of what it might be here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz

from mappings.suggest.words import (
    CONTAINERS,
    DISQUALIFY,
    ENTITY_NAMES,
    FACETS,
    FIELD_NAMES,
    FILLERS,
    Names,
)

MAX_NAME = 120
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_NEAR = 86.0
"""The likeness in percent from which two spellings are one word."""


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a name, in lower case and without accents: `dueDate`, `due_date` and
    `Due date` are `due`, `date`.
    """
    folded = unicodedata.normalize("NFKD", text[:MAX_NAME].replace("ß", "ss"))
    bare = "".join(letter for letter in folded if not unicodedata.combining(letter))
    found = [word.lower() for word in _PARTS.findall(bare)]
    return tuple(part for word in found for part in _split(word))


def _split(word: str) -> tuple[str, ...]:
    """A word written together, as its parts where all of them are known: `duedate`."""
    known = _vocabulary()
    if word in known or not 6 <= len(word) <= 24:
        return (word,)
    return _parts_of(word, 3) or (word,)


@lru_cache(maxsize=4096)
def _parts_of(word: str, most: int) -> tuple[str, ...]:
    known = _vocabulary()
    if word in known and len(word) > 1:
        return (word,)
    if most == 1:
        return ()
    for size in range(len(word) - 2, 1, -1):
        if word[:size] in known and (rest := _parts_of(word[size:], most - 1)):
            return (word[:size], *rest)
    return ()


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    names: list[str] = [*FACETS]
    for fields in FIELD_NAMES.values():
        for weighted in fields.values():
            names += weighted.values()
    names += ENTITY_NAMES.values()
    words = {word for text in names for word in re.findall(r"[a-z]+", text)}
    return frozenset(
        {word for word in words if len(word) > 2} | {"id", "by", "on", "at", "to"}
    ) | frozenset({"custom", "date", "time", "type"})


@dataclass(frozen=True, slots=True)
class Name:
    """What a path is called: the words that name the thing, and the facet it is told by."""

    words: tuple[str, ...]
    facet: str = ""


def name_of(members: tuple[str, ...], noise: frozenset[str]) -> Name:
    """The name of a path from its members; `noise` are words that every field here carries."""
    parts = [plain_words(member) for member in members]
    while len(parts) > 1 and " ".join(parts[0]) in CONTAINERS:
        parts = parts[1:]
    facet = ""
    if len(parts) > 1 and " ".join(parts[-1]) in FACETS:
        facet, parts = " ".join(parts[-1]), parts[:-1]
    words = [word for part in parts for word in part]
    if len(words) > 1 and words[-1] == "c" and members[-1].endswith("__c"):
        words.pop()
    bare = [word for word in words if word not in noise]
    words = bare or words
    if not facet and len(words) > 1 and " ".join(words) not in FACETS:
        for size in (2, 1):
            tail = " ".join(words[-size:])
            if len(words) > size and tail in FACETS and tail not in ("date", "at", "datetime"):
                facet, words = tail, words[:-size]
                break
    return Name(tuple(words), facet)


def noise_of(object: str, names: Iterable[str]) -> frozenset[str]:
    """Words that say nothing: the object's own name, and a prefix that most fields share."""
    own = set(plain_words(object))
    singular = {word.removesuffix("s") for word in own if len(word) > 3}
    firsts: dict[str, int] = {}
    total = 0
    for name in names:
        words = plain_words(name)
        if words:
            total += 1
            firsts[words[0]] = firsts.get(words[0], 0) + (len(words) > 1)
    shared = {word for word, count in firsts.items() if count >= max(3, 0.2 * total)}
    known = {"due", "start", "created", "assigned", "status", "requester", "priority", "last"}
    short = {word for word in shared if len(word) <= 3 or word not in _vocabulary()}
    return frozenset((own | singular | short) - known)


def likeness(field: Name, names: Names) -> float:
    """How surely a field of this name is one of `names`, from 0 to 1."""
    if not field.words:
        return 0.0
    best = 0.0
    together = " ".join(field.words)
    words = frozenset(field.words)
    for weight, phrase, parts in _phrases(tuple(names.items())):
        if weight <= best:
            continue
        if together == phrase:
            best = weight
        elif parts <= words:
            best = max(best, weight * _with_extras(words - parts))
        elif words < parts:
            known = words - FILLERS
            if known:
                best = max(best, weight * 0.6 * len(words) / len(parts))
        elif len(together) > 3:
            near = fuzz.ratio(together, phrase, score_cutoff=_NEAR)
            best = max(best, weight * near / 100 * 0.93)
    return best


def _with_extras(extras: frozenset[str]) -> float:
    if extras & DISQUALIFY:
        return 0.25
    fillers = sum(word in FILLERS or word.isdigit() for word in extras)
    return max(0.1, 1 - 0.04 * fillers - 0.16 * (len(extras) - fillers))


@lru_cache(maxsize=256)
def _phrases(names: tuple[tuple[float, str], ...]) -> tuple[tuple[float, str, frozenset[str]], ...]:
    found = []
    for weight, text in names:
        for phrase in text.split(","):
            words = " ".join(phrase.split())
            found.append((weight, words, frozenset(words.split())))
    return tuple(sorted(found, key=lambda one: -one[0]))


def entity_by_name(object: str) -> Mapping[str, float]:
    """How surely an object of this name is each entity."""
    name = Name(tuple(word for word in plain_words(object)))
    return {entity: likeness(name, {1.0: names}) for entity, names in ENTITY_NAMES.items()}
