"""Lists: joined to one text, split from one, and label names out of what a tool calls labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappings.paths import kind_of
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
    same,
)
from mappings.transforms.text import text_of


def _join(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    separator = params.get("separator", ", ")

    def inward(value: Any, scope: Scope) -> Any:
        values = value if isinstance(value, list) else [value]
        return separator.join(text_of(item) for item in values if item not in (None, ""))

    def outward(value: Any, scope: Scope) -> Any:
        return [part.strip() for part in text_of(value).split(separator) if part.strip()]

    return inward, outward if separator else None


def _split(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    _, forth = _join({"separator": params.get("separator", ",")})
    separator = params.get("separator", ",")
    if not separator:
        raise ParamError("'separator' of 'split' is empty.", param="separator")

    def inward(value: Any, scope: Scope) -> Any:
        if isinstance(value, list):
            return value
        return forth(value, scope) if forth else value

    def outward(value: Any, scope: Scope) -> Any:
        glue = separator if separator.isspace() or separator.endswith(" ") else f"{separator} "
        values = value if isinstance(value, list) else [value]
        return glue.join(text_of(item) for item in values if item not in (None, ""))

    return inward, outward


def _labels(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    separator, key = params.get("separator", ","), params.get("key", "name")

    def inward(value: Any, scope: Scope) -> Any:
        if isinstance(value, str):
            value = value.split(separator) if separator else [value]
        elif not isinstance(value, list):
            raise Fault(f"expected a list of labels, found {kind_of(value)}")
        found: dict[str, None] = {}
        for item in value:
            text = item.get(key) if item.__class__ is dict else item
            if text is None:
                continue
            if word := (text if text.__class__ is str else text_of(text)).strip():
                found[word] = None
        return list(found)

    return inward, same


def plain_words(value: Any) -> list[str] | None:
    """The words of a list that holds each only once and nothing else. None for any other value."""
    if value.__class__ is not list:
        return None
    try:
        words = [item.strip() for item in value]
    except AttributeError:  # of what JSON has, only text can be stripped
        return None
    return words if len(set(words)) == len(words) and "" not in words else None


def _first(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return lambda value, scope: _end(value, 0), None


def _last(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    return lambda value, scope: _end(value, -1), None


def _end(value: Any, place: int) -> Any:
    if not isinstance(value, list):
        return value
    kept = [item for item in value if item not in (None, "")]
    return kept[place] if kept else None


def _unique(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        if not isinstance(value, list):
            return value
        found: dict[Any, Any] = {}
        for item in value:
            found.setdefault(_sign(item), item)
        return list(found.values())

    return inward, same


def _sort(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        if not isinstance(value, list):
            return value
        if all(isinstance(item, (int, float)) and item.__class__ is not bool for item in value):
            return sorted(value)
        return sorted((item for item in value if item is not None), key=text_of)

    return inward, same


def _sign(item: Any) -> Any:
    """What two elements that are the same share; 1, 1.0 and true are three."""
    return (item.__class__, repr(item) if isinstance(item, (dict, list, float)) else item)


_SEPARATOR = {"separator": Param("text", about="what stands between two elements")}

LISTS = (
    Transform(
        "first",
        "the first element of a list that is not empty",
        _first,
        whole=True,
        examples=(Example([None, "a", "b"], "a"),),
    ),
    Transform(
        "last",
        "the last element of a list that is not empty",
        _last,
        whole=True,
        examples=(Example(["a", "b", ""], "b"),),
    ),
    Transform(
        "unique",
        "a list with each element once, in the order of their first places",
        _unique,
        whole=True,
        gives="list",
        examples=(Example(["b", "a", "b"], ["b", "a"], back=["b", "a"]),),
        lossy="repetitions",
    ),
    Transform(
        "sort",
        "a list of numbers or texts in order, without nulls",
        _sort,
        whole=True,
        gives="list",
        examples=(Example(["b", "a"], ["a", "b"], back=["a", "b"]),),
        lossy="the order",
    ),
    Transform(
        "join",
        "a list as one text",
        _join,
        _SEPARATOR,
        "separator",
        whole=True,
        takes=TEXTUAL,
        gives="text",
        examples=(Example(["a", "b"], "a, b"),),
    ),
    Transform(
        "split",
        "a text as a list",
        _split,
        _SEPARATOR,
        "separator",
        whole=True,
        takes=TEXTUAL,
        gives="list",
        examples=(Example("a, b,,c", ["a", "b", "c"], back="a, b, c"),),
    ),
    Transform(
        "labels",
        "label names from a list of names or objects, or a separated text",
        _labels,
        {
            **_SEPARATOR,
            "key": Param("text", about="the member of an object with its label: name"),
        },
        whole=True,
        takes=TEXTUAL,
        gives="list",
        usual=Usual("{plain_words}({value})", {"plain_words": plain_words}),
        usual_back=AS_IT_IS,
        usual_despite=("separator", "key"),
        examples=(
            Example([{"name": "bug"}, {"name": "vip"}], ["bug", "vip"], back=["bug", "vip"]),
            Example("bug, vip", ["bug", "vip"], back=["bug", "vip"]),
        ),
    ),
)
