"""Where a value goes in the fields of a write: nested objects and lists, as the path says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mappings.paths import Path, Step

Writer = Callable[[dict[str, Any], Any], None]


def writer(path: Path) -> Writer | None:
    """A function that puts a value at this path; None if the path does not name one place.

    `$.a.b` gives nested objects; `$.a[0]` a list of one, or an empty list for null; `$.a[*]` and
    `$.a[*].b` spread a list over the elements.
    """
    if path.projection is not None:
        before, after = path.projection
        if not _members(before) or not before or not _members(after):
            return None
        return _spread(before, after)
    steps = path.steps
    if not steps or not isinstance(steps[0], str):
        return None
    if any(isinstance(step, int) and step != 0 for step in steps):
        # a second or last element would need the others, which a partial write does not have
        return None

    return _member_writer([str(step) for step in steps]) if _members(steps) else _writer(steps)


def _member_writer(members: list[str]) -> Writer:
    *outer, last = members

    def write(fields: dict[str, Any], value: Any) -> None:
        for name in outer:
            inner = fields.get(name)
            if inner.__class__ is not dict:
                inner = fields[name] = {}
            fields = inner
        fields[last] = value

    return write


def _writer(steps: tuple[Step, ...]) -> Writer:
    def write(fields: dict[str, Any], value: Any) -> None:
        _put(fields, steps, value)

    return write


def _members(steps: tuple[Step, ...]) -> bool:
    return all(isinstance(step, str) for step in steps)


def _put(fields: dict[str, Any], steps: tuple[Step, ...], value: Any) -> None:
    head = str(steps[0])
    rest = steps[1:]
    if not rest:
        fields[head] = value
    elif isinstance(rest[0], int):
        if value is None:
            fields[head] = []
        elif len(rest) == 1:
            fields[head] = [value]
        else:
            elements = fields.get(head)
            if not isinstance(elements, list) or not elements or not isinstance(elements[0], dict):
                fields[head] = elements = [{}]
            _put(elements[0], rest[1:], value)
    else:
        inner = fields.get(head)
        if not isinstance(inner, dict):
            fields[head] = inner = {}
        _put(inner, rest, value)


def _spread(before: tuple[Step, ...], after: tuple[Step, ...]) -> Writer:
    member = after[0] if len(after) == 1 else None

    def write(fields: dict[str, Any], value: Any) -> None:
        if member is not None and value.__class__ is list:
            _put(fields, before, [{member: item} for item in value])
            return
        values = value if isinstance(value, list) else [] if value is None else [value]
        elements = []
        for item in values:
            if after:
                element: dict[str, Any] = {}
                _put(element, after, item)
                elements.append(element)
            else:
                elements.append(item)
        _put(fields, before, elements)

    return write
