"""Processes in force: what they consist of, and their picture for people and for other tools."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from hub.api.auth import Anyone, HubDep
from hub.api.errors import Problem, not_found
from hub.hub import Hub
from hub.process.bpmn.document import MEDIA_TYPE as BPMN_TYPE
from hub.process.bpmn.document import bpmn
from hub.process.drawing.of_case import states_of, titles_of
from hub.process.drawing.svg import diagram
from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.running_case import definition_of
from hub.store import cases

router = APIRouter(tags=["processes"])
SVG_TYPE = "image/svg+xml"
# a picture that is opened by itself may use the style sheet that it brings, and nothing else
SVG_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_SVG: dict[int | str, dict[str, Any]] = {200: {"content": {SVG_TYPE: {}}}}
_BPMN: dict[int | str, dict[str, Any]] = {200: {"content": {BPMN_TYPE: {}}}}


class ProcessStep(BaseModel):
    """One step as its file says it; texts may hold `${…}`."""

    key: str
    type: str
    title: str
    delivers: str | None = None
    after: list[str]
    condition: str | None = Field(None, description="Its `if`, in CEL.")
    who: str | None = Field(None, description="Whom the file names: responsible or decider.")
    accountable: str | None = None
    due: str | None = None
    options: list[str] = Field(default_factory=list)


class Process(BaseModel):
    """A process in force."""

    key: str
    title: str
    description: str | None = None
    accountable: str
    due: str | None = None
    steps: list[ProcessStep]


class Processes(BaseModel):
    """All of them: there are never many."""

    items: list[Process]
    next: None = None


@router.get("/processes")
def list_processes(hub: HubDep, caller: Anyone) -> Processes:
    """The processes in force, by key."""
    found = hub.live.current().workspace.processes
    return Processes(items=[_shown(found[key]) for key in sorted(found)])


@router.get("/processes/{key}")
def get_process(hub: HubDep, caller: Anyone, key: str) -> Process:
    """One process with its steps."""
    return _shown(_named(hub, key))


@router.get("/processes/{key}/diagram.svg", response_class=Response, responses=_SVG)
def process_diagram(hub: HubDep, caller: Anyone, key: str) -> Response:
    """The picture of a process."""
    text = diagram(_named(hub, key), people=people_of(hub))
    return Response(text, media_type=SVG_TYPE, headers=SVG_HEADERS)


@router.get("/processes/{key}/bpmn", response_class=Response, responses=_BPMN)
def process_bpmn(hub: HubDep, caller: Anyone, key: str) -> Response:
    """The process as BPMN 2.0 with its diagram."""
    definition = _named(hub, key)
    return Response(bpmn(definition, people_of(hub)), media_type=BPMN_TYPE)


@router.get("/cases/{id}/diagram.svg", response_class=Response, responses=_SVG)
def case_diagram(hub: HubDep, caller: Anyone, id: str) -> Response:
    """The picture of a case: its process, with how far each step is."""
    with hub.database.read() as tx:
        case = cases.load(tx, [id]).get(id)
        if case is None:
            raise not_found("case", id)
        definition = definition_of(tx, case["process_version"])
        steps = cases.steps_of(tx, [id])[id]
    running = case["status"] in cases.RUNNING
    text = diagram(
        definition,
        states=states_of(definition, steps, hub.clock(), running=running),
        titles=titles_of(steps),
        people=people_of(hub),
    )
    return Response(text, media_type=SVG_TYPE, headers=SVG_HEADERS)


def people_of(hub: Hub) -> dict[str, str]:
    """The names of the workspace's people, by key."""
    return {key: one.name for key, one in hub.live.current().workspace.people.items()}


def _named(hub: Hub, key: str) -> ProcessDefinition:
    found = hub.live.current().workspace.processes.get(key)
    if found is None:
        raise Problem(404, "process_unknown", f"There is no process '{key}'.")
    return found


def _shown(process: ProcessDefinition) -> Process:
    return Process(
        key=process.key,
        title=process.title,
        description=process.description,
        accountable=str(process.accountable),
        due=str(process.due) if process.due else None,
        steps=[_step(step) for step in process.steps.values()],
    )


def _step(step: StepDefinition) -> ProcessStep:
    who = step.decider or step.responsible
    return ProcessStep(
        key=step.key,
        type=step.type.value,
        title=step.title.text,
        delivers=step.delivers,
        after=list(step.after),
        condition=step.condition.text if step.condition else None,
        who=str(who) if who else None,
        accountable=str(step.accountable) if step.accountable else None,
        due=str(step.due) if step.due else None,
        options=list(step.options),
    )
