"""Outward: the write of an entity that has a value for every field, as one nested literal.

Like `mappings.inward`, plain Python source made once; a value that is not of the usual kind takes
its field's general way in its place. Partial writes are put together field by field instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mappings.fields import FAILURES, FieldPlan, target_path
from mappings.inward import Problem, convert_lines
from mappings.paths import Path, Step
from mappings.transforms import Directory, Scope

_DEEPEST = 40
"""Objects within objects in one literal; the parser of Python ends at about 200."""


@dataclass(slots=True)
class Outward:
    """The vendor fields of a write, nested as the vendor has them, and what could not be said."""

    fields: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


Whole = Callable[[Mapping[str, Any], Directory, str], dict[str, Any] | None]
"""The fields of a write for all these values; None where that takes the general way."""


def compile_whole(plans: Sequence[FieldPlan], zone: str) -> Whole | None:
    """A function for entities that have every field. None where two fields meet in one place."""
    written = write_whole(plans, zone)
    if written is None:
        return None
    source, names = written
    exec(compile(source, "<mapping, outward>", "exec"), names)  # noqa: S102 - our own source
    whole: Whole = names["whole"]
    return whole


def write_whole(plans: Sequence[FieldPlan], zone: str) -> tuple[str, dict[str, Any]] | None:
    """The source of `whole(values, directory, connection)`, and what its names stand for."""
    names: dict[str, Any] = {"FAILURES": FAILURES, "ZONE": zone, "Scope": Scope, "listed": listed}
    lines: list[str] = []
    tree: dict[str, Any] = {}
    for number, plan in enumerate(plans):
        path = target_path(plan.spec)
        place = _place(path, f"y{number}") if path else None
        if place is None or not _grow(tree, *place):
            return None
        lines += _said(number, plan, names)
    body = [*lines, f"return {_literal(tree)}"]
    source = "def whole(values, directory, connection):\n    try:\n        "
    return source + "\n        ".join(body) + "\n    except FAILURES:\n        return None\n", names


def _said(number: int, plan: FieldPlan, names: dict[str, Any]) -> list[str]:
    """The lines that leave a field's value in the tool's words in `y…`."""
    value = f"y{number}"
    lines = [f"{value} = values[{plan.spec.name!r}]"]
    names[f"give{number}"] = plan.give
    given = f"give{number}({value}, Scope(directory, connection, None, ZONE))"
    if plan.usual_back is None:
        return [*lines, f"{value} = {given}"]
    steps, outcome = convert_lines(number, value, plan.usual_back, names)
    if not steps:
        return lines
    return [*lines, *steps, f"{value} = {outcome} if {outcome} is not None else {given}"]


def listed(value: Any) -> list[Any]:
    """What a list of one element each is made of: the value, or nothing for null."""
    return [] if value is None else [value]


def _place(path: Path, value: str) -> tuple[tuple[Step, ...], str] | None:
    """The members on the way to a value, and the value in the form that its path ends in."""
    if path.projection is not None:
        before, after = path.projection
        each = f"{value} if {value}.__class__ is list else listed({value})"
        if not after:
            return before, each
        return before, f"[{_nested(after, 'one')} for one in ({each})]"
    steps = path.steps or ()
    if 0 not in steps:
        return steps, value
    at = steps.index(0)
    before, after = steps[:at], steps[at + 1 :]
    if 0 in after:
        return None
    return before, f"[] if {value} is None else [{_nested(after, value)}]"


def _nested(members: Sequence[Step], value: str) -> str:
    return "".join(f"{{{name!r}: " for name in members) + value + "}" * len(members)


def _grow(tree: dict[str, Any], members: Sequence[Step], value: str) -> bool:
    """Put a value at its place; False if another field is there, or the place is too deep."""
    *outer, last = members
    for name in outer:
        tree = tree.setdefault(str(name), {})
        if not isinstance(tree, dict):
            return False
    if last in tree or len(members) + value.count("{") > _DEEPEST:
        return False
    tree[str(last)] = value
    return True


def _literal(tree: Mapping[str, Any]) -> str:
    inner = (
        f"{name!r}: {_literal(below) if isinstance(below, dict) else below}"
        for name, below in tree.items()
    )
    return "{" + ", ".join(inner) + "}"
