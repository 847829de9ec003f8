"""Walks a connection's raw values beside the connector's model: where references stand, where a
secret was written out, what the model says about a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from hub.reading import Reader, descend
from mappings.source import Map, Place

REFERENCE = re.compile(r"(env|secret):([A-Za-z_][A-Za-z0-9_.-]*)")
_ALMOST = re.compile(r"\s*(env|secret|ENV|SECRET)\s*:.*", re.DOTALL)


def references(
    reader: Reader, value: Any, path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Where the raw configuration points at a value that stands elsewhere."""
    if isinstance(value, Map):
        for key, item in value.items():
            if isinstance(item, str):
                yield from _reference(reader, item, (*path, key), value.at(key))
            else:
                yield from references(reader, item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                place = descend(value, [index], Place(reader.file))
                yield from _reference(reader, item, (*path, index), place)
            else:
                yield from references(reader, item, (*path, index))


def _reference(
    reader: Reader, text: str, path: tuple[Any, ...], place: Place
) -> Iterator[tuple[tuple[Any, ...], str]]:
    if REFERENCE.fullmatch(text):
        yield path, text
    elif _ALMOST.fullmatch(text):
        reader.error(
            place, "this is not quite a reference.", "Write env:NAME or secret:NAME without spaces."
        )
        yield path, text


def written_secrets(
    model: type[BaseModel], value: Any, path: tuple[Any, ...]
) -> Iterator[tuple[Any, ...]]:
    """Where a text stands although the model wants a secret."""
    if not isinstance(value, Map):
        return
    for name, info in model.model_fields.items():
        for key in {name, info.alias or name}:
            if key in value:
                yield from _secrets_in(info.annotation, value[key], (*path, key))


def _secrets_in(annotation: Any, value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    kinds = list(_kinds(annotation))
    for kind in kinds:
        if isinstance(value, Map):
            if issubclass(kind, BaseModel):
                yield from written_secrets(kind, value, path)
            elif issubclass(kind, SecretStr):
                for key, item in value.items():
                    if isinstance(item, (str, int)):
                        yield (*path, key)
        elif issubclass(kind, SecretStr):
            items = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, item in items:
                if isinstance(item, (str, int)) and not isinstance(item, bool):
                    yield path if index is None else (*path, index)
        elif isinstance(value, list) and issubclass(kind, BaseModel):
            for index, item in enumerate(value):
                yield from written_secrets(kind, item, (*path, index))


def _kinds(annotation: Any) -> Iterator[type]:
    """The classes that an annotation is made of: `list[SecretStr] | None` has SecretStr."""
    arguments = get_args(annotation)
    if isinstance(annotation, type) and not arguments:
        yield annotation
    for argument in arguments:
        yield from _kinds(argument)


def model_at(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel] | None:
    for part in path:
        info = model.model_fields.get(part) if isinstance(part, str) else None
        if info is None:
            return None
        inner = [kind for kind in _kinds(info.annotation) if issubclass(kind, BaseModel)]
        if not inner:
            return None
        model = inner[0]
    return model


def described(model: type[BaseModel], location: tuple[Any, ...]) -> str:
    """What the connector says about a key."""
    holder = model_at(model, location[:-1]) if location else None
    info = holder.model_fields.get(str(location[-1])) if holder else None
    return (info.description or "") if info else ""


def put(values: Any, path: tuple[Any, ...], value: str) -> None:
    for part in path[:-1]:
        values = values[part]
    values[path[-1]] = value
