"""A team's own fields: `custom.amount`, and `custom.site.building` for what belongs together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

PREFIX = "custom."


def is_custom(name: str) -> bool:
    """Whether a field is one of the team's own."""
    return name.startswith(PREFIX)


@lru_cache(10_000)
def plain(name: str) -> str | None:
    """`x` of a field `custom.x`; None for any other, and for `custom.x.y`."""
    path = name.removeprefix(PREFIX)
    return path if path != name and "." not in path else None


def value_in(custom: Mapping[str, Any], name: str) -> Any:
    """The value of the field `custom.…` within what an entity has under `custom`; None if it has
    none.
    """
    path = name.removeprefix(PREFIX)
    if path in custom:  # which is also how fields of several members were kept at first
        return custom[path]
    value: Any = custom
    for member in path.split("."):
        if not isinstance(value, Mapping) or member not in value:
            return None
        value = value[member]
    return value


def with_value(custom: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The same with another value for the field `custom.…`; what was given stays as it is."""
    path = name.removeprefix(PREFIX)
    first, _, rest = path.partition(".")
    changed = {key: one for key, one in custom.items() if key != path or not rest}
    inner = changed.get(first)
    if rest:
        value = with_value(inner if isinstance(inner, Mapping) else {}, rest, value)
    changed[first] = value
    return changed


def related(one: str, other: str) -> bool:
    """Whether a change of one field is a change of the other: the same, or one inside the other."""
    return one == other or f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def touched(fields: Iterable[str], names: Collection[str]) -> set[str]:
    """Those of the fields that a change of these ones changes."""
    own = [name for name in names if is_custom(f"{name}.")]  # nothing else has anything inside
    return {
        one for one in fields if one in names or (own and any(related(one, name) for name in own))
    }


def flat(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Values by field, where `custom: {site: {building: 7}}` may stand for
    `custom.site.building: 7`; an object goes on down to the fields that are `known`.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        whole = name in known or not (name == "custom" or is_custom(name))
        if whole or not isinstance(value, Mapping) or not value:
            found[name] = value
        else:
            found |= flat({f"{name}.{key}": one for key, one in value.items()}, known)
    return found
