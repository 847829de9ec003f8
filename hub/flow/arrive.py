"""One record arrives: a first contact makes an entity, an update is merged, a deletion is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from connectors.sdk import Record
from hub.flow import change, order
from hub.flow.arrival import Arrival, Batch
from hub.flow.merge import Ruling, merge
from hub.flow.order import Place
from hub.flow.quarantine import field_trouble
from hub.process.people import owner
from hub.store import work
from hub.store.exceptions import Trouble
from hub.unit import Unit
from mappings.compiler import Mapped, Problem
from mappings.expressions import ExpressionError

log = structlog.get_logger("hub.bring_in")


Row = dict[str, Any]


GOOD = "a good value came"
CAME = "it came in"


def arrive(unit: Unit, batch: Batch, arrival: Arrival) -> bool:
    """Bring one record into its entity. False if it must wait for its parent. A record that is bad
    as a whole is put into the batch's ward.
    """
    link, ward, again = arrival.link, batch.ward, arrival.row["kind"] == "again"
    if again and not _hear_again(batch, arrival):
        return True
    record = arrival.record
    stands = order.place(unit, arrival, batch.yard)
    if stands is Place.UNSURE:
        batch.yard.ask(order.key_of(arrival), arrival.row)
        return True
    if record.deleted and stands is Place.HOLDS:
        if link is not None and arrival.entity is not None:
            _deleted(unit, batch, arrival, link, arrival.entity)
            ward.check(arrival.entity["id"], link["connection"], (), "it was deleted there")
        ward.came(arrival.row, "it was deleted there")
        order.bury(unit, arrival, batch.yard)
        return True
    if stands is Place.OLDER or (stands is Place.BURIED and link is not None):
        ward.came(arrival.row, "a newer state is known")
        return True
    if not isinstance(record.data, Mapping):
        ward.aside(unit, arrival.row, f"The record is no object: {record.data!r:.200}.")
        return True
    mapped, arrival.ready = arrival.ready, None
    try:
        if mapped is None and not arrival.mapping.matches(record.data):
            ward.came(arrival.row, "the filter leaves it out")
            return True
    except ExpressionError as error:
        place = arrival.mapping.spec.place_of("filter")
        ward.aside(unit, arrival.row, f"The filter has no answer for it: {error} ({place})")
        return True
    if mapped is None:
        mapped = arrival.mapping.inward(record.data, unit.snapshot, arrival.row["connection"])
    arrival.mapped = mapped
    if link is None or arrival.entity is None:
        if (untitled := _untitled(arrival, mapped)) is not None:
            ward.aside(unit, arrival.row, untitled)
            return True
        if not _first_contact(unit, batch, arrival, mapped):
            return False
        if stands is Place.BURIED and arrival.link is not None and arrival.entity is not None:
            # it was told too late: in order it would have been made, and then deleted
            _deleted(unit, batch, arrival, arrival.link, arrival.entity)
            ward.came(arrival.row, "it was deleted there")
            return True
    else:
        _update(unit, batch, arrival, mapped, link, arrival.entity)
    batch.yard.back(order.key_of(arrival))
    ward.came(arrival.row, CAME)
    return True


def _hear_again(batch: Batch, arrival: Arrival) -> bool:
    """Put what was last heard of a record in the place of a request to map that again. False if
    there is nothing to map.
    """
    row, link, entity = arrival.row, arrival.link, arrival.entity
    about = row["payload"].get("entity")
    if link is None or entity is None or link["remote_deleted"]:
        why = "it was deleted there" if link else "it is not linked there any more"
        batch.ward.check(str(about), row["connection"], (), why)
        return False
    arrival.record = Record(
        object=link["object"],
        id=link["external_id"],
        data=link["data"],
        address=link["address"],
        version=link["remote_version"],
        url=link["url"],
    )
    return True


def _untitled(arrival: Arrival, mapped: Mapped) -> str | None:
    """Why a record nobody knew cannot become a task or an item: it has no usable title, although
    the mapping says where that would be.
    """
    spec = arrival.mapping.spec
    one = spec.fields.get("title")
    if one is None or spec.entity not in ("task", "item") or spec.direction_of(one) == "out":
        return None
    if str(mapped.values.get("title") or "").strip():
        return None
    for problem in mapped.problems:
        if problem.field == "title":
            return f"{problem.message} ({problem.place}). Without a title it cannot be begun."
    return f"It has no title ({one.place}). Give it one there, or a `default` in the mapping."


def _keep_identity(unit: Unit, link: Row, arrival: Arrival) -> None:
    record = arrival.record
    link["address"] = dict(record.address) or link["address"]
    link["url"] = record.url or link["url"]
    link["remote_version"] = record.version or link["remote_version"]
    link["remote_deleted"] = False
    link["data"] = dict(record.data)
    link["heard_at"] = order.heard(unit, arrival)
    link["updated_at"] = unit.now


def _first_contact(unit: Unit, batch: Batch, arrival: Arrival, mapped: Mapped) -> bool:
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
        values["task"] = parent
    elif kind == "party":
        return True  # people of a tool are matched by `identities`, never made parties unasked
    if kind in ("task", "item") and not values.get("title"):
        values["title"] = f"{object} {record.id}"
    entity = change.new_entity(kind, values, unit)
    if kind in ("task", "item"):
        entity["url"] = record.url
    link = work.new_link(kind, entity["id"], connection, object, record.id, unit.now)
    link["remote_base"] = {name: mapped.raw.get(name) for name in mapped.values}
    # what the record did not say is as it began: only what changes here from now on goes out
    link["hub_base"] = change.values_of(entity, spec.fields)
    _keep_identity(unit, link, arrival)
    batch.fresh.setdefault(kind, []).append(entity)
    batch.fresh_links.append(link)
    batch.links[entity["id"]] = [link]
    arrival.entity, arrival.link = entity, link
    change.announce_new(unit, kind, entity, _trace(arrival, mapped.values))
    if kind == "comment":
        links = work.links_of(unit.tx, [entity["task"]]).get(entity["task"], [])
        change.mirror_comment(unit, entity, links, except_for=connection)
    _quarantine(unit, batch, arrival, mapped.problems, entity, link)
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


def _update(
    unit: Unit, batch: Batch, arrival: Arrival, mapped: Mapped, link: Row, entity: Row
) -> None:
    spec = arrival.mapping.spec
    connection = arrival.row["connection"]
    kind = link["entity_type"]
    review = {name for id, of, name in batch.review if (id, of) == (entity["id"], connection)}
    again = arrival.row["kind"] == "again"
    merged = merge(
        connection,
        batch.policies_of(arrival.mapping),
        mapped.values,
        mapped.raw,
        change.values_of(entity, spec.fields),
        link,
        remote_is_newer=not arrival.record.updated_at
        or arrival.record.updated_at >= entity["updated_at"],
        under_review=review,
        ours_is_newer=_edited_since(batch, connection, entity) if again else (),
    )
    arrival.merged = merged
    link["remote_base"] = {**link["remote_base"], **merged.remote_base}
    link["hub_base"] = {**link["hub_base"], **merged.hub_base}
    news = mapped.problems if again else _news(unit, arrival, mapped, link)
    if not again:
        _keep_identity(unit, link, arrival)
    for name, (ours, theirs) in merged.conflicts.items():
        _conflict(unit, arrival, entity, name, ours, theirs)
        batch.review.add((entity["id"], connection, name))
    change.change(
        unit,
        kind,
        entity,
        merged.values,
        links=batch.links.get(entity["id"], ()),
        origin=connection,
        push_back=merged.push_back,
        data=_trace(arrival, merged.values, merged.rulings),
    )
    if merged.rulings and not merged.values:  # nothing changed, and yet a value was lost
        data = _trace(arrival, merged.rulings, merged.rulings)
        unit.emit(
            f"{kind}.updated", entity["id"], case=entity.get("case_id"), data=data, told=False
        )
    bad = {problem.field for problem in mapped.problems}
    revision = unit.snapshot.revision
    batch.ward.check(
        entity["id"], connection, bad, f"mended by revision {revision}" if again else GOOD
    )
    _quarantine(unit, batch, arrival, news, entity, link)
    mapped.problems[:] = news


def _edited_since(batch: Batch, connection: str, entity: Row) -> set[str]:
    """The quarantined fields that were edited here since the tool's value was heard."""
    held = batch.ward.fields.get((entity["id"], connection), {})
    return {
        name
        for name, row in held.items()
        if "ours" in row["data"] and row["data"]["ours"] != change.value_of(entity, name)
    }


