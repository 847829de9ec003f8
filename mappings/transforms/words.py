"""Words that stand for something else: yes and no in the words of a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappings.paths import kind_of
from mappings.transforms.step import NUMERIC, Fault, Param, Scope, Step, Transform
from mappings.transforms.text import text_of

_TRUE = ("true", "yes", "y", "on", "1", "ja", "oui", "x", "done", "✓")
_FALSE = ("false", "no", "n", "off", "0", "nein", "non")


def _boolean(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def words(name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
        given = params.get(name)
        if given is None:
            return usual
        return tuple(str(word) for word in (given if isinstance(given, list) else [given]))

    true, false = words("yes", _TRUE), words("no", _FALSE)
    known = {word.lower(): False for word in false} | {word.lower(): True for word in true}

    def inward(value: Any, scope: Scope) -> Any:
        if value is True or value is False:
            return value
        word = text_of(value).strip().lower()
        if not word:
            return None
        if word not in known:
            raise Fault(f"'{word[:40]}' is neither yes nor no", "unmapped_value")
        return known[word]

    def outward(value: Any, scope: Scope) -> Any:
        if value is True:
            return true[0] if "yes" in params else True
        if value is False:
            return false[0] if "no" in params else False
        raise Fault(f"expected true or false, found {kind_of(value)}")

    return inward, outward


WORDS = (
    Transform(
        "boolean",
        "true or false from a flag or a word",
        _boolean,
        {"yes": Param("words"), "no": Param("words")},
        takes=(*NUMERIC, "boolean"),
        gives="boolean",
    ),
)
