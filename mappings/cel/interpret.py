"""The tree walked, with every error rule of CEL. This is what an expression means; the compiled
form gives the same value wherever it gives one, and this one also says what went wrong, and where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings.cel import syntax
from mappings.cel.check import MOMENTS, Checked
from mappings.cel.errors import ExpressionError, NoValue, TooMuch, Unsure
from mappings.cel.functions import FUNCTIONS
from mappings.cel.operators import (
    ARITHMETIC,
    ORDERS,
    SEARCHING,
    Steps,
    add,
    built,
    contained,
    element,
    equal,
    has_field,
    invert,
    keys_of,
    negate,
    no_key,
    no_member,
    no_overload,
    searched,
)
from mappings.cel.syntax import Node
from mappings.cel.values import Built, Settle, adapt, amount_of, now_of, text_keys

Local = dict[str, Any]


class Walker:
    """Evaluates the nodes of one checked expression for one set of variables."""

    def __init__(
        self, checked: Checked, variables: Mapping[str, Any], settle: Settle, amounts: bool
    ) -> None:
        """`amounts`: whether what has the shape of an amount has a number as its value."""
        self.text = checked.text
        self.variables = variables
        self.settle = settle
        self.amounts = amounts
        self.steps = Steps()
        self.failed: Node | None = None

    def value(self, node: Node, local: Local | None = None) -> Any:
        """The settled value of a node. Raises NoValue (with `failed` set), TooMuch."""
        return self.settle(self.visit(node, local or {}))

    def visit(self, node: Node, local: Local) -> Any:
        try:
            return _VISITS[type(node)](self, node, local)
        except NoValue as error:
            if not error.__dict__.get("placed"):
                error.__dict__["placed"] = True
                self.failed = node
            raise
        except (ExpressionError, Unsure, RecursionError) as error:
            self.failed = node
            said = NoValue(str(error) or "a value of this type has no form in a condition.")
            said.__dict__["placed"] = True
            raise said from None

    def _literal(self, node: syntax.Literal, local: Local) -> Any:
        return node.value

    def _list(self, node: syntax.ListOf, local: Local) -> Any:
        return [self.visit(one, local) for one in node.elements]

    def _map(self, node: syntax.MapOf, local: Local) -> Any:
        return built(
            [(self.visit(key, local), self.visit(value, local)) for key, value in node.entries]
        )

    # -------------------------------------------------------------------------------- reaching

    def _name(self, node: syntax.Name, local: Local) -> Any:
        if not node.outermost and node.name in local:
            return local[node.name]
        try:
            value = self.variables[node.name]
        except KeyError:
            raise NoValue(f"'{node.name}' has no value here.") from None
        return now_of(value) if node.name in MOMENTS else adapt(value)

    def _select(self, node: syntax.Select, local: Local) -> Any:
        operand = self.visit(node.operand, local)
        if not isinstance(operand, dict):
            raise no_member(operand, node.field)
        if node.field not in operand and operand.__class__ is not Built:
            operand = text_keys(operand)
        if node.test:
            return has_field(operand, node.field)
        return self._member(operand, node.field)

    def _member(self, operand: dict[Any, Any], field: str) -> Any:
        try:
            if field == "value" and self.amounts:
                return adapt(amount_of(operand))
            return adapt(operand[field])
        except KeyError:
            raise no_key(field) from None

    def _index(self, node: syntax.Index, local: Local) -> Any:
        operand, index = self.visit(node.operand, local), self.visit(node.index, local)
        if isinstance(operand, dict) and operand.__class__ is not Built:
            operand = text_keys(operand)
            if index.__class__ is str:
                return self._member(operand, index)
        return adapt(element(operand, index))

    # --------------------------------------------------------------------------------- applying

    def _call(self, node: syntax.Call, local: Local) -> Any:
        given = [self.visit(child, local) for child in node.children()]
        if local and node.function in SEARCHING:
            given[0] = searched(given[0], self.steps)
        return FUNCTIONS[node.function].run(*given)

    def _unary(self, node: syntax.Unary, local: Local) -> Any:
        operand = self.visit(node.operand, local)
        return invert(operand) if node.operator == "!" else negate(operand)

    def _binary(self, node: syntax.Binary, local: Local) -> Any:
        left, right = self.visit(node.left, local), self.visit(node.right, local)
        match node.operator:
            case "==":
                return equal(left, right, self.settle, self.steps)
            case "!=":
                return not equal(left, right, self.settle, self.steps)
            case "in":
                return contained(left, _ready(right), self.settle, self.steps)
        order = ORDERS.get(node.operator)
        if node.operator == "+":
            return add(left, right, self.steps)
        return order(left, right) if order else ARITHMETIC[node.operator](left, right)

    def _logic(self, node: syntax.Logic, local: Local) -> Any:
        decides = node.operator == "||"
        error: tuple[NoValue, Node | None] | None = None
        for term in node.terms:
            try:
                value = self.visit(term, local)
                if value is decides:
                    return decides
                if value is not True and value is not False:
                    self.failed = term
                    raise _placed(no_overload(node.operator, value))
            except NoValue as problem:
                error = error or (problem, self.failed)
        if error is not None:
            self.failed = error[1]
            raise error[0]
        return not decides

    def _conditional(self, node: syntax.Conditional, local: Local) -> Any:
        condition = self.visit(node.condition, local)
        if condition is not True and condition is not False:
            raise no_overload("?", condition)
        return self.visit(node.then if condition else node.otherwise, local)

    # ----------------------------------------------------------------------------------- macros

    def elements(self, node: syntax.Macro, local: Local) -> list[Any]:
        """What a macro looks at: the elements of a list, the keys of a map."""
        target = self.visit(node.target, local)
        if isinstance(target, dict):
            return keys_of(target if target.__class__ is Built else text_keys(target))
        if target.__class__ is not list:
            raise no_overload(node.kind, target)
        found: list[Any] = target
        return found

    def _macro(self, node: syntax.Macro, local: Local) -> Any:
        elements = self.elements(node, local)
        inner = dict(local)
        if node.kind in ("exists", "all"):
            return self._some_or_all(node, elements, inner)
        found: list[Any] = []
        condition = node.guard if node.kind == "map" else node.body
        for item in elements:
            self.steps.take()
            inner[node.variable] = adapt(item)
            if condition is not None:
                holds = self.visit(condition, inner)
                if holds is not True and holds is not False:
                    self.failed = condition
                    raise _placed(no_overload(node.kind, holds))
                if not holds:
                    continue
            found.append(self.visit(node.body, inner) if node.kind == "map" else item)
        return len(found) == 1 if node.kind == "exists_one" else found

    def _some_or_all(self, node: syntax.Macro, elements: list[Any], inner: Local) -> bool:
        decides = node.kind == "exists"
        error: tuple[NoValue, Node | None] | None = None
        for item in elements:
            self.steps.take()
            try:
                inner[node.variable] = adapt(item)
                value = self.visit(node.body, inner)
                if value is True or value is False:
                    if value is decides:
                        return decides
                else:
                    self.failed = node.body
                    raise _placed(no_overload(node.kind, value))
            except NoValue as problem:
                error = error or (problem, self.failed)
        if error is not None:
            self.failed = error[1]
            raise error[0]
        return not decides


_VISITS: dict[type, Callable[[Walker, Any, Local], Any]] = {
    syntax.Literal: Walker._literal,
    syntax.Name: Walker._name,
    syntax.Select: Walker._select,
    syntax.Index: Walker._index,
    syntax.Call: Walker._call,
    syntax.Unary: Walker._unary,
    syntax.Binary: Walker._binary,
    syntax.Logic: Walker._logic,
    syntax.Conditional: Walker._conditional,
    syntax.ListOf: Walker._list,
    syntax.MapOf: Walker._map,
    syntax.Macro: Walker._macro,
}


def _ready(container: Any) -> Any:
    """What `in` looks into, its elements and keys as CEL has them."""
    if container.__class__ is list:
        return [adapt(item) for item in container]
    return text_keys(container) if container.__class__ is dict else container


def _placed(error: NoValue) -> NoValue:
    error.__dict__["placed"] = True
    return error


def evaluate(checked: Checked, variables: Mapping[str, Any], settle: Settle, amounts: bool) -> Any:
    """The settled value of an expression. Raises ExpressionError."""
    walker = Walker(checked, variables, settle, amounts)
    try:
        return walker.value(checked.root)
    except (NoValue, TooMuch) as error:
        raise ExpressionError(f"'{checked.text}': {error}") from None
