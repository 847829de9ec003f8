"""Paths that meet nothing in the records that the file itself gives as examples: most likely they
are misspelt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mappings.fields import FAILURES
from mappings.likeness import nearest
from mappings.paths import MISSING, PathError, parse_path
from mappings.source import Finding
from mappings.spec import MappingSpec

_MAX_PATHS = 2_000
_MAX_DEPTH = 6
_NEAR = 80
"""How like each other the letters of two paths are, in percent, of which one was meant."""
_NAME = re.compile(r"[^\W\d][\w-]*")


def check_met(spec: MappingSpec, samples: Mapping[str, str]) -> Iterator[Finding]:
    """A warning at each path of a field that no example has. `samples` are the texts of the files
    that examples may name. An example written out may leave fields away, so that of those alone
    only a path that resembles another is told.
    """
    whole = [_loaded(samples[one.given]) for one in spec.examples
             if isinstance(one.given, str) and one.given in samples]  # fmt: skip
    parts = [one.given for one in spec.examples if isinstance(one.given, Mapping)]
    records = [one for one in (*whole, *parts) if isinstance(one, Mapping)]
    if not records:
        return
    known: list[str] | None = None
    for field in spec.fields.values():
        if field.removed or spec.direction_of(field) == "out":
            continue
        own = [one for one in field.sources if one.place.file == spec.place.file]
        if not own or any(_meets(one.text, records) for one in field.sources):
            continue
        known = _paths(records) if known is None else known
        for one in own:
            near = _nearest(one.text, known)
            if near or any(isinstance(each, Mapping) for each in whole):
                yield spec.finding(
                    one.place,
                    f"{one.text} is in none of this file's examples.",
                    f"Did you mean {near}?" if near else "Mend it, or give an example that has it.",
                    "warning",
                )


def _loaded(text: str) -> Any:
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _meets(path: str, records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a record has something there, be it null or of the wrong kind."""
    try:
        read = parse_path(path).read
    except PathError:
        return True
    for record in records:
        try:
            if read(dict(record)) is not MISSING:
                return True
        except FAILURES:
            return True
    return False


def _paths(records: Sequence[Mapping[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for record in records:
        waiting: list[tuple[str, Any, int]] = [("$", record, 0)]
        while waiting and len(found) < _MAX_PATHS:
            path, value, depth = waiting.pop()
            if depth:
                found[path] = None
            if depth >= _MAX_DEPTH:
                continue
            if isinstance(value, Mapping):
                waiting += [
                    (path + _step(str(key)), item, depth + 1) for key, item in value.items()
                ]
            elif isinstance(value, list) and value and isinstance(value[0], Mapping):
                waiting.append((f"{path}[*]", value[0], depth))
    return list(found)


def _step(name: str) -> str:
    if _NAME.fullmatch(name):
        return f".{name}"
    return f"['{name}']" if "'" not in name else f'["{name}"]'


def _nearest(path: str, known: Sequence[str]) -> str:
    best = nearest(_letters(path), [_letters(one) for one in known], _NEAR)
    return "" if best is None else known[best]


def _letters(path: str) -> str:
    return re.sub(r"[\W_]", "", path).lower()
