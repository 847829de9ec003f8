"""Tasks: the list, one of them, changing it, and why it is as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.engine import Connection

from hub import present
from hub.api.auth import Anyone, HubDep, Member, Operator
from hub.api.errors import Problem, invalid, not_found
from hub.api.held import held
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.api.repeating import Repeatable
from hub.flow import change
from hub.hub import Hub
from hub.identity import Caller
from hub.process import deleting, edits
from hub.process import explain as causes
from hub.process.people import owner
from hub.process.settled import settled
from hub.store import cases, sameness, work
from hub.store.work import WorkFilter
from hub.unit import Unit
from hub.workspace.uses import taken_as
from mappings.canonical import Actor, Event, Task
from mappings.states import TaskStatus, WaitingOn

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=Repeatable)

Row = dict[str, Any]
NOBODY = "nobody"
"""A party id that no party has: a filter that names somebody unknown finds nothing."""


class NewTask(edits.TaskEdit):
    """A new task. `connection` has it created in that tool too."""

    title: edits.Title
    case: str | None = Field(None, description="The case it belongs to.")
    connection: str | None = Field(None, description="The tool to mirror it in.")
    object: str | None = Field(None, description="Which object there, if several take tasks.")


class Cause(BaseModel):
    """One link of a chain of causes: an event, a delivery or a pull."""

    kind: str
    id: str
    event: Event | None = None
    rules: list[dict[str, str]] = Field(default_factory=list)
    actor: Actor | None = None
    connection: str | None = None


class Because(BaseModel):
    """One event that made a value what it is."""

    event: Event
    field: str | None
    value: dict[str, Any] | None = Field(None, description="`before` and `after`.")
    mapping: dict[str, str] = Field(description="Field to the place of its mapping line.")
    lines: dict[str, list[str]] = Field(
        default_factory=dict, description="Field to what stood there in the mapping."
    )
    rulings: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Fields that both sides had changed: which `holds`, by which `rule`, and both"
        " values.",
    )
    rules: list[dict[str, str]]
    actor: Actor
    because: list[Cause] = Field(description="What caused it, the nearest first.")


class Explanation(BaseModel):
    """Why a task is as it is, newest first."""

    task: str
    field: str | None
    value: Any = None
    chain: list[Because]
    held: list[dict[str, Any]] = Field(
        default_factory=list,
        description="What is kept aside: the tool's raw value and its place in the mapping, or both"
        " values of a conflict.",
    )
    tools: list[dict[str, Any]] = Field(
        default_factory=list,
        description="What each linked tool says of the field: raw value, steps, result; or whom its"
        " queue `stands_for`.",
    )
    written: list[dict[str, Any]] = Field(
        default_factory=list,
        description="The last write of the field that each tool took: `push`, `at`, record, `value`"
        " as we have it; `queued` names the queue that stood in a person's place.",
    )
    settled: list[dict[str, Any]] = Field(
        default_factory=list,
        description="What was kept aside and is settled: `by` whom, when (`at`), in their `words`,"
        " what holds (`chosen`) and what does not (`lost`, by side).",
    )


def party_filter(tx: Connection, name: str | None, caller: Caller) -> str | None:
    """The party id that a filter means: an id, a person's key, an address, or `me`."""
    if name is None:
        return None
    if name == "me":
        return str(caller.party["id"]) if caller.party else NOBODY
    party = work.find_party(tx, name)
    return str(party["id"]) if party else NOBODY


WhoFilter = Annotated[
    str | None, Query(description="Party id, person key, e-mail address, or `me`.")
]


