"""Text: letter case, white space, and what an RE2 pattern finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import re2  # type: ignore[import-untyped]  # publishes no types

from mappings.paths import kind_of
from mappings.transforms.amounts import decimal_text
from mappings.transforms.numbers import exact
from mappings.transforms.step import (
    AS_IT_IS,
    TEXTUAL,
    Fault,
    Param,
    ParamError,
    Scope,
    Step,
    Transform,
    Usual,
    pattern,
    same,
)


def text_of(value: Any) -> str:
    """Text from text or a number; 15.0 reads 15. Raises Fault."""
    if value.__class__ is str:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Fault(f"expected text, found {kind_of(value)}")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return decimal_text(exact(value))


def _on_text(change: Callable[[str], Any]) -> Step:
    return lambda value, scope: change(text_of(value))


def _text(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(lambda text: text), same


def _lower(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(str.lower), same


def _upper(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(str.upper), same


def _strip(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return _on_text(str.strip), same


def _regex(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    program = pattern(params["pattern"])
    replacement = params.get("replace")
    group = params.get("group", 1 if program.groups else 0)
    if not 0 <= group <= program.groups:
        raise ParamError(f"the pattern has {program.groups} groups, not {group}.", param="group")

    def inward(value: Any, scope: Scope) -> Any:
        text = text_of(value)
        try:
            if replacement is not None:
                return program.sub(replacement, text)
            match = program.search(text)
        except (UnicodeEncodeError, re2.error):
            raise Fault("the text holds characters that no tool can store") from None
        return match.group(group) if match else None

    return inward, None


def _plain(name: str, about: str, build: Callable[..., Any], method: str) -> Transform:
    usual = Usual("{value}" + method + " if {value}.__class__ is str else None")
    return Transform(
        name, about, build, takes=TEXTUAL, gives="text", usual=usual, usual_back=AS_IT_IS
    )


TEXT = (
    _plain("text", "text from text or a number", _text, ""),
    _plain("lower", "lower case", _lower, ".lower()"),
    _plain("upper", "upper case", _upper, ".upper()"),
    _plain("strip", "without white space around it", _strip, ".strip()"),
    Transform(
        "regex",
        "the first group an RE2 pattern finds, else nothing; with replace, the text replaced",
        _regex,
        {
            "pattern": Param("pattern", required=True),
            "group": Param("number"),
            "replace": Param("text"),
        },
        short="pattern",
        takes=TEXTUAL,
        gives="text",
    ),
)
