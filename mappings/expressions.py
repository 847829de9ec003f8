"""CEL for conditions, and text with `${…}` in it: what the rest of the hub uses of `mappings.cel`.

Nothing that a file says runs as Python code: an expression is parsed, checked, and compiled to
lookups and comparisons (`mappings/cel/compile.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mappings.cel.errors import CompileError, ExpressionError, invalid
from mappings.cel.explain import Explanation, explain_program
from mappings.cel.guards import Guard, guards_of
from mappings.cel.needs import needed
from mappings.cel.program import ABSENT, VENDOR, Context, Program, context, program
from mappings.cel.reads import members_read
from mappings.cel.values import as_written, to_json, with_amounts
from mappings.templates import VARIABLES, Template, as_text, compile_text

__all__ = [
    "ABSENT",
    "VARIABLES",
    "CompileError",
    "Condition",
    "Context",
    "Explanation",
    "ExpressionError",
    "Guard",
    "Template",
    "as_text",
    "cel_view",
    "compile_condition",
    "compile_text",
    "context",
    "explain",
    "to_cel",
]


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression that answers true or false."""

    text: str
    program: Program
    """Its `run` answers True or False; whatever else it does, `evaluate` knows what it means."""

    def evaluate(self, variables: Mapping[str, Any]) -> bool:
        """Raises ExpressionError if there is no result, or one that is neither true nor false."""
        try:
            result = self.program.run(variables)
        except Exception as error:
            result = self.program.recover(error, variables)
        if result is True:
            return True
        if result is False:
            return False
        raise ExpressionError(
            f"'{self.text}' gave {_short(self.program.settle(result))},"
            " which is neither true nor false."
        )

    def reads(self, variable: str) -> frozenset[str]:
        """The members of a variable that it looks at; `*` where it uses it whole."""
        return members_read(self.program.checked, variable)

    def constant(self) -> bool | None:
        """The answer that it has whatever the variables are; None if it depends on them."""
        try:
            # without any variable only what looks at none has an answer
            return self.evaluate({})
        except ExpressionError:
            return None

    def needs(self, absent: Collection[str]) -> tuple[str, int, int] | None:
        """The first of these variables without which it is never true, with its column and line;
        None if it can be true without them.
        """
        found = needed(self.program.checked, absent)
        if found is None:
            return None
        place = invalid(self.text, found.start, "")
        return found.name, place.column, place.line

    def contradiction(self) -> tuple[str, ...] | None:
        """A value that would have to be two things at once for it to be true; None if it can be."""
        among: dict[tuple[str, ...], frozenset[str | int]] = {}
        for guard in self.guards():
            left = among.get(guard.path, guard.among) & guard.among
            if not left:
                return guard.path
            among[guard.path] = left
        return None

    def guards(self) -> tuple[Guard, ...]:
        """Comparisons with text that all must hold for the condition to be true."""
        return guards_of(self.program.checked)


def compile_condition(text: str, variables: Sequence[str] = VARIABLES) -> Condition:
    """A bare CEL condition (`if`, `filter`). Raises CompileError."""
    return Condition(text, program(text, tuple(variables)))


def explain(condition: Condition, variables: Mapping[str, Any]) -> Explanation:
    """Which clause of a condition is false or has no answer, and what it saw."""
    return explain_program(condition.program, variables)


def to_cel(value: Any) -> Any:
    """A value in the form CEL has for it; text that is a decimal stays text.

    Dates and moments become text (write `timestamp(task.due.at) < now`), decimals and integers
    beyond 64 bits become doubles. Raises ExpressionError for what has no form.
    """
    return as_written(value)


def cel_view(entity: str, value: Any) -> Any:
    """An entity as conditions see it: every amount's `value` is a number, not a decimal text.

    Amounts are recognised by their shape, also within `custom`, `data` and an event's `changed`.
    In a vendor's `record` nothing is reinterpreted. Conditions do not need this: they see values
    so without a copy.
    """
    return as_written(value) if entity == VENDOR else with_amounts(value)


def _short(value: Any) -> str:
    text = json.dumps(to_json(value), ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
