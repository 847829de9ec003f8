"""What each waiting push would write now: current state, mapped outward, one write per entity
however many rows wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from connectors.sdk import Change
from hub.flow import change, conflicts, fallback
from hub.flow.identity import own_address, own_id
from hub.flow.quarantine import is_outward, kept, writes_over
from hub.hub import Hub
from hub.live import Snapshot
from hub.participants import links as invitations
from hub.store import exceptions, outbox, work
from hub.store.tables import pushes
from mappings.compiler import CompiledMapping, Problem

Row = dict[str, Any]


@dataclass(slots=True)
class Plan:
    """One claimed push on its way: what is written, and what it stands for."""

    row: RowMapping
    change: Change | None = None
    link: Row | None = None
    values: Row = field(default_factory=dict)
    """The canonical values that are being written, by field."""
    superseded: bool = False
    by: str | None = None
    """The push that carries it along, if it is superseded by one."""
    waits: bool = False
    arrived: bool = False
    """A create that was begun before has come back by itself."""
    agreed: dict[str, conflicts.Agreed] = field(default_factory=dict)
    """Conflicts that are none any more, by their exceptions."""
    names: set[str] | None = None
    """The fields that differ from what was agreed; None where nobody looked."""
    problems: list[Problem] = field(default_factory=list)
    """Fields that have no form in the tool; the others are written."""
    refused: set[str] = field(default_factory=set)
    """Those of them that have one, which the tool refused."""
    queued: dict[str, str] = field(default_factory=dict)
    """Fields in which the tool's queue stands for somebody without an account, and its name."""
    error: str | None = None
    unsent: bool = False
    """The connection failed as a whole before it was sent."""
    looked_up: bool = False
    """Its outcome was looked up rather than written now."""


def plan_all(
    hub: Hub, snapshot: Snapshot, tx: Connection, rows: Sequence[RowMapping]
) -> list[Plan]:
    """What each row writes now. Updates of one entity that wait together become one."""
    by_kind: dict[str, set[str]] = {}
    for row in rows:
        if row["entity_type"] != "message":
            by_kind.setdefault(row["entity_type"], set()).add(row["entity_id"])
    entities = {
        id: entity
        for kind, ids in by_kind.items()
        for id, entity in work.load(tx, kind, ids).items()
    }
    links = work.links_of(tx, [id for ids in by_kind.values() for id in ids])
    unsettled = _unsettled(tx, links)
    plans: list[Plan] = []
    carried: dict[str, str] = {}
    for row in reversed(rows):  # the newest carries the older ones of its entity along
        plan = Plan(row)
        plans.insert(0, plan)
        if row["entity_type"] == "message":
            about = row["fields"].get("hub", {}).get("of")
            if about in carried:
                plan.superseded = True  # a newer update says all of it
                plan.by = carried[about]
            else:
                _plan_message(hub, tx, plan)
            if about:
                carried.setdefault(about, row["id"])
            continue
        entity = entities.get(row["entity_id"])
        plan.link = next(
            (
                link
                for link in links.get(row["entity_id"], ())
                if link["connection"] == row["connection"] and link["object"] == row["object"]
            ),
            None,
        )
        if row["op"] == "delete":
            _plan_deletion(plan)
        elif entity is None or _never_needed(row, plan.link, entity):
            plan.superseded = True
        elif row["op"] == "update" and (row["entity_id"] in carried or plan.link is None):
            plan.superseded = True  # a newer update, or the create that comes first, brings it
            plan.by = carried.get(row["entity_id"])
        else:
            _plan_entity(snapshot, tx, plan, entity, unsettled)
        carried.setdefault(row["entity_id"], row["id"])
    created: dict[str, str] = {}
    for plan in plans:
        if plan.row["op"] == "create" and plan.change:
            created.setdefault(plan.row["entity_id"], plan.row["id"])
    for plan in plans:
        if plan.row["entity_type"] == "message":
            continue  # each is one by itself, whatever it is about
        first = created.get(plan.row["entity_id"])
        if first in (None, plan.row["id"]):
            continue
        if plan.row["op"] == "update" or (plan.row["op"] == "create" and plan.change):
            # an update is carried along, and a second create would make a second record
            plan.change, plan.superseded, plan.by = None, True, first
    return plans


Unsettled = Mapping[tuple[str, str], Sequence[Row]]
"""Open exceptions about fields, by entity and connection."""


def _unsettled(tx: Connection, entities: Collection[str]) -> Unsettled:
    found: dict[tuple[str, str], list[Row]] = {}
    if entities:
        types = ("sync_conflict", *exceptions.UNMAPPED)
        for row in exceptions.open_of(tx, list(entities), *types):
            if row["data"].get("field"):
                key = (row["subject"], row["data"].get("connection"))
                found.setdefault(key, []).append(row)
    return found


def held_back(
    mapping: CompiledMapping, connection: str, unsettled: Iterable[Mapping[str, Any] | RowMapping]
) -> set[str]:
    """The fields that are not written for now: those under review, and those in which the tool
    holds something that we could not read, unless the mapping says that ours holds.
    """
    return {
        row["data"]["field"]
        for row in unsettled
        if row["type"] == "sync_conflict"
        or not (is_outward(row) or writes_over(mapping, row["data"]["field"], connection))
    }


