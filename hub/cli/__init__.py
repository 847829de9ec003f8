"""The command line. Each family of commands has a room; this is the door.

Only typer is imported here: everything heavy is imported by the command that needs it, so that
`hub --help` answers at once.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import typer

from hub.cli import (
    absences,
    access,
    accounts,
    audit,
    connections,
    connector,
    decisions,
    deliveries,
    demo,
    doctor,
    explaining,
    files,
    handoffs,
    linking,
    listening,
    mapping,
    metrics,
    nudges,
    people,
    planning,
    previewing,
    processes,
    pulling,
    pushes,
    running,
    sandbox,
    schema,
    session,
    signing,
    steering,
    transforms,
    trying,
    work,
)
from hub.cli.output import Root, example

__all__ = ["app", "main"]

app = typer.Typer(
    name="hub",
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=example("hub init acme-ops", "hub up --workspace acme-ops", "hub tasks --overdue"),
)
for _room in (
    demo, files, processes, mapping, previewing, planning, trying, running, work, metrics, steering,
    linking, explaining, deliveries, pushes, connections, listening, signing, pulling, decisions,
    handoffs, people, nudges, accounts, absences, connector, sandbox, schema, transforms, access,
    audit, doctor,
):  # fmt: skip
    app.registered_commands += _room.app.registered_commands
    app.registered_groups += _room.app.registered_groups


def _reflow(room: typer.Typer) -> None:
    """Let the terminal break the lines of a docstring, not our source."""
    for command in room.registered_commands:
        if command.callback is not None:
            paragraphs = inspect.getdoc(command.callback) or ""
            command.help = "\n\n".join(" ".join(one.split()) for one in paragraphs.split("\n\n"))
    for group in room.registered_groups:
        if group.typer_instance is not None:
            _reflow(group.typer_instance)


_reflow(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hub {version('process-hub')}")
        raise typer.Exit


@app.callback(
    help="One coordination layer above the tools people already use.\n\nSettings come from the"
    " environment: HUB_WORKSPACE, HUB_DATABASE_URL, HUB_REDIS_URL, HUB_SECRET_KEY,"
    " HUB_ADMIN_TOKEN, HUB_PUBLIC_URL, HUB_LOG. HUB_DEBUG=1 shows the traceback of an error."
)
def hub(
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", "-w", metavar="DIR", help="The workspace; else HUB_WORKSPACE, or here."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """What holds for every command."""
    session.name_workspace(workspace)


def main() -> None:
    """Run the command line; the exit code is 0 fine, 1 a finding or failure, 2 wrong use."""
    app()
