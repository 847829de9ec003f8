"""What can go wrong with an expression: when it is written, and when it is evaluated."""

from __future__ import annotations


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


class NoValue(Exception):
    """An operation has no result. `&&`, `||`, `exists` and `all` may still have one without it."""


class TooMuch(Exception):
    """The evaluation was stopped, whatever surrounds it: it took too many steps."""


class Unsure(Exception):
    """The compiled form met what it is not written for; the tree is walked instead."""


def invalid(text: str, offset: int, message: str, hint: str = "") -> CompileError:
    """A CompileError at an offset of the text."""
    before = text[:offset]
    line = before.count("\n") + 1
    return CompileError(message, offset - (before.rfind("\n") + 1) + 1, line, hint)
