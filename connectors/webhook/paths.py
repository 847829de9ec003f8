"""Where things stand in a delivery: `$.data.id` and `$.items[0]['the name']`, walked directly.

No wildcards, filters or patterns: what comes from outside must not choose how long we take.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from connectors.sdk.records import Json

_STEP = re.compile(
    r"\.(?P<name>[^\W\d][\w-]*)|\[(?P<index>-?\d{1,6})\]|\[['\"](?P<quoted>[^'\"]+)['\"]\]"
)
_CONDITION = re.compile(r"\s*(?P<path>\$\S*)\s*(?:(?P<sign>==|!=)\s*(?P<value>.+?)\s*)?")
_GAP = re.compile(r"\{(\$[^{}]*)\}")
_HEADER = re.compile(r"header:(?P<name>[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100})")


class Absent:
    """Stands for: the delivery does not speak of this."""


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Path:
    """A chain of names and positions. `read` gives ABSENT where the chain leads nowhere."""

    text: str
    steps: tuple[str | int, ...]

    def read(self, data: Json) -> Json | Absent:
        value = data
        for step in self.steps:
            if isinstance(step, str):
                if not isinstance(value, dict) or step not in value:
                    return ABSENT
                value = value[step]
            elif isinstance(value, list) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return ABSENT
        return value


@lru_cache(maxsize=1024)
def path_of(text: str) -> Path:
    """Raises ValueError that says what to write instead."""
    steps: list[str | int] = []
    position = 1
    while text.startswith("$") and position < len(text):
        match = _STEP.match(text, position)
        if not match:
            break
        steps.append(int(match["index"]) if match["index"] else match["name"] or match["quoted"])
        position = match.end()
    if not text.startswith("$") or position != len(text):
        raise ValueError(f"'{text}' is not a path; write $.data.id, $.items[0] or $['the name']")
    return Path(text, tuple(steps))


@dataclass(frozen=True, slots=True)
class Condition:
    """`$.path`, `$.path == value` or `$.path != value`; the value is JSON or a bare word."""

    path: Path
    sign: str
    value: Json

    def holds(self, data: Json) -> bool:
        """Without a comparison: whether something stands there that is neither empty nor false."""
        found = self.path.read(data)
        if not self.sign:
            return not isinstance(found, Absent) and bool(found)
        # 1 == True in Python, not in JSON
        same = found == self.value and isinstance(found, bool) == isinstance(self.value, bool)
        return same == (self.sign == "==")


@lru_cache(maxsize=256)
def condition_of(text: str) -> Condition:
    """Raises ValueError that says what to write instead."""
    match = _CONDITION.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is not a condition; write $.status == 'deleted'")
    written = match["value"]
    try:
        value = json.loads(written) if written else None
    except ValueError:
        value = written.strip("'")
    if isinstance(value, dict | list):
        raise ValueError(f"'{text}' compares with more than one value; write $.gone == true")
    return Condition(path_of(match["path"]), match["sign"] or "", value)


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


def text_of(value: Json | Absent) -> str | None:
    """A name or number as text; None for anything else, and for nothing."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None
