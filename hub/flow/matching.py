"""A record that nobody knows: whether it is something that is here already, by what the mapping's
`match` says.

What agrees by key with one entity is linked to it, as by hand. What agrees with several, or with
one that has a record in that tool already, or is only likely to be the same, becomes an entity of
its own, and a person is asked. What a person answered is not asked again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.flow import change
from hub.flow.arrival import Arrival, Batch
from hub.flow.noted import where
from hub.process.people import owner
from hub.store import outbox, sameness, work
from hub.store.exceptions import Trouble
from hub.unit import Unit
from mappings.compiler import Mapped
from mappings.expressions import ExpressionError
from mappings.sameness import Agreement, agreements_of, value_in

Row = dict[str, Any]

AT_MOST = 20
"""Entities of one key that are looked at, the newest."""
_EMPTY: tuple[Any, ...] = (None, [], "")


@dataclass(slots=True)
class Near:
    """What may be the same as the new records of one transaction, read at once."""

    apart: dict[sameness.Record, Mapping[str, bool]] = field(default_factory=dict)
    """Per record, the entities that it is not, and whether it is left alone because of them."""
    stored: dict[str, list[str]] = field(default_factory=dict)
    """Entities by key, as they are in the database."""
    rows: dict[str, Row] = field(default_factory=dict)
    """Entities by id, one object each, whoever looks at it."""
    coming: set[tuple[str, str]] = field(default_factory=set)
    """Entities that are being created in a connection just now."""


@dataclass(slots=True)
class Found:
    """What a record was recognised as, or may be."""

    agreement: Agreement
    values: Row
    """What agrees, by field."""
    one: Row | None = None
    doubtful: list[Row] = field(default_factory=list)
    taken: bool = False
    """All that agree by key have a record in that tool already."""


def may_be(unit: Unit, arrivals: Sequence[Arrival]) -> dict[str, set[str]]:
    """The entities, by kind, that records without a link may be: whoever locks others locks these
    with them, in id order. Nobody else looks for such ones until the transaction ends.
    """
    wanted = _wanted(unit, _strangers(arrivals))
    found: dict[str, set[str]] = {}
    for key, having in _having(unit, wanted).items():
        found.setdefault(wanted[key], set()).update(sorted(having)[-AT_MOST:])
    return found


def _having(unit: Unit, keys: Collection[str]) -> dict[str, list[str]]:
    """The entities in the database that have these keys; looked up once, as nobody else can add
    one until the transaction ends.
    """
    known = unit.recognised.stored
    new = [key for key in keys if key not in known]
    if new:
        sameness.alone_with(unit.tx, new)
        found = sameness.having(unit.tx, new)
        known |= {key: found.get(key, []) for key in new}
    return {key: list(known[key]) for key in keys if known[key]}


def _strangers(arrivals: Sequence[Arrival]) -> list[Arrival]:
    return [
        one
        for one in arrivals
        if one.link is None and not one.record.deleted and one.row["kind"] != "again"
    ]


def _wanted(unit: Unit, strangers: Sequence[Arrival]) -> dict[str, str]:
    """What these records would be recognised by, and the kind of entity."""
    return {key: one.mapping.spec.entity or "task" for one in strangers for key in _keys(unit, one)}


def look_around(unit: Unit, batch: Batch, arrivals: Sequence[Arrival]) -> None:
    """Read what the records of a batch that have no link may be. Nothing is read for mappings
    without `match`, but whether anybody ever unlinked anything.
    """
    strangers = _strangers(arrivals)
    if not strangers:
        return
    near = batch.near = Near()
    if sameness.any_parted(unit.tx):
        groups: dict[tuple[str, str], set[str]] = {}
        for one in strangers:
            connection, object, id = _record(one)
            groups.setdefault((connection, object), set()).add(id)
        for (connection, object), ids in groups.items():
            found = sameness.parted_from(unit.tx, connection, object, ids)
            near.apart |= {(connection, object, id): some for id, some in found.items()}
    wanted = _wanted(unit, strangers)
    if not wanted:
        return
    near.stored = _having(unit, wanted)
    if unit.more_keys:
        for key in unit.more_keys.keys() & wanted.keys():
            near.stored.setdefault(key, []).extend(unit.more_keys[key])
    near.rows = {one.entity["id"]: one.entity for one in arrivals if one.entity is not None}
    missing: dict[str, set[str]] = {}
    for key, having in near.stored.items():
        near.stored[key] = some = sorted(having)[-AT_MOST:]
        missing.setdefault(wanted[key], set()).update(id for id in some if id not in near.rows)
    for kind in sorted(missing):
        near.rows |= work.load(unit.tx, kind, missing[kind], lock=True)
    loaded = {id for some in missing.values() for id in some}
    near.coming = outbox.being_created(unit.tx, near.rows)
    batch.links |= {
        id: links
        for id, links in work.links_of(unit.tx, loaded, briefly=True).items()
        if id not in batch.links
    }


def _record(arrival: Arrival) -> sameness.Record:
    return (arrival.row["connection"], arrival.row["object"], arrival.record.id[:400])


def _keys(unit: Unit, arrival: Arrival) -> Iterable[str]:
    """What a record would be recognised by; it is mapped for that, once."""
    mapping = arrival.mapping
    if mapping.spec.match is None or not isinstance(arrival.record.data, Mapping):
        return ()
    if arrival.ready is None:
        try:
            if not mapping.matches(arrival.record.data):
                return ()
        except ExpressionError:
            return ()  # it is asked again where it comes in, and told there
        arrival.ready = mapping.inward(
            arrival.record.data, unit.snapshot, arrival.row["connection"]
        )
    values = arrival.ready.values
    keys = (one.key(values.get) for one in agreements_of(mapping.spec))
    return [key for key in keys if key is not None]


def left_alone(batch: Batch, arrival: Arrival) -> bool:
    """Whether a person unlinked this record: then nothing comes of it until somebody asks."""
    near = batch.near
    if near is None or not near.apart:
        return False
    return any(near.apart.get(_record(arrival), {}).values())


def recognise(unit: Unit, batch: Batch, arrival: Arrival, mapped: Mapped) -> Found | None:
    """What a record that nobody knows is, or may be. None: nothing that is here."""
    near, spec = batch.near, arrival.mapping.spec
    if near is None or spec.match is None:
        return None
    kind, connection = spec.entity or "task", arrival.row["connection"]
    apart = near.apart.get(_record(arrival), {})
    agreed: dict[str, tuple[Row, Agreement]] = {}
    for role in ("by", "likely"):
        for agreement in agreements_of(spec):
            if agreement.role != role:
                continue
            for entity in _agreeing(unit, batch, near, kind, agreement, mapped):
                if entity["id"] not in apart:
                    agreed.setdefault(entity["id"], (entity, agreement))
        if role == "likely":
            agreed = {
                id: one for id, one in agreed.items() if not _taken(batch, one[0], connection)
            }
        if not agreed:
            continue
        rows = sorted((row for row, _ in agreed.values()), key=lambda row: str(row["id"]))
        _, agreement = agreed[rows[0]["id"]]
        values = {name: value_in(mapped.values, name) for name in agreement.fields}
        taken = role == "by" and all(_taken(batch, row, connection) for row in rows)
        if role == "by" and len(rows) == 1 and not taken:
            return Found(agreement, values, rows[0])
        return Found(agreement, values, None, rows, taken)
    return None


def _agreeing(
    unit: Unit, batch: Batch, near: Near, kind: str, agreement: Agreement, mapped: Mapped
) -> list[Row]:
    key = agreement.key(mapped.values.get)
    if key is None:
        return []
    here = unit.recognised
    ids = [id for id in near.stored.get(key, ()) if id not in here.keys]
    ids += sorted(here.by_key.get(key, ()))[-AT_MOST:]
    found = []
    for id in ids:
        row = batch.entities.get(kind, {}).get(id) or near.rows.get(id)
        # it may have changed until it was locked
        if row is not None and key in sameness.keys_of([agreement], row):
            found.append(row)
    return found


def _taken(batch: Batch, entity: Row, connection: str) -> bool:
    """Whether an entity has a record in a tool: it has one there at most."""
    if batch.near is not None and (entity["id"], connection) in batch.near.coming:
        return True
    return any(one["connection"] == connection for one in batch.links.get(entity["id"], ()))


def link_to(
    unit: Unit, batch: Batch, arrival: Arrival, mapped: Mapped, found: Found
) -> tuple[Row, Row]:
    """Link a record to the entity that it was recognised as: the link and the entity, which is
    merged with it as on a link by hand.
    """
    entity = found.one
    assert entity is not None  # noqa: S101 - who calls this has looked
    kind, (connection, object, _) = found.agreement.kind, _record(arrival)
    link = work.new_link(kind, entity["id"], connection, object, arrival.record.id, unit.now)
    # what it was recognised by is the same, however each side writes it
    same = [name for name in found.agreement.fields if name in mapped.raw]
    link["hub_base"] = not_agreed(unit, link, entity) | change.values_of(entity, same)
    link["remote_base"] = {name: mapped.raw[name] for name in same}
    arrival.before = dict(entity)
    arrival.link, arrival.entity = link, entity
    batch.links.setdefault(entity["id"], []).append(link)
    batch.fresh_links.append(link)
    arrival.matched = f"{found.agreement.told}"
    unit.emit(
        "link.added",
        entity["id"],
        case=entity.get("case_id"),
        data={
            **where(link),
            "matched": found.values,
            "mapping": {"match": str(arrival.mapping.spec.place_of("match"))},
        },
    )
    return link, entity


def not_agreed(unit: Unit, link: Row, entity: Row) -> Row:
    """The hub's base of a link on which nothing is agreed yet: what we have counts as an edit, so
    that it is not overwritten unasked.
    """
    return {
        name: None
        for name in change.outward_fields(unit, link)
        if change.value_of(entity, name) not in _EMPTY
    }


def fill_in(unit: Unit, link: Row, entity: Row, mapped: Mapped) -> set[str]:
    """What a record that is seen for the first time through its link leaves empty and we have: that
    is nothing to argue about, and ours goes there.
    """
    if link["data"]:
        return set()
    names = {
        name
        for name, agreed in link["hub_base"].items()
        if agreed is None
        and name not in link["remote_base"]
        and name in mapped.values
        and mapped.values[name] in _EMPTY
        and change.value_of(entity, name) not in _EMPTY
    }
    if names:
        link["remote_base"] = {
            **link["remote_base"],
            **{name: mapped.raw.get(name) for name in names},
        }
    return names


def ask(unit: Unit, batch: Batch, arrival: Arrival, found: Found) -> None:
    """Have a person say whether a record that became an entity of its own is one of these."""
    entity = arrival.entity
    if entity is None or arrival.link is None:
        return
    (connection, object, id), fields = _record(arrival), found.agreement.told
    key = found.agreement.key(found.values.get)
    others = [_told(batch, one) for one in found.doubtful]
    names = _listed([f"'{one['title']}' ({_places(one['links'])})" for one in others])
    if found.taken:
        title = f"{connection} has two records with the same {fields}"
        detail = (
            f"{object} {id} agrees in {fields} with {names}. One thing has one record in a tool."
            " Merge or delete one of them there, or say that they are two things."
        )
    else:
        title = f"'{entity['title']}' from {connection} may be here already"
        sure = "several agree by key" if found.agreement.role == "by" else "they look alike"
        detail = (
            f"{object} {id} agrees in {fields} with {names}; {sure}. Until somebody says, each"
            " goes on by itself."
        )
    unit.trouble(
        Trouble(
            "duplicate",
            change.storable(title),
            change.storable(detail),
            severity="low" if found.taken else "normal",
            # of many records of one tool that agree, there is one question
            subject=others[0]["id"] if found.taken else entity["id"],
            owner=owner(unit, entity.get("accountable") or found.doubtful[0].get("accountable")),
            place=f"{connection}/{object}" + (f"/{key}" if found.taken else ""),
            data={
                "kind": found.agreement.kind,
                "entity": entity["id"],
                "title": entity["title"],
                "connection": connection,
                "object": object,
                "external_id": id,
                "url": arrival.record.url,
                "agree": found.values,
                "candidates": others,
                "mapping": str(arrival.mapping.spec.place_of("match")),
                "case": entity.get("case_id"),
            },
        )
    )


def _told(batch: Batch, entity: Row) -> Row:
    links = [{**where(one), "url": one["url"]} for one in batch.links.get(entity["id"], ())]
    return {
        "id": entity["id"],
        "title": entity["title"],
        "status": entity.get("status") or entity.get("stage"),
        "links": links,
    }


def _places(links: Sequence[Mapping[str, Any]]) -> str:
    told = [f"{one['connection']} {one['object']} {one['external_id']}" for one in links]
    return ", ".join(told) or "only here"


def _listed(names: Sequence[str]) -> str:
    shown = names[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(shown) + more
