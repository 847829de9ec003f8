"""The tree of an expression. Every node knows the part of the text it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression; `start` and `end` are offsets in its text."""

    start: int
    end: int

    def children(self) -> tuple[Node, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """Text, bytes, a number, true, false or null, as CEL's own value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable. `outermost` (written `.name`) looks past the variables of macros."""

    name: str
    outermost: bool = False


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`operand.field`; with `test` it is `has(operand.field)`. `at` is where the field stands."""

    operand: Node
    field: str
    at: int
    test: bool = False

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`operand[index]`."""

    operand: Node
    index: Node

    def children(self) -> tuple[Node, ...]:
        return (self.operand, self.index)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function(arguments)`, or `target.function(arguments)`; `at` is where the name stands."""

    function: str
    target: Node | None
    arguments: tuple[Node, ...]
    at: int

    def children(self) -> tuple[Node, ...]:
        return self.arguments if self.target is None else (self.target, *self.arguments)


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`!x` or `-x`."""

    operator: str
    operand: Node

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """An operation of two values; `at` is where its sign stands."""

    operator: str
    left: Node
    right: Node
    at: int

    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """A chain of `&&`, or one of `||`."""

    operator: str
    terms: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.terms


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node

    def children(self) -> tuple[Node, ...]:
        return (self.condition, self.then, self.otherwise)


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`[a, b]`."""

    elements: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.elements


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    """`{key: value}`."""

    entries: tuple[tuple[Node, Node], ...]

    def children(self) -> tuple[Node, ...]:
        return tuple(node for entry in self.entries for node in entry)


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """`target.kind(variable, [guard,] body)`: exists, exists_one, all, map or filter.

    `guard` is the condition of a three-argument `map`.
    """

    kind: str
    target: Node
    variable: str
    body: Node
    guard: Node | None = None

    def children(self) -> tuple[Node, ...]:
        return (
            (self.target, self.body) if self.guard is None else (self.target, self.guard, self.body)
        )


def walk(root: Node) -> Iterator[Node]:
    """Every node of a tree, without recursion."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.children())


def without_parentheses(text: str, node: Node) -> str:
    """What a node stands for in the text."""
    return text[node.start : node.end].strip()
