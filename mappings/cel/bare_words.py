"""Words that stand alone where a field of the record was meant: `type == 'bug'` for
`record.type == 'bug'`. Some of them are names of types in CEL, so that they mean something and
never what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mappings.cel import syntax
from mappings.cel.syntax import Node
from mappings.cel.values import TYPES
from mappings.likeness import likeness

_SLIP = 75
"""How like the variable's name a word is, in percent, that was meant to be it."""


def lone_variable(variables: Sequence[str]) -> str:
    """The one variable that conditions of a mapping have; empty where there are several."""
    return variables[0] if len(variables) == 1 else ""


def meant(word: str, variable: str) -> str:
    """A hint for a word that is not the variable: the variable itself, or a field of it."""
    slip = len(word) > 2 and variable.startswith(word)
    if slip or likeness(word, variable) >= _SLIP:
        return f"Did you mean '{variable}'?"
    return f"Did you mean {variable}.{word}?"


def misplaced_type(root: Node) -> syntax.Name | None:
    """The first name of a type that is not compared with a type, which is the only use of one."""
    return next(_judged(root, root, frozenset()), None)


def _misplaced(node: Node, local: frozenset[str]) -> Iterator[syntax.Name]:
    if isinstance(node, syntax.Macro):
        yield from _judged(node, node.target, local)
        inner = local | {node.variable}
        for part in (node.guard, node.body):
            if part is not None:
                yield from _judged(node, part, inner)
        return
    for child in node.children():
        yield from _judged(node, child, local)


def _judged(parent: Node, child: Node, local: frozenset[str]) -> Iterator[syntax.Name]:
    if isinstance(child, syntax.Name):
        if child.name in TYPES and child.name not in local and not _fits(parent, child, local):
            yield child
        return
    yield from _misplaced(child, local)


def _fits(parent: Node, child: syntax.Name, local: frozenset[str]) -> bool:
    if isinstance(parent, (syntax.ListOf, syntax.MapOf, syntax.Conditional)):
        return not (isinstance(parent, syntax.Conditional) and parent.condition is child)
    if not isinstance(parent, syntax.Binary) or parent.operator not in ("==", "!="):
        return False
    other = parent.right if parent.left is child else parent.left
    if isinstance(other, syntax.Name):
        return other.name in TYPES or other.name in local
    return isinstance(other, syntax.Call) and other.function == "type"
