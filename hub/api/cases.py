"""Cases: the list, one with everything that happened in it, and starting one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.exc import IntegrityError

from hub import present
from hub.api.auth import Anyone, HubDep, Member, PersonOrOperator
from hub.api.decisions import shown_decisions
from hub.api.errors import Problem, invalid, not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.hub import Hub
from hub.identity import Caller
from hub.process import bringing, by_hand, migrating
from hub.process import cases as moving
from hub.process.clock_view import with_clocks
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
        offered = [dict(row) for row in cases.handoffs_of(tx, id)]
        return CaseDetail(
            **dict(with_clocks(tx, present.cases(tx, rows)[0], hub.clock())),
            timeline=[present.event(dict(row)) for row in reversed(happened)],
            decisions=shown_decisions(tx, cases.list_decisions(tx, case=id, limit=500)),
            handoffs=present.handoffs(tx, offered, bringing.brings(tx, offered)),
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


class Reason(BaseModel):
    """Why; it stands in the history."""

    model_config = ConfigDict(extra="forbid")

    comment: Annotated[str, StringConstraints(max_length=20_000)] | None = None


class Migration(BaseModel):
    """Whether only to say what would happen."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = False


class Move(BaseModel):
    """What moving a case to the workspace's version of its process does: keys of its steps. With
    `problems` it is not moved.
    """

    model_config = ConfigDict(from_attributes=True)

    case: str
    title: str
    before: str
    after: str
    added: list[str] = Field(description="Steps that the case did not have.")
    kept: list[str] = Field(description="Steps that stay as they are.")
    changed: list[str] = Field(description="Steps that say something else from then on.")
    left: list[str] = Field(description="Steps that are over and no part of the process any more.")
    ended: list[str] = Field(description="Open steps that are ended, as they are no part any more.")
    waits: list[str] = Field(description="Steps that wait for an event from then on.")
    problems: list[str] = Field(description="Why it cannot be moved.")


@router.post("/{id}/suspend")
def suspend_case(hub: HubDep, caller: PersonOrOperator, id: str, body: Reason) -> Case:
    """Let it rest: nobody is chased and nothing goes on until it is resumed; what comes in is
    kept. `comment` says why.
    """
    _there(hub, id)
    with hub.unit() as unit:
        by_hand.suspend(unit, id, caller.actor(), body.comment)
    return _there(hub, id)


@router.post("/{id}/resume")
def resume_case(hub: HubDep, caller: PersonOrOperator, id: str, body: Reason | None = None) -> Case:
    """Let a suspended case go on, with what came in meanwhile."""
    _there(hub, id)
    with hub.unit() as unit:
        by_hand.resume(unit, id, caller.actor(), body.comment if body else None)
    return _there(hub, id)


@router.post("/{id}/terminate")
def terminate_case(hub: HubDep, caller: PersonOrOperator, id: str, body: Reason) -> Case:
    """End it before its time; `comment` says why, and is its outcome. What is open is cancelled, in
    the tools too; for what was done and has a `compensation`, a task asks to undo it.
    """
    _there(hub, id)
    with hub.unit() as unit:
        by_hand.terminate(unit, id, caller.actor(), body.comment)
    return _there(hub, id)


@router.post("/{id}/steps/{step}/complete")
def complete_step(hub: HubDep, caller: PersonOrOperator, id: str, step: str, body: Reason) -> Case:
    """Complete a wait or a process by hand; `comment` says why, and is its outcome."""
    return _by_hand(hub, caller, id, step, body, skip=False)


@router.post("/{id}/steps/{step}/skip")
def skip_step(hub: HubDep, caller: PersonOrOperator, id: str, step: str, body: Reason) -> Case:
    """Go on without a wait or a process; `comment` says why."""
    return _by_hand(hub, caller, id, step, body, skip=True)


def _by_hand(hub: Hub, caller: Caller, id: str, step: str, body: Reason, *, skip: bool) -> Case:
    if step not in {one.id for one in _there(hub, id).steps}:
        raise not_found("step", step)
    with hub.unit() as unit:
        by_hand.complete(unit, id, step, caller.actor(), body.comment, skip=skip)
    return _there(hub, id)


@router.post("/{id}/migrate")
def migrate_case(
    hub: HubDep, caller: PersonOrOperator, id: str, body: Migration | None = None
) -> Move:
    """Move it to the version of its process that is in force; 409 `cannot_migrate` says why not.
    With `dry_run` nothing is changed.
    """
    there = _there(hub, id)
    if there.process not in hub.live.current().workspace.processes:
        raise Problem(
            409, "cannot_migrate", f"There is no process '{there.process}' in this workspace."
        )
    with hub.unit() as unit, unit.acting(caller.actor()):
        if body is not None and body.dry_run:
            return Move.model_validate(migrating.look(unit, id))
        return Move.model_validate(migrating.migrate(unit, id))


def _there(hub: Hub, id: str) -> Case:
    with hub.database.read() as tx:
        rows = list(cases.load(tx, [id]).values())
        if not rows:
            raise not_found("case", id)
        return present.cases(tx, rows)[0]


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
