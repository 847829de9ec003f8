"""What a condition compares with fixed text before anything else, so that many conditions can be
told apart with one look at the values.
"""

from __future__ import annotations

from dataclasses import dataclass

from mappings.cel import syntax
from mappings.cel.check import MOMENTS, Checked
from mappings.cel.syntax import Node


@dataclass(frozen=True, slots=True)
class Guard:
    """`path` (a variable and members below it) must be one of the texts `among`."""

    path: tuple[str, ...]
    among: frozenset[str]


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
            if path and isinstance(other, syntax.Literal) and type(other.value) is str:
                return Guard(path, frozenset({other.value}))
    if node.operator == "in" and isinstance(node.right, syntax.ListOf):
        path, words = _path(node.left), []
        for element in node.right.elements:
            if not isinstance(element, syntax.Literal) or type(element.value) is not str:
                return None
            words.append(element.value)
        return Guard(path, frozenset(words)) if path else None
    return None


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
