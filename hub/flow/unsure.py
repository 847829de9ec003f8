"""An update of ours of which nobody knows whether it arrived, since whoever sent it died or got no
answer, and which the tool now shows: that is our own value of then, and nobody's edit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hub.flow.merge import same
from hub.flow.read_back import is_there
from hub.store import events, outbox
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped

Row = dict[str, Any]


def arrived(
    unit: Unit, mapping: CompiledMapping, link: Row, mapped: Mapped, names: Collection[str]
) -> bool:
    """Take what such an update carried for agreed on, where the tool shows it in one of these
    fields, which seem to be changed on both sides. True if there was any.
    """
    if not names:
        return False
    connection, entity = link["connection"], link["entity_id"]
    begun = outbox.begun_updates(unit.tx, entity, connection)
    found: Row = {}
    for name in names:
        if not any(name in (push["fields"] or ()) for push in begun):
            continue
        told = [(push["result"] or {}).get("sent", {}) for push in begun]
        ours = [sent[name] for sent in told if name in sent]
        ours += _held_since(unit, entity, connection, name, link["hub_base"])
        for value in ours:
            if is_there(unit.snapshot, mapping, connection, name, value, mapped):
                found[name] = value
                break
    link["remote_base"] = {**link["remote_base"], **{name: mapped.raw.get(name) for name in found}}
    link["hub_base"] = {**link["hub_base"], **found}
    return bool(found)


def _held_since(
    unit: Unit, entity: str, connection: str, name: str, base: Mapping[str, Any]
) -> Iterator[Any]:
    """The values that a field has had here since both sides last agreed, the newest first."""
    for event in events.of(unit.tx, subject=entity):
        if name not in event["changed"]:
            continue
        if event["data"].get("connection") == connection:
            return  # it came from there
        change = event["changed"][name]
        yield change["after"]
        if name in base and same(name, base[name], change["before"]):
            return
