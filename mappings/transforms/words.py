"""Words that stand for something else: yes and no in the words of a tool, and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappings.paths import kind_of
from mappings.transforms.step import NUMERIC, Example, Fault, Param, Scope, Step, Transform
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


def _word(value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    return text_of(value).strip()


def _lookup(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    otherwise = params.get("otherwise", "exception")
    fold = str.casefold if params.get("ignore_case") else str
    table = {fold(str(key)): value for key, value in params["table"].items()}
    told = {fold(str(key)): value for key, value in params.get("back", {}).items()}
    back: dict[str, list[str]] = {}
    for key, value in params["table"].items():
        back.setdefault(fold(_word(value)), []).append(str(key))

    def inward(value: Any, scope: Scope) -> Any:
        word = _word(value)
        if (found := table.get(fold(word), _UNKNOWN)) is not _UNKNOWN:
            return found
        if otherwise == "keep" or not word:
            return value
        if otherwise != "exception":
            return otherwise
        raise Fault(
            f"'{word[:60]}' is not in the table ({', '.join(list(params['table'])[:12])}); add it",
            "unmapped_value",
        )

    def outward(value: Any, scope: Scope) -> Any:
        word = _word(value)
        if (found := told.get(fold(word), _UNKNOWN)) is not _UNKNOWN:
            return found
        words = back.get(fold(word), [])
        if len(words) == 1:
            return words[0]
        if words:
            raise Fault(
                f"'{word[:60]}' may be {', '.join(words[:12])}; choose one under back",
                "unmapped_value",
            )
        if otherwise == "keep" or not word:
            return value
        raise Fault(f"'{word[:60]}' has no word in the table; add it under back", "unmapped_value")

    return inward, outward


_UNKNOWN = object()

WORDS = (
    Transform(
        "boolean",
        "true or false from a flag or a word",
        _boolean,
        {
            "yes": Param("words", about="what means true; the first is written"),
            "no": Param("words", about="what means false; the first is written"),
        },
        takes=(*NUMERIC, "boolean"),
        gives="boolean",
        examples=(
            Example("Yes", True, back=True),
            Example("fertig", True, {"yes": "fertig", "no": ["offen", "neu"]}),
        ),
    ),
    Transform(
        "lookup",
        "a word of a table by another; several words that lead to one need back to be written",
        _lookup,
        {
            "table": Param("table", required=True, about="the tool's word: ours"),
            "back": Param("table", about="our word: the tool's, where table does not tell"),
            "otherwise": Param("value", about="exception, keep, or what any other word becomes"),
            "ignore_case": Param("flag", about="whether Ch and CH are one"),
        },
        takes=(*NUMERIC, "boolean"),
        examples=(
            Example("CH", "Switzerland", {"table": {"CH": "Switzerland", "DE": "Germany"}}),
            Example(
                "fl",
                "CHF",
                {
                    "table": {"CH": "CHF", "FL": "CHF"},
                    "back": {"CHF": "CH"},
                    "ignore_case": True,
                },
                back="CH",
            ),
        ),
    ),
)
