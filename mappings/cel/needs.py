"""Whether an expression can be true at all where some variables never have a value."""

from __future__ import annotations

from collections.abc import Collection

from mappings.cel import syntax
from mappings.cel.check import Checked
from mappings.cel.syntax import Node


def needed(checked: Checked, absent: Collection[str]) -> syntax.Name | None:
    """The first of these variables without which the expression is never true. None if it can be:
    `a || b` is true where `a` is, whatever `b` would need.
    """
    return _never(checked.root, frozenset(absent))


def _never(node: Node, absent: frozenset[str]) -> syntax.Name | None:
    """What keeps a node from ever being true."""
    match node:
        case syntax.Logic(operator="&&"):
            return next((found for term in node.terms if (found := _never(term, absent))), None)
        case syntax.Logic():
            return _all([_never(term, absent) for term in node.terms])
        case syntax.Conditional():
            ways = [_never(node.then, absent), _never(node.otherwise, absent)]
            return _fails(node.condition, absent) or _all(ways)
    return _fails(node, absent)


def _fails(node: Node, absent: frozenset[str]) -> syntax.Name | None:
    """What makes a node an error always: all but `&&`, `||` and `? :` need every part of theirs."""
    match node:
        case syntax.Name():
            return node if node.name in absent else None
        case syntax.Logic():
            return _all([_fails(term, absent) for term in node.terms])
        case syntax.Conditional():
            ways = [_fails(node.then, absent), _fails(node.otherwise, absent)]
            return _fails(node.condition, absent) or _all(ways)
        case syntax.Macro():
            # over an empty list the rest is never looked at
            return _fails(node.target, absent)
    return next((found for part in node.children() if (found := _fails(part, absent))), None)


def _all(found: list[syntax.Name | None]) -> syntax.Name | None:
    return found[0] if found and all(found) else None
