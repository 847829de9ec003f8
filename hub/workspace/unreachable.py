"""Rules that cannot do what they say: conditions that never hold, and rules that stand twice."""

from __future__ import annotations

from collections.abc import Iterable

from hub.reading import Reader
from hub.workspace.matching import seen_at
from mappings.canonical import EVENT_TYPES
from mappings.expressions import VARIABLES, CompileError, Condition
from mappings.source import Map


def check_reach(reader: Reader, body: Map, condition: Condition, types: Iterable[str]) -> None:
    """Findings at a rule's `if`, given the types of event that it listens to."""
    place = body.at("if")
    answer = condition.constant()
    if answer is False:
        reader.warn(place, "this rule can never match.", "Remove it, or its condition.")
    elif answer is True:
        reader.warn(place, "this condition holds for every event.", "Remove the line, or mend it.")
    elif path := condition.contradiction():
        reader.warn(
            place,
            f"this rule can never match: '{'.'.join(path)}' cannot be two things at once.",
            "Write || between them, or … in ['a', 'b'].",
        )
    else:
        seen = frozenset[str]().union(*(seen_at(one) for one in types))
        missing = condition.needs(frozenset(VARIABLES) - seen)
        if missing is not None:
            name, column, line = missing
            here = reader.within(place, condition.text, CompileError("", column, line))
            families = sorted(
                {f"{t.partition('.')[0]}.*" for t in EVENT_TYPES if name in seen_at(t)}
            )
            reader.error(
                here,
                f"this rule can never match: no event of '{body['when']}' brings '{name}'.",
                f"Write when: {' or '.join(families)}.",
            )


def same(body: Map) -> str:
    """What two rules share that do the same at the same events."""
    return repr([body.get(key) for key in ("when", "if", "then")])
