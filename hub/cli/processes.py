"""Commands on processes: which there are, what one consists of, and its picture for people and for
other tools.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.output import (
    Json,
    example,
    fail,
    findings_json,
    group,
    note,
    print_details,
    print_findings,
    print_json,
    print_table,
)
from hub.cli.session import classes, folder_of, reading

if TYPE_CHECKING:
    from hub.process.model import ProcessDefinition, StepDefinition
    from hub.workspace import Workspace

PANEL = "Workspace"
app = typer.Typer()
process = group(
    "Processes of the workspace's files, applied or not.",
    "hub process list",
    "hub process draw customer-onboarding --out onboarding.svg",
)
app.add_typer(process, name="process", rich_help_panel=PANEL)

Key = Annotated[
    str,
    typer.Argument(metavar="PROCESS", help="Its key, as in its file.", show_default=False),
]
To = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Where to; else standard output."),
]


@process.command("list", epilog=example("hub process list", "hub process list --json"))
def list_processes(json: Json = False) -> None:
    """List the processes."""
    workspace = _workspace(json)
    found = [
        {
            "process": one.key,
            "title": one.title,
            "steps": len(one.steps),
            "accountable": str(one.accountable),
            "due": str(one.due) if one.due else None,
            "file": str(one.place.file),
        }
        for one in workspace.processes.values()
    ]
    if json:
        print_json(found)
    else:
        names = ("process", "title", "steps", "accountable", "due", "file")
        print_table(names, [[row[n] for n in names] for row in found], empty="No processes yet.")


@process.command("show", epilog=example("hub process show customer-onboarding"))
def show(key: Key, json: Json = False) -> None:
    """Show one process with its steps."""
    definition = _named(_workspace(json), key)
    steps = [_shown(step) for step in definition.steps.values()]
    about = {
        "process": definition.key,
        "title": definition.title,
        "description": definition.description,
        "accountable": str(definition.accountable),
        "due": str(definition.due) if definition.due else None,
        "file": str(definition.place),
    }
    if json:
        print_json({**about, "steps": steps})
        return
    print_details(about)
    typer.echo("")
    names = ("step", "type", "title", "after", "if", "who", "due")
    print_table(names, [[step[name] for name in names] for step in steps])


def _shown(step: StepDefinition) -> dict[str, Any]:
    who = step.decider or step.responsible
    return {
        "step": step.key,
        "type": step.type.value,
        "title": step.title.text,
        "delivers": step.delivers,
        "after": list(step.after),
        "if": step.condition.text if step.condition else None,
        "who": str(who) if who else None,
        "accountable": str(step.accountable) if step.accountable else None,
        "due": str(step.due) if step.due else None,
        "connection": step.connection,
        "options": list(step.options),
        "outcomes": {
            option: {"terminate": outcome.terminate, "reopen": outcome.reopen}
            for option, outcome in step.outcomes.items()
        },
        "place": str(step.place),
    }


@process.command(
    "draw",
    epilog=example(
        "hub process draw customer-onboarding --out onboarding.svg",
        "hub process draw --case cas_01k… --out case.svg",
    ),
)
def draw(
    key: Annotated[
        str | None,
        typer.Argument(metavar="[PROCESS]", help="Its key; not with --case.", show_default=False),
    ] = None,
    out: To = None,
    case: Annotated[
        str | None, typer.Option(help="Draw this case instead, with how far each step is.")
    ] = None,
) -> None:
    """Draw a process, or a case of it, as an SVG. The same file makes the same bytes."""
    from hub.process.drawing.of_case import states_of, titles_of
    from hub.process.drawing.svg import diagram

    if (key is None) == (case is None):
        fail("name one process, or one case with --case. See: hub process list", 2)
    if case is None:
        workspace = _workspace()
        text = diagram(_named(workspace, key or ""), people=_people(workspace))
    else:
        from hub.process.running_case import definition_of
        from hub.store import cases

        with reading() as (hub, tx):
            row = cases.load(tx, [case]).get(case)
            if row is None:
                raise LookupError(f"There is no case {case}. See: hub cases")
            definition = definition_of(tx, row["process_version"])
            steps = cases.steps_of(tx, [case])[case]
            running = row["status"] in cases.RUNNING
            text = diagram(
                definition,
                states=states_of(definition, steps, hub.clock(), running=running),
                titles=titles_of(steps),
                people=_people(hub.live.current().workspace),
            )
    _write(text, out)


@process.command(
    "bpmn",
    epilog=example("hub process bpmn customer-onboarding --out onboarding.bpmn"),
)
def bpmn_(key: Key, out: To = None) -> None:
    """Write a process as BPMN 2.0 with its diagram, for other people's modelling tools."""
    from hub.process.bpmn.document import bpmn

    workspace = _workspace()
    _write(bpmn(_named(workspace, key), _people(workspace)), out)


def _write(text: str, out: Path | None) -> None:
    if out is None or str(out) == "-":
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    note(f"Written: {out}")


def _people(workspace: Workspace) -> dict[str, str]:
    return {key: person.name for key, person in workspace.people.items()}


def _workspace(json: bool = False) -> Workspace:
    """The workspace as its files are now; stops with the findings where it is not valid."""
    from hub.workspace import load, read_files
    from mappings.source import SourceError

    root = folder_of()
    if not (root / "hub.yaml").is_file():
        fail(
            f"there is no workspace in '{root}'. Name one with HUB_WORKSPACE or"
            " hub --workspace DIR, or make one with: hub init DIR"
        )
    try:
        loaded = load(read_files(root), classes(), os.environ)
        workspace, findings = loaded.workspace, loaded.errors
    except SourceError as error:
        workspace, findings = None, tuple(error.findings)
    if workspace is None:
        if json:
            print_json(findings_json(findings))
        else:
            print_findings(findings)
        raise typer.Exit(1)
    return workspace


def _named(workspace: Workspace, key: str) -> ProcessDefinition:
    from mappings.source import did_you_mean

    found = workspace.processes.get(key)
    if found is None:
        hint = did_you_mean(key, sorted(workspace.processes)) or "See: hub process list"
        raise LookupError(f"There is no process '{key}'. {hint}")
    return found
