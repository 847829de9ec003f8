"""A task is deleted here: it ends, and its records in tools with it where their mapping says so."""

from __future__ import annotations

from typing import Any

from hub.flow.noted import where
from hub.flow.quarantine import end
from hub.process.answers import Refused
from hub.store import cases, exceptions, outbox, running, work
from hub.store.outbox import NewPush
from hub.unit import Unit
from mappings.states import StepStatus

Row = dict[str, Any]

_OPEN = (StepStatus.AVAILABLE, StepStatus.ACTIVE)


def delete_task(unit: Unit, task: Row) -> list[str]:
    """Delete a locked task with its comments; the connections whose record is deleted too.

    Its links stay, as what tells that a record was deleted here: it makes no new task when it is
    seen again. The history keeps every event. Raises Refused while a case needs it, or while it is
    being written for the first time.
    """
    _refuse_if_needed(unit, task)
    id = task["id"]
    waiting = outbox.waiting_for(unit.tx, id)
    for row in waiting:
        if row["op"] == "create" and (row["claims"] or row["status"] == "unknown"):
            raise Refused(
                "write_under_way",
                f"It is just being created in {row['connection']} (push {row['id']}). Delete it"
                " once that has ended.",
            )
    superseded = [row["position"] for row in waiting if row["lease_until"] is None]
    outbox.supersede(unit.tx, superseded, "deletion")
    links = work.links_of(unit.tx, [id], briefly=True).get(id, [])
    told = [link for link in links if _deletes_there(unit, link)]
    for link in told:
        unit.push(
            NewPush(
                connection=link["connection"],
                object=link["object"],
                op="delete",
                entity_type="task",
                entity_id=id,
                external_id=link["external_id"],
                fields=[],
                cause=unit.cause,
                correlation=unit.correlation,
            )
        )
    names = [link["connection"] for link in told]
    unit.emit(
        "task.deleted",
        id,
        case=task["case_id"],
        data={
            "title": task["title"],
            "here": True,
            "links": [where(link) for link in links],
            "deletes_in": names,
        },
    )
    over = exceptions.open_of(unit.tx, id)
    if over:
        end(unit, {"the task was deleted": over})
    running.stop_timers(unit.tx, id)
    unit.seen.pop(id, None)
    work.remove_task(unit.tx, id)
    return names


def _refuse_if_needed(unit: Unit, task: Row) -> None:
    step = cases.step(unit.tx, task["step_id"]) if task["step_id"] else None
    if step is None or step["status"] not in _OPEN:
        return
    case = cases.load(unit.tx, [step["case_id"]]).get(step["case_id"])
    if case is not None and case["status"] in cases.RUNNING:
        raise Refused(
            "needed_by_case",
            f"The step '{step['title']}' of the case '{case['title']}' ({case['id']}) needs this"
            " task. Finish it, or end the case first.",
        )


def _deletes_there(unit: Unit, link: Row) -> bool:
    connection, object = link["connection"], link["object"]
    mapping = unit.snapshot.mapping(connection, object)
    spec = unit.snapshot.offers(connection).get(object)
    return (
        not link["remote_deleted"]
        and mapping is not None
        and mapping.spec.deletes_out == "delete"
        and spec is not None
        and "delete" in spec.push
    )
