"""What a condition compares with fixed texts or whole numbers, so that many conditions can be told
apart with one look at the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

from mappings.cel import syntax
from mappings.cel.check import MOMENTS, Checked
from mappings.cel.syntax import Node

_EXACT = 2**53
"""Below it, a whole number and its double are one and the same."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands at `path` (a variable and members below it) must be one of `among`."""

    path: tuple[str, ...]
    among: frozenset[str | int]


def guards_of(checked: Checked) -> tuple[Guard, ...]:
    """The guards among the clauses that `&&` joins: while one is false, so is the whole."""
    root = checked.root
    terms = root.terms if isinstance(root, syntax.Logic) and root.operator == "&&" else (root,)
    return tuple(guard for term in terms if (guard := _guard(term)) is not None)


def _guard(node: Node) -> Guard | None:
    if not isinstance(node, syntax.Binary):
        return None
    if node.operator == "==":
        for one, other in ((node.left, node.right), (node.right, node.left)):
            path = _path(one)
            if path and _tells(other):
                return Guard(path, frozenset({other.value}))
    if node.operator == "in" and isinstance(node.right, syntax.ListOf):
        path, words = _path(node.left), []
        for element in node.right.elements:
            if not _tells(element):
                return None
            words.append(element.value)
        return Guard(path, frozenset(words)) if path else None
    return None


def _tells(node: Node) -> TypeGuard[syntax.Literal]:
    """A literal that Python compares as CEL does, beside any text or number of JSON."""
    if not isinstance(node, syntax.Literal):
        return False
    return type(node.value) is str or (type(node.value) is int and abs(node.value) < _EXACT)


def _path(node: Node) -> tuple[str, ...]:
    members: list[str] = []
    while isinstance(node, syntax.Select) and not node.test:
        members.append(node.field)
        node = node.operand
    if not members or not isinstance(node, syntax.Name) or node.name in MOMENTS:
        return ()
    if members[0] == "value":
        return ()  # of an amount it is a number
    return (node.name, *reversed(members))
