"""Two entities that are one thing become one: what the loser has goes to the winner, which answers
for both from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hub.flow import change
from hub.flow.merge import same
from hub.flow.noted import where
from hub.process.answers import Refused
from hub.store import exceptions, outbox, sameness, work
from hub.store import tables as t
from hub.unit import Unit

Row = dict[str, Any]

_OWN = frozenset(
    {"id", "version", "created_at", "updated_at", "completed_at", "due_by", "custom", "case_id",
     "step_id", "title", "status", "waiting_on"}
)  # fmt: skip
"""What is not filled from the loser as other fields are."""
_EMPTY: tuple[Any, ...] = (None, [], "", {})
MERGED = "they were merged"


def merge_entities(unit: Unit, kind: str, loser_id: str, winner_id: str) -> Row:
    """Merge a task or an item into another one of its kind, which holds where both have a value.

    Links, comments, waiting writes, exceptions, the place in a case and whatever is said of it go
    along. The tools of the loser are told what the winner says. Raises Refused; LookupError.
    """
    loser, winner = _both(unit, kind, loser_id, winner_id)
    links = work.links_of(unit.tx, [loser["id"], winner["id"]])
    coming, there = links.get(loser["id"], []), links.get(winner["id"], [])
    coming, there = _one_each(unit, kind, loser, winner, coming, there)
    case = _case(kind, loser, winner)
    values = _filled(unit, loser, winner, coming)
    _move(unit, kind, loser, winner)
    for link in coming:
        link["entity_id"] = winner["id"]
    changed = {}
    if case and case["step_id"] != winner["step_id"] and loser["status"] != winner["status"]:
        # the step waits for what its task says: from now on that is what the winner says
        changed = {"status": {"before": loser["status"], "after": winner["status"]}}
    unit.emit(
        f"{kind}.merged",
        winner["id"],
        case=case.get("case_id") or winner.get("case_id"),
        changed=changed,
        data={
            "merged": loser["id"],
            "merged_title": loser["title"],
            "links": [where(one) for one in coming],
        },
    )
    winner |= case
    if not change.change(unit, kind, winner, values, links=[*there, *coming]) and case:
        winner["version"] += 1
        winner["updated_at"] = unit.now
    for link in coming:
        change.pass_on(unit, link, _differing(unit, link, winner))
    work.save(unit.tx, kind, [winner])
    table = work.ENTITIES[kind]
    sameness.forget(unit.tx, loser["id"])
    unit.recognised.keys.pop(loser["id"], None)
    unit.seen.pop(winner["id"], None)
    unit.seen.pop(loser["id"], None)
    unit.tx.execute(sa.delete(table).where(table.c.id == loser["id"]))
    return winner


def _both(unit: Unit, kind: str, loser_id: str, winner_id: str) -> tuple[Row, Row]:
    ids = [sameness.answers_for(unit.tx, id) for id in (loser_id, winner_id)]
    if ids[0] == ids[1]:
        raise Refused("same_entity", f"They are one {kind} already.")
    found = work.load(unit.tx, kind, ids, lock=True)
    for id in ids:
        if id not in found:
            raise LookupError(f"There is no {kind} {id}.")
    return found[ids[0]], found[ids[1]]


def _one_each(
    unit: Unit,
    kind: str,
    loser: Row,
    winner: Row,
    coming: Sequence[Row],
    there: Sequence[Row],
) -> tuple[list[Row], list[Row]]:
    """The links of both that stay: one thing has one record in a tool, so of two the one that is
    deleted there goes. Raises Refused where both are alive.
    """
    kept = {link["connection"]: link for link in there}
    staying = []
    for link in coming:
        other = kept.get(link["connection"])
        if other is None:
            staying.append(link)
            continue
        if not link["remote_deleted"] and not other["remote_deleted"]:
            raise Refused(
                "both_linked",
                f"Both have a record in {link['connection']}: {link['object']}"
                f" {other['external_id']} ('{winner['title']}') and {link['object']}"
                f" {link['external_id']} ('{loser['title']}'). One {kind} has one record in a tool:"
                " merge or delete one of them there, or unlink one here; then merge again.",
            )
        gone = link if link["remote_deleted"] else other
        work.remove_link(unit.tx, gone["id"])
        unit.emit("link.removed", winner["id"], case=winner.get("case_id"), data=where(gone))
        if gone is other:
            del kept[link["connection"]]
            staying.append(link)
    busy = {*kept, *(link["connection"] for link in staying)}
    for one in (loser, winner):
        for row in outbox.waiting_for(unit.tx, one["id"]):
            if row["op"] == "create" and row["connection"] in busy:
                if row["lease_until"] is not None or row["claims"]:
                    raise Refused(
                        "being_created",
                        f"'{one['title']}' is being created in {row['connection']} just now, where"
                        " the other one has a record. Try again in a moment.",
                    )
                outbox.supersede(unit.tx, [row["position"]], MERGED)
            elif row["op"] == "create":
                busy.add(row["connection"])
    return staying, list(kept.values())


def _case(kind: str, loser: Row, winner: Row) -> Row:
    """The place in a case that the winner gets. Raises Refused where both have one."""
    if kind != "task" or loser["case_id"] is None:
        return {}
    if loser["step_id"] and winner["step_id"]:
        raise Refused(
            "both_in_cases",
            f"Both do a step of a case ('{loser['title']}' and '{winner['title']}'), and each step"
            " needs a task of its own. Finish or terminate one of the steps instead.",
        )
    if winner["case_id"] not in (None, loser["case_id"]):
        raise Refused(
            "both_in_cases",
            f"'{loser['title']}' and '{winner['title']}' belong to two different cases, and a task"
            " belongs to one.",
        )
    return {"case_id": loser["case_id"], "step_id": winner["step_id"] or loser["step_id"]}


def _filled(unit: Unit, loser: Row, winner: Row, coming: Sequence[Row]) -> Row:
    """What the winner takes from the loser: what it has no value of, and that of which a tool of
    the loser is the system of record.
    """
    names = [name for name in loser if name not in _OWN]
    names += [f"custom.{name}" for name in loser.get("custom") or {}]
    values = {
        name: change.value_of(loser, name)
        for name in names
        if change.value_of(winner, name) in _EMPTY and change.value_of(loser, name) not in _EMPTY
    }
    for link in coming:
        mapping = unit.snapshot.mapping(link["connection"], link["object"])
        for name, one in mapping.spec.fields.items() if mapping else ():
            if one.system_of_record == link["connection"] and not link["remote_deleted"]:
                values[name] = change.value_of(loser, name)
    values.pop("url", None)
    return values


def _differing(unit: Unit, link: Row, winner: Row) -> set[str]:
    """What the winner says otherwise than a tool of the loser was told."""
    return {
        name
        for name in change.outward_fields(unit, link)
        if not same(name, link["hub_base"].get(name), change.value_of(winner, name))
    }


def _move(unit: Unit, kind: str, loser: Row, winner: Row) -> None:
    """Everything that names the loser names the winner from now on, but the history."""
    tx, old, new = unit.tx, loser["id"], winner["id"]
    columns: list[sa.Column[Any]] = [
        t.links.c.entity_id, t.pushes.c.entity_id, t.proposals.c.target, t.comments.c.task,
        t.steps.c.task, t.handoffs.c.task_id, t.tokens.c.subject, t.merged.c.into,
    ]  # fmt: skip
    _timers(unit, old, new)
    for column in columns:
        tx.execute(sa.update(column.table).where(column == old).values({column.name: new}))
    waiting = tx.execute(
        sa.select(t.pushes.c.position, t.pushes.c.connection).where(
            t.pushes.c.entity_id == new, t.pushes.c.status == "pending"
        )
    ).all()
    for row in waiting:  # one lane per entity and tool, so that they stay in order
        tx.execute(
            sa.update(t.pushes)
            .where(t.pushes.c.position == row.position)
            .values(lane=f"{row.connection}/{new}")
        )
    if kind == "item":
        _cases(unit, old, new)
    _parted(unit, old, new)
    _exceptions(unit, old, new)
    tx.execute(sa.insert(t.merged).values(id=old, entity_type=kind, into=new, at=unit.now))


def _timers(unit: Unit, old: str, new: str) -> None:
    known = {
        (row.kind, row.occurrence)
        for row in unit.tx.execute(
            sa.select(t.timers.c.kind, t.timers.c.occurrence).where(t.timers.c.subject == new)
        )
    }
    for row in unit.tx.execute(sa.select(t.timers).where(t.timers.c.subject == old)).mappings():
        if (row["kind"], row["occurrence"]) not in known:
            unit.tx.execute(
                sa.update(t.timers).where(t.timers.c.id == row["id"]).values(subject=new)
            )


def _cases(unit: Unit, old: str, new: str) -> None:
    table = t.case_items
    known = set(unit.tx.scalars(sa.select(table.c.case_id).where(table.c.item_id == new)))
    mine = set(unit.tx.scalars(sa.select(table.c.case_id).where(table.c.item_id == old)))
    for case in sorted(mine - known):
        unit.tx.execute(sa.insert(table).values(case_id=case, item_id=new))
    unit.tx.execute(sa.delete(table).where(table.c.item_id == old))


def _parted(unit: Unit, old: str, new: str) -> None:
    for row in (
        unit.tx.execute(sa.select(t.parted).where(t.parted.c.entity_id == old)).mappings().all()
    ):
        record = (row["connection"], row["object"], row["external_id"])
        sameness.part(unit.tx, record, [new], row["at"], alone=row["alone"])
    unit.tx.execute(sa.delete(t.parted).where(t.parted.c.entity_id == old))


def _exceptions(unit: Unit, old: str, new: str) -> None:
    """What was open about the loser is about the winner, unless the same is open there; a question
    whether they are one is answered.
    """
    table = t.exceptions
    open_there = {row["fingerprint"] for row in exceptions.open_of(unit.tx, new)}
    over: list[str] = []
    doubts = (
        unit.tx.execute(
            sa.select(table).where(table.c.type == "duplicate", table.c.status.in_(exceptions.OPEN))
        )
        .mappings()
        .all()
    )
    for row in doubts:
        about = row["data"].get("entity")
        candidates = row["data"].get("candidates", ())
        others = [one["id"] for one in candidates]
        if {about, *others} >= {old, new}:
            over.append(row["id"])
        elif old == about or old in others:
            said = [{**one, "id": new} if one["id"] == old else one for one in candidates]
            data = {**row["data"], "candidates": said, "entity": new if old == about else about}
            unit.tx.execute(sa.update(table).where(table.c.id == row["id"]).values(data=data))
    rows = unit.tx.execute(sa.select(table).where(table.c.subject == old)).mappings().all()
    for row in rows:
        print_ = row["fingerprint"].replace(old, new)
        if row["status"] in exceptions.OPEN and print_ in open_there:
            over.append(row["id"])
        unit.tx.execute(
            sa.update(table)
            .where(table.c.id == row["id"])
            .values(
                subject=new,
                fingerprint=row["fingerprint"] if row["id"] in over else print_,
            )
        )
    for id in sorted(exceptions.close_all(unit.tx, over, unit.now, MERGED)):
        unit.emit("exception.resolved", id, data={"why": MERGED, "about": new})
