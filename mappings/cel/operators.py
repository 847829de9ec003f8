"""What the signs of CEL do to values, with its errors: no value is quietly made another.

Whole numbers have 64 bits and overflow is an error; numbers of different types compare by value
but do not add up; values of different types are unequal, and have no order.
https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mappings.cel.errors import NoValue, TooMuch, Unsure
from mappings.cel.values import (
    CEL_CLASSES,
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    Built,
    CelType,
    Duration,
    Flag,
    Settle,
    Timestamp,
    Uint,
    short_kind,
)

MAX_STEPS = 100_000
"""How often macros may look at an element in one evaluation, and `in` and `==` at one of a list."""

_NUMBERS = (int, float, Uint)
_ORDERED = (str, bytes, bool, Timestamp, Duration)


_SHORT = 100
"""Elements or letters that may be joined for nothing."""
_LETTERS = 50
"""Letters joined that count as one step."""
_SEARCHED = 1_000
"""Letters looked through that count as one."""
SEARCHING = frozenset({"contains", "matches"})
"""Functions whose cost grows with the text."""


class Steps:
    """What an evaluation may still cost."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_STEPS) -> None:
        self.left = left

    def take(self, count: int = 1) -> None:
        """Raises TooMuch."""
        self.left -= count
        if self.left < 0:
            raise TooMuch(
                f"it looks at more than {MAX_STEPS:,} elements. "
                "Filter the list first, or nest fewer exists, all, map and filter."
            )


