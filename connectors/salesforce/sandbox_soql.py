"""The subset of SOQL the Salesforce sandbox understands, parsed and evaluated as Salesforce would.

SELECT with parent fields, WHERE with AND, OR, NOT, comparisons, IN and LIKE, ORDER BY and LIMIT;
everything else is MALFORMED_QUERY rather than a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Get = Callable[[str], Any]
"""A record's value of a field or of a parent's field, by lower-case path."""
Test = Callable[[Get], bool]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z][A-Za-z0-9_.]*)
    | (?P<mark><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE,
)
_UNESCAPE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class SoqlError(Exception):
    """A query Salesforce would refuse: `code` is its errorCode."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Literal:
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Query:
    """`fields` and `order` keep the names as they were written."""

    fields: tuple[str, ...]
    name: str
    test: Test
    tested: tuple[tuple[str, str], ...]
    """Which fields WHERE compares, with the kind of literal, so that types can be held together."""
    order: tuple[tuple[str, bool], ...]
    limit: int | None


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.tested: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text[place:].strip()[0]}'")
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            place = match.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "<EOF>")

    def word(self) -> str:
        kind, text = self.peek()
        return text.upper() if kind in ("name", "mark") else ""

    def take(self, *words: str) -> bool:
        """Step over these keywords or marks if they come next."""
        start = self.at
        for word in words:
            if self.word() != word:
                self.at = start
                return False
            self.at += 1
        return True

    def need(self, word: str) -> None:
        if not self.take(word):
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{self.peek()[1]}'")

    def name(self) -> str:
        kind, text = self.peek()
        if kind != "name":
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text}'")
        self.at += 1
        return text

    def query(self) -> Query:
        self.need("SELECT")
        fields = [self.name()]
        while self.take(","):
            fields.append(self.name())
        self.need("FROM")
        name = self.name()
        test: Test = lambda get: True  # noqa: E731 (a default for a predicate, not a function)
        if self.take("WHERE"):
            test = self.condition()
        order: list[tuple[str, bool]] = []
        if self.take("ORDER", "BY"):
            while True:
                field = self.name()
                down = self.take("DESC") or (self.take("ASC") and False)
                order.append((field, down))
                if not self.take(","):
                    break
        limit = None
        if self.take("LIMIT"):
            kind, text = self.peek()
            if kind != "number" or not text.isdigit():
                raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text}'")
            self.at += 1
            limit = int(text)
        if self.peek()[0] != "end":
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{self.peek()[1]}'")
        return Query(tuple(fields), name, test, tuple(self.tested), tuple(order), limit)

    def condition(self) -> Test:
        """AND and OR may not be mixed without parentheses; Salesforce refuses that too."""
        first = self.term()
        joint = self.word()
        if joint not in ("AND", "OR"):
            return first
        terms = [first]
        while self.take(joint):
            terms.append(self.term())
        if self.word() in ("AND", "OR"):
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{self.peek()[1]}'")
        join = all if joint == "AND" else any
        return lambda get: join(term(get) for term in terms)

    def term(self) -> Test:
        if self.take("NOT"):
            inner = self.term()
            return lambda get: not inner(get)
        if self.take("("):
            inner = self.condition()
            self.need(")")
            return inner
        field = self.name()
        if self.take("NOT", "IN") or self.take("IN"):
            negated = self.tokens[self.at - 2][1].upper() == "NOT"
            self.need("(")
            values = [self.literal(field)]
            while self.take(","):
                values.append(self.literal(field))
            self.need(")")
            tests = [_comparison(field, "=", value) for value in values]
            return lambda get: any(test(get) for test in tests) is not negated
        sign = self.word()
        if sign not in ("=", "!=", "<>", "<", "<=", ">", ">=", "LIKE"):
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{self.peek()[1]}'")
        self.at += 1
        return _comparison(field, "!=" if sign == "<>" else sign, self.literal(field))

    def literal(self, field: str) -> Literal:
        kind, text = self.peek()
        self.at += 1
        value: Any = text
        if kind == "text":
            value = re.sub(r"\\(.)", lambda m: _UNESCAPE.get(m[1], m[1]), text[1:-1])
        elif kind == "number":
            value = float(text)
        elif kind == "datetime":
            value = datetime.fromisoformat(text).astimezone(UTC)
        elif kind == "name" and text.upper() in ("TRUE", "FALSE", "NULL"):
            kind = "null" if text.upper() == "NULL" else "boolean"
            value = {"TRUE": True, "FALSE": False, "NULL": None}[text.upper()]
        elif kind != "date":
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text}'")
        self.tested.append((field, kind))
        return Literal(kind, value)


def _comparison(field: str, sign: str, literal: Literal) -> Test:
    path = field.lower()
    is_id = path == "id" or path.endswith((".id", "ownerid", "accountid", "whatid", "whoid"))

    def side(value: Any) -> Any:
        if literal.kind == "datetime" and isinstance(value, str):
            return datetime.fromisoformat(value)
        if isinstance(value, str) and is_id:
            return value[:15]
        return value.casefold() if isinstance(value, str) else value

    right = side(literal.value)

    def test(get: Get) -> bool:
        left = side(get(path))
        if sign == "=":
            return bool(left == right)
        if sign == "!=":
            return bool(left != right)
        if left is None or right is None:
            return False
        if sign == "LIKE":
            pattern = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in str(right))
            return re.fullmatch(pattern, str(left), re.DOTALL) is not None
        if sign in ("<", "<="):
            return bool(left < right or (sign == "<=" and left == right))
        return bool(left > right or (sign == ">=" and left == right))

    return test


def parse(text: str) -> Query:
    """Raises SoqlError with MALFORMED_QUERY."""
    return _Parser(text).query()


def getter(record: Mapping[str, Any], parent: Callable[[str], Mapping[str, Any] | None]) -> Get:
    """Reads `stagename` or `owner.email` of a record whose keys are in any case."""
    lowered = {key.lower(): value for key, value in record.items()}

    def get(path: str) -> Any:
        head, dot, rest = path.partition(".")
        if not dot:
            return lowered.get(head)
        above = parent(head)
        return None if above is None else {k.lower(): v for k, v in above.items()}.get(rest)

    return get
