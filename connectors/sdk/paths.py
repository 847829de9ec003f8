"""Where things stand in an answer: dotted paths and JSONPath, compiled once; conditions on them.

A plain chain (`issue.id`, `$.errors[0].message`) is walked directly. What needs more (wildcards,
filters) goes through jsonpath-ng, without the parts of it that search everything or match regular
expressions: an answer comes from outside, and must not choose how long we take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jsonpath_ng import Child, Fields, Index, Root, Slice, This, Wildcard
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.filter import Expression, Filter
from jsonpath_ng.ext.parser import parse

from connectors.sdk.records import Json

LONGEST = 500
_STEP = re.compile(
    r"\.?(?:(?P<name>[^\W\d][\w-]*)"
    r"|\[(?:(?P<index>-?\d{1,6})|'(?P<single>[^'\\]+)'|\"(?P<double>[^\"\\]+)\")\])"
)
_CONDITION = re.compile(r"\s*(?P<path>.+?)\s*(?:(?P<sign>==|!=)\s*(?P<value>.+?)\s*)?")


class MISSING:
    """Stands for: the answer does not speak of this."""


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. `read` gives a value or MISSING; `roots` are the top-level names it reads,
    `*` for any.
    """

    text: str
    read: Callable[[Json], Any] = field(repr=False, compare=False)
    chain: tuple[str | int, ...] | None

    @property
    def root(self) -> str:
        """The top-level name it reads; `*` where that cannot be told."""
        return str(self.chain[0]) if self.chain else "*"

    def get(self, data: Json, default: Any = None) -> Any:
        """The value, or the default for one that is missing."""
        found = self.read(data)
        return default if found is MISSING else found


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Path:
    """Raises ValueError that says what to write instead."""
    if not text or len(text) > LONGEST:
        raise ValueError(f"a path has 1 to {LONGEST} characters, such as issue.id")
    chain = _chain(text)
    if chain is not None:
        return Path(text, _walker(chain), chain)
    try:
        tree = parse(text if text.startswith("$") else f"$.{text}")
    except (JSONPathError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")[:120]
        raise ValueError(
            f"'{text}' is not a path ({reason}); write issue.id or $.issues[*]"
        ) from None
    _only_plain(tree, text)

    def read(data: Json) -> Any:
        found = [match.value for match in tree.find(data)]
        return found if found else MISSING

    return Path(text, read, None)


def _chain(text: str) -> tuple[str | int, ...] | None:
    steps: list[str | int] = []
    position = 1 if text.startswith("$") else 0
    if position == 0 and text[0] in ".[":
        return None
    while position < len(text):
        match = _STEP.match(text, position)
        if not match or (match["name"] and position > 0 and text[position] != "."):
            return None
        index = match["index"]
        quoted = match["single"] or match["double"]
        steps.append(int(index) if index is not None else match["name"] or quoted)
        position = match.end()
    return tuple(steps)


def _walker(chain: tuple[str | int, ...]) -> Callable[[Json], Any]:
    if len(chain) == 1 and isinstance(chain[0], str):
        return _member(chain[0])

    def read(data: Json) -> Any:
        value = data
        for step in chain:
            if isinstance(step, str):
                if not isinstance(value, dict) or step not in value:
                    return MISSING
                value = value[step]
            elif isinstance(value, list) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return MISSING
        return value

    return read


def _member(name: str) -> Callable[[Json], Any]:
    """What most paths are."""

    def read(data: Json) -> Any:
        return data.get(name, MISSING) if isinstance(data, dict) else MISSING

    return read


def _only_plain(tree: Any, text: str) -> None:
    todo: list[Any] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, Child):
            todo += [node.left, node.right]
        elif isinstance(node, Filter):
            todo += list(node.expressions)
        elif isinstance(node, Expression):
            if node.op in ("=~",):
                raise ValueError(f"'{text}' matches a regular expression, which is not offered")
            todo.append(node.target)
        elif not isinstance(node, Root | This | Fields | Index | Slice | Wildcard):
            raise ValueError(
                f"'{text}' uses '{type(node).__name__}', which is not offered: name the members "
                "on the way, with [*] and [?(@.name == 'value')] where needed"
            )


@dataclass(frozen=True, slots=True)
class Condition:
    """`path`, `path == value` or `path != value`; the value is JSON or a bare word."""

    text: str
    path: Path
    sign: str = ""
    value: Json = None

    def holds(self, data: Json) -> bool:
        """Without a comparison: whether something that is neither empty nor false stands there."""
        found = self.path.read(data)
        if not self.sign:
            return found is not MISSING and bool(found)
        if found is MISSING:
            return self.sign == "!=" and self.value is not None
        # 1 == True in Python, not in JSON
        same = found == self.value and isinstance(found, bool) == isinstance(self.value, bool)
        return same == (self.sign == "==")


@lru_cache(maxsize=1024)
def compile_condition(text: str) -> Condition:
    """Raises ValueError that says what to write instead."""
    if "[?" in text:
        return Condition(text, compile_path(text.strip()))
    match = _CONDITION.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is not a condition; write $.ok == false")
    path = compile_path(match["path"])
    if not match["sign"]:
        return Condition(text, path)
    written = match["value"]
    try:
        value = json.loads(written)
    except ValueError:
        value = written.strip("'")
    if isinstance(value, dict | list):
        raise ValueError(f"'{text}' compares with more than one value; write $.ok == false")
    return Condition(text, path, match["sign"], value)
