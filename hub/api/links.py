"""Where a task or an item lives: linking it to a record of a tool, having one created there,
linking it to another one, and unlinking.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub.api.auth import Anyone, HubDep, Member
from hub.api.errors import Problem
from hub.api.held import held
from hub.api.items import shown_item
from hub.api.paging import Limit, Page
from hub.api.repeating import Repeatable
from hub.api.tasks import mirror_task, shown_task
from hub.flow import linking
from hub.hub import Hub
from hub.identity import Caller
from hub.store import sameness
from hub.store.work import Row
from hub.unit import Unit
from mappings.canonical import Item, Moment, Task

router = APIRouter(tags=["tasks"], route_class=Repeatable)


@contextmanager
def _saying_whose() -> Iterator[None]:
    """Where a record is taken, the answer names the one that has it."""
    try:
        yield
    except linking.Taken as taken:
        raise Problem(409, taken.code, str(taken), entity=taken.entity) from taken


@contextmanager
def _linking(hub: Hub, caller: Caller, kind: str, id: str) -> Iterator[tuple[Unit, Row]]:
    """The entity whose links are changed, locked; afterwards its records are read."""
    with _saying_whose(), hub.unit() as unit, unit.acting(caller.actor()):
        yield unit, held(unit, kind, id)
    hub.soon("bring_in")


Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
What = Annotated[
    Literal["leave", "new"],
    Query(
        description="What becomes of the record, which stays there as it is: it is left alone until"
        " somebody links it, or it becomes a new task (or item) of its own."
    ),
]


class Existing(BaseModel):
    """A record that is there."""

    model_config = ConfigDict(extra="forbid")

    external_id: Id = Field(description="The record's id there.")
    object: str | None = Field(None, description="If several objects of it take tasks.")


class NewItemLink(Existing):
    """A link to a record that is there."""

    connection: str


class NewLink(BaseModel):
    """A link to a record that is there (`external_id`), or to one that is to be created there."""

    model_config = ConfigDict(extra="forbid")

    connection: str
    object: str | None = Field(None, description="If several objects of it take tasks.")
    external_id: Id | None = Field(
        None, description="The record's id there; without it one is created."
    )


class LeftAlone(BaseModel):
    """A record that was unlinked, and of which nothing comes in."""

    connection: str
    object: str
    external_id: str
    unlinked_from: str
    at: Moment


class Wanted(BaseModel):
    """A record that was unlinked and is to become an entity of its own."""

    model_config = ConfigDict(extra="forbid")

    connection: str
    object: str
    external_id: Id


@router.post(
    "/tasks/{id}/links",
    status_code=201,
    responses={202: {"description": "It is being created there."}},
)
def add_link(hub: HubDep, caller: Member, id: str, body: NewLink, response: Response) -> Task:
    """Link a task to a tool. Where both sides have a value already, neither is overwritten: the
    mapping's conflict rule decides, or a person.
    """
    with _linking(hub, caller, "task", id) as (unit, task):
        linking.check_free(unit, task, body.connection)
        if body.external_id is None:
            mirror_task(unit, task, body.connection, body.object)
            response.status_code = 202
        else:
            linking.link_record(unit, "task", task, body.connection, body.object, body.external_id)
    return shown_task(hub, id, response)


@router.put("/tasks/{id}/links/{connection}")
def relink_task(hub: HubDep, caller: Member, id: str, connection: str, body: Existing) -> Task:
    """Link a task to another record of a tool. The former one stays as it is and is left alone."""
    with _linking(hub, caller, "task", id) as (unit, task):
        linking.relink(unit, "task", task, connection, body.object, body.external_id)
    return shown_task(hub, id)


@router.delete("/tasks/{id}/links/{connection}")
def remove_link(
    hub: HubDep, caller: Member, id: str, connection: str, record: What = "leave"
) -> Task:
    """Unlink a task from a tool. The record there stays as it is."""
    with _linking(hub, caller, "task", id) as (unit, task):
        linking.unlink(unit, "task", task, connection, record, caller.token)
    return shown_task(hub, id)


@router.post("/items/{id}/links", status_code=201)
def add_item_link(hub: HubDep, caller: Member, id: str, body: NewItemLink) -> Item:
    """Link an item to a record of a tool."""
    with _linking(hub, caller, "item", id) as (unit, item):
        linking.check_free(unit, item, body.connection)
        linking.link_record(unit, "item", item, body.connection, body.object, body.external_id)
    return shown_item(hub, id)


@router.put("/items/{id}/links/{connection}")
def relink_item(hub: HubDep, caller: Member, id: str, connection: str, body: Existing) -> Item:
    """Link an item to another record of a tool. The former one stays as it is and is left alone."""
    with _linking(hub, caller, "item", id) as (unit, item):
        linking.relink(unit, "item", item, connection, body.object, body.external_id)
    return shown_item(hub, id)


@router.delete("/items/{id}/links/{connection}")
def remove_item_link(
    hub: HubDep, caller: Member, id: str, connection: str, record: What = "leave"
) -> Item:
    """Unlink an item from a tool. The record there stays as it is."""
    with _linking(hub, caller, "item", id) as (unit, item):
        linking.unlink(unit, "item", item, connection, record, caller.token)
    return shown_item(hub, id)


@router.get("/unlinked")
def list_unlinked(
    hub: HubDep, caller: Anyone, connection: str | None = None, limit: Limit = 50
) -> Page[LeftAlone]:
    """Records that were unlinked and are left alone, the last first."""
    with hub.database.read() as tx:
        rows = sameness.left_alone(tx, connection, limit)
    return Page(
        items=[
            LeftAlone(
                connection=row["connection"],
                object=row["object"],
                external_id=row["external_id"],
                unlinked_from=row["entity_id"],
                at=row["at"],
            )
            for row in rows
        ]
    )


@router.post("/unlinked", status_code=202)
def take_in_unlinked(hub: HubDep, caller: Member, body: Wanted) -> Wanted:
    """Have a record that was unlinked become a task (or an item) of its own."""
    with _saying_whose(), hub.unit() as unit, unit.acting(caller.actor()):
        linking.ask_for(unit, body.connection, body.object, body.external_id)
    hub.soon("bring_in")
    return body
