"""How alike two words are, for whoever wrote the one and may have meant the other."""

from __future__ import annotations

from collections.abc import Sequence


def likeness(one: str, other: str) -> float:
    """From 0 to 100, which is the same."""
    from rapidfuzz import fuzz  # only for those who make mistakes: it takes 6 MB

    return float(fuzz.ratio(one, other))


def nearest(word: str, words: Sequence[str], at_least: float) -> int | None:
    """Which of the words is most like this one, by its place; None where none is alike enough."""
    from rapidfuzz import fuzz, process

    best = process.extractOne(word, words, scorer=fuzz.ratio, score_cutoff=at_least)
    return best[2] if best else None
