"""What a tool holds after we wrote to it becomes the agreement, on both bases; what it silently
did not take is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import RowMapping

from connectors.sdk import Record
from hub.flow import change
from hub.flow.merge import ABSENT, same
from hub.flow.outward import Plan
from hub.process.people import owner
from hub.store import records, work
from hub.store.exceptions import Trouble
from hub.unit import Unit
from mappings.compiler import CompiledMapping

Row = dict[str, Any]


def agree(
    unit: Unit, plan: Plan, record: Record | None, entity: Row | None, *, found: bool = False
) -> None:
    """The tool holds what we wrote: that is the new base on both sides; what changed meanwhile
    goes out next.

    `found` says that the record was looked up after an unknown outcome: then it may hold what an
    earlier attempt sent, or what a person made of that.
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
    newer = not (
        link["remote_version"] and record.version and record.version < link["remote_version"]
    )
    sent = row["fields"] if found and isinstance(row["fields"], Mapping) else plan.values
    unheard = found
    if mapping is not None and found:
        base_on(unit, link, mapping, record, sent)
    elif mapping is not None:
        theirs = _base_on_answer(
            unit, plan, mapping, record, link, entity, fresh=fresh, newer=newer
        )
        unheard = newer and not fresh and (theirs or _says_more(unit, plan, mapping, record, link))
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
    if unheard:
        _look_at(unit, row, record)
    changed = {
        name
        for name in change.outward_fields(unit, link)
        if name in sent and change.value_of(entity, name) != sent[name]
    }
    if fresh:
        unsaid = {problem.field for problem in plan.problems}
        changed |= {
            name
            for name in change.outward_fields(unit, link) - unsaid
            if name not in sent and change.value_of(entity, name) not in (None, [], "")
        }
    if changed:
        change.tell(unit, link, changed)


def base_on(
    unit: Unit, link: Row, mapping: CompiledMapping, record: Record, sent: Mapping[str, Any]
) -> None:
    """Base a link on what our create carried (`sent`): whatever the record says otherwise was
    changed there since, and whatever the entity says otherwise, here. What the tool filled in
    besides (us as the owner, say) is nobody's news.
    """
    connection = link["connection"]
    mapped = mapping.inward(record.data, unit.snapshot, connection)
    agreed = {
        name: mapped.raw[name]
        for name, ours in sent.items()
        if name in mapped.raw
        and (
            same(name, mapped.values.get(name), ours)
            or holds(unit, mapping, connection, name, ours, mapped.raw[name])
        )
    }
    link["remote_base"] = {**link["remote_base"], **agreed}
    link["hub_base"] = {**link["hub_base"], **_as_it_began(mapping, sent)}
    if not any(problem.field in sent for problem in mapped.problems):
        link["data"] = dict(record.data)


def _as_it_began(mapping: CompiledMapping, sent: Mapping[str, Any]) -> Row:
    """What a create told the tool: what it did not carry was empty here, so that it counts as an
    edit if somebody fills it in.
    """
    return {**{name: [] if name == "labels" else None for name in mapping.written}, **sent}


def _base_on_answer(
    unit: Unit,
    plan: Plan,
    mapping: CompiledMapping,
    record: Record,
    link: Row,
    entity: Row,
    *,
    fresh: bool,
    newer: bool,
) -> bool:
    """Base a link on the vendor's answer to our write, and take in what the tool filled in.

    True if it shows neither what we wrote nor what was there before: a person, or the tool itself,
    made something else of it. Such a field keeps its bases, so that it is heard as changed on both
    sides, and the mapping's policy says whose value holds.
    """
    connection = plan.row["connection"]
    mapped = mapping.inward(record.data, unit.snapshot, connection)
    remade = set()
    for name, ours in plan.values.items():
        seen = mapped.values.get(name, ours)
        one = mapping.spec.fields.get(name)
        if (
            one is not None
            and mapping.spec.direction_of(one) == "both"
            and not same(name, seen, ours)
            and not holds(unit, mapping, connection, name, ours, mapped.raw.get(name))
        ):
            if fresh or not newer or mapped.raw.get(name) == link["remote_base"].get(name):
                _not_taken(unit, plan.row, entity, name, ours, seen)
            else:
                remade.add(name)
    agreed = {name: value for name, value in plan.values.items() if name not in remade}
    known = mapped.raw if fresh else agreed
    if newer:
        link["remote_base"] = {
            **link["remote_base"],
            **{name: mapped.raw[name] for name in known if name in mapped.raw},
        }
    if not fresh:
        link["hub_base"] = {**link["hub_base"], **agreed}
        return bool(remade)
    link["hub_base"] = {**link["hub_base"], **_as_it_began(mapping, plan.values)}
    given = {
        name: value
        for name, value in mapped.values.items()
        if name not in plan.values
        and value not in (None, [], "")
        and change.value_of(entity, name) in (None, [], "")
        and mapping.spec.direction_of(mapping.spec.fields[name]) != "out"
    }
    link["hub_base"] |= given
    kind = plan.row["entity_type"]
    if given and change.change(
        unit, kind, entity, given, origin=connection, data={"connection": connection}
    ):
        work.save(unit.tx, kind, [entity])
    return False


def _says_more(unit: Unit, plan: Plan, mapping: CompiledMapping, record: Record, link: Row) -> bool:
    """Whether the answer shows what we neither wrote nor heard of: a person was there between our
    last look and our write. No pull would bring that in any more, as it is what the link then
    knows.
    """
    mapped, base = (
        mapping.inward(record.data, unit.snapshot, link["connection"]),
        link["remote_base"],
    )
    return any(
        mapped.raw.get(name, ABSENT) != base.get(name, ABSENT)
        for name in mapped.values
        if name not in plan.values and mapping.spec.direction_of(mapping.spec.fields[name]) != "out"
    )


def holds(
    unit: Unit, mapping: CompiledMapping, connection: str, name: str, ours: Any, raw: Any
) -> bool:
    """Whether the tool holds just what our value becomes there, although that may read back
    differently.
    """
    try:
        return bool(mapping.vendor_value(name, ours, unit.snapshot, connection) == raw)
    except Exception:  # a value without a form there was reported when it was written
        return True


def _look_at(unit: Unit, row: RowMapping, record: Record) -> None:
    """Merge what was found as any other record, so that a person's edit of it comes in."""
    records.enqueue(
        unit.tx,
        [
            records.NewRecord(
                row["connection"],
                record.object,
                record.id,
                "state",
                records.state_of(record),
                "push",
            )
        ],
        unit.now,
    )


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
