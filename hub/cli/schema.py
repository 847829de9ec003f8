"""The command that gives editors the JSON Schemas of workspace files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.output import example, one_of, print_json
from hub.cli.session import classes

app = typer.Typer()


@app.command(
    rich_help_panel="Workspace",
    epilog=example("hub schema mapping", "hub schema > workspace.json", "hub schema --dir schemas"),
)
def schema(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="mapping, rule, process, hub, people or services; else one that fits any of them.",
            show_default=False,
        ),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Write a file for each kind there instead."),
    ] = None,
) -> None:
    """Print the JSON Schema of workspace files, by which editors complete and underline.

    Files that begin with a line `# yaml-language-server: $schema=…` need nothing else: hub init
    writes it, and hub check, hub apply and hub up keep the schemas in .hub/schemas up to date.
    """
    from hub.workspace.schemas import SCHEMAS, bundle, write_schemas

    one_of("KIND", kind, SCHEMAS)
    if directory is None:
        print_json(bundle(classes()) if kind is None else SCHEMAS[kind](classes()))
        return
    written = write_schemas(directory, classes(), [kind] if kind else list(SCHEMAS))
    for path in written:
        typer.echo(str(path))
