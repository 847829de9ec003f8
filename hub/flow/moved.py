"""Records whose id changed: moved to another project, repository or folder, or merged into another
record. The link goes along, and what comes late under a former id finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from connectors.sdk import Record
from hub.flow.arrival import Arrival
from hub.flow.identity import own_id
from hub.flow.noted import where
from hub.process.people import owner
from hub.store import aliases, dialect, work
from hub.store.exceptions import Trouble
from hub.unit import Unit

Row = dict[str, Any]


def follow(unit: Unit, arrivals: Sequence[Arrival]) -> None:
    """Attach the links of records that were known by another id: those that say what they were
    called before take theirs along; those told under a former id learn what they are called now.
    """
    groups: dict[tuple[str, str], list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.link is None or arrival.record.former:
            group = (arrival.row["connection"], arrival.row["object"])
            groups.setdefault(group, []).append(arrival)
    for (connection, object), some in groups.items():
        tellers = [one for one in some if one.record.former and not one.record.deleted]
        if tellers:
            dialect.critical_section(unit.tx, f"move:{connection}/{object}")
            for one in tellers:
                _take_along(unit, connection, object, one)
        _find_by_former_id(unit, connection, object, [one for one in some if one.link is None])
    _mark_strays(unit, arrivals)


def is_news(tx: Connection, connection: str, record: Record) -> bool:
    """Whether a record was called otherwise by a link that does not know yet what it is now."""
    formers = {id for id in record.former if id != record.id}
    there = work.links_by_external(tx, connection, record.object, formers)
    now = aliases.now_called(tx, connection, record.object, there)
    return any(now.get(id) != record.id for id in there)


def find_again(unit: Unit, arrivals: Iterable[Arrival]) -> None:
    """Attach links that somebody else moved since they were looked for."""
    groups: dict[tuple[str, str], list[Arrival]] = {}
    for one in arrivals:
        groups.setdefault((one.row["connection"], one.row["object"]), []).append(one)
    for (connection, object), some in groups.items():
        _find_by_former_id(unit, connection, object, some)


def _mark_strays(unit: Unit, arrivals: Sequence[Arrival]) -> None:
    """Mark what came together with the word that it moved, under the id that it had."""
    moved = {
        (one.row["connection"], one.row["object"], former)
        for one in arrivals
        for former in one.record.former
        if not one.record.deleted and one.link is not None
    }
    if not moved:
        return
    strays = [
        one
        for one in arrivals
        if (one.row["connection"], one.row["object"], one.record.id) in moved
        and not one.record.former
    ]
    for one in strays:
        one.link = None
        _find_by_former_id(unit, one.row["connection"], one.row["object"], [one])


def _find_by_former_id(
    unit: Unit, connection: str, object: str, strangers: Sequence[Arrival]
) -> None:
    if not strangers or not aliases.any_of(unit.tx, connection, object):
        return
    ids = {one.record.id for one in strangers}
    now = aliases.now_called(unit.tx, connection, object, ids)
    links = work.links_by_external(unit.tx, connection, object, set(now.values()))
    for one in strangers:
        if (link := links.get(now.get(one.record.id, ""))) is not None:
            one.called_now = own_id(link)


def _take_along(unit: Unit, connection: str, object: str, arrival: Arrival) -> None:
    """The link of a record under one of its former ids becomes its own; where it has one already,
    two records became one.
    """
    record = arrival.record
    formers = [id for id in record.former if id != record.id]
    own = work.links_by_external(unit.tx, connection, object, [record.id]).get(record.id)
    later = aliases.now_called(unit.tx, connection, object, formers)
    names = {later.get(id, id) for id in formers} - {record.id}
    found = work.links_by_external(unit.tx, connection, object, names)
    losers = sorted(found.values(), key=lambda link: (link["remote_deleted"], link["created_at"]))
    with unit.acting(unit.actor, cause=arrival.row["delivery"], origin=connection):
        if own is None and losers:
            own = losers.pop(0)
            take_over(unit, own, arrival)
        for link in losers:
            if own is not None and not _merged_before(unit, link, record.id):
                _merge(unit, own, link)
    arrival.link = own


def take_over(unit: Unit, link: Row, arrival: Arrival) -> None:
    """A link goes over to the record that arrives, whatever it was called before."""
    record = arrival.record
    before = where(link)
    link["external_id"] = record.id
    link["address"] = dict(record.address) or link["address"]
    link["url"] = record.url or link["url"]
    link["remote_version"] = None  # those of another place tell nothing
    link["heard_at"] = None
    link["misses"] = 0
    link["updated_at"] = unit.now
    work.save_links(unit.tx, [link])
    args = (link["connection"], link["object"], before["external_id"], record.id)
    aliases.move(unit.tx, *args, unit.now)
    unit.emit(
        "link.moved", link["entity_id"], data={**where(link), "former_id": before["external_id"]}
    )


def _merged_before(unit: Unit, link: Row, into: str) -> bool:
    """Whether it has been told already that this record became the other one."""
    id = link["external_id"]
    now = aliases.now_called(unit.tx, link["connection"], link["object"], [id])
    return bool(link["remote_deleted"] and now.get(id) == into)


def _merge(unit: Unit, winner: Row, loser: Row) -> None:
    """Two records that are both linked became one: the loser's link ends, and a person is asked
    whether what they stand for here is one, too.
    """
    connection, object, kind = loser["connection"], loser["object"], loser["entity_type"]
    if not loser["remote_deleted"]:
        told = {**where(loser), "merged_into": winner["external_id"]}
        unit.emit(f"{kind}.deleted", loser["entity_id"], data=told)
    loser["remote_deleted"], loser["misses"] = True, 0
    loser["updated_at"] = unit.now
    work.save_links(unit.tx, [loser])
    aliases.move(unit.tx, connection, object, loser["external_id"], winner["external_id"], unit.now)
    ours = [loser["entity_id"], winner["entity_id"]]
    entities = work.load(unit.tx, kind, ours)
    if len(entities) < 2 or kind == "comment":
        return
    lost, kept = (entities[id] for id in ours)
    unit.trouble(
        Trouble(
            "duplicate",
            f"'{lost['title']}' became one with '{kept['title']}' in {connection}",
            f"{object} {loser['external_id']} was merged into {winner['external_id']} there; here"
            " they are two. Say whether they are one here, too.",
            subject=lost["id"],
            owner=owner(unit, lost.get("accountable")),
            place=f"{connection}/{object}",
            data={
                "case": lost.get("case_id"),
                "connection": connection,
                "object": object,
                "external_id": loser["external_id"],
                "entity": lost["id"],
                "title": lost["title"],
                "kind": kind,
                # as `matching.ask` tells them, so that one click merges them
                "candidates": [
                    {
                        "id": kept["id"],
                        "title": kept["title"],
                        "status": kept.get("status") or kept.get("stage"),
                        "links": [{**where(winner), "url": winner["url"]}],
                    }
                ],
            },
        )
    )