def _news(unit: Unit, arrival: Arrival, mapped: Mapped, link: Row) -> list[Problem]:
    """The problems that the record did not have when it was last seen: a person was told of those,
    or nobody need be (who wrote what we wrote ourselves).
    """
    if not mapped.problems:
        return []
    before = arrival.mapping.inward(link["data"], unit.snapshot, link["connection"])
    told = [(problem.field, problem.raw) for problem in before.problems]
    return [one for one in mapped.problems if (one.field, one.raw) not in told]


def _trace(
    arrival: Arrival, names: Iterable[str], rulings: Mapping[str, Ruling] | None = None
) -> Row:
    """Where values came from: the record, the delivery, the mapping line of each field, and which
    side held where both had changed it.
    """
    places = arrival.mapping.places
    told = {
        "connection": arrival.row["connection"],
        "object": arrival.row["object"],
        "external_id": arrival.record.id,
        "delivery": arrival.row["delivery"],
        "mapping": {name: places[name] for name in names if name in places},
    }
    if rulings:
        told["rulings"] = {
            name: {"holds": one.holds, "rule": one.rule, "ours": one.ours, "theirs": one.theirs}
            for name, one in rulings.items()
        }
    return told


def where(link: Mapping[str, Any]) -> Row:
    return {name: link[name] for name in ("connection", "object", "external_id")}


