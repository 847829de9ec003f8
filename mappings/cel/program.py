"""An expression, compiled: what it is evaluated on, and how its value comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


class Context(dict[str, Any]):
    """Variables made ready by `context`, so that many conditions share the work.

    What is given to `later` is made only when an expression first names it.
    """

    def __init__(self, variables: Mapping[str, Any] | None = None) -> None:
        super().__init__(variables or {})
        self._later: dict[str, Callable[[], Any]] = dict(getattr(variables, "_later", ()))

    def later(self, name: str, make: Callable[[], Any]) -> None:
        """A variable that costs something to make."""
        self._later[name] = make

    def __missing__(self, name: str) -> Any:
        value = self[name] = ready(name, self._later.pop(name)())
        return value

    def has(self, name: str) -> bool:
        """Whether a variable has a value, made or not."""
        return name in self or name in self._later

    def settle(self) -> None:
        """Make everything now, for what it is made of is about to change."""
        for name in list(self._later):
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
    """A checked expression and its compiled form. Stateless, so that threads may share it."""

    __slots__ = ("_mixed", "_run", "amounts", "checked", "settle", "text")

    def __init__(self, checked: Checked) -> None:
        others = checked.variables - MOMENTS - {VENDOR}
        self.text = checked.text
        self.checked = checked
        self._mixed = VENDOR in checked.variables and bool(others)
        self.amounts = VENDOR not in checked.variables
        self.settle: Settle = with_amounts if self.amounts else as_written
        self._run: Run = compile_tree(checked, self.settle, self.amounts) or self.walk

    def raw(self, variables: Mapping[str, Any]) -> Any:
        """The value as it stands in the variables. Raises ExpressionError."""
        if self._mixed:
            variables = self._apart(variables)
        try:
            return self._run(variables)
        except TooMuch as error:
            raise ExpressionError(f"'{self.text}': {error}") from None
        except ExpressionError:
            if self._run == self.walk:
                raise
            return self.walk(variables)
        except Exception:
            return self.walk(variables)

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The value through and through as CEL has it. Raises ExpressionError."""
        found = self.raw(variables)
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
