"""JSONPath for reading: jsonpath-ng's semantics, compiled to direct access where a path is plain.

Beyond jsonpath-ng, which only says "no match", a read tells a missing field (the record says
nothing) from one that is empty on the way (the record says there is none).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from jsonpath_ng import Child, Descendants, Fields, Index, JSONPath, Root, Slice, Wildcard
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.filter import Expression, Filter
from jsonpath_ng.ext.parser import parse

from mappings.path_mistakes import mistake_in


class Missing:
    """The record does not speak of this field."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = Missing()
Step = str | int
Reader = Callable[[Any], Any]

MAX_PATH = 500
NODE_BUDGET = 5_000
"""How large a value `..` may walk through: it costs about 5 µs a node."""

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d][\w-]*)|\.?\[\s*(?:(?P<index>-?\d{1,9})|'(?P<single>[^'\\*]+)'|"(?P<double>[^"\\*]+)"|(?P<all>\*))\s*\]"""
)

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")


class PathError(Exception):
    """A path is not valid. `column` counts from 1 within the path's text."""

    def __init__(self, message: str, column: int = 1, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.column = column
        self.hint = hint


class WrongType(Exception):
    """The record has another kind of value on the way than the path expects."""


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    `read` gives a value, None, MISSING or, where `many`, a list; it raises WrongType. `steps` is
    the plain chain of members and indexes, or None. `roots` are the top-level fields it reads;
    `*` means it may read any.
    """

    text: str
    read: Reader = field(repr=False, compare=False)
    find: Callable[[Any], list[Any]] = field(repr=False, compare=False)
    steps: tuple[Step, ...] | None
    shape: Literal["one", "filtered", "many"]
    roots: frozenset[str]
    projection: tuple[tuple[Step, ...], tuple[Step, ...]] | None = None
    """(chain before, chain after) of a path with exactly one `[*]`."""

    @property
    def many(self) -> bool:
        """Whether the path is meant to give a list."""
        return self.shape == "many"


@lru_cache(maxsize=8192)
def parse_path(text: str) -> Path:
    """Compile a path that starts at the record (`$`). Raises PathError."""
    if "${" in text and not text.startswith(("$.", "$[")):
        raise PathError(
            f"'{text[:60]}' is composed text, not a path.", 1, f'Write {{text: "{text[:60]}"}}.'
        )
    if not text.startswith("$"):
        raise PathError(f"'{text[:60]}' does not start with $.", 1, f"Write $.{text[:60]}.")
    if len(text) > MAX_PATH:
        raise PathError(f"a path is longer than {MAX_PATH} characters.", MAX_PATH)
    steps = _steps(text)
    if steps is None and "||" in (bare := _QUOTED.sub(lambda found: "_" * len(found[0]), text)):
        raise PathError(
            "a filter in a path has no ||.",
            bare.index("||") + 1,
            "Give several paths under from, a list of which the first that gives something counts.",
        )
    if steps is None:
        return _general(text)
    if "*" not in steps:
        chain = tuple(steps)
        return Path(text, _chain_reader(chain), _chain_finder(chain), chain, "one", _root_of(chain))
    at = steps.index("*")
    before, after = tuple(steps[:at]), tuple(steps[at + 1 :])
    if "*" in after:
        return _general(text)
    find = _projection_finder(before, after)
    read = _projection_reader(before, after, _list_reader(before, find))
    return Path(text, read, find, None, "many", _root_of(before), (before, after))


def _steps(text: str) -> list[Step] | None:
    """The steps of a plain path; `*` for an element wildcard; None if it is not plain."""
    steps: list[Step] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if not match:
            return None
        if match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(match["name"] or match["single"] or match["double"] or "*")
        position = match.end()
    return steps


def _root_of(chain: tuple[Step, ...]) -> frozenset[str]:
    return frozenset({chain[0]} if chain and isinstance(chain[0], str) else {"*"})


# -------------------------------------------------------------------------------- plain chains


def _walk(value: Any, chain: tuple[Step, ...]) -> Any:
    """The value at the end of a chain; None where it ends early in an empty place, else MISSING."""
    for step in chain:
        if value is None:
            return None
        if step.__class__ is str:
            if not isinstance(value, dict):
                raise WrongType(f"expected an object that has '{step}', found {kind_of(value)}")
            if step not in value:
                return MISSING
            value = value[step]
        else:
            if not isinstance(value, list):
                raise WrongType(f"expected a list, found {kind_of(value)}")
            if not -len(value) <= step < len(value):  # type: ignore[operator]
                return None
            value = value[step]  # type: ignore[index]
    return value


def _chain_reader(chain: tuple[Step, ...]) -> Reader:
    """The fast way down for records as they should be; `_walk` judges the others.

    Only an object answers to a text key, so members need no look at what they are read from; text
    answers to an index too, so an index does.
    """
    members = [step for step in chain if isinstance(step, str)]
    if len(members) == len(chain) and chain:
        return _member_reader(chain, members)

    def read(data: Any) -> Any:
        value = data
        try:
            for step in chain:
                if value.__class__ is not (dict if step.__class__ is str else list):
                    return _walk(data, chain)
                value = value[step]  # type: ignore[index]
        except LookupError:
            return _walk(data, chain)
        return value

    return read


def _member_reader(chain: tuple[Step, ...], members: list[str]) -> Reader:
    """Written out for the usual lengths: a loop costs as much as the access itself."""
    first, second, third, fourth = [*members, "", "", ""][:4]

    def read_one(data: Any) -> Any:
        return data.get(first, MISSING) if data.__class__ is dict else _walk(data, chain)

    def read_two(data: Any) -> Any:
        try:
            return data[first][second]
        except (LookupError, TypeError):
            return _walk(data, chain)

    def read_three(data: Any) -> Any:
        try:
            return data[first][second][third]
        except (LookupError, TypeError):
            return _walk(data, chain)

    def read_four(data: Any) -> Any:
        try:
            return data[first][second][third][fourth]
        except (LookupError, TypeError):
            return _walk(data, chain)

    def read_more(data: Any) -> Any:
        value = data
        try:
            for step in members:
                value = value[step]
        except (LookupError, TypeError):
            return _walk(data, chain)
        return value

    return {1: read_one, 2: read_two, 3: read_three, 4: read_four}.get(len(members), read_more)


def _chain_finder(chain: tuple[Step, ...]) -> Callable[[Any], list[Any]]:
    def find(data: Any) -> list[Any]:
        value = data
        for step in chain:
            if isinstance(step, str):
                if not isinstance(value, dict) or step not in value:
                    return []
            elif not isinstance(value, list) or not -len(value) <= step < len(value):
                return []
            value = value[step]
        return [value]

    return find


def _projection_finder(
    before: tuple[Step, ...], after: tuple[Step, ...]
) -> Callable[[Any], list[Any]]:
    head, tail = _chain_finder(before), _chain_finder(after)
    member = after[0] if len(after) == 1 and isinstance(after[0], str) else None

    def find(data: Any) -> list[Any]:
        found = head(data)
        if not found:
            return []
        container = found[0]
        if isinstance(container, dict):
            container = list(container.values())
        elif not isinstance(container, list):
            return []
        if not after:
            return list(container)
        if member is not None:
            return [
                element[member]
                for element in container
                if element.__class__ is dict and member in element
            ]
        return [value for element in container for value in tail(element)]

    return find


def _projection_reader(
    before: tuple[Step, ...], after: tuple[Step, ...], otherwise: Reader
) -> Reader:
    """The fast way for a list of objects of which one member is wanted."""
    if len(after) != 1 or not isinstance(after[0], str):
        return otherwise
    head, member = _chain_reader(before), after[0]

    def read(data: Any) -> Any:
        container = head(data)
        if container.__class__ is not list:
            return otherwise(data)
        found = [
            element[member]
            for element in container
            if element.__class__ is dict and member in element
        ]
        if container and not found:
            # an empty list would read as "there are none", and there are
            raise WrongType(f"none of the {len(container)} elements has '{member}'")
        return found

    return read


def _list_reader(before: tuple[Step, ...], find: Callable[[Any], list[Any]]) -> Reader:
    """A list of matches; with none, what the chain before them says decides."""
    head = _chain_reader(before)

    def read(data: Any) -> Any:
        found = find(data)
        if found:
            return found
        container = head(data)
        if container is MISSING or container is None:
            return container
        if not isinstance(container, (list, dict)):
            raise WrongType(f"expected a list, found {kind_of(container)}")
        return []

    return read


# --------------------------------------------------------------------------------- other paths


def _general(text: str) -> Path:
    try:
        with warnings.catch_warnings():
            # what the library is about to drop would stop a mapping on a later day
            warnings.simplefilter("error", DeprecationWarning)
            node = parse(text)
    except DeprecationWarning:
        raise PathError(
            f"'{text}' has a single &.", max(text.find("&"), 0) + 1, "Write && between conditions."
        ) from None
    except (JSONPathError, AssertionError, ValueError, TypeError, AttributeError) as error:
        mistake = mistake_in(text, str(error))
        raise PathError(mistake.message, mistake.column, mistake.hint) from None
    kinds = _inspect(node, text)
    shape: Literal["one", "filtered", "many"] = "many"
    if not kinds & {"many", "deep"}:
        shape = "filtered" if "filter" in kinds else "one"
    before = _plain_prefix(node)
    deep = "deep" in kinds

    def find(data: Any) -> list[Any]:
        if deep and _larger_than(data, NODE_BUDGET):
            raise WrongType(f"the record has more than {NODE_BUDGET} values, too many for '..'")
        try:
            return [match.value for match in node.find(data)]
        except RecursionError:
            raise WrongType("the record is nested too deep") from None

    listed = _list_reader(before, find)

    def read(data: Any) -> Any:
        found = listed(data)
        if shape == "many" or not isinstance(found, list):
            return found
        if len(found) > 1 and any(value != found[0] for value in found[1:]):
            raise WrongType(f"{len(found)} different values match where one is wanted")
        return found[0] if found else None

    return Path(text, read, find, None, shape, _root_of(before))


def _inspect(node: JSONPath, text: str) -> set[str]:
    """The kinds of step in a parsed path. Arithmetic and text functions are refused: those belong
    to transforms, and jsonpath-ng's would run Python regular expressions.
    """
    if isinstance(node, Root):
        return set()
    if isinstance(node, Child):
        return _inspect(node.left, text) | _inspect(node.right, text)
    if isinstance(node, Descendants):
        return _inspect(node.left, text) | _inspect(node.right, text) | {"deep"}
    if isinstance(node, Fields):
        return {"many"} if len(node.fields) > 1 else set()
    if isinstance(node, Index):
        return {"many"} if len(node.indices) > 1 else set()
    if isinstance(node, (Slice, Wildcard)):
        return {"many"}
    if isinstance(node, Filter):
        for expression in node.expressions:
            if not isinstance(expression, Expression) or expression.op == "=~":
                raise PathError(
                    "a regular expression inside a path.",
                    max(text.find("=~"), 0) + 1,
                    "Compare with ==, or use the transform regex.",
                )
        return {"filter"}
    raise PathError(
        f"'{text}' computes instead of reading.",
        1,
        "A path only reads; reshape the value with 'as'.",
    )


def _plain_prefix(node: Any) -> tuple[Step, ...]:
    spine: list[Any] = []
    while type(node) in (Child, Descendants):
        # what follows `..` may stand anywhere, so the prefix begins anew before it
        spine = [node.right, *spine] if type(node) is Child else []
        node = node.left
    steps: list[Step] = []
    for part in spine:
        if isinstance(part, Fields) and len(part.fields) == 1:
            steps.append(part.fields[0])
        elif isinstance(part, Index) and len(part.indices) == 1:
            steps.append(part.indices[0])
        else:
            break
    return tuple(steps)


def _larger_than(value: Any, limit: int) -> bool:
    count, pending = 0, [value]
    while pending:
        count += 1
        if count > limit:
            return True
        top = pending.pop()
        if isinstance(top, dict):
            pending.extend(top.values())
        elif isinstance(top, list):
            pending.extend(top)
    return False


def kind_of(value: Any) -> str:
    """What a JSON value is, in the words of an error message."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else "an object"