def _conflict(unit: Unit, arrival: Arrival, entity: Row, name: str, ours: Any, theirs: Any) -> None:
    connection = arrival.row["connection"]
    unit.trouble(
        Trouble(
            "sync_conflict",
            f"{name} of '{entity.get('title')}' was changed here and in {connection}",
            f"Here: {ours!r}. In {connection}: {theirs!r}. Both are kept; choose one.",
            subject=entity["id"],
            owner=owner(unit, entity.get("accountable")),
            place=f"{connection}/{name}",
            data={
                "field": name,
                "ours": ours,
                "theirs": theirs,
                "raw": arrival.mapped.raw.get(name) if arrival.mapped else None,
                "connection": connection,
                "case": entity.get("case_id"),
            },
        )
    )


def _quarantine(
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


def _deleted(unit: Unit, batch: Batch, arrival: Arrival, link: Row, entity: Row) -> None:
    """The remote record is gone: the link says so, and a person hears of it where work depended
    on it.
    """
    if link["remote_deleted"]:
        return
    record = arrival.record
    if record.version and (link["remote_version"] or "") < record.version:
        link["remote_version"] = record.version
    link["remote_deleted"] = True
    link["updated_at"] = unit.now
    kind = link["entity_type"]
    if kind in ("task", "item"):
        unit.emit(f"{kind}.deleted", entity["id"], case=entity.get("case_id"), data=where(link))
    if kind == "task" and arrival.mapping.spec.deletes_in == "cancel":
        change.change(
            unit,
            kind,
            entity,
            {"status": "cancelled"},
            links=batch.links.get(entity["id"], ()),
            origin=link["connection"],
        )
    elif kind == "task" and entity["status"] not in work.FINISHED and entity["step_id"]:
        unit.trouble(
            Trouble(
                "validation",
                f"'{entity['title']}' was deleted in {link['connection']}",
                "The process still needs it. Reopen it there, or finish it here.",
                severity="high",
                subject=entity["id"],
                owner=owner(unit, entity["accountable"]),
                place=f"deleted/{link['connection']}",
                data={"case": entity["case_id"]},
            )
        )
