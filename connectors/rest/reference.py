"""The reference of a description, from its models: `python -m connectors.rest.reference`."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined

from connectors.rest.hooks import EventWords, WebhookWords
from connectors.rest.objects import (
    Batch,
    FieldWords,
    Getting,
    Key,
    Listing,
    ObjectWords,
    Paging,
    Since,
    Writing,
)
from connectors.rest.service import AuthWords, ErrorWords, Service
from connectors.rest.words import Words

PARTS: tuple[tuple[str, type[Words]], ...] = (
    ("The file", Service),
    ("auth", AuthWords),
    ("objects.NAME", ObjectWords),
    ("objects.NAME.list", Listing),
    ("objects.NAME.list.paging", Paging),
    ("objects.NAME.list.since", Since),
    ("objects.NAME.get", Getting),
    ("objects.NAME.get.batch", Batch),
    ("objects.NAME.create, update, delete", Writing),
    ("objects.NAME.key", Key),
    ("objects.NAME.fields", FieldWords),
    ("errors", ErrorWords),
    ("webhook", WebhookWords),
    ("webhook.events.KIND", EventWords),
)


def markdown() -> str:
    """One table for each part of a description."""
    return "\n".join(line for title, model in PARTS for line in _table(title, model))


def _table(title: str, model: type[Words]) -> Iterator[str]:
    yield f"### {title}\n"
    yield "| key | value | meaning |\n|---|---|---|"
    for name, info in model.model_fields.items():
        kind, default = _kind(info.annotation), info.default
        if info.is_required():
            kind += ", **required**"
        elif default not in (None, PydanticUndefined, "", ()) and not isinstance(default, Words):
            kind += f", else `{str(default).lower() if isinstance(default, bool) else default}`"
        meaning = " ".join((info.description or "").split()).replace("|", "\\|")
        yield f"| `{name}` | {kind} | {meaning} |"
    yield ""


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in arguments if one is not type(None)))
    if origin is dict:
        return f"mapping to {_kind(arguments[1])}"
    if origin in (list, tuple):
        return f"list of {_kind(arguments[0])}"
    if hasattr(annotation, "__metadata__"):
        return _kind(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, Words):
        return "mapping, see below"
    words = {str: "text", int: "number", bool: "true or false"}
    return words.get(annotation, "any")


if __name__ == "__main__":
    print(markdown())
