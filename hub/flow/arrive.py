"""One record arrives: a first contact makes an entity, an update is merged, a deletion is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from connectors.sdk import Record
from hub.flow import change, conflicts, hops, matching, order, unsure
from hub.flow.arrival import Arrival, Batch
from hub.flow.deletion import deleted, restored
from hub.flow.fallback import stands_for_somebody
from hub.flow.first_contact import first_contact
from hub.flow.left_out import leave_out
from hub.flow.merge import Merged, merge
from hub.flow.newest import TOLD, is_newer
from hub.flow.noted import keep_identity, quarantine_fields, trace
from hub.flow.order import Place
from hub.process.people import owner
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
    if arrival.called_now is not None:
        return _told_of_a_former(unit, batch, arrival, arrival.called_now)
    if link is not None and arrival.entity is None:
        ward.came(arrival.row, "it was deleted here")
        return True
    stands = order.place(unit, arrival, batch.yard)
    if stands is Place.UNSURE:
        batch.yard.ask(order.key_of(arrival), arrival.row)
        return True
    if record.deleted and stands is Place.HOLDS:
        if arrival.mapping.spec.entity == "party":
            batch.people.append(arrival)
        elif link is not None and arrival.entity is not None:
            deleted(unit, batch, arrival, link, arrival.entity)
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
    if arrival.mapping.spec.entity == "party":
        batch.people.append(arrival)
        ward.came(arrival.row, CAME)
        return True
    leave_out(unit, arrival, mapped)
    if mapped.problems:
        _leave_out_queue(unit, arrival, mapped)
    if link is None and matching.left_alone(batch, arrival):
        ward.came(arrival.row, "it was unlinked here")
        return True
    found = None
    if link is None and stands is not Place.BURIED:
        found = matching.recognise(unit, batch, arrival, mapped)
        if found is not None and found.one is not None:
            link, _ = matching.link_to(unit, batch, arrival, mapped, found)
    if link is None or arrival.entity is None:
        if (untitled := _untitled(arrival, mapped)) is not None:
            ward.aside(unit, arrival.row, untitled)
            return True
        if not first_contact(unit, batch, arrival, mapped):
            return False
        if found is not None:
            matching.ask(unit, batch, arrival, found)
        if stands is Place.BURIED and arrival.link is not None and arrival.entity is not None:
            # it was told too late: in order it would have been made, and then deleted
            deleted(unit, batch, arrival, arrival.link, arrival.entity)
            ward.came(arrival.row, "it was deleted there")
            return True
    else:
        _update(unit, batch, arrival, mapped, link, arrival.entity)
    if batch.yard.stones:
        batch.yard.back(order.key_of(arrival))
    ward.came(arrival.row, CAME)
    return True


def _leave_out_queue(unit: Unit, arrival: Arrival, mapped: Mapped) -> None:
    """Forget that the tool names its queue where somebody of ours has no account."""
    connection, entity = arrival.row["connection"], arrival.entity
    mapped.problems[:] = [
        one
        for one in mapped.problems
        if not stands_for_somebody(
            unit.snapshot, connection, one, change.value_of(entity, one.field) if entity else None
        )
    ]


def _told_of_a_former(unit: Unit, batch: Batch, arrival: Arrival, now: str) -> bool:
    """Of a record under an id that it had once: its end under that id is no end, and what it was
    then is no news. What it is now is read where that can be done.
    """
    connection, object, _ = order.key_of(arrival)
    spec = unit.snapshot.offers(connection).get(object)
    if not arrival.record.deleted and spec is not None and spec.fetch:
        batch.yard.ask((connection, object, now), arrival.row)
    batch.ward.came(arrival.row, "it has another id now")
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


def _update(
    unit: Unit, batch: Batch, arrival: Arrival, mapped: Mapped, link: Row, entity: Row
) -> None:
    spec = arrival.mapping.spec
    connection = arrival.row["connection"]
    kind = link["entity_type"]
    review = {name for id, of, name in batch.review if (id, of) == (entity["id"], connection)}
    again, was_deleted = arrival.row["kind"] == "again", link["remote_deleted"]
    ours_only = matching.fill_in(unit, link, entity, mapped)

    def merge_them() -> Merged:
        return merge(
            connection,
            batch.policies_of(arrival.mapping),
            mapped.values,
            mapped.raw,
            change.values_of(entity, spec.fields),
            link,
            remote_is_newer=lambda name: is_newer(unit, entity, name, arrival.record.updated_at),
            under_review=review,
            ours_is_newer=_edited_since(batch, connection, entity) if again else (),
        )

    merged = merge_them()
    at_odds = ({*merged.rulings} | {*merged.conflicts}) - review
    if unsure.arrived(unit, arrival.mapping, link, mapped, at_odds):
        merged = merge_them()
    merged.push_back |= ours_only
    arrival.merged = merged
    link["remote_base"] = {**link["remote_base"], **merged.remote_base}
    link["hub_base"] = {**link["hub_base"], **merged.hub_base}
    news = mapped.problems if again else _news(unit, arrival, mapped, link)
    if not again:
        keep_identity(unit, link, arrival)
    for name in conflicts.settled_by(link, mapped, merged, review):
        batch.review.discard((entity["id"], connection, name))
        merged.push_back.add(name)
        conflicts.end(unit, entity["id"], connection, name)
    for name, (ours, theirs) in merged.conflicts.items():
        _conflict(unit, arrival, entity, name, ours, theirs)
        batch.review.add((entity["id"], connection, name))
    data = trace(arrival, merged.values, merged.rulings)
    if arrival.record.updated_at is not None:
        data[TOLD] = arrival.record.updated_at.isoformat()
    with hops.counted(unit, batch, arrival, entity, {*merged.values, *merged.push_back}) as told:
        change.change(
            unit,
            kind,
            entity,
            merged.values,
            links=batch.links.get(entity["id"], ()) if told.goes_on else (),
            origin=connection,
            push_back=merged.push_back,
            data=data | told.data,
        )
    if merged.rulings and not merged.values:  # nothing changed, and yet a value was lost
        data = trace(arrival, merged.rulings, merged.rulings)
        unit.emit(
            f"{kind}.updated", entity["id"], case=entity.get("case_id"), data=data, told=False
        )
    if was_deleted:
        restored(unit, batch, arrival, link, entity)
    bad = {problem.field for problem in mapped.problems}
    bad.update(unit.snapshot.not_read(connection, link["object"]))
    revision = unit.snapshot.revision
    batch.ward.check(
        entity["id"], connection, bad, f"mended by revision {revision}" if again else GOOD
    )
    quarantine_fields(unit, batch, arrival, news, entity, link)
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
