"""Where a task lives: linking it to a record of a tool, having one created there, and unlinking."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub.api.auth import HubDep, Member
from hub.api.errors import Problem, invalid
from hub.api.repeating import Repeatable
from hub.api.tasks import held_task, mirror_task, shown_task
from hub.flow import change
from hub.store import outbox, records, running, work
from hub.store.records import NewRecord
from hub.store.work import Row
from hub.unit import Unit
from mappings.canonical import Task

router = APIRouter(prefix="/tasks/{id}/links", tags=["tasks"], route_class=Repeatable)


class NewLink(BaseModel):
    """A link to a record that is there (`external_id`), or to one that is to be created there."""

    model_config = ConfigDict(extra="forbid")

    connection: str
    object: str | None = Field(None, description="If several objects of it take tasks.")
    external_id: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
        | None
    ) = Field(None, description="The record's id there; without it one is created.")


@router.post("", status_code=201, responses={202: {"description": "It is being created there."}})
def add_link(hub: HubDep, caller: Member, id: str, body: NewLink, response: Response) -> Task:
    """Link a task to a tool. Where both sides have a value already, neither is overwritten: the
    mapping's conflict rule decides, or a person.
    """
    with hub.unit() as unit, unit.acting(caller.actor()):
        task = held_task(unit, id)
        _check_free(unit, task, body.connection)
        if body.external_id is None:
            mirror_task(unit, task, body.connection, body.object)
            response.status_code = 202
        else:
            _link(unit, task, body, body.external_id)
    hub.soon("bring_in")
    return shown_task(hub, id, response)


def _check_free(unit: Unit, task: Row, connection: str) -> None:
    if work.link_of(unit.tx, task["id"], connection) is not None:
        raise Problem(
            409, "already_linked", f"It is linked to {connection} already; unlink it first."
        )
    if any(
        row["op"] == "create" and row["connection"] == connection
        for row in outbox.waiting_for(unit.tx, task["id"])
    ):
        raise Problem(409, "already_linked", f"It is being created in {connection} just now.")


def _link(unit: Unit, task: Row, body: NewLink, external_id: str) -> None:
    connection = body.connection
    if connection not in unit.snapshot.workspace.connections:
        raise invalid({"connection": f"There is no connection '{connection}'."})
    found = [
        object
        for (name, object), mapping in unit.snapshot.workspace.mappings.items()
        if name == connection and mapping.spec.entity == "task" and body.object in (None, object)
    ]
    if len(found) != 1:
        raise invalid(
            {
                "object": f"Name one of: {', '.join(sorted(found))}."
                if found
                else f"'{connection}' has no mapping to tasks"
                f"{f' from {body.object}' if body.object else ''}."
            }
        )
    object = found[0]
    taken = work.links_by_external(unit.tx, connection, object, [external_id])
    if taken:
        other = taken[external_id]["entity_id"]
        raise Problem(
            409, "already_linked", f"That {object} is linked to {other} already.", entity=other
        )
    link = work.new_link("task", task["id"], connection, object, external_id, unit.now)
    # nothing is agreed yet: what we have counts as an edit, so that it is not overwritten unasked
    link["hub_base"] = {
        name: None
        for name in change.outward_fields(unit, link)
        if change.value_of(task, name) not in (None, [], "")
    }
    work.insert_links(unit.tx, [link])
    unit.emit(
        "link.added",
        task["id"],
        case=task["case_id"],
        data={name: link[name] for name in ("connection", "object", "external_id")},
    )
    _read_it(unit, connection, object, external_id)


def _read_it(unit: Unit, connection: str, object: str, external_id: str) -> None:
    """Have the record read, the quickest way that its connector has."""
    capability = unit.snapshot.offers(connection).get(object)
    if capability is not None and capability.fetch:
        records.enqueue(
            unit.tx,
            [NewRecord(connection, object, external_id, "fetch", {}, "link")],
            unit.now,
        )
    elif capability is not None and capability.pull:
        running.pull_afresh(unit.tx, connection, object)


@router.delete("/{connection}")
def remove_link(hub: HubDep, caller: Member, id: str, connection: str) -> Task:
    """Unlink a task from a tool. The record there stays as it is."""
    with hub.unit() as unit, unit.acting(caller.actor()):
        task = held_task(unit, id)
        link = work.link_of(unit.tx, id, connection)
        waiting = [
            row
            for row in outbox.waiting_for(unit.tx, id)
            if row["connection"] == connection and row["lease_until"] is None
        ]
        if link is None and not waiting:
            raise Problem(404, "not_linked", f"This task is not linked to {connection}.")
        outbox.supersede(unit.tx, [row["position"] for row in waiting], caller.token)
        if link is not None:
            work.remove_link(unit.tx, link["id"])
            unit.emit(
                "link.removed",
                id,
                case=task["case_id"],
                data={name: link[name] for name in ("connection", "object", "external_id")},
            )
    return shown_task(hub, id)
