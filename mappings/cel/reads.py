"""Which members of a variable an expression looks at, so that no more of a record is asked for."""

from __future__ import annotations

from mappings.cel import syntax
from mappings.cel.check import Checked
from mappings.cel.syntax import Node


def members_read(checked: Checked, variable: str) -> frozenset[str]:
    """The members right below the variable; `*` where it is used whole."""
    return frozenset(_read(checked.root, variable, False))


def _read(node: Node, variable: str, hidden: bool) -> set[str]:
    """`hidden` says that a macro's own variable has the same name here."""

    def is_it(one: Node) -> bool:
        return (
            isinstance(one, syntax.Name) and one.name == variable and (one.outermost or not hidden)
        )

    match node:
        case syntax.Name():
            return {"*"} if is_it(node) else set()
        case syntax.Select() if is_it(node.operand):
            return {node.field}
        case syntax.Index(index=syntax.Literal(value=str() as name)) if is_it(node.operand):
            return {name}
        case syntax.Macro():
            inside = [part for part in (node.guard, node.body) if part is not None]
            hides = hidden or node.variable == variable
            found = _read(node.target, variable, hidden)
            return found.union(*(_read(part, variable, hides) for part in inside))
    return set[str]().union(*(_read(part, variable, hidden) for part in node.children()))
