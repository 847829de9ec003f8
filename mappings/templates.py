"""Text in which `${…}` is an expression. Text that is one lone `${…}` keeps the value's type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mappings.cel.errors import CompileError
from mappings.cel.program import Program, program
from mappings.cel.reads import members_read
from mappings.cel.values import to_json

VARIABLES: tuple[str, ...] = (
    "event",
    "task",
    "item",
    "case",
    "delivery",
    "record",
    "now",
    "each",
)
"""What an expression may name. Which of them have a value depends on where it stands."""


@dataclass(frozen=True, slots=True)
class Template:
    """Text in which `${…}` is CEL. Text that is one lone `${…}` keeps the value's type."""

    text: str
    _parts: tuple[str | Program, ...]

    @property
    def constant(self) -> bool:
        """Whether the text contains no expression."""
        return all(isinstance(part, str) for part in self._parts)

    @property
    def literals(self) -> tuple[str, ...]:
        """What stands between the expressions."""
        return tuple(part for part in self._parts if isinstance(part, str))

    def reads(self, variable: str) -> frozenset[str]:
        """The members of a variable that its expressions look at; `*` where one uses it whole."""
        programs = (part for part in self._parts if not isinstance(part, str))
        return frozenset[str]().union(*(members_read(one.checked, variable) for one in programs))

    def render(self, variables: Mapping[str, Any]) -> Any:
        """The value as plain JSON; within longer text null is empty. Raises ExpressionError."""
        parts = self._parts
        if len(parts) == 1 and not isinstance(parts[0], str):
            return to_json(parts[0].value(variables))
        return "".join(
            part if isinstance(part, str) else as_text(to_json(part.value(variables)))
            for part in parts
        )


@lru_cache(maxsize=4096)
def compile_text(text: str, variables: tuple[str, ...] = VARIABLES) -> Template:
    """Text with `${…}`; `$${` stands for a literal `${`. Raises CompileError with the column."""
    parts: list[str | Program] = []
    plain = ""
    position = 0
    while (start := text.find("${", position)) >= 0:
        if start > position and text[start - 1] == "$":
            plain += text[position : start - 1] + "${"
            position = start + 2
            continue
        plain += text[position:start]
        end = _closing(text, start + 2)
        if plain:
            parts.append(plain)
            plain = ""
        try:
            parts.append(program(text[start + 2 : end], variables))
        except CompileError as error:
            column = error.column + (start + 2 if error.line == 1 else 0)
            line = error.line + text.count("\n", 0, start)
            raise CompileError(error.message, column, line, error.hint) from None
        position = end + 1
    plain += text[position:]
    if plain or not parts:
        parts.append(plain)
    return Template(text, tuple(parts))


def _closing(text: str, start: int) -> int:
    """The index of the brace that closes an expression begun before `start`."""
    depth, quote, position = 0, "", start
    while position < len(text):
        letter = text[position]
        if quote:
            if letter == "\\":
                position += 1
            elif letter == quote:
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif letter == "{":
            depth += 1
        elif letter == "}":
            if depth == 0:
                return position
            depth -= 1
        position += 1
    raise CompileError(
        "a ${ is not closed.", start - 1, hint="Add the closing }, or write $${ for plain text."
    )


def as_text(value: Any) -> str:
    """A JSON value within a sentence: null is empty, 20000.0 reads 20000."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
