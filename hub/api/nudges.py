"""What people were told, what they will be told and when, and what they want to hear of later."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub import present
from hub.api.auth import Anyone, HubDep, InPerson
from hub.api.errors import Problem, not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.api.tasks import WhoFilter, party_filter
from hub.store import cases, nudges
from mappings.canonical import Party

router = APIRouter(tags=["nudges"], route_class=Repeatable)

FURTHEST = timedelta(days=31)


class Nudge(BaseModel):
    """One thing that somebody was told, or will be."""

    id: str
    to: Party | None
    subject: str = Field(description="What it is about: a step, or a case, task or event.")
    case: str | None
    purpose: str
    title: str
    status: Literal["waiting", "sent", "dropped"]
    why: str | None = Field(description="Why it waits, waited or was dropped.")
    created_at: datetime
    due_at: datetime = Field(description="When it goes, or should have gone.")
    sent_at: datetime | None
    sent_as: str | None = Field(description="The key of the push; several of one are a digest.")


class Snooze(BaseModel):
    """No reminder of this step before then."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime


def shown(rows: list[dict[str, Any]], people: present.Parties) -> list[Nudge]:
    """Nudges with whom they are for."""
    names = [name for name in Nudge.model_fields if name not in ("to", "case")]
    return [
        Nudge(
            to=people.get(row["party"]), case=row["case_id"], **{name: row[name] for name in names}
        )
        for row in rows
    ]


@router.get("/nudges")
def list_nudges(
    hub: HubDep,
    caller: Anyone,
    to: WhoFilter = None,
    subject: str | None = None,
    status: Literal["waiting", "sent", "dropped"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Nudge]:
    """What people were told or will be, the newest first."""
    before = at_moment("nudges", cursor)
    with hub.database.read() as tx:
        rows = nudges.list_nudges(
            tx,
            party=party_filter(tx, to, caller),
            subject=subject,
            status=status,
            before=before,
            limit=limit + 1,
        )
        page, following = cut(rows, limit, "nudges", lambda row: (row["created_at"], row["id"]))
        people = present.Parties(tx, (row["party"] for row in page))
        return Page(items=shown(page, people), next=following)


@router.post("/steps/{id}/snooze", status_code=204)
def snooze(hub: HubDep, caller: InPerson, id: str, body: Snooze) -> None:
    """Remind me of this step no sooner. Its due does not move, nor do escalations to others."""
    now = hub.clock()
    if not now < body.until <= now + FURTHEST:
        raise Problem(422, "until_out_of_range", "Say in `until` a moment within the next 31 days.")
    with hub.unit() as unit:
        step = cases.step(unit.tx, id)
        if step is None:
            raise not_found("step", id)
        assert caller.party is not None  # noqa: S101 - the door lets persons in alone
        nudges.snooze(unit.tx, caller.party["id"], id, body.until, unit.now)
