"""Somebody turned out to be another, or nobody: what names them, and was taken for the former, is
mapped again as it was last heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.store import accounts, records, work
from hub.store.records import NewRecord
from hub.unit import Unit

FIELDS = {"comment": ("author",), "item": ("owner",), "task": ("assignee", "requester")}
"""Where a party stands that a tool named; in the order in which entities are locked."""

Row = dict[str, Any]


def map_again(unit: Unit, account: Mapping[str, Any], former: str) -> int:
    """Have all links mapped again whose record names this account, and in which the former party
    stands because of that; how many. What somebody changed here since is left as it is.

    Called before the account is stored: who brings records in locks entities first too.
    """
    connection = account["connection"]
    names = {one.strip().lower() for one in (account["external_id"], account["handle"])}
    names |= {str(one).lower() for one in (*account["names"], account["email"]) if one}
    count = 0
    for kind, fields in FIELDS.items():
        for held in accounts.links_held_by(unit.tx, kind, fields, former, connection):
            about = {
                link["entity_id"]
                for link in held
                if any(_named(link, field, names) for field in fields)
            }
            changed = _forgotten(unit, kind, about, connection, former, names)
            work.save_links(unit.tx, changed)
            records.enqueue(unit.tx, [_again(link) for link in changed], unit.now)
            count += len(changed)
    return count


def _forgotten(
    unit: Unit, kind: str, about: set[str], connection: str, former: str, names: set[str]
) -> list[Row]:
    """The links of these entities in which nothing is agreed any more about who was named so."""
    entities = work.load(unit.tx, kind, about, lock=True)
    changed: dict[str, Row] = {}
    for links in work.links_of(unit.tx, about).values():
        for link in links:
            entity = entities.get(link["entity_id"])
            if entity is None or link["connection"] != connection or link["remote_deleted"]:
                continue
            for field in FIELDS[kind]:
                agreed = link["hub_base"].get(field, entity[field])
                if not _named(link, field, names) or not former == entity[field] == agreed:
                    continue
                base = link["remote_base"]
                link["remote_base"] = {name: base[name] for name in base if name != field}
                link["updated_at"] = unit.now
                changed[link["id"]] = link
    return list(changed.values())


def _again(link: Mapping[str, Any]) -> NewRecord:
    about = {"entity": link["entity_id"]}
    return NewRecord(
        link["connection"], link["object"], link["external_id"], "again", about, "people"
    )


def _named(link: Mapping[str, Any], field: str, names: set[str]) -> bool:
    raw = link["remote_base"].get(field)
    some = raw if isinstance(raw, list) else [raw]
    return any(str(one).strip().lower() in names for one in some if one is not None)