def searched(text: Any, steps: Steps) -> Any:
    """The text that one of SEARCHING gets within a macro, paid for."""
    if text.__class__ is str and len(text) > _SEARCHED:
        steps.take(len(text) // _SEARCHED)
    return text


def no_overload(operator: str, *values: Any) -> NoValue:
    """The error of an operation that does not exist for values of these types."""
    kinds = ", ".join(short_kind(value) for value in values)
    return NoValue(f"'{operator}' does not work on ({kinds}).")


# ---------------------------------------------------------------------------------- comparing


def equal(left: Any, right: Any, settle: Settle, steps: Steps | None) -> bool:
    """Whether two values are the same. Of lists and maps, `settle` makes the parts ready.

    Outside macros, `steps` is None: then this comparison has all that one evaluation may take.
    """
    one, other = left.__class__, right.__class__
    if one is str or one is bool or other is str or other is bool:
        if one in CEL_CLASSES and other in CEL_CLASSES:
            return one is other and bool(left == right)
        raise Unsure
    if one in _NUMBERS and other in _NUMBERS:
        if one is other and one is not int:
            return bool(left == right)
        return bool(_number(left, other) == _number(right, one))
    if left is None or right is None:
        if one in CEL_CLASSES and other in CEL_CLASSES:
            return left is right
        raise Unsure
    if isinstance(left, (list, dict)) or isinstance(right, (list, dict)):
        steps = steps or Steps()
        steps.take(_weight(left, steps.left) + _weight(right, steps.left))
        return _same(settle(left), settle(right))
    if one in CEL_CLASSES and other in CEL_CLASSES:
        return one is other and bool(left == right)
    raise Unsure


def fits(value: Any) -> bool:
    """Whether a whole number has at most 64 bits; others are doubles once they are adapted."""
    return value.__class__ is not int or INT_MIN <= value <= INT_MAX


def _number(value: Any, beside: type) -> Any:
    """A number as it is compared with one of another type: beside a double all are doubles."""
    if value.__class__ is int and not INT_MIN <= value <= INT_MAX:
        raise Unsure
    return float(value) if beside is float else value


def _weight(value: Any, most: int) -> int:
    """How many values a value is made of, as far as that is below `most`."""
    waiting, count = [value], 0
    while waiting and count <= most:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return count


def _same(left: Any, right: Any) -> bool:
    one, other = left.__class__, right.__class__
    if one in _NUMBERS and other in _NUMBERS:
        return bool(_number(left, other) == _number(right, one))
    if one is list and other is list:
        return len(left) == len(right) and all(
            _same(a, b) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(
            key in right and _same(item, right[key]) for key, item in left.items()
        )
    return one is other and bool(left == right)


def comparer(operator: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """`<`, `<=`, `>` or `>=` for any two values."""

    def compare(left: Any, right: Any) -> bool:
        one, other = left.__class__, right.__class__
        if one in _NUMBERS and other in _NUMBERS:
            if one is other and one is not int:
                return holds(left, right)
            return holds(_number(left, other), _number(right, one))
        if one is other and one in _ORDERED:
            return holds(left, right)
        if one in CEL_CLASSES and other in CEL_CLASSES:
            raise no_overload(operator, left, right)
        raise Unsure

    return compare


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": comparer("<", lambda left, right: left < right),
    "<=": comparer("<=", lambda left, right: left <= right),
    ">": comparer(">", lambda left, right: left > right),
    ">=": comparer(">=", lambda left, right: left >= right),
}


def contained(value: Any, container: Any, settle: Settle, steps: Steps | None) -> bool:
    """`value in container`: an element of a list, or a key of a map."""
    kind = container.__class__
    if kind is list:
        steps = steps or Steps()
        steps.take(len(container) // 4 + 1)
        return any(equal(value, item, settle, steps) for item in container)
    if kind is dict or kind is Built:
        if key_of(value, "in", container) in container:
            return True
        if kind is dict and not has_text_keys(container):
            raise Unsure
        return False
    if kind in CEL_CLASSES and value.__class__ in CEL_CLASSES:
        raise no_overload("in", value, container)
    raise Unsure


def key_of(value: Any, operator: str, container: Any) -> Any:
    """A value as maps hold it among their keys. Raises NoValue for what cannot be a key."""
    kind = value.__class__
    if kind is str or kind is Uint:
        return value
    if kind is bool:
        return Flag(value)
    if kind is int or (kind is float and container is not None):
        if container.__class__ is dict:
            return _NoKey  # an object of JSON has text for keys
        return int(value) if math.isfinite(value) and value == int(value) else _NoKey
    if kind in CEL_CLASSES:
        if container is None:
            raise NoValue(f"a key of a map cannot be of type {short_kind(value)}.")
        raise no_overload(operator, value, container)
    raise Unsure


class _Nothing:
    """Equal to no key."""


_NoKey = _Nothing()


# --------------------------------------------------------------------------------- arithmetic


def _fitting(value: Any) -> int:
    if INT_MIN <= value <= INT_MAX:
        return int(value)
    raise Unsure


def _int(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise NoValue("a whole number overflows 64 bits.")


def _uint(value: int) -> Uint:
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    raise NoValue("a uint overflows 64 bits.")


def add(left: Any, right: Any, steps: Steps | None = None) -> Any:
    """Numbers of one type, texts, bytes, lists, a moment and a duration. What grows is paid for:
    `x + x` within a few `map` would fill any memory.
    """
    kind, other = left.__class__, right.__class__
    if kind is other:
        if kind is int:
            return _int(_fitting(left) + _fitting(right))
        if kind is float:
            return left + right
        if kind is str or kind is bytes or kind is list:
            if (length := len(left) + len(right)) > _SHORT:
                (steps or Steps()).take(length if kind is list else length // _LETTERS)
            return left + right
        if kind is Uint:
            return _uint(int(left) + int(right))
        if kind is Duration:
            return Duration(left.nanos + right.nanos)
    elif (kind is Timestamp and other is Duration) or (kind is Duration and other is Timestamp):
        return Timestamp(left.nanos + right.nanos)
    raise no_overload("+", left, right)


_INT64_NANOS = 2**63


def subtract(left: Any, right: Any) -> Any:
    """Numbers of one type, moments, durations."""
    kind, other = left.__class__, right.__class__
    if kind is other:
        if kind is int:
            return _int(_fitting(left) - _fitting(right))
        if kind is float:
            return left - right
        if kind is Uint:
            return _uint(int(left) - int(right))
        if kind is Duration:
            return Duration(left.nanos - right.nanos)
        if kind is Timestamp:
            between = left.nanos - right.nanos
            if not -_INT64_NANOS <= between < _INT64_NANOS:
                raise NoValue("two moments lie more than 292 years apart.")
            return Duration(between)
    elif kind is Timestamp and other is Duration:
        return Timestamp(left.nanos - right.nanos)
    raise no_overload("-", left, right)


def multiply(left: Any, right: Any) -> Any:
    """Numbers of one type."""
    kind = left.__class__
    if kind is right.__class__:
        if kind is int:
            return _int(_fitting(left) * _fitting(right))
        if kind is float:
            return left * right
        if kind is Uint:
            return _uint(int(left) * int(right))
    raise no_overload("*", left, right)


def divide(left: Any, right: Any) -> Any:
    """Numbers of one type; whole ones toward zero, doubles by zero to infinity."""
    kind = left.__class__
    if kind is right.__class__:
        if kind is int:
            if right == 0:
                raise NoValue("division by zero.")
            return _int(_toward_zero(_fitting(left), _fitting(right)))
        if kind is float:
            return _divide_doubles(left, right)
        if kind is Uint:
            if right == 0:
                raise NoValue("division by zero.")
            return Uint(int(left) // int(right))
    raise no_overload("/", left, right)


def _toward_zero(left: int, right: int) -> int:
    return left // right if (left < 0) == (right < 0) else -(-left // right)


def _divide_doubles(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def remainder(left: Any, right: Any) -> Any:
    """Whole numbers of one type; the sign is the left one's."""
    kind = left.__class__
    if kind is right.__class__ and (kind is int or kind is Uint):
        if right == 0:
            raise NoValue("modulo by zero.")
        if kind is Uint:
            return Uint(int(left) % int(right))
        return left - right * _int(_toward_zero(_fitting(left), _fitting(right)))
    raise no_overload("%", left, right)


def negate(value: Any) -> Any:
    """An int or a double."""
    kind = value.__class__
    if kind is int:
        return _int(-_fitting(value))
    if kind is float:
        return -value
    raise no_overload("-", value)


def invert(value: Any) -> bool:
    """`!` of a bool."""
    if value is True or value is False:
        return value is False
    raise no_overload("!", value)


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}


# ------------------------------------------------------------------------------------ reaching


def element(container: Any, index: Any, source: str = "") -> Any:
    """`container[index]`."""
    kind = container.__class__
    if kind is list:
        at = index.__class__
        if at is float and not index.is_integer():
            raise NoValue(f"a list has no element {index}.")
        if at is int or at is Uint or at is float:
            if 0 <= index < len(container):
                return container[int(index)]
            raise NoValue(f"a list of {len(container)} has no element {int(index)}.")
        if at in CEL_CLASSES:
            raise no_overload("[]", container, index)
        raise Unsure
    if kind is dict or kind is Built:
        try:
            return container[key_of(index, "[]", container)]
        except KeyError:
            raise no_key(index) from None
    if kind in CEL_CLASSES:
        raise no_overload("[]", container, index)
    raise Unsure


def no_key(key: Any) -> NoValue:
    """The error of reaching for what a map does not have."""
    shown = f'"{key}"' if isinstance(key, str) else str(key)
    return NoValue(f"there is no field {shown}. Guard it with has(…).")


def has_field(container: Any, field: str) -> bool:
    """`has(container.field)`."""
    if isinstance(container, dict):
        return field in container
    if container.__class__ in CEL_CLASSES:
        raise no_member(container, field)
    raise Unsure


def no_member(value: Any, field: str) -> NoValue:
    """The error of reaching into what has no fields."""
    if value is None:
        return NoValue(f'null has no field "{field}".')
    kind = "CelType" if isinstance(value, CelType) else short_kind(value)
    return NoValue(f'a value of type {kind} has no field "{field}".')


def built(entries: list[tuple[Any, Any]]) -> Built:
    """A map literal. A key that stands twice is an error."""
    result = Built()
    for key, item in entries:
        held = key_of(key, "{}", None)
        if held in result:
            shown = f'"{key}"' if isinstance(key, str) else str(key).lower()
            raise NoValue(f"the key {shown} stands twice in one map.")
        result[held] = item
    return result


def has_text_keys(value: dict[Any, Any]) -> bool:
    """Whether an object is one of JSON; others are given text for keys first."""
    return all(key.__class__ is str for key in value)


def keys_of(value: dict[Any, Any]) -> list[Any]:
    """The keys of a map, as macros see them."""
    return [key.value if key.__class__ is Flag else key for key in value]
