"""An expression, compiled: what it is evaluated on, and how its value comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from mappings.cel.check import MOMENTS, Checked, check
from mappings.cel.compile import Run, compile_tree
from mappings.cel.errors import ExpressionError, TooMuch
from mappings.cel.interpret import Walker, evaluate
from mappings.cel.parse import parse
from mappings.cel.values import Settle, as_written, moment_of, with_amounts

VENDOR = "record"
"""The variable in which nothing is reinterpreted: there an amount is what the vendor wrote."""

_SIMPLE = frozenset({str, bool, float, type(None)})


ABSENT: Any = object()
"""What a variable is made of that has no value after all."""


class Context(dict[str, Any]):
    """Variables made ready by `context`, so that many conditions share the work.

    What is given to `later` is made only when an expression first names it.
    """

    def __init__(self, variables: Mapping[str, Any] | None = None) -> None:
        super().__init__(variables or {})
        self._later: dict[str, Callable[[], Any]] = dict(getattr(variables, "_later", ()))

    def later(self, name: str, make: Callable[[], Any]) -> None:
        """A variable that costs something to make, or turns out to be ABSENT."""
        self._later[name] = make

    def __missing__(self, name: str) -> Any:
        value = self._later[name]()
        if value is ABSENT:
            del self._later[name]
            raise KeyError(name)
        self[name] = value = ready(name, value)
        del self._later[name]
        return value

    def has(self, name: str) -> bool:
        """Whether a variable has a value, made or not."""
        return name in self or name in self._later

    def settle(self) -> None:
        """Make everything now, for what it is made of is about to change."""
        for name in list(self._later):
            with suppress(KeyError):
                self[name]


def context(variables: Mapping[str, Any]) -> Context:
    """Make variables ready. They are looked at where they are, not copied: do not change them."""
    return Context({name: ready(name, value) for name, value in variables.items()})


def ready(name: str, value: Any) -> Any:
    """One variable in the form that is read fastest. Raises ExpressionError if it is unusable."""
    if name in MOMENTS:
        return moment_of(value)
    if value.__class__ is dict:
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return dict(value) if isinstance(value, Mapping) else value


class Program:
    """A checked expression and its compiled form, which is made when it is first evaluated.

    Threads may share it.
    """

    __slots__ = ("_mixed", "amounts", "checked", "run", "settle", "text")

    run: Run
    """The value as it stands in the variables, or any exception: `recover` knows what it means."""

    def __init__(self, checked: Checked) -> None:
        others = checked.variables - MOMENTS - {VENDOR}
        self.text = checked.text
        self.checked = checked
        self._mixed = VENDOR in checked.variables and bool(others)
        self.amounts = VENDOR not in checked.variables
        self.settle: Settle = with_amounts if self.amounts else as_written
        self.run = self._compile_and_run

    def _compile_and_run(self, variables: Mapping[str, Any]) -> Any:
        compiled = compile_tree(self.checked, self.settle, self.amounts) or self.walk
        self.run = (lambda given: compiled(self._apart(given))) if self._mixed else compiled
        return self.run(variables)

    def recover(self, error: Exception, variables: Mapping[str, Any]) -> Any:
        """The value although `run` ended in an exception. Raises ExpressionError."""
        if isinstance(error, TooMuch):
            raise ExpressionError(f"'{self.text}': {error}") from None
        return self.walk(self._apart(variables) if self._mixed else variables)

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The value through and through as CEL has it. Raises ExpressionError."""
        try:
            found = self.run(variables)
        except Exception as error:
            found = self.recover(error, variables)
        return found if found.__class__ in _SIMPLE else self.settle(found)

    def walk(self, variables: Mapping[str, Any]) -> Any:
        """The same, slowly, with the error of the part that has no value."""
        return evaluate(self.checked, variables, self.settle, self.amounts)

    def walker(self, variables: Mapping[str, Any]) -> Walker:
        """To look at the parts one by one."""
        if self._mixed:
            variables = self._apart(variables)
        return Walker(self.checked, variables, self.settle, self.amounts)

    def _apart(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """A vendor's record beside entities: these get their numbers first, it gets none."""
        seen = {}
        for name in self.checked.variables:
            try:
                value = variables[name]
            except KeyError:
                continue
            seen[name] = value if name == VENDOR or name in MOMENTS else with_amounts(value)
        return seen


@lru_cache(maxsize=4096)
def program(text: str, variables: tuple[str, ...]) -> Program:
    """The program of an expression that may name these variables. Raises CompileError."""
    return Program(check(text, parse(text), variables))
