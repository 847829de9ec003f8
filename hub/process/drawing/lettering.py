"""Text in a picture: about how wide it is, and where it breaks. There is no font to ask, so widths
are those of common sans serif faces, rounded up.
"""

from __future__ import annotations

import re

_NARROW = set("iljtfrI.,;:!|'()[]{} -")
_WIDE = set("mwMWQOGDHNU@%&—")
_HOLE = re.compile(r"\$\{([^}]*)\}")
_MEMBER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*$")


def width(text: str, size: float) -> float:
    """About how wide a text is at a font size, in the same unit."""
    total = 0.0
    for letter in text:
        if letter in _NARROW:
            total += 0.36
        elif letter in _WIDE:
            total += 0.86
        elif letter.isascii():
            total += 0.60 if not letter.isupper() else 0.70
        else:
            total += 0.65 if ord(letter) < 0x2E80 else 1.05
    return total * size


def wrapped(text: str, room: float, size: float) -> list[str]:
    """The text in lines that fit. A word too long for one is broken; nothing is left out."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width(longer, size) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        while width(word, size) > room and len(word) > 1:
            fits = max(1, next(
                (n for n in range(len(word), 0, -1) if width(word[:n], size) <= room), 1
            ))  # fmt: skip
            # rather behind a mark that joins than in the middle of a name
            marks = [n + 1 for n in range(fits) if word[n] in "._-/@" and n > fits / 2]
            at = marks[-1] if marks else fits
            lines.append(word[:at])
            word = word[at:]
        line = word
    if line:
        lines.append(line)
    return lines


def readable(text: str) -> str:
    """Text in which `${case.data.customer}` stands as <customer>, for the picture shows no case."""

    def named(match: re.Match[str]) -> str:
        member = _MEMBER.search(match[1])
        name = member[1].replace("_", " ") if member else "…"
        return f"\u2039{name}\u203a"

    return " ".join(_HOLE.sub(named, text).split())


def label(word: str) -> str:
    """`changes_requested` as `Changes requested`."""
    spaced = word.replace("_", " ").replace("-", " ").strip()
    return spaced[:1].upper() + spaced[1:]
