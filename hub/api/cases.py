"""Cases: the list, one with everything that happened in it, and starting one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.exc import IntegrityError

from hub import present
from hub.api.auth import Anyone, HubDep, Member
from hub.api.decisions import shown_decisions
from hub.api.errors import Problem, invalid, not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.hub import Hub
from hub.identity import Caller
from hub.process import cases as moving
from hub.store import cases, events, work
from mappings.canonical import Case, Decision, Event, Handoff
from mappings.states import CaseStatus, Health

router = APIRouter(prefix="/cases", tags=["cases"], route_class=Repeatable)

TIMELINE = 500
"""Events of a case that are shown, the latest."""


class CaseDetail(Case):
    """A case with what happened in it, oldest first, and what was asked of whom."""

    timeline: list[Event]
    decisions: list[Decision]
    handoffs: list[Handoff]


class NewCase(BaseModel):
    """What a case is started with. A running case of the process with the same `key` is joined."""

    model_config = ConfigDict(extra="forbid")

    process: str
    title: Annotated[
        str | None, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)
    ] = Field(None, description="The process's title without one.")
    data: dict[str, Any] = Field(default_factory=dict)
    key: Annotated[
        str | None, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)
    ] = None
    item: str | None = Field(None, description="The item it is about.")


@router.get("")
def list_cases(
    hub: HubDep,
    caller: Anyone,
    status: CaseStatus | None = None,
    process: str | None = None,
    health: Health | None = None,
    q: Annotated[str | None, Query(description="Text in the title.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Case]:
    """Cases, the last started first."""
    before = at_moment("cases", cursor)
    with hub.database.read() as tx:
        rows = cases.list_cases(
            tx,
            status=status,
            process=process,
            health=health,
            q=q,
            before=before,
            limit=limit + 1,
        )
        shown, following = cut(rows, limit, "cases", lambda row: (row["started_at"], row["id"]))
        return Page(items=present.cases(tx, shown), next=following)


@router.get("/{id}")
def get_case(hub: HubDep, caller: Anyone, id: str) -> CaseDetail:
    """One case with its steps, links, timeline, decisions and handoffs."""
    with hub.database.read() as tx:
        rows = list(cases.load(tx, [id]).values())
        if not rows:
            raise not_found("case", id)
        happened = events.of(tx, case=id, limit=TIMELINE)
        return CaseDetail(
            **dict(present.cases(tx, rows)[0]),
            timeline=[present.event(dict(row)) for row in reversed(happened)],
            decisions=shown_decisions(tx, cases.list_decisions(tx, case=id, limit=500)),
            handoffs=present.handoffs(tx, [dict(row) for row in cases.handoffs_of(tx, id)]),
        )


@router.post(
    "", status_code=201, responses={200: {"description": "The running case with this key."}}
)
def start_case(hub: HubDep, caller: Member, body: NewCase, response: Response) -> Case:
    """Start a case (201), or join the running one that has this key (200)."""
    try:
        id, new = _start(hub, caller, body)
    except IntegrityError:
        # somebody started a case with this key between our look and our insert: join that one
        id, new = _start(hub, caller, body)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/api/v1/cases/{id}"
    with hub.database.read() as tx:
        return present.cases(tx, list(cases.load(tx, [id]).values()))[0]


def _start(hub: Hub, caller: Caller, body: NewCase) -> tuple[str, bool]:
    with hub.unit() as unit, unit.acting(caller.actor()):
        definition = unit.snapshot.workspace.processes.get(body.process)
        if definition is None:
            known = ", ".join(sorted(unit.snapshot.workspace.processes)) or "none yet"
            raise Problem(
                422,
                "process_unknown",
                f"There is no process '{body.process}' in this workspace. Processes: {known}.",
            )
        if body.item is not None and not work.load(unit.tx, "item", [body.item]):
            raise invalid({"item": f"There is no item {body.item}."})
        if not unit.snapshot.parties:
            raise Problem(
                422,
                "nobody_accountable",
                "A case needs one accountable person; add people to people.yaml.",
            )
        return moving.start(
            unit,
            body.process,
            title=body.title or definition.title,
            key=body.key,
            data=body.data,
            item=body.item,
        )
