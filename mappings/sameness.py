"""When two records are the same thing: the values in which they must agree, each written so that
what means the same is the same. Pure.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Literal

from mappings import custom
from mappings.spec import Located, MappingSpec

Role = Literal["by", "likely"]
HEAD = 8
"""Letters of a key that tell its kind, role and fields."""


@dataclass(frozen=True)
class Agreement:
    """One set of fields: whatever agrees in all of them is the same (`by`), or may be
    (`likely`).
    """

    kind: str
    role: Role
    fields: tuple[str, ...]

    @cached_property
    def head(self) -> str:
        """What the keys of this agreement begin with."""
        return _digest("\0".join((self.kind, self.role, *self.fields)))[:HEAD]

    def key(self, value_of: Callable[[str], Any]) -> str | None:
        """The key of a record or an entity with these values; None where one of them is empty,
        which agrees with nothing.
        """
        found = [normal(value_of(name)) for name in self.fields]
        if None in found:
            return None
        return self.head + _digest(json.dumps(found))[: 32 - HEAD]

    @property
    def told(self) -> str:
        """The fields, for people."""
        return " and ".join(self.fields)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def agreements(specs: Iterable[MappingSpec]) -> dict[str, tuple[Agreement, ...]]:
    """All agreements that these mappings speak of, by kind of entity."""
    found: dict[str, dict[Agreement, None]] = {}
    for spec in specs:
        for one in agreements_of(spec):
            found.setdefault(one.kind, {})[one] = None
    return {kind: tuple(some) for kind, some in found.items()}


def agreements_of(spec: MappingSpec) -> tuple[Agreement, ...]:
    """Those of one mapping: in `by` first, in the order of the file."""
    match, kind = spec.match, spec.entity
    if match is None or match.removed or kind is None:
        return ()
    roles: tuple[tuple[Role, tuple[tuple[Located, ...], ...]], ...]
    roles = (("by", match.by), ("likely", match.likely))
    return tuple(
        Agreement(kind, role, tuple(sorted({one.text for one in some})))
        for role, sets in roles
        for some in sets
    )


def value_in(values: Mapping[str, Any], name: str) -> Any:
    """A field of an entity, `custom.x` from within its `custom`; or of mapped values."""
    if name in values:
        return values[name]
    own = values.get("custom")
    return custom.value_in(own, name) if custom.is_custom(name) and own else None


def normal(value: Any) -> Any:
    """A value in the form in which it is compared; None where it is empty.

    Text: trimmed, with single spaces, in one case and one way of writing letters. A number is the
    same as its digits in text, as one tool keeps 4711 and another "4711". Lists have no order.
    """
    if value is None or value is False or value is True:
        return None if value is None else str(value).lower()
    if isinstance(value, str):
        text = " ".join(unicodedata.normalize("NFKC", value).split()).casefold()
        return text or None
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, Mapping):
        found = {str(name): normal(one) for name, one in sorted(value.items())}
        if "value" in found:  # money: 12000 is 12000.00
            found["value"] = _number(value["value"])
        kept = {name: one for name, one in found.items() if one is not None}
        return kept or None
    if isinstance(value, list | tuple | set | frozenset):
        parts = [one for one in map(normal, value) if one is not None]
        return sorted(parts, key=json.dumps) or None
    return str(value).casefold() or None


def _number(value: Any) -> str | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return normal(value) if isinstance(value, str) else None
    if not number.is_finite():
        return None
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
