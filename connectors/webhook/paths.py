"""Where things stand in a delivery: `$.data.id` and `$.items[0]['the name']`, walked directly.

No wildcards, filters or patterns: what comes from outside must not choose how long we take.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from connectors.sdk.paths import Condition, Path, compile_condition, compile_path
from connectors.sdk.records import Json

_GAP = re.compile(r"\{(\$[^{}]*)\}")
_HEADER = re.compile(r"header:(?P<name>[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100})")


def path_of(text: str) -> Path:
    """Raises ValueError that says what to write instead."""
    try:
        path = compile_path(text)
    except ValueError:
        path = None
    if path is None or path.chain is None or not text.startswith("$"):
        raise ValueError(f"'{text}' is not a path; write $.data.id, $.items[0] or $['the name']")
    return path


def condition_of(text: str) -> Condition:
    """`$.path`, `$.path == value` or `$.path != value`. Raises ValueError that says what to write
    instead.
    """
    try:
        condition = compile_condition(text.strip())
    except ValueError as error:
        if "more than one" in str(error):
            raise
        condition = None
    if condition is None or condition.path.chain is None or not condition.path.text.startswith("$"):
        raise ValueError(f"'{text}' is not a condition; write $.status == 'deleted'")
    return condition


def header_in(place: str | None) -> str | None:
    """The header's name, lower case, of a place written `header:NAME`; None for a path. Raises
    ValueError for what is neither.
    """
    if place is None or place.startswith("$"):
        path_of(place or "$")
        return None
    match = _HEADER.fullmatch(place)
    if not match:
        raise ValueError(f"'{place}' is no place; write $.type or header:X-Event-Type")
    return match["name"].lower()


def link_of(template: str, record: Json) -> str | None:
    """The address of a record for people: a path to it, or a text with gaps like {$.id}. None
    where a part is missing, or where it is no web address: it comes from outside.
    """
    if template.startswith("$"):
        found = text_of(path_of(template).read(record))
    else:
        parts = _GAP.split(template)
        texts = [
            text_of(path_of(part).read(record)) if at % 2 else part for at, part in enumerate(parts)
        ]
        if None in texts:
            return None
        found = "".join(
            quote(text or "", safe="") if at % 2 else text or "" for at, text in enumerate(texts)
        )
    if not found or not re.fullmatch(r"https?://[^\s<>\"\\]{1,2000}", found):
        return None
    return found


def check_link(template: str) -> None:
    """Raises ValueError for a template that `link_of` could not follow."""
    if template.startswith("$"):
        path_of(template)
        return
    if not template.startswith(("https://", "http://")):
        raise ValueError(f"'{template}' is no address; write https://shop.example/orders/{{$.id}}")
    for gap in _GAP.findall(template):
        path_of(gap)


def text_of(value: Any) -> str | None:
    """A name or number as text; None for anything else, and for nothing."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None
