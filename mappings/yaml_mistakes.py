"""What is probably wrong with text that is not YAML, in the words of who wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_GLUED = re.compile(r"\s*(?:- +)?(?P<key>[A-Za-z_][\w.-]*):(?P<value>[^\s:/].*)")
_LINES_BEFORE = 3
"""How far above the place where a parser gives up the mistake may stand."""


def missing_space(lines: Sequence[str], line: int) -> tuple[int, int, str] | None:
    """Line, column (from 1) and remedy of a colon without a space behind it, on `line` or shortly
    before.
    """
    for number in range(min(line, len(lines)), max(line - _LINES_BEFORE, 0), -1):
        found = _GLUED.fullmatch(lines[number - 1])
        if found:
            return number, found.start("key") + 1, spaced(found["key"], found["value"])
    return None


def glued(text: object) -> str:
    """The remedy for a key or value such as `title:$.subject`; empty if it is none such."""
    found = _GLUED.fullmatch(text) if isinstance(text, str) else None
    return spaced(found["key"], found["value"]) if found else ""


def spaced(key: str, value: str) -> str:
    rest = value.strip()
    return f"Write {key}: {rest if len(rest) <= 40 else '…'}"


def indentation_hint(lines: Sequence[str], line: int) -> str:
    """How far a line should be indented; empty where indentation is not what is wrong with it."""
    here = _indent(lines[line - 1]) if 0 < line <= len(lines) else None
    above = [
        (_indent(text), text.strip())
        for text in lines[: max(line - 1, 0)]
        if text.strip() and not text.lstrip().startswith("#")
    ]
    if here is None or not above:
        return ""
    open_: list[int] = []
    for indent, _ in above:
        open_ = [one for one in open_ if one < indent] + [indent]
    last, text = above[-1]
    key = text.partition(":")[0].removeprefix("- ")
    if here > last and not text.endswith((":", "|", ">", "{", "[", ",")):
        return (
            f"This line is indented deeper than '{key}' above it, which has a value already. "
            f"Indent it by {last} spaces."
        )
    if here < last and here not in open_:
        fitting = " or ".join(str(one) for one in reversed(open_))
        return f"The indentation fits no line above it: {here} spaces. Indent it by {fitting}."
    return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
