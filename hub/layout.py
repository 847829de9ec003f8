"""A stored body for reading: JSON over several lines, everything else as it came."""

from __future__ import annotations

import json


def laid_out(body: bytes) -> str:
    """A body for reading: JSON with a line for each value, everything else as text. Numbers keep
    their digits, and a key that stands twice stays twice, as it is not parsed into values.
    """
    text = body.decode("utf-8", "replace")
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return indented(text)


def indented(text: str) -> str:
    """Valid JSON text with line breaks and two blanks for each level; its tokens are untouched."""
    out: list[str] = []
    level, quoted, escaped, empty = 0, False, False, False
    for letter in text:
        if quoted:
            out.append(letter)
            escaped, quoted = (False, True) if escaped else (letter == "\\", letter != '"')
            continue
        if letter in " \t\r\n":
            continue
        if empty and letter not in "]}":
            out.append("\n" + "  " * level)
        if letter in "{[":
            level += 1
            out.append(letter)
        elif letter in "}]":
            level -= 1
            out.append(letter if empty else "\n" + "  " * level + letter)
        elif letter == ",":
            out.append(",\n" + "  " * level)
        elif letter == ":":
            out.append(": ")
        else:
            out.append(letter)
            quoted = letter == '"'
        empty = letter in "{["
    return "".join(out)
