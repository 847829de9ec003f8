"""What is wrong with a path that cannot be read, in words: a parser only names the token at which
it gave up.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SPACED = re.compile(r"\.(?P<name>[^\W\d][\w-]*(?: +[\w-]+)+)(?=$|\[|\.)")
_ELSEWHERE = re.compile(r"at (\d+):(\d+) near token (.+?) \(")


class Mistake(NamedTuple):
    """What is wrong, where (from 1) within the path, and what to do."""

    message: str
    column: int
    hint: str = ""


def mistake_in(text: str, told: str) -> Mistake:
    """The mistake in a path; `told` is what the parser said of it."""
    quoted = _quotes_blanked(text)
    return (
        _dot_missing(text, quoted)
        or _bracket(text, quoted)
        or _trailing_dot(text, quoted)
        or _spaced_name(text, quoted)
        or _at_a_token(text, told)
    )


def _quotes_blanked(text: str) -> str:
    """The path with what stands in quotes made neutral, each letter in its place."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "0" * len(found[0]), text)


def _dot_missing(text: str, quoted: str) -> Mistake | None:
    found = re.compile(r"(?:^\$|\])(?=[^\W\d])").search(quoted)
    if found is None:
        return None
    at = found.end()
    mended = f"{text[:at]}.{text[at:]}"
    return Mistake(f"'{text}' is not a path, a dot is missing: {mended}.", at + 1)


def _bracket(text: str, quoted: str) -> Mistake | None:
    opened: list[int] = []
    for at, letter in enumerate(quoted):
        if letter == "[":
            opened.append(at)
        elif letter == "]":
            if not opened:
                return Mistake(
                    f"'{text}' is not a path, this ] closes nothing.", at + 1, "Remove it."
                )
            opened.pop()
    if opened:
        return Mistake(
            f"'{text}' is not a path, a ] is missing.", opened[-1] + 1, "Close the bracket with ]."
        )
    return None


def _trailing_dot(text: str, quoted: str) -> Mistake | None:
    if not quoted.endswith("."):
        return None
    bare = text.rstrip(".")
    hint = "Write a name behind it." if bare == "$" else f"Write {bare}, or a name behind it."
    return Mistake(f"'{text}' is not a path, nothing stands behind the last dot.", len(text), hint)


def _spaced_name(text: str, quoted: str) -> Mistake | None:
    found = _SPACED.search(quoted)
    if found is None:
        return None
    start, end = found.span("name")
    mended = f"{text[: start - 1]}['{text[start:end]}']{text[end:]}"
    return Mistake(
        f"'{text}' is not a path, a name with a space stands in brackets.",
        start + 1,
        f"Write {mended}, in double quotes.",
    )


def _at_a_token(text: str, told: str) -> Mistake:
    near = _ELSEWHERE.search(told)
    column = re.search(r"col (?:umn )?(\d+)|:(\d+)", told)
    at = int(column[1] or column[2]) + 1 if column else 1
    where = f" at '{near[3]}'" if near else ""
    return Mistake(
        f"'{text}' is not a path, it cannot be read{where}.",
        min(at, len(text)),
        "Quote unusual names: $['Due date'].",
    )
