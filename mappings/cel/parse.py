"""The text of an expression to its tree. lark reads it; what it says about mistakes is ours."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args
from lark.exceptions import VisitError

from mappings.cel import syntax
from mappings.cel.errors import CompileError, invalid
from mappings.cel.functions import MACROS
from mappings.cel.grammar import BINDS, GRAMMAR
from mappings.cel.literals import BadLiteral, text_or_bytes, unsigned, whole
from mappings.cel.syntax import Node
from mappings.cel.values import INT_MAX, INT_MIN

MAX_LENGTH = 10_000
MAX_NESTING = 100

_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_RESERVED = re.compile(
    "as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var"
    "|void|while"
)
_WORDS = {"true": True, "false": False, "null": None}
_OTHER_LANGUAGES = {"and": "&&", "or": "||", "not": "!", "is": "==", "eq": "=="}


def parse(text: str) -> Node:
    """The tree of an expression. Raises CompileError with the place."""
    if not text.strip():
        raise CompileError("an expression is empty.", hint="Write a condition or remove the key.")
    if len(text) > MAX_LENGTH:
        raise CompileError(f"an expression is longer than {MAX_LENGTH} characters.", MAX_LENGTH)
    if bad := _UNSAFE.search(text):
        raise invalid(text, bad.start(), "a character that cannot stand in an expression.")
    try:
        root = _tree(_parser().parse(text))
    except UnexpectedToken as error:
        raise _unexpected(text, error) from None
    except UnexpectedCharacters as error:
        raise _no_token(text, error.pos_in_stream or 0) from None
    except VisitError as error:
        raise _located(text, error.orig_exc) from None
    except _Wrong as error:
        raise _located(text, error) from None
    _bounded(text, root)
    return root


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="basic", maybe_placeholders=True, transformer=_Tree())


def _bounded(text: str, root: Node) -> None:
    """Nothing that walks the tree may run out of stack."""
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        try:
            _fitting(node)
        except _Wrong as error:
            raise _located(text, error) from None
        if depth > MAX_NESTING:
            raise invalid(
                text,
                node.start,
                f"an expression is nested deeper than {MAX_NESTING} levels.",
                "Split it into several rules or steps.",
            )
        waiting.extend((child, depth + 1) for child in node.children())


# ---------------------------------------------------------------------------------- the tree


class _Wrong(Exception):
    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset, self.message, self.hint = offset, message, hint


def _located(text: str, error: BaseException) -> CompileError:
    if not isinstance(error, _Wrong):
        raise error
    return invalid(text, error.offset, error.message, error.hint)


def _start(token: Token) -> int:
    return token.start_pos or 0


def _end(token: Token) -> int:
    return token.end_pos or 0


@v_args(inline=True)
class _Tree(Transformer[Token, Any]):
    """Each rule of the grammar to its node, from the leaves up."""

    def conditional(self, condition: Any, then: Any, otherwise: Any) -> Node:
        condition, then, otherwise = _tree(condition), _tree(then), _tree(otherwise)
        return syntax.Conditional(condition.start, otherwise.end, condition, then, otherwise)

    def joined(self, left: Any, sign: Token, right: Node) -> list[Any]:
        return _longer(left, sign, right)

    def unary(self, *parts: Any) -> Node:
        signs: list[Token] = list(parts[:-1])
        node: Node = parts[-1]
        if str(signs[-1]) == "-" and isinstance(node, syntax.Literal) and type(node.value) is int:
            # the least int has no positive counterpart, so its sign belongs to the literal
            node = syntax.Literal(_start(signs.pop()), node.end, -node.value)
        for sign in reversed(signs):
            node = syntax.Unary(_start(sign), node.end, str(sign), node)
        return node

    def select(self, operand: Node, field: Token) -> Node:
        name = str(field).strip("`")
        return syntax.Select(operand.start, _end(field), operand, name, _start(field))

    def member_call(
        self, target: Node, name: Token, _: Token, arguments: Any, close: Token
    ) -> Node:
        given = tuple(arguments or ())
        if name in MACROS:
            return _macro(target, name, given, _end(close))
        return syntax.Call(target.start, _end(close), str(name), target, given, _start(name))

    def index(self, operand: Node, index: Any, close: Token) -> Node:
        return syntax.Index(operand.start, _end(close), operand, _tree(index))

    def message(self, operand: Node, brace: Token, fields: Any, close: Token) -> Node:
        raise _Wrong(
            operand.start,
            "messages, as in Name{field: …}, are no part of conditions.",
            "Write a map, {'field': …}.",
        )

    def name(self, dot: Token | None, name: Token) -> Node:
        _free(name)
        start = _start(dot if dot is not None else name)
        return syntax.Name(start, _end(name), str(name), dot is not None)

    def call(self, dot: Token | None, name: Token, _: Token, arguments: Any, close: Token) -> Node:
        _free(name)
        given = tuple(arguments or ())
        if name == "has":
            return _has(name, given, _end(close))
        if name in MACROS:
            raise _Wrong(
                _start(name),
                f"{name}() is called on a list.",
                f"Write list.{name}(each, …).",
            )
        return syntax.Call(_start(name), _end(close), str(name), None, given, _start(name))

    def group(self, opening: Token, inner: Any, closing: Token) -> Node:
        node = _tree(inner)
        _fitting(node)
        widened: Node = replace(node, start=_start(opening), end=_end(closing))
        return widened

    def list_of(self, opening: Token, *parts: Any) -> Node:
        items = parts[0] if isinstance(parts[0], list) else ()
        return syntax.ListOf(_start(opening), _end(parts[-1]), tuple(items))

    def map_of(self, opening: Token, *parts: Any) -> Node:
        entries = parts[0] if isinstance(parts[0], list) else ()
        return syntax.MapOf(_start(opening), _end(parts[-1]), tuple(entries))

    def arguments(self, *parts: Any) -> list[Node]:
        return _listed(parts[:-1], _tree(parts[-1]))

    def entries(self, *parts: Any) -> list[tuple[Node, Node]]:
        return _listed(parts[:-1], parts[-1])

    def entry(self, key: Any, value: Any) -> tuple[Node, Node]:
        return _tree(key), _tree(value)

    def whole(self, token: Token) -> Node:
        return _literal(token, whole)

    def unsigned(self, token: Token) -> Node:
        return _literal(token, unsigned)

    def real(self, token: Token) -> Node:
        return _literal(token, float)

    def text(self, token: Token) -> Node:
        return _literal(token, text_or_bytes)

    def word(self, token: Token) -> Node:
        return syntax.Literal(_start(token), _end(token), _WORDS[str(token)])


def _listed(before: tuple[Any, ...], last: Any) -> list[Any]:
    """A list that has got one more element (behind a comma), or its first."""
    if not before:
        return [last]
    listed: list[Any] = before[0]
    listed.append(last)
    return listed


def _longer(left: Any, sign: Token, right: Node) -> list[Any]:
    """A row of values with signs between them."""
    row: list[Any] = left if isinstance(left, list) else [left]
    row += (sign, right)
    return row


def _tree(row: Any) -> Node:
    """The tree of such a row, by how close its signs bind."""
    if not isinstance(row, list):
        alone: Node = row
        return alone
    values: list[Node] = [row[0]]
    signs: list[Token] = []
    for sign, value in zip(row[1::2], row[2::2], strict=True):
        while signs and BINDS[signs[-1]] >= BINDS[sign]:
            _join(values, signs)
        signs.append(sign)
        values.append(value)
    while signs:
        _join(values, signs)
    return values[0]


def _join(values: list[Node], signs: list[Token]) -> None:
    sign, right, left = signs.pop(), values.pop(), values.pop()
    if sign in ("&&", "||"):
        values.append(_chain(str(sign), left, right))
    else:
        values.append(syntax.Binary(left.start, right.end, str(sign), left, right, _start(sign)))


def _chain(operator: str, left: Node, right: Node) -> Node:
    """`a && b && c` is one node, so that a long chain is not a deep tree."""
    terms: list[Node] = []
    for side in (left, right):
        if isinstance(side, syntax.Logic) and side.operator == operator:
            terms += side.terms
        else:
            terms.append(side)
    return syntax.Logic(left.start, right.end, operator, tuple(terms))


def _literal(token: Token, read: Any) -> Node:
    try:
        return syntax.Literal(_start(token), _end(token), read(str(token)))
    except BadLiteral as error:
        raise _Wrong(_start(token) + error.offset, error.message, error.hint) from None


def _fitting(node: Node) -> None:
    """A whole number is read before its sign is known; here it is."""
    if (
        isinstance(node, syntax.Literal)
        and type(node.value) is int
        and not INT_MIN <= node.value <= INT_MAX
    ):
        raise _Wrong(node.start, f"{node.value} does not fit into 64 bits.", "Write it with .0.")


def _free(name: Token) -> None:
    if _RESERVED.fullmatch(name):
        raise _Wrong(
            _start(name), f"'{name}' is a reserved word of CEL.", "It can be a field only."
        )


def _has(name: Token, given: tuple[Node, ...], end: int) -> Node:
    if len(given) != 1 or not isinstance(given[0], syntax.Select) or given[0].test:
        raise _Wrong(
            _start(name),
            "has() asks for one field of something.",
            "Write it like has(item.title).",
        )
    return replace(given[0], start=_start(name), end=end, test=True)


def _macro(target: Node, name: Token, given: tuple[Node, ...], end: int) -> Node:
    kind = str(name)
    if len(given) != 2 and not (kind == "map" and len(given) == 3):
        takes = (
            "a variable, perhaps a condition, and a value"
            if kind == "map"
            else ("a variable and a condition")
        )
        raise _Wrong(_start(name), f"{kind}() takes {takes}.", f"Write list.{kind}(each, …).")
    variable = given[0]
    if not isinstance(variable, syntax.Name) or variable.outermost:
        raise _Wrong(variable.start, f"the variable of {kind}() must be one word.")
    return syntax.Macro(
        target.start, end, kind, target, variable.name, given[-1],
        given[1] if len(given) == 3 else None,
    )  # fmt: skip


# ------------------------------------------------------------------------------------ mistakes


def _unexpected(text: str, error: UnexpectedToken) -> CompileError:
    token = error.token
    if token.type == "$END":
        if "RPAR" in error.expected or "RSQB" in error.expected or "RBRACE" in error.expected:
            return _unclosed(text)
        return invalid(
            text, len(text), "the expression ends too early, where a value was expected."
        )
    offset, word = _start(token), str(token)
    if word.lower() in _OTHER_LANGUAGES:
        return invalid(
            text,
            offset,
            f"'{word}' is no operator of CEL.",
            f"Write {_OTHER_LANGUAGES[word.lower()]}.",
        )
    before = re.search(r"\b(not|and|or)\s+$", text[:offset], re.IGNORECASE)
    if before:
        return invalid(
            text,
            before.start(),
            f"'{before[1]}' is no operator of CEL.",
            f"Write {_OTHER_LANGUAGES[before[1].lower()]}.",
        )
    if word in (")", "]", "}") and "INT" not in error.expected:
        return invalid(text, offset, f"a '{word}' closes nothing.", "Remove it.")
    if word == "?":
        return invalid(text, offset, "a second '?' needs brackets.", "Put the inner choice in ( ).")
    shown = word if len(word) <= 40 else f"{word[:39]}…"
    return invalid(text, offset, f"'{shown}' cannot stand here.", _what_could(error.expected))


def _what_could(expected: set[str]) -> str:
    """A value is missing, or something between two values."""
    if "INT" in expected:
        return "A value is expected."
    return "An operator is missing before it, or something stands twice."


def _unclosed(text: str) -> CompileError:
    opened: list[int] = []
    for token in _parser().lex(text):
        if token.type in ("LPAR", "LSQB", "LBRACE"):
            opened.append(_start(token))
        elif token.type in ("RPAR", "RSQB", "RBRACE") and opened:
            opened.pop()
    at = opened[-1] if opened else len(text) - 1
    closing = {"(": ")", "[": "]", "{": "}"}.get(text[at], ")")
    return invalid(text, at, f"a '{text[at]}' is not closed.", f"Add the closing {closing}.")


def _no_token(text: str, offset: int) -> CompileError:
    letter = text[offset]
    if letter == "=":
        return invalid(text, offset, "a single '=' does not compare.", "Write ==.")
    if letter in "&|":
        return invalid(text, offset, f"a single '{letter}' is no operator.", f"Write {letter * 2}.")
    if letter in "'\"":
        return invalid(text, offset, "a text is not closed.", f"Add the closing {letter}.")
    if letter == "`":
        return invalid(text, offset, "a field in ` has only letters, digits, _ . - / and spaces.")
    if letter in "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb":
        return invalid(text, offset, f"{letter} is no quote of CEL.", "Write ' or \".")
    if letter == "$" and text[offset : offset + 2] == "${":
        return invalid(text, offset, "'${' cannot stand in an expression.", "Write it without.")
    return invalid(text, offset, f"'{letter}' means nothing here.")
