"""What is written as a literal: text and bytes with their escapes, and numbers in 64 bits.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#string-and-bytes-values
"""

from __future__ import annotations

import re

from mappings.cel.values import UINT_MAX, Uint

_ESCAPE = re.compile(
    r"""\\(?:(?P<plain>[abfnrtv\\?"'`])|(?P<octal>[0-3][0-7]{2})|[xX](?P<hex>[0-9a-fA-F]{2})"""
    r"""|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<wrong>.?))""",
    re.DOTALL,
)
_PLAIN = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "?": "?",
    '"': '"',
    "'": "'",
    "`": "`",
}


class BadLiteral(Exception):
    """A literal is not valid. `offset` counts from its first character."""

    def __init__(self, message: str, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


def text_or_bytes(token: str) -> str | bytes:
    """The value of a quoted literal, prefix and quotes included. Raises BadLiteral."""
    start = min(token.index(quote) for quote in "'\"" if quote in token)
    prefix = token[:start].lower()
    width = 3 if token[start : start + 3] in ("'''", '"""') and len(token) >= start + 6 else 1
    inner = token[start + width : len(token) - width].replace("\r\n", "\n").replace("\r", "\n")
    if "r" in prefix:
        return inner.encode() if "b" in prefix else inner
    if "b" in prefix:
        return _bytes(inner, start + width)
    return _ESCAPE.sub(lambda found: _letter(found, start + width), inner)


def _letter(found: re.Match[str], offset: int) -> str:
    if plain := found["plain"]:
        return _PLAIN[plain]
    if octal := found["octal"]:
        return chr(int(octal, 8))
    if digits := found["hex"] or found["short"] or found["long"]:
        point = int(digits, 16)
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            raise BadLiteral(f"'{found[0]}' is no character.", offset + found.start())
        return chr(point)
    raise _unknown(found, offset)


def _bytes(inner: str, offset: int) -> bytes:
    """In bytes, `\\x` and octal escapes are bytes, and other letters their UTF-8."""
    parts, position = [], 0
    for found in _ESCAPE.finditer(inner):
        parts.append(inner[position : found.start()].encode())
        position = found.end()
        if plain := found["plain"]:
            parts.append(_PLAIN[plain].encode())
        elif octal := found["octal"]:
            parts.append(bytes([int(octal, 8)]))
        elif digits := found["hex"]:
            parts.append(bytes([int(digits, 16)]))
        elif found["wrong"] is None:
            raise BadLiteral(
                f"'{found[0]}' cannot stand in bytes.",
                offset + found.start(),
                "Write the letter itself, or \\x for each byte.",
            )
        else:
            raise _unknown(found, offset)
    parts.append(inner[position:].encode())
    return b"".join(parts)


def _unknown(found: re.Match[str], offset: int) -> BadLiteral:
    return BadLiteral(
        f"'{found[0]}' means nothing in text.",
        offset + found.start(),
        r"Write \\ for a backslash, or put r before the quote.",
    )


def whole(token: str) -> int:
    """An `int` literal, decimal or hexadecimal. Its sign, and so its range, is not known yet."""
    return _digits(token)


def unsigned(token: str) -> Uint:
    """A `uint` literal, which ends in u. Raises BadLiteral if it has no 64 bits."""
    value = _digits(token[:-1])
    if value > UINT_MAX:
        raise BadLiteral(f"{token} does not fit into 64 bits.")
    return Uint(value)


def _digits(token: str) -> int:
    if len(token) > 400:
        raise BadLiteral("a number of this length does not fit into 64 bits.")
    return int(token, 16) if token[:2] in ("0x", "0X") else int(token)
