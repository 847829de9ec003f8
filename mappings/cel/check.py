"""What can be known to be wrong with an expression before it runs: names nothing has, functions
that do not exist, operations of values whose types do not fit.

Nothing is known of the fields of records: they are `dyn`, as in CEL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mappings.cel import syntax
from mappings.cel.bare_words import lone_variable, meant, misplaced_type
from mappings.cel.errors import CompileError, NoValue, invalid
from mappings.cel.functions import FUNCTIONS, MACROS, pattern, to_duration, to_timestamp
from mappings.cel.syntax import Node
from mappings.cel.values import TYPES, kind_of
from mappings.source import did_you_mean

MOMENTS = frozenset({"now"})
"""Variables that are timestamps; all others are JSON."""

_NUMBERS = ("int", "uint", "double")
_ORDERED = (*_NUMBERS, "string", "bytes", "bool", "timestamp", "duration")
_ARITHMETIC = {
    "+": {
        **{(kind, kind): kind for kind in (*_NUMBERS, "string", "bytes", "list", "duration")},
        ("timestamp", "duration"): "timestamp",
        ("duration", "timestamp"): "timestamp",
    },
    "-": {
        **{(kind, kind): kind for kind in (*_NUMBERS, "duration")},
        ("timestamp", "timestamp"): "duration",
        ("timestamp", "duration"): "timestamp",
    },
    "*": {(kind, kind): kind for kind in _NUMBERS},
    "/": {(kind, kind): kind for kind in _NUMBERS},
    "%": {(kind, kind): kind for kind in ("int", "uint")},
}
_ELSEWHERE = {
    "lower": "There is matches('(?i)…').",
    "lowerascii": "There is matches('(?i)…').",
    "upper": "There is matches('(?i)…').",
    "upperascii": "There is matches('(?i)…').",
    "len": "Write size(…).",
    "length": "Write size(…).",
    "count": "Write size(list.filter(x, …)).",
    "any": "Write list.exists(x, …).",
    "some": "Write list.exists(x, …).",
    "every": "Write list.all(x, …).",
    "includes": "Write text.contains(…), or value in list.",
    "str": "Write string(…).",
    "float": "Write double(…).",
    "number": "Write double(…).",
    "regex": "Write text.matches('…').",
    "date": "Write timestamp(…).",
    "now": "Write now, without ().",
    "today": "Write now.",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A tree in which every name is known. `types` holds what is known of a node, by `id`."""

    text: str
    root: Node
    types: dict[int, str]
    variables: frozenset[str]
    """The variables it names."""

    def type_of(self, node: Node) -> str:
        return self.types.get(id(node), "dyn")


def check(text: str, root: Node, variables: Sequence[str], types: bool = True) -> Checked:
    """Resolve the names of a tree; with `types`, refuse what never works. Raises CompileError."""
    checker = _Checker(text, tuple(variables), types)
    variable = lone_variable(variables) if types else ""
    if variable and (lone := misplaced_type(root)):
        raise checker.wrong(
            lone.start, f"there is no '{lone.name}' here.", meant(lone.name, variable)
        )
    checked = checker.visit(root, {})
    return Checked(text, checked, checker.types, frozenset(checker.named))


