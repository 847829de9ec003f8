"""Whose value holds: one record against one entity, field by field, with both bases. Pure.

A side has edited a field only if its own value left its own base: the vendor's raw value for the
tool, our canonical value for the hub.
So a lossy value map never reads its own echo as an edit, and our own write that comes back changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mappings.language import Conflict, Direction

ABSENT = object()
EMPTY: tuple[Any, ...] = (None, "", [])


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """What the mapping says about one field. `authority` is the system of record: a connection
    or `hub`.
    """

    direction: Direction
    conflict: Conflict = "review"
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """A field that was changed on both sides: which one holds, and by which words of the mapping.
    The value that does not hold is kept here, for the history.
    """

    holds: Literal["ours", "theirs"]
    rule: str
    ours: Any
    theirs: Any


@dataclass(slots=True)
class Merged:
    """What a record does to an entity and to its link."""

    values: dict[str, Any] = field(default_factory=dict)
    """Fields of the entity that take the tool's value."""
    remote_base: dict[str, Any] = field(default_factory=dict)
    hub_base: dict[str, Any] = field(default_factory=dict)
    push_back: set[str] = field(default_factory=set)
    """Fields in which ours holds although the tool changed it: the tool must hear so."""
    conflicts: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Fields under review: (ours, theirs)."""
    rulings: dict[str, Ruling] = field(default_factory=dict)


def same(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a field mean the same: labels have no order, and nothing is nothing."""
    if one in EMPTY and other in EMPTY:
        return True
    if name == "labels" and isinstance(one, list) and isinstance(other, list):
        return set(one) == set(other)
    return bool(one == other)


def merge(
    connection: str,
    policies: Mapping[str, FieldPolicy],
    values: Mapping[str, Any],
    raw: Mapping[str, Any],
    entity: Mapping[str, Any],
    link: Mapping[str, Any],
    *,
    remote_is_newer: Callable[[str], bool],
    under_review: Collection[str] = (),
    ours_is_newer: Collection[str] = (),
) -> Merged:
    """Merge what a record says (`values`, read from `raw`) into the entity's current values.

    `entity` maps each field to its value now. `remote_is_newer` answers `conflict: newest`
    for a field, except for those in `ours_is_newer`. A field under review keeps ours until a person
    chooses.
    """
    result = Merged()
    remote_base, hub_base = link["remote_base"], link["hub_base"]
    for name, theirs in values.items():
        if raw.get(name, ABSENT) == remote_base.get(name, ABSENT):
            continue  # the tool says what it said before: at most an echo
        policy = policies[name]
        if policy.direction == "out":
            continue
        ours = entity.get(name)
        if same(name, theirs, ours):
            result.remote_base[name] = raw.get(name)
            result.hub_base[name] = ours
            continue
        edited_here = name in hub_base and not same(name, hub_base[name], ours)
        if name in under_review:
            result.conflicts[name] = (ours, theirs)
            continue
        if edited_here:
            asked = policy.authority is None and policy.conflict == "newest"
            newer = asked and name not in ours_is_newer and remote_is_newer(name)
            keep = ours_holds(policy, connection, remote_is_newer=newer)
            if keep is None:
                result.conflicts[name] = (ours, theirs)
                continue
            holds: Literal["ours", "theirs"] = "ours" if keep else "theirs"
            result.rulings[name] = Ruling(holds, rule_of(policy), ours, theirs)
            if keep:
                result.remote_base[name] = raw.get(name)
                result.push_back.add(name)
                continue
        result.values[name] = theirs
        result.remote_base[name] = raw.get(name)
        result.hub_base[name] = theirs
    return result


def ours_holds(policy: FieldPolicy, connection: str, *, remote_is_newer: bool) -> bool | None:
    """True: ours, False: theirs, None: a person must say."""
    if policy.authority is not None:
        return policy.authority != connection
    if policy.direction == "in":
        return False  # the tool could never hear of ours
    match policy.conflict:
        case "ours":
            return True
        case "theirs":
            return False
        case "newest":
            return not remote_is_newer
        case _:
            return None


def rule_of(policy: FieldPolicy) -> str:
    """The words of the mapping that say which side holds."""
    if policy.authority is not None:
        return f"system_of_record: {policy.authority}"
    if policy.direction == "in":
        return "direction: in"
    return f"conflict: {policy.conflict}"
