"""What people say about a task, and in which tools it can be read."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from hub import present
from hub.api.auth import Anyone, HubDep, Member
from hub.api.errors import not_found
from hub.api.held import held
from hub.api.paging import Page
from hub.api.repeating import Repeatable
from hub.flow import change
from hub.store import sameness, work
from mappings.canonical import Comment

router = APIRouter(prefix="/tasks/{id}/comments", tags=["tasks"], route_class=Repeatable)


class NewComment(BaseModel):
    """A comment in Markdown. `public` ones go to every linked tool that takes comments, `internal`
    ones only to tools that can keep a comment internal.
    """

    model_config = ConfigDict(extra="forbid")

    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
    visibility: Literal["internal", "public"] = "internal"


@router.get("")
def list_comments(hub: HubDep, caller: Anyone, id: str) -> Page[Comment]:
    """A task's comments, oldest first, all at once."""
    with hub.database.read() as tx:
        there = sameness.answers_for(tx, id)
        if not work.load(tx, "task", [there]):
            raise not_found("task", id)
        rows = [dict(row) for row in work.comments_of(tx, there)]
        return Page(items=present.comments(tx, rows))


@router.post("", status_code=201)
def add_comment(hub: HubDep, caller: Member, id: str, body: NewComment) -> Comment:
    """Say something about a task."""
    with hub.unit() as unit, unit.acting(caller.actor()):
        task = held(unit, "task", id)
        of = task["id"]
        comment = change.new_entity(
            "comment",
            {
                "task": of,
                "author": caller.party["id"] if caller.party else None,
                "body": body.body,
                "visibility": body.visibility,
            },
            unit,
        )
        work.insert(unit.tx, "comment", [comment])
        change.announce_new(unit, "comment", {**comment, "case_id": task["case_id"]}, {"task": of})
        change.mirror_comment(unit, comment, work.links_of(unit.tx, [of]).get(of, ()))
    with hub.database.read() as tx:
        return present.comments(tx, [comment])[0]
