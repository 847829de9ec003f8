"""What is noted of a record that came in: who it is, where its values came from, and its fields
that could not be mapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hub.flow import change, order
from hub.flow.arrival import Arrival, Batch
from hub.flow.merge import Ruling
from hub.flow.quarantine import field_trouble
from hub.unit import Unit
from mappings.compiler import Problem

Row = dict[str, Any]


def keep_identity(unit: Unit, link: Row, arrival: Arrival) -> None:
    record = arrival.record
    link["address"] = dict(record.address) or link["address"]
    link["url"] = record.url or link["url"]
    link["remote_version"] = record.version or link["remote_version"]
    link["remote_deleted"] = False
    link["data"] = dict(record.data)
    link["heard_at"] = order.heard(unit, arrival)
    link["misses"] = 0
    link["updated_at"] = unit.now


def trace(
    arrival: Arrival, names: Mapping[str, Any], rulings: Mapping[str, Ruling] | None = None
) -> Row:
    """Where values came from: the record, the delivery, the mapping line of each field, and which
    side held where both had changed it.
    """
    places = arrival.mapping.places
    if places.keys() != names.keys():
        places = {name: places[name] for name in names if name in places}
    told = {
        "connection": arrival.row["connection"],
        "object": arrival.row["object"],
        "external_id": arrival.record.id,
        "delivery": arrival.row["delivery"],
        "mapping": places,
    }
    if rulings:
        told["rulings"] = {
            name: {"holds": one.holds, "rule": one.rule, "ours": one.ours, "theirs": one.theirs}
            for name, one in rulings.items()
        }
    return told


def where(link: Mapping[str, Any]) -> Row:
    """Which record a link is to, as events and exceptions tell it."""
    return {name: link[name] for name in ("connection", "object", "external_id")}


def quarantine_fields(
    unit: Unit,
    batch: Batch,
    arrival: Arrival,
    problems: Iterable[Problem],
    entity: Row,
    link: Row,
) -> None:
    """Fields that could not be mapped: each an exception; the healthy ones have flowed. From here
    on it counts as an edit if ours changes.
    """
    again = arrival.row["kind"] == "again"
    open_ = batch.ward.fields.get((entity["id"], arrival.row["connection"]), {})
    for problem in problems:
        name = problem.field
        if name not in link["hub_base"]:
            link["hub_base"] = {**link["hub_base"], name: change.value_of(entity, name)}
        trouble = field_trouble(
            unit, arrival.mapping, problem, entity, where(link), counted=not again
        )
        if again and name in open_:  # what ours was when the value was heard stays
            data = {**trouble.data, "ours": open_[name]["data"].get("ours")}
            trouble = replace(trouble, data=data)
        batch.ward.note(unit, trouble)