class _Checker:
    def __init__(self, text: str, variables: tuple[str, ...], strict: bool) -> None:
        self.text = text
        self.variables = variables
        self.strict = strict
        self.types: dict[int, str] = {}
        self.named: set[str] = set()
        self._visits: dict[type, Callable[..., tuple[Node, str]]] = {
            syntax.Literal: self._literal,
            syntax.Name: self._name,
            syntax.Select: self._select,
            syntax.Index: self._index,
            syntax.Call: self._call,
            syntax.Unary: self._unary,
            syntax.Binary: self._binary,
            syntax.Logic: self._logic,
            syntax.Conditional: self._conditional,
            syntax.ListOf: self._list,
            syntax.MapOf: self._map,
            syntax.Macro: self._macro,
        }

    def visit(self, node: Node, local: dict[str, str]) -> Node:
        checked, kind = self._visits[type(node)](node, local)
        self.types[id(checked)] = kind
        return checked

    def kind(self, node: Node) -> str:
        return self.types[id(node)]

    def wrong(self, offset: int, message: str, hint: str = "") -> CompileError:
        return invalid(self.text, offset, message, hint)

    # ---------------------------------------------------------------------------------- leaves

    def _literal(self, node: syntax.Literal, local: dict[str, str]) -> tuple[Node, str]:
        name = kind_of(node.value)
        return node, "null" if name == "null_type" else name

    def _name(self, node: syntax.Name, local: dict[str, str]) -> tuple[Node, str]:
        if node.name in local and not node.outermost:
            return node, local[node.name]
        if node.name in self.variables:
            self.named.add(node.name)
            return node, "timestamp" if node.name in MOMENTS else "dyn"
        if node.name in TYPES:
            return syntax.Literal(node.start, node.end, TYPES[node.name]), "type"
        known = [*self.variables, *local]
        if node.name in FUNCTIONS or node.name in MACROS or node.name == "has":
            field = f", or {lone_variable(known)}.{node.name} for a field"
            hint = f"Write {node.name}(…){field if lone_variable(known) else ''}."
            raise self.wrong(node.start, f"'{node.name}' is a function.", hint)
        variable = lone_variable(self.variables)
        hint = meant(node.name, variable) if variable else did_you_mean(node.name, known)
        raise self.wrong(node.start, f"there is no '{node.name}' here.", hint)

    # -------------------------------------------------------------------------------- reaching

    def _select(self, node: syntax.Select, local: dict[str, str]) -> tuple[Node, str]:
        if (path := _dotted(node)) and path.partition(".")[0] not in (*self.variables, *local):
            if path in self.variables and not node.test:
                self.named.add(path)
                return syntax.Name(node.start, node.end, path, True), "dyn"
            if path in TYPES and not node.test:
                return syntax.Literal(node.start, node.end, TYPES[path]), "type"
            if path.startswith("google."):
                raise self.wrong(node.start, f"there is no '{path}' here.", "Conditions see JSON.")
        operand = self.visit(node.operand, local)
        kind = self.kind(operand)
        if self.strict and kind not in ("dyn", "map"):
            raise self.wrong(
                node.at, f"a value of type {kind} has no fields.", _call_hint(node.field)
            )
        return replace(node, operand=operand), "bool" if node.test else "dyn"

    def _index(self, node: syntax.Index, local: dict[str, str]) -> tuple[Node, str]:
        operand, index = self.visit(node.operand, local), self.visit(node.index, local)
        held, key = self.kind(operand), self.kind(index)
        if self.strict and (
            held not in ("dyn", "map", "list")
            or (held == "list" and key not in ("dyn", "int", "uint", "double"))
            or key in ("null", "list", "map", "timestamp", "duration", "bytes", "type")
        ):
            raise self.wrong(index.start, f"'[]' does not work on ({held}, {key}).")
        return replace(node, operand=operand, index=index), "dyn"

    # --------------------------------------------------------------------------------- calling

    def _call(self, node: syntax.Call, local: dict[str, str]) -> tuple[Node, str]:
        name = node.function
        function = FUNCTIONS.get(name)
        if function is None:
            raise self._no_function(node, local)
        target = None if node.target is None else self.visit(node.target, local)
        arguments = tuple(self.visit(argument, local) for argument in node.arguments)
        given = arguments if target is None else (target, *arguments)
        kinds = tuple(self.kind(one) for one in given)
        ways = [way for way in function.ways if way[0] == (target is not None)]
        if not ways:
            how = f"{name}(…)" if target is not None else f"value.{name}(…)"
            raise self.wrong(node.at, f"'{name}' is not called like this.", f"Write {how}.")
        fitting = [way for way in ways if len(way[1]) == len(given)]
        if not fitting:
            count = " or ".join(
                str(n) for n in sorted({len(way[1]) - (target is not None) for way in ways})
            )
            given_count = len(arguments)
            raise self.wrong(node.at, f"'{name}' takes {count} in its brackets, not {given_count}.")
        if self.strict and not any(_accepts(way[1], kinds) for way in fitting):
            raise self.wrong(
                node.at,
                f"'{name}' does not work on ({', '.join(kinds)}).",
                f"It takes {_listed(sorted({', '.join(way[1]) for way in fitting}))}.",
            )
        checked = replace(node, target=target, arguments=arguments)
        self._check_text(checked, given)
        return checked, fitting[0][2]

    def _check_text(self, node: syntax.Call, given: tuple[Node, ...]) -> None:
        """What is written out can be tried now."""
        last = given[-1]
        if not self.strict or not isinstance(last, syntax.Literal):
            return
        tries: dict[str, Callable[[Any], Any]] = {
            "matches": pattern,
            "timestamp": to_timestamp,
            "duration": to_duration,
        }
        if node.function in tries and isinstance(last.value, str):
            try:
                tries[node.function](last.value)
            except NoValue as error:
                raise self.wrong(last.start, str(error)) from None

    def _no_function(self, node: syntax.Call, local: dict[str, str]) -> CompileError:
        name = node.function
        path = _dotted(node.target) if node.target is not None else ""
        root = path.partition(".")[0]
        if root and root not in self.variables and root not in local and root not in TYPES:
            return self.wrong(
                node.target.start if node.target else node.at,
                f"there is no function '{path}.{name}'.",
                did_you_mean(root, [*self.variables, *local]) if root in self.variables else "",
            )
        hint = _ELSEWHERE.get(name.lower()) or did_you_mean(name, [*FUNCTIONS, *MACROS, "has"])
        return self.wrong(node.at, f"there is no function '{name}'.", hint)

    # ------------------------------------------------------------------------------- operators

    def _unary(self, node: syntax.Unary, local: dict[str, str]) -> tuple[Node, str]:
        operand = self.visit(node.operand, local)
        kind = self.kind(operand)
        allowed = ("bool",) if node.operator == "!" else ("int", "double")
        if self.strict and kind != "dyn" and kind not in allowed:
            hint = "Put the comparison behind ! in brackets." if node.operator == "!" else ""
            raise self.wrong(node.start, f"'{node.operator}' does not work on ({kind}).", hint)
        return replace(node, operand=operand), "bool" if node.operator == "!" else kind

    def _binary(self, node: syntax.Binary, local: dict[str, str]) -> tuple[Node, str]:
        left, right = self.visit(node.left, local), self.visit(node.right, local)
        one, other = self.kind(left), self.kind(right)
        checked = replace(node, left=left, right=right)
        result, fits = self._operation(node.operator, one, other)
        if self.strict and not fits:
            raise self.wrong(
                node.at,
                f"'{node.operator}' does not work on ({one}, {other}).",
                _hint(left, right, one, other),
            )
        return checked, result

    def _operation(self, operator: str, one: str, other: str) -> tuple[str, bool]:
        known = "dyn" not in (one, other)
        if operator in ("==", "!="):
            nullable = {one, other} <= {"null", "timestamp", "duration"} and "null" in (one, other)
            return "bool", not known or one == other or nullable
        if operator in ("<", "<=", ">", ">="):
            return "bool", all(kind in ("dyn", *_ORDERED) for kind in (one, other)) and (
                not known or one == other
            )
        if operator == "in":
            return "bool", other in ("dyn", "list", "map")
        table = _ARITHMETIC[operator]
        possible = {
            result for (a, b), result in table.items() if one in (a, "dyn") and other in (b, "dyn")
        }
        return next(iter(possible)) if len(possible) == 1 else "dyn", bool(possible)

    def _logic(self, node: syntax.Logic, local: dict[str, str]) -> tuple[Node, str]:
        terms = tuple(self.visit(term, local) for term in node.terms)
        for term in terms:
            self._must_be_bool(term, node.operator)
        return replace(node, terms=terms), "bool"

    def _must_be_bool(self, node: Node, operator: str) -> None:
        kind = self.kind(node)
        if self.strict and kind not in ("dyn", "bool"):
            raise self.wrong(
                node.start, f"'{operator}' needs true or false, and this is {_a(kind)}."
            )

    def _conditional(self, node: syntax.Conditional, local: dict[str, str]) -> tuple[Node, str]:
        condition = self.visit(node.condition, local)
        then, otherwise = self.visit(node.then, local), self.visit(node.otherwise, local)
        self._must_be_bool(condition, "?")
        one, other = self.kind(then), self.kind(otherwise)
        checked = replace(node, condition=condition, then=then, otherwise=otherwise)
        return checked, one if one == other else "dyn"

    # ------------------------------------------------------------------------- lists and macros

    def _list(self, node: syntax.ListOf, local: dict[str, str]) -> tuple[Node, str]:
        elements = tuple(self.visit(element, local) for element in node.elements)
        return replace(node, elements=elements), "list"

    def _map(self, node: syntax.MapOf, local: dict[str, str]) -> tuple[Node, str]:
        entries = []
        for key, value in node.entries:
            checked = self.visit(key, local)
            kind = self.kind(checked)
            if self.strict and kind not in ("dyn", "string", "int", "uint", "bool"):
                raise self.wrong(key.start, f"a key of a map cannot be {_a(kind)}.")
            entries.append((checked, self.visit(value, local)))
        return replace(node, entries=tuple(entries)), "map"

    def _macro(self, node: syntax.Macro, local: dict[str, str]) -> tuple[Node, str]:
        target = self.visit(node.target, local)
        kind = self.kind(target)
        if self.strict and kind not in ("dyn", "list", "map"):
            raise self.wrong(node.start, f"'{node.kind}' does not work on {_a(kind)}.")
        inner = {**local, node.variable: "dyn"}
        guard = None if node.guard is None else self.visit(node.guard, inner)
        body = self.visit(node.body, inner)
        if guard is not None:
            self._must_be_bool(guard, node.kind)
        if node.kind != "map":
            self._must_be_bool(body, node.kind)
        result = "list" if node.kind in ("map", "filter") else "bool"
        return replace(node, target=target, guard=guard, body=body), result


def _accepts(takes: tuple[str, ...], given: tuple[str, ...]) -> bool:
    return all(
        kind == "dyn" or wanted in ("any", kind) for wanted, kind in zip(takes, given, strict=True)
    )


def _dotted(node: Node | None) -> str:
    """`a.b.c` of a chain of names; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, syntax.Select) and not node.test:
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, syntax.Name) or node.outermost:
        return ""
    return ".".join([node.name, *reversed(parts)])


def _hint(left: Node, right: Node, one: str, other: str) -> str:
    if isinstance(left, syntax.Unary) and left.operator == "!":
        return "Put the comparison behind ! in brackets."
    if {one, other} == {"int", "double"}:
        literal = left if one == "int" else right
        if isinstance(literal, syntax.Literal):
            return f"Write {literal.value}.0."
        return "Make both the same with double(…)."
    if "string" in (one, other) and {one, other} & {"int", "double", "uint"}:
        return "Make both the same with string(…) or double(…)."
    if "null" in (one, other):
        return "This is never null."
    return ""


def _call_hint(field: str) -> str:
    return f"Write {field}(…) if you mean the function." if field in FUNCTIONS else ""


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"


def _listed(words: list[str]) -> str:
    return " or ".join(f"({word})" for word in words)
