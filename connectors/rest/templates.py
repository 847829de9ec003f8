"""Texts with gaps: `/issues/{id}`, `>={since}`. Gaps are filled by name and escaped for where they
stand; nothing is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from connectors.sdk.errors import RejectedError
from connectors.sdk.paths import MISSING, Path, compile_path
from connectors.sdk.records import Json

NAMES = ("id", "address", "values", "parent", "key", "since", "ids", "base_url", "record")
"""What a gap may begin with. `values` are the connection's own, `record` the vendor's record."""
_GAP = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

Scope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """Alternately text and gaps, beginning with text."""

    text: str
    parts: tuple[str | Path, ...]

    @property
    def names(self) -> frozenset[str]:
        """What its gaps begin with."""
        return frozenset(part.root for part in self.parts if isinstance(part, Path))

    def fill(self, scope: Scope, escape: Callable[[str], str] = str) -> str:
        """The text with every gap filled. Raises RejectedError where there is nothing to put in."""
        return "".join(
            [
                part if isinstance(part, str) else escape(self._text_of(part, scope))
                for part in self.parts
            ]
        )

    def value(self, scope: Scope) -> Json:
        """As `fill`, except that a text that is one lone gap keeps the value's type."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Path):
            found = self.parts[0].read(scope)
            if found is not MISSING:
                return found
        return self.fill(scope)

    def _text_of(self, gap: Path, scope: Scope) -> str:
        found = gap.read(scope)
        if isinstance(found, bool) or not isinstance(found, str | int | float) or found == "":
            raise RejectedError(
                f"'{self.text}' wants {{{gap.text}}}, which is not known here. Name it under "
                "`address` of the object, or pull the record once more."
            )
        return str(found)

    def path(self, scope: Scope) -> str:
        """Filled for the path of an address: whatever stands in a gap stays within its segment."""
        return self.fill(scope, _segment)


def _segment(value: str) -> str:
    if value in (".", ".."):
        raise RejectedError(f"'{value}' cannot stand in an address.")
    if value.isascii() and value.isalnum():  # what most ids are
        return value
    return quote(value, safe="")


@lru_cache(maxsize=4096)
def compile_template(text: str) -> Template:
    """Raises ValueError that says what to write instead."""
    parts: list[str | Path] = []
    position = 0

    def add(piece: str) -> None:
        if piece and parts and isinstance(parts[-1], str):
            parts[-1] += piece
        elif piece:
            parts.append(piece)

    for match in _GAP.finditer(text):
        add(text[position : match.start()])
        position = match.end()
        if match[0] in ("{{", "}}"):
            add(match[0][0])
            continue
        name = match[1]
        if name is None:
            raise ValueError(f"'{text}' has a lone brace; write {{{{ or }}}} for the character")
        gap = compile_path(name) if name.strip() == name and name else None
        if gap is None or gap.chain is None or gap.root not in NAMES:
            raise ValueError(
                f"'{text}' has a gap {{{name}}} that nothing fills; there are "
                + ", ".join(f"{{{known}}}" for known in NAMES)
            )
        parts.append(gap)
    add(text[position:])
    return Template(text, tuple(parts))


def filled(value: Json, scope: Scope) -> Json:
    """A JSON value with the gaps of all its texts filled. What speaks of {since} is left out while
    there is none.
    """
    if isinstance(value, str):
        return compile_template(value).value(scope)
    if isinstance(value, dict):
        found = {}
        for name, item in value.items():
            if isinstance(item, str) and _waits(item, scope):
                continue
            part = filled(item, scope)
            if part != {} or item == {}:  # a mapping that has lost all its members goes too
                found[name] = part
        return found
    if isinstance(value, list):
        return [filled(item, scope) for item in value if not _waits(item, scope)]
    return value


def checked(value: Json) -> Json:
    """The same value. Raises ValueError for a gap in it that nothing fills."""
    if isinstance(value, str):
        compile_template(value)
    for part in value.values() if isinstance(value, dict) else ():
        checked(part)
    for part in value if isinstance(value, list) else ():
        checked(part)
    return value


def _waits(item: Json, scope: Scope) -> bool:
    """Whether it needs a {since} that there is not yet; in a list, whole conditions do."""
    if isinstance(item, str):
        return "since" in compile_template(item).names and "since" not in scope
    if isinstance(item, dict):
        return any(_waits(part, scope) for part in item.values())
    if isinstance(item, list):
        return any(_waits(part, scope) for part in item)
    return False
