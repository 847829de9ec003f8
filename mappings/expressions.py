"""CEL for conditions, and text with `${…}` in it. Nothing here runs as Python code.

The language and its error rules are Google's (`cel_expr_python`); this module adds what a workspace
needs around it: findings with a column, values made ready for CEL, and templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from pydantic import BaseModel

from mappings.source import did_you_mean

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

_MOMENTS = frozenset({"now"})
"""Timestamps for CEL; everything else is JSON."""

MAX_LENGTH = 10_000
MAX_DEPTH = 100
_INT_RANGE = range(-(2**63), 2**63)
_WHERE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '(\w+)")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_MONEY_KEYS = {"value", "currency"}


class CompileError(Exception):
    """An expression is not valid. `line` and `column` count from 1 within the expression's text."""

    def __init__(self, message: str, column: int = 1, line: int = 1, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.column = column
        self.line = line
        self.hint = hint


class ExpressionError(Exception):
    """A valid expression had no result for these values (a missing field, a wrong type)."""


class Context(dict[str, Any]):
    """Variables already made ready by `context`, so that many conditions share the work."""


def context(variables: Mapping[str, Any]) -> Context:
    """Make variables ready for CEL once. Amounts become numbers (see `cel_view`)."""
    return Context(
        {
            name: _moment(value) if name in _MOMENTS else cel_view(name, value)
            for name, value in variables.items()
        }
    )


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ExpressionError("'now' is not a moment with a zone.")
    return value


def to_cel(value: Any, depth: int = 0) -> Any:
    """A value in a form CEL knows; text that is a decimal stays text.

    Dates and moments become text (write `timestamp(task.due.at) < now`), decimals and integers
    beyond 64 bits become doubles.
    NUL and lone surrogates, at which CEL's own text ends or fails, become U+FFFD.
    """
    kind = value.__class__
    if kind is str:
        return _UNSAFE.sub("\ufffd", value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if value in _INT_RANGE else _double(value)
    if depth > MAX_DEPTH:
        raise ExpressionError(f"a value is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, Mapping):
        return {
            _UNSAFE.sub("\ufffd", str(key)): to_cel(item, depth + 1) for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_cel(item, depth + 1) for item in value]
    if isinstance(value, BaseModel):
        return to_cel(value.model_dump(mode="json", by_alias=True), depth + 1)
    if isinstance(value, Enum):
        return to_cel(value.value, depth + 1)
    if isinstance(value, str):
        return to_cel(str(value))
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _double(value)
    raise ExpressionError(f"a value of type {kind.__name__} has no form in a condition.")


def _double(value: int | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def cel_view(entity: str, value: Any) -> Any:
    """An entity as conditions see it: every amount's `value` is a number, not a decimal text.

    Amounts are recognised by their shape, also within `custom`, `data` and an event's `changed`.
    In a vendor's `record` nothing is reinterpreted.
    """
    ready = to_cel(value)
    return ready if entity == "record" else _amounts(ready)


def _amounts(value: Any) -> Any:
    if isinstance(value, dict):
        amount = value.get("value")
        if isinstance(amount, str) and value.keys() <= _MONEY_KEYS:
            try:
                return {**value, "value": float(amount)}
            except ValueError:
                return value
        return {key: _amounts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_amounts(item) for item in value]
    return value


# ---------------------------------------------------------------------------------- conditions


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression that answers true or false."""

    text: str
    _run: Callable[[Mapping[str, Any]], Any]

    def evaluate(self, variables: Mapping[str, Any]) -> bool:
        """Raises ExpressionError if there is no result, or one that is neither true nor false."""
        result = self._run(variables)
        if result is True or result is False:
            return bool(result)
        raise ExpressionError(
            f"'{self.text}' gave {_short(result)}, which is neither true nor false."
        )


def compile_condition(text: str, variables: Sequence[str] = VARIABLES) -> Condition:
    """A bare CEL condition (`if`, `filter`). Raises CompileError."""
    return Condition(text, _compile(text, tuple(variables)))


@lru_cache(maxsize=8)
def _environment(variables: tuple[str, ...]) -> Any:
    return cel.NewEnv(
        variables={
            name: cel.Type.TIMESTAMP if name in _MOMENTS else cel.Type.DYN for name in variables
        }
    )


@lru_cache(maxsize=4096)
def _compile(text: str, variables: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
    if not text.strip():
        raise CompileError("an expression is empty.", hint="Write a condition or remove the key.")
    if len(text) > MAX_LENGTH:
        raise CompileError(f"an expression is longer than {MAX_LENGTH} characters.", MAX_LENGTH)
    if bad := _UNSAFE.search(text):
        raise CompileError("a character that cannot stand in an expression.", bad.start() + 1)
    try:
        program = _environment(variables).compile(text)
    except RuntimeError as error:
        raise _explained(text, str(error), variables) from None
    error_type = cel.Type.ERROR
    unknown_type = cel.Type.UNKNOWN

    def run(given: Mapping[str, Any]) -> Any:
        ready = given if given.__class__ is Context else context(given)
        try:
            value = program.eval(data=ready)
            kind = value.type()
            plain = value.plain_value()
        except (RuntimeError, ValueError, TypeError) as error:
            raise ExpressionError(f"'{text}': {error}") from None
        if kind in (error_type, unknown_type):
            raise ExpressionError(f"'{text}': {_plain_reason(str(plain))}")
        return plain

    return run


def _explained(text: str, error: str, variables: tuple[str, ...]) -> CompileError:
    found = _WHERE.search(error)
    if not found:
        return CompileError(f"not a valid expression: {error.splitlines()[0]}.")
    line, column, what = int(found[1]), int(found[2]), found[3].strip()
    what = what.removesuffix("[INVALID_ARGUMENT]").strip().removesuffix("(in container '')").strip()
    hint = ""
    if unknown := _UNDECLARED.search(what):
        word = unknown[1]
        what = f"there is no '{word}' here"
        hint = did_you_mean(word, variables)
        start = text.splitlines()[line - 1].find(word)
        column = start + 1 if start >= 0 else column
    elif "token recognition error at: '= '" in what or "token recognition error at: '='" in what:
        what, hint = "a single '=' does not compare", "Write ==."
    elif "<EOF>" in what:
        # the parser lists every token it would accept; nobody reads that
        what = re.sub(r"expecting \{.*\}", "where a value was expected", what)
        what = what.replace("mismatched input '<EOF>'", "the expression ends too early,")
    else:
        what = re.sub(r"\s*expecting \{.*\}", "", what)
    return CompileError(f"{what}.", column, line, hint)


def _plain_reason(error: str) -> str:
    if missing := re.search(r'Key not found in map : (".*")', error):
        return f"there is no field {missing[1]}. Guard it with has(…)."
    if unset := re.search(r'No value with name "(\w+)"', error):
        return f"'{unset[1]}' has no value here."
    if overload := re.search(r"No matching overloads found : (\S+?)\((.*)\)", error):
        operator = overload[1].strip("_").strip()
        return f"'{operator}' does not work on ({overload[2]})."
    return error


# ----------------------------------------------------------------------------------- templates


@dataclass(frozen=True, slots=True)
class Template:
    """Text in which `${…}` is CEL. Text that is one lone `${…}` keeps the value's type."""

    text: str
    _parts: tuple[str | Callable[[Mapping[str, Any]], Any], ...]

    @property
    def constant(self) -> bool:
        """Whether the text contains no expression."""
        return all(isinstance(part, str) for part in self._parts)

    def render(self, variables: Mapping[str, Any]) -> Any:
        """The value as plain JSON; within longer text null is empty. Raises ExpressionError."""
        parts = self._parts
        if len(parts) == 1 and not isinstance(parts[0], str):
            return _json_value(parts[0](variables))
        if not self.constant and variables.__class__ is not Context:
            variables = context(variables)
        return "".join(
            part if isinstance(part, str) else as_text(_json_value(part(variables)))
            for part in parts
        )


@lru_cache(maxsize=4096)
def compile_text(text: str, variables: tuple[str, ...] = VARIABLES) -> Template:
    """Text with `${…}`; `$${` stands for a literal `${`. Raises CompileError with the column."""
    parts: list[str | Callable[[Mapping[str, Any]], Any]] = []
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
            parts.append(_compile(text[start + 2 : end], variables))
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


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _short(value: Any) -> str:
    text = json.dumps(_json_value(value), ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
