"""Text: letter case, white space, and what an RE2 pattern finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from mappings.paths import kind_of
from mappings.patterns import FAILURES
from mappings.transforms.amounts import decimal_text
from mappings.transforms.numbers import exact
from mappings.transforms.step import (
    AS_IT_IS,
    TEXTUAL,
    Example,
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

_REFERENCE = re.compile(r"\\(\d+)")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:(?!\d)")


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
    for reference in _REFERENCE.findall(replacement or ""):
        if int(reference) > program.groups:
            raise ParamError(
                f"'replace' names group {reference}, and the pattern has {program.groups}.",
                param="replace",
            )
    if not 0 <= group <= program.groups:
        raise ParamError(f"the pattern has {program.groups} groups, not {group}.", param="group")

    def inward(value: Any, scope: Scope) -> Any:
        text = text_of(value)
        try:
            if replacement is not None:
                return program.sub(replacement, text)
            match = program.search(text)
        except FAILURES:
            raise Fault("the text holds characters that no tool can store") from None
        return match.group(group) if match else None

    return inward, None


def _truncate(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    length, ending = params["length"], params.get("ending", "…")
    if not len(ending) < length <= 1_000_000:
        raise ParamError("'length' of 'truncate' leaves no room for a text.", param="length")

    def cut(text: str) -> str:
        return text if len(text) <= length else text[: length - len(ending)].rstrip() + ending

    return _on_text(lambda text: text), _on_text(cut)


def _url(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        text = text_of(value).strip()
        if not text:
            return None
        address = text if _SCHEME.match(text) else f"https://{text}"
        try:
            parts = urlsplit(address)
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            host = ""
        whole = len(address) <= 8000 and not re.search(r"[\s<>\"]", address)
        if not host or not whole or parts.scheme not in ("http", "https"):
            raise Fault(f"'{text[:60]}' is not the address of a page (http or https)")
        return address

    return inward, same


def _plain(
    name: str, about: str, build: Callable[..., Any], method: str, example: Example, lossy: str = ""
) -> Transform:
    usual = Usual("{value}" + method + " if {value}.__class__ is str else None")
    return Transform(
        name,
        about,
        build,
        takes=TEXTUAL,
        gives="text",
        usual=usual,
        usual_back=AS_IT_IS,
        examples=(example,),
        lossy=lossy,
    )


TEXT = (
    _plain("text", "text from text or a number", _text, "", Example(15.0, "15", back="15")),
    _plain(
        "lower", "lower case", _lower, ".lower()", Example("VIP", "vip", back="vip"), "upper case"
    ),
    _plain(
        "upper", "upper case", _upper, ".upper()", Example("chf", "CHF", back="CHF"), "lower case"
    ),
    _plain(
        "strip",
        "without white space around it",
        _strip,
        ".strip()",
        Example(" a ", "a", back="a"),
        "the white space",
    ),
    Transform(
        "truncate",
        "the text as it is here, cut to a length for a tool that takes no more",
        _truncate,
        {
            "length": Param("number", required=True, about="the most characters the tool takes"),
            "ending": Param("text", about="what the cut text ends with: …"),
        },
        short="length",
        takes=TEXTUAL,
        gives="text",
        examples=(Example("Login", "Login", {"length": 8}),),
        lossy="what is beyond the length",
    ),
    Transform(
        "url",
        "the address of a page, with https:// where it has no scheme",
        _url,
        takes=("text",),
        gives="text",
        examples=(Example("acme.test/a", "https://acme.test/a", back="https://acme.test/a"),),
    ),
    Transform(
        "regex",
        "the first group an RE2 pattern finds, else nothing; with replace, the text replaced",
        _regex,
        {
            "pattern": Param("pattern", required=True, about="in the syntax of RE2"),
            "group": Param("number", about="which group is taken: the first, or all without any"),
            "replace": Param("text", about="what every match becomes; \\\\1 is its first group"),
        },
        short="pattern",
        takes=TEXTUAL,
        gives="text",
        examples=(
            Example("Amount: 12.5 CHF", "12.5", {"pattern": "Amount: ([0-9.]+)"}),
            Example("OPS-7", "7", {"pattern": "^OPS-", "replace": ""}),
        ),
    ),
)
