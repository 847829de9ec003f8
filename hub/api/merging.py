"""Two tasks, or two items, that are one thing become one."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from hub.api.auth import HubDep, Member
from hub.api.errors import not_found
from hub.api.items import shown_item
from hub.api.repeating import Repeatable
from hub.api.tasks import shown_task
from hub.flow.merging import merge_entities
from hub.hub import Hub
from hub.identity import Caller
from mappings.canonical import Item, Task

router = APIRouter(tags=["tasks"], route_class=Repeatable)


class Into(BaseModel):
    """The one that stays."""

    model_config = ConfigDict(extra="forbid")

    into: str = Field(description="The id of the one that stays; where both have a value, its own.")


@router.post("/tasks/{id}/merge")
def merge_task(hub: HubDep, caller: Member, id: str, body: Into) -> Task:
    """Merge a task into another one, which answers for both: links, comments, exceptions, waiting
    writes and the place in a case go along. 409 where both have a record in one tool, or both do a
    step of a case.
    """
    return shown_task(hub, _merged(hub, caller, "task", id, body.into))


@router.post("/items/{id}/merge")
def merge_item(hub: HubDep, caller: Member, id: str, body: Into) -> Item:
    """Merge an item into another one, which answers for both."""
    return shown_item(hub, _merged(hub, caller, "item", id, body.into))


def _merged(hub: Hub, caller: Caller, kind: str, id: str, into: str) -> str:
    try:
        with hub.unit() as unit, unit.acting(caller.actor()):
            return str(merge_entities(unit, kind, id, into)["id"])
    except LookupError as error:
        missing = id if id in str(error) else into
        raise not_found(kind, missing) from error
