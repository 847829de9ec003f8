"""The tree to one Python function, written once per expression.

It looks at plain JSON where it stands and touches only what the expression reaches. Where a value
is not of the class the source is written for, it gives up with an exception, and the tree is walked
instead (`interpret`): so every error, and every rule about errors, stands in one place.

Into the source go names of ours, and of the expression its texts and numbers as Python literals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings.cel import syntax
from mappings.cel.check import MOMENTS, Checked
from mappings.cel.errors import NoValue, Unsure
from mappings.cel.functions import FUNCTIONS, pattern, safe_surrogates
from mappings.cel.operators import (
    ARITHMETIC,
    ORDERS,
    SEARCHING,
    Steps,
    built,
    contained,
    element,
    equal,
    has_field,
    has_text_keys,
    keys_of,
    negate,
    searched,
)
from mappings.cel.syntax import Node
from mappings.cel.values import Built, Settle, amount_of, now_of

Run = Callable[[Mapping[str, Any]], Any]

_EXACT = 2**53
_ORDER_NAMES = {"<": "less", "<=": "at_most", ">": "more", ">=": "at_least"}
_MATH_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder"}


def unsure(*_: Any) -> Any:
    """Called where a value is not what the source is written for."""
    raise Unsure


def _exists(items: Any, holds: Callable[[Any], Any], steps: Steps) -> bool:
    for seen, item in enumerate(_listed(items), 1):
        answer = holds(item)
        if answer is True:
            steps.take(seen)
            return True
        if answer is not False:
            raise Unsure
    steps.take(len(items))
    return False


def _every(items: Any, holds: Callable[[Any], Any], steps: Steps) -> bool:
    for seen, item in enumerate(_listed(items), 1):
        answer = holds(item)
        if answer is False:
            steps.take(seen)
            return False
        if answer is not True:
            raise Unsure
    steps.take(len(items))
    return True


def _filtered(items: Any, holds: Callable[[Any], Any], steps: Steps) -> list[Any]:
    found = []
    for item in _listed(items):
        answer = holds(item)
        if answer is True:
            found.append(item)
        elif answer is not False:
            raise Unsure
    steps.take(len(items))
    return found


def _exists_one(items: Any, holds: Callable[[Any], Any], steps: Steps) -> bool:
    return len(_filtered(items, holds, steps)) == 1


def _mapped(items: Any, value: Callable[[Any], Any], steps: Steps, guard: Any = None) -> list[Any]:
    items = _filtered(items, guard, steps) if guard is not None else _listed(items)
    steps.take(len(items))
    return [value(item) for item in items]


def _listed(items: Any) -> list[Any]:
    if items.__class__ is list:
        found: list[Any] = items
        return found
    if items.__class__ is Built or (items.__class__ is dict and has_text_keys(items)):
        return keys_of(items)
    raise Unsure


def _found(text: Any, regex: Any) -> bool:
    if text.__class__ is not str:
        raise Unsure
    return regex.search(text if text.isascii() else safe_surrogates(text)) is not None


_MACROS = {
    "exists": _exists,
    "all": _every,
    "filter": _filtered,
    "exists_one": _exists_one,
    "map": _mapped,
}

_NAMES: dict[str, Any] = {
    "__builtins__": {},
    "str": str,
    "int": int,
    "float": float,
    "dict": dict,
    "list": list,
    "bool": bool,
    "unsure": unsure,
    "Steps": Steps,
    "now_of": now_of,
    "amount_of": amount_of,
    "has_field": has_field,
    "element": element,
    "negate": negate,
    "searched": searched,
    "built": built,
    "found": _found,
    **{f"f_{name}": function.run for name, function in FUNCTIONS.items()},
    **{f"m_{name}": macro for name, macro in _MACROS.items()},
    **{_ORDER_NAMES[sign]: run for sign, run in ORDERS.items()},
    **{_MATH_NAMES[sign]: run for sign, run in ARITHMETIC.items()},
}
"""All that the source may call, besides constants of its own."""


def compile_tree(checked: Checked, settle: Settle, amounts: bool) -> Run | None:
    """The function of a checked expression, or None where it nests too deep for Python's own
    compiler. It gives the value unsettled, or raises anything but TooMuch to say: walk the tree.
    """
    writer = _Writer(checked, amounts)
    made: dict[str, Any] = {}
    try:
        exec(compile(writer.source(), "<condition>", "exec"), _NAMES, made)  # noqa: S102 - see above
    except (SyntaxError, RecursionError, MemoryError):
        return None
    run: Run = made["make"](
        lambda left, right, steps: equal(left, right, settle, steps),
        lambda value, held, steps: contained(value, held, settle, steps),
        *writer.constants.values(),
    )
    return run


class _Writer:
    def __init__(self, checked: Checked, amounts: bool) -> None:
        self.checked = checked
        self.amounts = amounts
        self.constants: dict[str, Any] = {}
        self.counts = False
        self._count = 0

    def source(self) -> str:
        """The whole function."""
        value = self.write(self.checked.root, {})
        given = ", ".join(("equal", "contained", *self.constants))
        counted = "        steps = Steps()\n" if self.counts else ""
        return (
            f"def make({given}):\n    def run(variables):\n{counted}"
            f"        return {value}\n    return run\n"
        )

    def write(self, node: Node, local: dict[str, str]) -> str:
        match node:
            case syntax.Literal():
                return self._literal(node.value)
            case syntax.Name():
                return self._name(node, local)
            case syntax.Select():
                return self._select(node, local)
            case syntax.Index():
                return self._index(node, local)
            case syntax.Call():
                return self._call(node, local)
            case syntax.Unary(operator="!"):
                return f"(not {self._truth(node.operand, local)})"
            case syntax.Unary():
                return f"negate({self.write(node.operand, local)})"
            case syntax.Binary():
                return self._binary(node, local)
            case syntax.Logic():
                word = " and " if node.operator == "&&" else " or "
                return f"({word.join(self._truth(term, local) for term in node.terms)})"
            case syntax.Conditional():
                then, otherwise = self.write(node.then, local), self.write(node.otherwise, local)
                return f"({then} if {self._truth(node.condition, local)} else {otherwise})"
            case syntax.ListOf():
                return f"[{', '.join(self.write(one, local) for one in node.elements)}]"
            case syntax.MapOf():
                pairs = (
                    f"({self.write(key, local)}, {self.write(value, local)})"
                    for key, value in node.entries
                )
                return f"built([{', '.join(pairs)}])"
            case syntax.Macro():
                return self._macro(node, local)
        raise AssertionError(node)

    # ----------------------------------------------------------------------------------- parts

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _constant(self, value: Any) -> str:
        name = self._new("k")
        self.constants[name] = value
        return name

    def _literal(self, value: Any) -> str:
        if type(value) in (str, int, bytes, bool) or value is None:
            return repr(value)
        if type(value) is float and abs(value) < 1e300:
            return repr(value)
        return self._constant(value)

    def _truth(self, node: Node, local: dict[str, str]) -> str:
        """A part that must be true or false."""
        written = self.write(node, local)
        if self.checked.type_of(node) == "bool":
            return written
        held = self._new("t")
        return f"({held} if ({held} := {written}) is True or {held} is False else unsure())"

    def _name(self, node: syntax.Name, local: dict[str, str]) -> str:
        if not node.outermost and node.name in local:
            return local[node.name]
        value = f"variables[{node.name!r}]"
        return f"now_of({value})" if node.name in MOMENTS else value

    def _select(self, node: syntax.Select, local: dict[str, str]) -> str:
        operand = self.write(node.operand, local)
        if node.test:
            held = self._new("t")
            return (
                f"({node.field!r} in {held} if ({held} := {operand}).__class__ is dict"
                f" else has_field({held}, {node.field!r}))"
            )
        if node.field == "value" and self.amounts:
            return f"amount_of({operand})"
        return f"{operand}[{node.field!r}]"

    def _index(self, node: syntax.Index, local: dict[str, str]) -> str:
        index = node.index
        if isinstance(index, syntax.Literal) and type(index.value) is str:
            return self._select(
                syntax.Select(node.start, node.end, node.operand, index.value, index.start), local
            )
        operand = self.write(node.operand, local)
        if self.amounts and self.checked.type_of(index) in ("dyn", "string"):
            held = self._new("t")  # a key named "value" may be that of an amount
            return (
                f"(element({operand}, {held})"
                f" if ({held} := {self.write(index, local)}) != 'value' else unsure())"
            )
        return f"element({operand}, {self.write(index, local)})"

    # --------------------------------------------------------------------------------- applying

    def _call(self, node: syntax.Call, local: dict[str, str]) -> str:
        given = node.children()
        written = [self.write(one, local) for one in given]
        if local and node.function in SEARCHING:
            written[0] = f"searched({written[0]}, steps)"
        last = given[-1] if given else None
        if isinstance(last, syntax.Literal) and isinstance(last.value, str):
            if node.function == "matches":
                try:
                    regex = self._constant(pattern(last.value))
                except NoValue:
                    return "unsure()"
                return f"found({written[0]}, {regex})"
            if node.function in ("timestamp", "duration") and len(given) == 1:
                try:
                    return self._constant(FUNCTIONS[node.function].run(last.value))
                except NoValue:
                    return "unsure()"
        if node.function == "dyn" and isinstance(given[0], syntax.Literal):
            return self._constant(
                given[0].value
            )  # Python warns of 1.5["x"] where it is written out
        if node.function == "dyn":
            return written[0]
        return f"f_{node.function}({', '.join(written)})"

    def _binary(self, node: syntax.Binary, local: dict[str, str]) -> str:
        match node.operator:
            case "==":
                return self._equal(node, local)
            case "!=":
                return f"(not {self._equal(node, local)})"
            case "in":
                return self._in(node, local)
            case "<" | "<=" | ">" | ">=":
                return self._ordered(node, local)
        left, right = self.write(node.left, local), self.write(node.right, local)
        steps = ", steps" if local and node.operator == "+" else ""
        return f"{_MATH_NAMES[node.operator]}({left}, {right}{steps})"

    def _equal(self, node: syntax.Binary, local: dict[str, str]) -> str:
        steps = "steps" if local else "None"
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if not isinstance(other, syntax.Literal):
                continue
            held, value = self._new("t"), repr(other.value)
            if type(other.value) is str:
                return (
                    f"({held} == {value} if ({held} := {self.write(one, local)}).__class__ is str"
                    f" else equal({held}, {value}, {steps}))"
                )
            if guard := _number_guard(other.value):
                return (
                    f"({held} == {value} if ({held} := {self.write(one, local)}).__class__"
                    f" is {guard[0]} or {held}.__class__ is {guard[1]}"
                    f" else equal({held}, {value}, {steps}))"
                )
        return f"equal({self.write(node.left, local)}, {self.write(node.right, local)}, {steps})"

    def _in(self, node: syntax.Binary, local: dict[str, str]) -> str:
        value, held, steps = self.write(node.left, local), node.right, "steps" if local else "None"
        if isinstance(held, syntax.ListOf) and all(
            isinstance(one, syntax.Literal) and type(one.value) is str for one in held.elements
        ):
            words = [one.value for one in held.elements if isinstance(one, syntax.Literal)]
            name = self._new("t")
            known, listed = self._constant(frozenset(words)), self._constant(words)
            return (
                f"({name} in {known} if ({name} := {value}).__class__ is str"
                f" else contained({name}, {listed}, {steps}))"
            )
        return f"contained({value}, {self.write(held, local)}, {steps})"

    def _ordered(self, node: syntax.Binary, local: dict[str, str]) -> str:
        left, right = node.left, node.right
        one, other = self.checked.type_of(left), self.checked.type_of(right)
        if one == other == "timestamp" or one == other == "duration":
            return f"({self.write(left, local)} {node.operator} {self.write(right, local)})"
        if isinstance(right, syntax.Literal) and one == "dyn":
            guard = _number_guard(right.value)
            if guard:
                held = self._new("t")
                return (
                    f"({held} {node.operator} {right.value!r}"
                    f" if ({held} := {self.write(left, local)}).__class__ is {guard[0]}"
                    f" or {held}.__class__ is {guard[1]}"
                    f" else {_ORDER_NAMES[node.operator]}({held}, {right.value!r}))"
                )
        called = f"{self.write(left, local)}, {self.write(right, local)}"
        return f"{_ORDER_NAMES[node.operator]}({called})"

    def _macro(self, node: syntax.Macro, local: dict[str, str]) -> str:
        self.counts = True
        item = self._new("v")
        inner = {**local, node.variable: item}
        body = self.write(node.body, inner)
        target = self.write(node.target, local)
        guard = ""
        if node.guard is not None:
            guard = f", lambda {item}: {self.write(node.guard, inner)}"
        return f"m_{node.kind}({target}, lambda {item}: {body}, steps{guard})"


def _number_guard(value: Any) -> tuple[str, str] | None:
    """The classes that compare with this literal as CEL does; the likelier first."""
    if type(value) is float and abs(value) < _EXACT:
        return "float", "int"
    if type(value) is int and abs(value) < _EXACT:
        return "int", "float"
    return None
