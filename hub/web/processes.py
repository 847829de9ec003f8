"""Pages of the processes in force: which there are, and the picture of each."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from sqlalchemy.engine import Connection

from hub.process.bpmn.document import MEDIA_TYPE as BPMN_TYPE
from hub.process.bpmn.document import bpmn
from hub.process.drawing.of_case import states_of, titles_of
from hub.process.drawing.sketch import named
from hub.process.drawing.svg import diagram
from hub.process.model import ProcessDefinition
from hub.process.running_case import definition_of
from hub.store import cases
from hub.web.site import Site, Stop


def add_processes(router: APIRouter, site: Site) -> None:
    """Routes of the processes."""

    @router.get("/processes")
    def processes_page(request: Request) -> Response:
        caller = site.caller(request)
        snapshot = site.snapshot()
        found = snapshot.workspace.processes if snapshot else {}
        return site.page(
            "processes.html",
            caller,
            nav="processes",
            processes=[
                (one.key, one.title, one.description or "", len(one.steps))
                for one in sorted(found.values(), key=lambda one: one.title)
            ],
        )

    @router.get("/processes/{key}")
    def process_page(request: Request, key: str) -> Response:
        caller = site.caller(request)
        process, people = _named(site, key)
        return site.page(
            "process.html",
            caller,
            nav="processes",
            process=process,
            accountable=named(process.accountable, people),
            due=process.due.in_words() if process.due else "",
            drawn=Markup(diagram(process, people=people, styled=False)),  # noqa: S704 - it escapes
        )

    @router.get("/processes/{key}/{file}")
    def process_file(request: Request, key: str, file: str) -> Response:
        """The picture, or the BPMN document, to be kept."""
        site.caller(request)
        process, people = _named(site, key)
        if file == "diagram.svg":
            text, kind = diagram(process, people=people), "image/svg+xml"
        elif file == "process.bpmn":
            text, kind = bpmn(process, people), BPMN_TYPE
        else:
            raise Stop(404, "There is no such file", "It may have a typo in its address.")
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in key)
        ending = file.rpartition(".")[2]
        return Response(
            text,
            media_type=kind,
            headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"'},
        )


def _named(site: Site, key: str) -> tuple[ProcessDefinition, dict[str, str]]:
    snapshot = site.snapshot()
    process = snapshot.workspace.processes.get(key) if snapshot else None
    if snapshot is None or process is None:
        raise Stop(404, "There is no such process", "It may have a typo in its address.")
    return process, {key: one.name for key, one in snapshot.workspace.people.items()}


def case_picture(site: Site, tx: Connection, id: str) -> Markup:
    """The picture of a case with how far each step is; empty where there is no such case."""
    case = cases.load(tx, [id]).get(id)
    if case is None:
        return Markup("")
    snapshot = site.snapshot()
    people = snapshot.workspace.people if snapshot else {}
    definition = definition_of(tx, case["process_version"])
    steps = cases.steps_of(tx, [id])[id]
    running = case["status"] in cases.RUNNING
    drawn = diagram(
        definition,
        states=states_of(definition, steps, site.hub.clock(), running=running),
        titles=titles_of(steps),
        people={key: one.name for key, one in people.items()},
        styled=False,
    )
    return Markup(drawn)  # noqa: S704 - it escapes
