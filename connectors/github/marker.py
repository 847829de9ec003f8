"""The hidden mark by which a lost create is found again: an HTML comment at the end of the text.

GitHub has no idempotency key and no custom field, but it stores comments in Markdown unchanged and
shows them to nobody. Every text that leaves the connector towards the hub is without its mark, so
the mark never reads as an edit.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_BEGINS = "<!-- hub:"
_MARK = re.compile(r"(?:[ \t]*\r?\n){0,2}<!-- hub:([^\s<>]{1,300}) -->")


def mark(text: str | None, key: str) -> str:
    """`text` with the mark of `key` at its end; marks it already carries are dropped."""
    return _join(strip(text), [quote(key, safe=":._~/+=@")])


def keys(text: str | None) -> list[str]:
    """The keys of all marks in a text, in order."""
    if not text or _BEGINS not in text:  # most texts: the search for a mark takes its time
        return []
    return [unquote(key) for key in _MARK.findall(text)]


def strip(text: str | None) -> str | None:
    """The text as people wrote it, wherever the mark stands by now; None if nothing is left."""
    if not text or _BEGINS not in text:
        return text or None
    return _MARK.sub("", text) or None


def keep(text: str | None, current: str | None) -> str:
    """`text` with the marks that `current`, the text it replaces, carries."""
    return _join(strip(text), _MARK.findall(current or ""))


def _join(text: str | None, quoted: list[str]) -> str:
    marks = [f"<!-- hub:{key} -->" for key in quoted]
    return "\n\n".join([*([text] if text else []), *marks])
