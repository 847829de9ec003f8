"""A record that nobody knew: it becomes a new entity with its link."""

from __future__ import annotations

from typing import Any

from connectors.sdk import Record
from hub.flow import change
from hub.flow.arrival import Arrival, Batch
from hub.flow.noted import keep_identity, quarantine_fields, trace
from hub.store import work
from hub.unit import Unit
from mappings.compiler import Mapped

Row = dict[str, Any]


def first_contact(unit: Unit, batch: Batch, arrival: Arrival, mapped: Mapped) -> bool:
    """A record nobody knew: a new entity with its link."""
    record, spec = arrival.record, arrival.mapping.spec
    kind = spec.entity or "task"
    connection, object = arrival.row["connection"], arrival.row["object"]
    values = dict(mapped.values)
    if kind == "comment":
        batch.insert(unit)
        parent = _parent(unit, connection, record)
        if parent is None:
            return False
        if not work.load(unit.tx, "task", [parent]):
            return True  # that task was deleted here, and whatever is said of it with it
        values["task"] = parent
    elif kind == "party":
        return True  # people of a tool are matched by `identities`, never made parties unasked
    if kind in ("task", "item") and not values.get("title"):
        values["title"] = f"{object} {record.id}"
    entity = change.new_entity(kind, values, unit)
    if kind in ("task", "item"):
        entity["url"] = record.url
    link = work.new_link(kind, entity["id"], connection, object, record.id, unit.now)
    raw = mapped.raw
    same = raw.keys() == mapped.values.keys()
    link["remote_base"] = raw if same else {name: raw.get(name) for name in mapped.values}
    # what the record did not say is as it began: only what changes here from now on goes out
    link["hub_base"] = change.values_of(entity, spec.fields)
    keep_identity(unit, link, arrival)
    batch.fresh.setdefault(kind, []).append(entity)
    batch.fresh_links.append(link)
    batch.links[entity["id"]] = [link]
    arrival.entity, arrival.link = entity, link
    change.announce_new(unit, kind, entity, trace(arrival, mapped.values))
    if kind == "comment":
        links = work.links_of(unit.tx, [entity["task"]]).get(entity["task"], [])
        change.mirror_comment(unit, entity, links, except_for=connection)
    quarantine_fields(unit, batch, arrival, mapped.problems, entity, link)
    return True


def _parent(unit: Unit, connection: str, record: Record) -> str | None:
    """The task that a comment belongs to, by the record it hangs on."""
    if not record.parent:
        return None
    for (name, object), mapping in unit.snapshot.workspace.mappings.items():
        if name == connection and mapping.spec.entity == "task":
            found = work.links_by_external(unit.tx, connection, object, [record.parent])
            if found:
                return str(found[record.parent]["entity_id"])
    return None
