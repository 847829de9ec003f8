"""Who a record is, where the mapping says so: tools without identifiers of their own (a feed, a
webhook, a list) get them from a field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from connectors.sdk import Record
from connectors.sdk.versions import comparable
from mappings.compiler import CompiledMapping

OWN_ID = "$id"
"""In a link's address: the connector's id of the record, where the mapping gives it another."""


def identified(mapping: CompiledMapping | None, record: Record) -> Record:
    """The record under the id, version and address of a page that its mapping gives it. What the
    mapping does not say, or the record does not have, stays the connector's.
    """
    if mapping is None or mapping.spec.identity is None:
        return record
    found = mapping.identity(record.data)
    changes: dict[str, Any] = {}
    key = text_of(found["key"]) if "key" in found else record.id
    if key != record.id:
        changes["id"] = key
        changes["address"] = {OWN_ID: record.id, **record.address}
    if "version" in found:
        changes["version"] = comparable(found["version"])
    url = str(found.get("url", ""))
    if url.startswith(("https://", "http://")):
        changes["url"] = url
    if "former" in found:
        changes["former"] = former_ids(found["former"])
    return replace(record, **changes) if changes else record


def former_ids(value: Any) -> tuple[str, ...]:
    """The ids in a list, or in the text in which some tools write one: `12;34` or `12,34`."""
    if isinstance(value, str):
        value = value.replace(",", ";").split(";")
    some = value if isinstance(value, Sequence) else [value]
    ids = [text_of(one).strip() for one in some if isinstance(one, str | int | float)]
    return tuple(dict.fromkeys(id for id in ids if id))


def own_id(link: Mapping[str, Any]) -> str:
    """What the connector itself calls a linked record."""
    return str(link["address"].get(OWN_ID, link["external_id"]))


def own_address(link: Mapping[str, Any]) -> dict[str, Any]:
    """The address as the connector gave it."""
    return {name: value for name, value in link["address"].items() if name != OWN_ID}


def text_of(value: Any) -> str:
    """A key as text: 7 and 7.0 are the same one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()
