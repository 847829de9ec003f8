"""Exceptions: what a person must look at, and how it ends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub import present
from hub.api.auth import Anyone, HubDep, PersonOrOperator
from hub.api.errors import invalid, not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.api.tasks import WhoFilter, party_filter
from hub.hub import Hub
from hub.process import exceptions as ending
from hub.store import exceptions as store
from hub.store import work
from mappings.canonical import Exception_
from mappings.states import ExceptionType

router = APIRouter(prefix="/exceptions", tags=["exceptions"], route_class=Repeatable)

Text = Annotated[str, StringConstraints(max_length=20_000)]


class ExceptionDetail(Exception_):
    """An exception with what it knows: for a sync conflict `field`, `ours` and `theirs`."""

    data: dict[str, Any]
    count: int = Field(description="How often it was seen.")


class Resolution(BaseModel):
    """How it was settled. A sync conflict needs `choose`; a step that waits for missing data takes
    it in `data`.
    """

    model_config = ConfigDict(extra="forbid")

    comment: Text | None = None
    field: str | None = Field(None, description="The field in conflict; that one if left out.")
    choose: Any = Field(None, description="`ours`, `theirs`, or the value that holds.")
    data: dict[str, Any] | None = Field(None, description="Added to the data of the case.")
    person: str | None = Field(
        None,
        description="Where a tool names somebody whom nobody knows: who that is. A party's id, a"
        " person's key, or an address.",
    )
    account: Annotated[str, StringConstraints(min_length=1, max_length=400)] | None = Field(
        None, description="Where somebody of ours has no account that we know of: its name there."
    )


class Waiver(BaseModel):
    """Why it may stay as it is."""

    model_config = ConfigDict(extra="forbid")

    comment: Text | None = None


@router.get("")
def list_exceptions(
    hub: HubDep,
    caller: Anyone,
    status: Annotated[
        Literal["open", "acknowledged", "resolved", "waived", "any"],
        Query(description="`open` includes acknowledged ones."),
    ] = "open",
    type: ExceptionType | None = None,
    subject: Annotated[str | None, Query(description="What it is about: an id.")] = None,
    owner: WhoFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Exception_]:
    """Exceptions, newest first; the open ones if no status is named."""
    before = at_moment("exceptions", cursor)
    with hub.database.read() as tx:
        rows = store.list_exceptions(
            tx,
            status=None if status == "any" else status,
            type=type,
            subject=subject,
            owner=party_filter(tx, owner, caller),
            before=before,
            limit=limit + 1,
        )
        shown, following = cut(rows, limit, "exceptions", lambda row: (row["opened_at"], row["id"]))
        return Page(items=present.exceptions(tx, [dict(row) for row in shown]), next=following)


@router.get("/{id}")
def get_exception(hub: HubDep, caller: Anyone, id: str) -> ExceptionDetail:
    """One exception."""
    return _shown(hub, id)


def _shown(hub: Hub, id: str) -> ExceptionDetail:
    with hub.database.read() as tx:
        row = store.exception(tx, id)
        if row is None:
            raise not_found("exception", id)
        shown = present.exceptions(tx, [dict(row)])[0]
    return ExceptionDetail(**dict(shown), data=row["data"], count=row["count"])


@router.post("/{id}/resolve")
def resolve(
    hub: HubDep, caller: PersonOrOperator, id: str, body: Resolution | None = None
) -> ExceptionDetail:
    """Close it as settled, and do what that means for its type."""
    body = body or Resolution()
    _shown(hub, id)
    choice = ending.Choice(body.choose, body.field) if "choose" in body.model_fields_set else None
    with hub.unit() as unit:
        person = None
        if body.person is not None:
            found = work.find_party(unit.tx, body.person)
            if found is None:
                raise invalid({"person": f"There is nobody called '{body.person}'."})
            person = found["id"]
        ending.resolve(
            unit, id, caller.actor(), comment=body.comment, choice=choice, data=body.data,
            person=person, account=body.account,
        )  # fmt: skip
    if person or body.account:
        hub.soon("drain")
    return _shown(hub, id)


@router.post("/{id}/waive")
def waive(
    hub: HubDep, caller: PersonOrOperator, id: str, body: Waiver | None = None
) -> ExceptionDetail:
    """Accept it for what it is; `comment` says why."""
    _shown(hub, id)
    with hub.unit() as unit:
        ending.waive(unit, id, caller.actor(), body.comment if body else None)
    return _shown(hub, id)


@router.post("/{id}/retry")
def retry(
    hub: HubDep, caller: PersonOrOperator, id: str, body: Waiver | None = None
) -> ExceptionDetail:
    """Try again what failed: send the push, parse the delivery, map the record, resume the
    connection. If it fails again, it comes back as a new exception.
    """
    _shown(hub, id)
    with hub.unit() as unit:
        stage = ending.retry(unit, id, caller.actor(), comment=body.comment if body else None)
    if stage is not None:
        hub.soon(stage)
    return _shown(hub, id)
