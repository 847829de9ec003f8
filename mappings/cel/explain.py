"""Which part of a condition decided: the clause that is false or has no value, and what it saw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mappings.cel import syntax
from mappings.cel.errors import NoValue, TooMuch
from mappings.cel.interpret import Local, Walker
from mappings.cel.program import Program
from mappings.cel.syntax import Node
from mappings.cel.values import Built, Flag, adapt, to_json

_LONG = 60


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a condition is true, false or without an answer.

    `clause` is the part of its text that decided, which starts at `column` (from 1) of `line`;
    `detail` says what that part saw. Both are empty where the whole is true.
    """

    verdict: Literal["true", "false", "error"]
    clause: str = ""
    detail: str = ""
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        if self.verdict == "true":
            return "true"
        said = "failed" if self.verdict == "error" else "was false"
        return (
            f"`{self.clause}` {said}: {self.detail}" if self.detail else f"`{self.clause}` {said}"
        )


def explain_program(program: Program, variables: Mapping[str, Any]) -> Explanation:
    """Look at the clauses of a condition one by one. Never raises for what the values hold."""
    return _Explainer(program, variables).explain()


class _Explainer:
    def __init__(self, program: Program, variables: Mapping[str, Any]) -> None:
        self.program = program
        self.variables = variables
        self.text = program.text

    def explain(self) -> Explanation:
        root = self.program.checked.root
        answer = self._try(root, {})
        if answer is True:
            return Explanation("true")
        node, _, detail = self._why(root, {}, answer)
        before = self.text[: node.start]
        return Explanation(
            "false" if answer is False else "error",
            " ".join(self.text[node.start : node.end].split()),
            detail,
            before.count("\n") + 1,
            node.start - (before.rfind("\n") + 1) + 1,
        )

    def _try(self, node: Node, local: Local) -> Any:
        """The value of a part, or the error it ends in."""
        walker = self._walker()
        try:
            return walker.value(node, local)
        except (NoValue, TooMuch) as error:
            return error

    def _walker(self) -> Walker:
        return self.program.walker(self.variables)

    def _why(self, node: Node, local: Local, answer: Any) -> tuple[Node, Local, str]:
        """The smallest part that explains the answer of `node`, and what to say of it."""
        match node:
            case syntax.Logic():
                return self._why_logic(node, local, answer)
            case syntax.Conditional():
                condition = self._try(node.condition, local)
                if condition is True or condition is False:
                    chosen = node.then if condition else node.otherwise
                    return self._why(chosen, local, self._try(chosen, local))
                return self._why(node.condition, local, condition)
            case syntax.Macro(kind="all") if answer is False:
                return self._why_all(node, local)
        if answer is not False:
            return node, local, self._error(answer)
        return node, local, self._seen(node, local)

    def _why_logic(self, node: syntax.Logic, local: Local, answer: Any) -> tuple[Node, Local, str]:
        answers = [(term, self._try(term, local)) for term in node.terms]
        if answer is not False:
            for term, one in answers:
                if one is not True and one is not False:
                    return self._why(term, local, one)
        if node.operator == "&&":
            for term, one in answers:
                if one is False:
                    return self._why(term, local, one)
        details = []
        for term, one in answers:
            inner, _, detail = self._why(term, local, one)
            details.append(f"`{self._text(inner)}` was false{': ' if detail else ''}{detail}")
        return node, local, "; ".join(details)

    def _why_all(self, node: syntax.Macro, local: Local) -> tuple[Node, Local, str]:
        elements = self._walker().elements(node, local)
        for number, item in enumerate(elements):
            inner = {**local, node.variable: adapt(item)}
            if self._try(node.body, inner) is False:
                detail = f"element {number} is {self._shown(item)}"
                if isinstance(node.body, syntax.Binary):
                    detail += f", and {self._seen(node.body, inner)} is false"
                return node, local, detail
        return node, local, ""

    def _error(self, answer: Any) -> str:
        if isinstance(answer, (NoValue, TooMuch)):
            return str(answer)
        return f"it gave {self._shown(answer)}, which is neither true nor false."

    def _text(self, node: Node) -> str:
        return " ".join(self.text[node.start : node.end].split())

    def _seen(self, node: Node, local: Local) -> str:
        """What a part that is false saw."""
        match node:
            case syntax.Binary():
                left, right = self._try(node.left, local), self._try(node.right, local)
                return f"{self._shown(left)} {node.operator} {self._shown(right)}"
            case syntax.Unary(operator="!"):
                if isinstance(node.operand, (syntax.Binary, syntax.Call)):
                    return f"{self._seen(node.operand, local)} is true"
                return f"`{self._text(node.operand)}` is true"
            case syntax.Select(test=True):
                return f'there is no field "{node.field}"'
            case syntax.Macro(kind="exists"):
                return f"none of {len(self._walker().elements(node, local))} elements"
            case syntax.Macro(kind="exists_one"):
                return f"not exactly one of {len(self._walker().elements(node, local))} elements"
            case syntax.Call():
                values = [self._shown(self._try(child, local)) for child in node.children()]
                if node.target is not None:
                    return f"{values[0]}.{node.function}({', '.join(values[1:])})"
                return f"{node.function}({', '.join(values)})"
        return ""

    def _shown(self, value: Any) -> str:
        """A value as an expression would write it, cut short."""
        if isinstance(value, Exception):
            return "?"
        if isinstance(value, str):
            written = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        elif isinstance(value, (Built, Flag)) or not isinstance(value, (bool, int, float)):
            found = to_json(self.program.settle(value))
            written = json.dumps(found, ensure_ascii=False) if value is not None else "null"
            written = found if isinstance(found, str) else written
        else:
            written = json.dumps(value)
        return written if len(written) <= _LONG else f"{written[: _LONG - 1]}…"
