"""What a tool holds after we wrote to it becomes the agreement, on both bases; what it silently
did not take is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import RowMapping

from connectors.sdk import Record
from hub.flow import change
from hub.flow.merge import same
from hub.flow.outward import Plan
from hub.process.people import owner
from hub.store import outbox, work
from hub.store.exceptions import Trouble
from hub.unit import Unit

Row = dict[str, Any]


def agree(unit: Unit, plan: Plan, record: Record | None, entity: Row | None) -> None:
    """The tool holds what we wrote: that is the new base on both sides; what changed meanwhile
    goes out next.
    """
    row = plan.row
    if record is None or entity is None:
        return
    link = work.links_by_external(unit.tx, row["connection"], row["object"], [record.id]).get(
        record.id
    )
    fresh = link is None
    if link is None:
        link = work.new_link(
            row["entity_type"], entity["id"], row["connection"], row["object"], record.id, unit.now
        )
    mapping = unit.snapshot.mapping(row["connection"], row["object"])
    raw: Mapping[str, Any] = {}
    if mapping is not None:
        mapped = mapping.inward(record.data, unit.snapshot, row["connection"])
        raw = mapped.raw
        for name in plan.values:
            seen = mapped.values.get(name, plan.values[name])
            one = mapping.spec.fields.get(name)
            if (
                one is not None
                and mapping.spec.direction_of(one) == "both"
                and not same(name, seen, plan.values[name])
                and not _lossy(mapping, name, plan.values[name], raw.get(name), unit, row)
            ):
                _not_taken(unit, row, entity, name, plan.values[name], seen)
    newer = not (
        link["remote_version"] and record.version and record.version < link["remote_version"]
    )
    link["remote_base"] = {
        **link["remote_base"],
        **{
            name: raw[name] for name in (plan.values if not fresh else raw) if name in raw and newer
        },
    }
    link["hub_base"] = {**link["hub_base"], **plan.values}
    if newer:
        link["address"] = dict(record.address) or link["address"]
        link["url"] = record.url or link["url"]
        link["remote_version"] = record.version or link["remote_version"]
        link["data"] = dict(record.data)
    link["updated_at"] = unit.now
    if fresh:
        work.insert_links(unit.tx, [link])
        unit.emit(
            "link.added",
            entity["id"],
            case=entity.get("case_id"),
            data={name: link[name] for name in ("connection", "object", "external_id", "url")},
        )
    else:
        work.save_links(unit.tx, [link])
    changed = {
        name
        for name in change.outward_fields(unit, link)
        if name in plan.values and change.value_of(entity, name) != plan.values[name]
    }
    if fresh:
        changed |= {
            name
            for name in change.outward_fields(unit, link)
            if name not in plan.values
            and change.value_of(entity, name) not in (None, [], "")
            and plan.error is None
        }
    if changed:
        unit.push(
            outbox.NewPush(
                connection=row["connection"],
                object=row["object"],
                op="update",
                entity_type=row["entity_type"],
                entity_id=entity["id"],
                external_id=record.id,
                fields=sorted(changed),
                cause=row["cause"],
                correlation=row["correlation"],
            )
        )


def _lossy(mapping: Any, name: str, ours: Any, raw: Any, unit: Unit, row: RowMapping) -> bool:
    """Whether the tool holds just what our value becomes there, although that reads back
    differently.
    """
    try:
        return bool(mapping.vendor_value(name, ours, unit.snapshot, row["connection"]) == raw)
    except Exception:  # a value without a form there was reported when it was written
        return True


def _not_taken(unit: Unit, row: RowMapping, entity: Row, name: str, ours: Any, theirs: Any) -> None:
    unit.trouble(
        Trouble(
            "push_failed",
            f"{row['connection']} did not take {name} of '{entity.get('title')}'",
            f"We wrote {ours!r}; it now holds {theirs!r} and gave no reason.",
            subject=entity["id"],
            owner=owner(unit, entity.get("accountable")),
            place=f"{row['connection']}/{name}",
            data={"connection": row["connection"], "field": name, "case": entity.get("case_id")},
        )
    )