@router.get("")
def list_tasks(
    hub: HubDep,
    caller: Anyone,
    connection: str | None = None,
    object: str | None = None,
    external_id: str | None = None,
    status: TaskStatus | None = None,
    assignee: WhoFilter = None,
    accountable: WhoFilter = None,
    case: str | None = None,
    waiting_on: WaitingOn | None = None,
    overdue: bool | None = None,
    q: Annotated[str | None, Query(description="Text in title or description.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Task]:
    """Tasks, the last changed first."""
    after = at_moment("tasks", cursor)
    with hub.database.read() as tx:
        narrow = WorkFilter(
            connection=connection,
            object=object,
            external_id=external_id,
            status=status,
            assignee=party_filter(tx, assignee, caller),
            accountable=party_filter(tx, accountable, caller),
            case=case,
            waiting_on=waiting_on,
            overdue=overdue,
            q=q,
        )
        rows = work.search(tx, "task", narrow, hub.clock(), after=after, limit=limit + 1)
        shown, following = cut(rows, limit, "tasks", lambda row: (row["updated_at"], row["id"]))
        return Page(items=present.tasks(tx, shown), next=following)


def shown_task(hub: Hub, id: str, response: Response | None = None) -> Task:
    """A task as it is now, or the one it was merged into, with its version as ETag. Raises Problem
    404.
    """
    with hub.database.read() as tx:
        rows = list(work.load(tx, "task", [sameness.answers_for(tx, id)]).values())
        if not rows:
            raise not_found("task", id)
        task = present.tasks(tx, rows)[0]
    if response is not None:
        response.headers["ETag"] = f'"{task.version}"'
    return task


@router.post("", status_code=201)
def create_task(hub: HubDep, caller: Member, body: NewTask, response: Response) -> Task:
    """Create a task, and have it created in a tool if `connection` names one. Who answers for it,
    if nobody is named: its assignee, else the caller.
    """
    with hub.unit() as unit, unit.acting(caller.actor()):
        values = edits.values_of(unit.tx, _only_task_fields(body))
        if body.case is not None and not cases.load(unit.tx, [body.case]):
            raise invalid({"case": f"There is no case {body.case}."})
        for name, value in _defaults(unit, caller, values).items():
            values.setdefault(name, value)
        task = change.new_entity("task", {**values, "case_id": body.case}, unit)
        work.insert(unit.tx, "task", [task])
        change.announce_new(unit, "task", task)
        if body.connection is not None:
            mirror_task(unit, task, body.connection, body.object)
    response.headers["Location"] = f"/api/v1/tasks/{task['id']}"
    return shown_task(hub, task["id"], response)


def _only_task_fields(body: NewTask) -> edits.TaskEdit:
    names = body.model_fields_set & set(edits.TaskEdit.model_fields)
    return edits.TaskEdit.model_construct(names, **{name: getattr(body, name) for name in names})


def _defaults(unit: Unit, caller: Caller, values: Mapping[str, Any]) -> Row:
    me = caller.party["id"] if caller.party else None
    assignee = values.get("assignee")
    doing = work.load(unit.tx, "party", [assignee]).get(assignee) if assignee else None
    answering = assignee if doing and doing["kind"] == "person" else None
    return {"requester": me, "accountable": answering or me or owner(unit)}


def mirror_task(unit: Unit, task: Row, connection: str, object: str | None) -> None:
    """Have a task created in a tool. Raises Problem 422 where that tool takes none, or several
    kinds.
    """
    snapshot = unit.snapshot
    if connection not in snapshot.workspace.connections:
        raise invalid({"connection": f"There is no connection '{connection}'."})
    offers = {connection: snapshot.offers(connection)}
    found = taken_as("task", connection, offers, snapshot.workspace.mappings)
    if object is None and len(found) > 1:
        raise invalid({"object": f"Name one of: {', '.join(found)}."})
    if not change.mirror(unit, "task", task, connection, object):
        what = f"'{object}'" if object else "anything"
        raise Problem(
            422,
            "not_mirrored",
            f"The connection '{connection}' has no mapping that writes tasks to {what}."
            " Add one under mappings/.",
        )


@router.get("/{id}")
def get_task(hub: HubDep, caller: Anyone, id: str, response: Response) -> Task:
    """One task. Its `version`, also in `ETag`, is what a PATCH sends as `If-Match`."""
    return shown_task(hub, id, response)


@router.patch("/{id}")
def change_task(
    hub: HubDep,
    caller: Member,
    id: str,
    body: edits.TaskEdit,
    response: Response,
    if_match: Annotated[
        str | None, Header(description="The version that the change was made on.")
    ] = None,
) -> Task:
    """Change fields of a task, here and in every tool it is linked to. With `If-Match`, a task that
    changed meanwhile answers 409 `version_conflict` with its `current` state.
    """
    expected = _version(if_match)
    with hub.unit() as unit, unit.acting(caller.actor()):
        task = held(unit, "task", id)
        if expected is not None and task["version"] != expected:
            current = present.tasks(unit.tx, [task])[0].model_dump(mode="json")
            raise Problem(
                409,
                "version_conflict",
                f"The task changed meanwhile: it is at version {task['version']}, and your change"
                f" was made on {expected}. Look at `current`, then send it again.",
                headers={"ETag": f'"{task["version"]}"'},
                current=current,
            )
        values = edits.values_of(unit.tx, body)
        if change.change(unit, "task", task, values):
            work.save(unit.tx, "task", [task])
    return shown_task(hub, id, response)


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', if_match.strip())
    if found is None:
        raise Problem(
            400,
            "if_match_invalid",
            'If-Match takes the version of the task, such as 3 or "3".',
        )
    return int(found[1])


@router.delete("/{id}", status_code=204)
def delete_task(hub: HubDep, caller: Operator, id: str) -> None:
    """Delete a task with its comments, here and in every tool whose mapping says `deletes: {out:
    delete}`; in the others its record stays, and makes no new task. 409 `needed_by_case` while the
    step of a case needs it. Its history stays.
    """
    with hub.unit() as unit, unit.acting(caller.actor()):
        deleting.delete_task(unit, held(unit, "task", id))


@router.get("/{id}/explain")
def explain_task(
    hub: HubDep,
    caller: Anyone,
    id: str,
    field: Annotated[
        str | None, Query(description="A field such as status or custom.amount; all without.")
    ] = None,
    limit: Limit = 50,
) -> Explanation:
    """Why a value is what it is: event, mapping line, rule and person, back along the causes."""
    snapshot = hub.live.current()
    with hub.database.read() as tx:
        there = sameness.answers_for(tx, id)
        task = work.load(tx, "task", [there]).get(there)
        if task is None:
            raise not_found("task", id)
        chain = causes.explain(tx, there, field, limit, snapshot)
        shown = present.tasks(tx, [task])[0].model_dump(mode="json")
        aside = causes.held(tx, there, field)
        over = settled(tx, there, field)
        tools = causes.read_from(tx, snapshot, there, field) if field is not None else []
        writes = causes.written(tx, there, field) if field is not None else []
    value = None
    if field is not None:
        try:
            value = causes.value_in(shown, field)
        except LookupError:
            raise invalid({"field": f"A task has no field '{field}'."}) from None
    return Explanation(
        task=there,
        field=field,
        value=value,
        chain=[Because.model_validate(one) for one in chain],
        held=aside,
        tools=tools,
        written=writes,
        settled=over,
    )