def _plan_deletion(plan: Plan) -> None:
    """Of what was deleted here; an edit that somebody made there meanwhile goes with it."""
    row, link = plan.row, plan.link
    if link is None or link["remote_deleted"]:
        plan.superseded = True
        return
    plan.change = Change(
        "delete",
        row["object"],
        row["key"],
        {},
        id=own_id(link),
        address=own_address(link),
        base=link["data"],
        created_at=row["created_at"],
    )


def _never_needed(row: RowMapping, link: Row | None, entity: Row) -> bool:
    """Cancelled before any attempt to create it: then nobody there need hear of it."""
    untried = row["op"] == "create" and link is None and not row["claims"] and not row["attempts"]
    return untried and entity.get("status") == "cancelled"


def _plan_message(hub: Hub, tx: Connection, plan: Plan) -> None:
    """A message with its links, codes and buttons filled in, in memory only; or what became of
    what a message asked, once that message is there.
    """
    row, id = plan.row, None
    about = row["fields"].get("hub", {})
    if row["op"] == "update":
        first = tx.execute(
            sa.select(pushes.c.status, pushes.c.external_id).where(pushes.c.key == about.get("of"))
        ).first()
        if first is not None and first.status == "pending":
            plan.waits = True
            return
        if first is None or first.status != "sent" or not first.external_id:
            plan.superseded = True
            return
        id = first.external_id
    key = hub.settings.secret_key
    public = hub.settings.public_url or "http://127.0.0.1:8080"
    fields: Row = {
        name: invitations.fill(value, key, public) if isinstance(value, str) else value
        for name, value in row["fields"].items()
        if name != "hub"
    }
    if "buttons" in fields:
        fields["buttons"] = [
            {**one, "token": invitations.button_of(key, one["token"])} for one in fields["buttons"]
        ]
    plan.change = Change(
        row["op"], row["object"], row["key"], fields, id=id, created_at=row["created_at"]
    )


def _plan_entity(
    snapshot: Snapshot, tx: Connection, plan: Plan, entity: Row, unsettled: Unsettled
) -> None:
    row, link = plan.row, plan.link
    mapping = snapshot.mapping(row["connection"], row["object"])
    if mapping is None:
        plan.error = f"No mapping writes {row['object']} of '{row['connection']}' any more."
        return
    outward = mapping.written.difference(snapshot.not_written(row["connection"], row["object"]))
    current = change.values_of(entity, outward)
    open_ = unsettled.get((entity["id"], row["connection"]), ())
    if link is None:
        names = {name for name in outward if current[name] not in (None, [], "")}
    else:
        plan.agreed = conflicts.ended_here(snapshot, mapping, link, current, open_)
        open_ = [one for one in open_ if one["id"] not in plan.agreed]
        held = held_back(mapping, row["connection"], open_)
        missing = object()
        names = {
            name
            for name in outward - held
            if link["hub_base"].get(name, missing) != current[name]
            and not (name not in link["hub_base"] and current[name] in (None, [], ""))
        }
        names -= {one.field for one in plan.agreed.values()}
        plan.names = names
        if not names:
            plan.arrived = row["op"] == "create" and row["claims"] > 0
            plan.superseded = not plan.arrived
            return
    if link is not None and link["remote_deleted"]:
        plan.error = f"It was deleted in {row['connection']}."
        return
    parent = None
    if row["entity_type"] == "comment":
        parent = _parent(tx, entity, row["connection"])
        if parent is None:
            plan.waits = row["connection"] in outbox.to_be_created(tx, entity["task"])
            plan.superseded = not plan.waits  # the task will not be there: nobody can read it
            return
    base = link["data"] if link else None
    refused = still_refused(mapping, row, open_, snapshot.revision, current) if link else {}
    names -= refused.keys()
    result = mapping.outward(current, snapshot, row["connection"], names, base)
    if result.problems and (
        said := fallback.said_with_queue(
            snapshot, mapping, row["connection"], current, names, base, result.problems
        )
    ):
        result, plan.queued = said
    written = names - {problem.field for problem in result.problems}
    plan.names, plan.refused = names | refused.keys(), set(refused)
    plan.problems = [*result.problems, *refused.values()]
    if not written and link is not None:
        return
    plan.values = {name: current[name] for name in written}
    holder = link or parent
    plan.change = Change(
        op="create" if link is None else "update",
        object=row["object"],
        key=row["key"],
        fields=result.fields,
        id=own_id(link) if link else None,
        address=own_address(holder) if holder else {},
        parent=own_id(parent) if parent else None,
        base=base,
        version=link["remote_version"] if link else None,
        created_at=row["created_at"],
    )


def still_refused(
    mapping: CompiledMapping,
    row: RowMapping,
    open_: Iterable[Row],
    revision: int,
    values: Mapping[str, Any],
) -> dict[str, Problem]:
    """The fields that were refused as they are now under this very revision: to send them once
    more would have the whole record refused once more. A push that is to mend them (`cause`) tries
    it all the same.
    """
    if str(row["cause"] or "").startswith("exc_"):
        return {}
    found = {}
    for one in open_:
        data = one["data"]
        if not data.get("refused") or one["failed_under"] != revision:
            continue
        name = data["field"]
        if name in values and data.get("raw") == kept(values[name]):
            place = mapping.spec.fields[name].place
            found[name] = Problem(name, one["type"], data["why"], values[name], place)
    return found


def _parent(tx: Connection, comment: Row, connection: str) -> Row | None:
    """The link of the task that a comment belongs to, in the same tool."""
    for link in work.links_of(tx, [comment["task"]]).get(comment["task"], ()):
        if link["connection"] == connection:
            return link
    return None
