"""A record that is gone, or there again: what that means here is the mapping's to say."""

from __future__ import annotations

from typing import Any

from hub.flow import change
from hub.flow.arrival import Arrival, Batch
from hub.flow.noted import where
from hub.flow.quarantine import end
from hub.process.people import owner
from hub.store import events, exceptions, work
from hub.store.exceptions import Trouble
from hub.unit import Unit

Row = dict[str, Any]

CANCELLED_BY = "cancelled_by_deletion_in"
"""In the event of a task that was cancelled because its record is gone: the connection."""


def deleted(unit: Unit, batch: Batch, arrival: Arrival, link: Row, entity: Row) -> None:
    """The remote record is gone: the link says so, and a person hears of it where work depended
    on it. Where the mapping ignores deletions, the link alone knows.
    """
    if link["remote_deleted"]:
        return
    record = arrival.record
    if record.version and (link["remote_version"] or "") < record.version:
        link["remote_version"] = record.version
    link["remote_deleted"] = True
    link["misses"] = 0
    link["updated_at"] = unit.now
    kind = link["entity_type"]
    policy = arrival.mapping.spec.deletes_in
    if policy == "ignore":
        return
    unit.emit(f"{kind}.deleted", entity["id"], case=_case_of(unit, kind, entity), data=where(link))
    if kind != "task":
        return
    if policy == "cancel" and entity["status"] not in work.FINISHED:
        _cancel(unit, batch, link, entity)
    elif policy != "cancel" and entity["status"] not in work.FINISHED and entity["step_id"]:
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


def restored(unit: Unit, batch: Batch, arrival: Arrival, link: Row, entity: Row) -> None:
    """A record that was deleted is there again, and has been merged: its task, if the deletion had
    cancelled it, goes on; what changed here meanwhile goes out.
    """
    kind, connection = link["entity_type"], link["connection"]
    if arrival.mapping.spec.deletes_in != "ignore":
        unit.emit(
            f"{kind}.restored", entity["id"], case=_case_of(unit, kind, entity), data=where(link)
        )
    place = f"validation/{entity['id']}/deleted/{connection}"
    open_ = exceptions.open_of(unit.tx, entity["id"], "validation")
    over = [row for row in open_ if row["fingerprint"] == place[:300]]
    if over:
        end(unit, {f"it is there again in {connection}": over})
    if kind == "task" and entity["status"] == "cancelled":
        _reopen(unit, batch, arrival, link, entity)
    if names := change.outward_fields(unit, link):
        change.tell(unit, link, names)


def _cancel(unit: Unit, batch: Batch, link: Row, entity: Row) -> None:
    connection = link["connection"]
    change.change(
        unit,
        "task",
        entity,
        {"status": "cancelled"},
        links=batch.links.get(entity["id"], ()),
        origin=connection,
        data={"connection": connection, CANCELLED_BY: connection},
    )
    # whatever the tool says of its status, once it is there again, is news
    link["hub_base"] = {**link["hub_base"], "status": "cancelled"}
    link["remote_base"] = {k: v for k, v in link["remote_base"].items() if k != "status"}


def _reopen(unit: Unit, batch: Batch, arrival: Arrival, link: Row, entity: Row) -> None:
    """The task takes the status that it had before the deletion cancelled it, where the tool has
    no word for it, and nobody has touched it since.
    """
    mapped, connection = arrival.mapped, link["connection"]
    if mapped is not None and "status" in mapped.values:
        return  # that is what the tool says
    history = events.of(unit.tx, subject=entity["id"], limit=200)
    last = next((event for event in history if "status" in event["changed"]), None)
    if last is None or last["data"].get(CANCELLED_BY) != connection:
        return
    change.change(
        unit,
        "task",
        entity,
        {"status": last["changed"]["status"]["before"]},
        links=batch.links.get(entity["id"], ()),
        origin=connection,
        data={"connection": connection},
    )


def _case_of(unit: Unit, kind: str, entity: Row) -> str | None:
    if kind == "comment":
        task = work.load(unit.tx, "task", [entity["task"]]).get(entity["task"])
        return task["case_id"] if task else None
    found: str | None = entity.get("case_id")
    return found
