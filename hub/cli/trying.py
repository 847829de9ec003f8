"""The command that runs the examples written inside the workspace's files."""

from __future__ import annotations

import typer

from hub.cli.named_mapping import loaded_workspace
from hub.cli.output import (
    Json,
    example,
    findings_json,
    print_findings,
    print_json,
)
from hub.cli.session import Folder, folder_of

PANEL = "Workspace"
app = typer.Typer()


@app.command("test", rich_help_panel=PANEL, epilog=example("hub test", "hub test acme-ops --json"))
def run_tests(folder: Folder = None, json: Json = False) -> None:
    """Run the examples that stand in the workspace's files.

    Exit code 1 if an expectation does not hold; each failure is shown at its line.
    """
    from hub.workspace import read_files
    from hub.workspace.examples import run_all

    root = folder_of(folder)
    ran = list(run_all(loaded_workspace(root), read_files(root)))
    failed = sum(bool(one.findings) for one in ran)
    if json:
        print_json(
            {
                "passed": len(ran) - failed,
                "failed": failed,
                "tests": [
                    {
                        "name": one.name,
                        "at": str(one.place),
                        "ok": not one.findings,
                        "findings": findings_json(one.findings),
                    }
                    for one in ran
                ],
            }
        )
    else:
        for one in ran:
            typer.echo(f"{'failed' if one.findings else 'ok    '}  {one.name}  ({one.place})")
        print_findings([found for one in ran for found in one.findings])
        typer.echo(f"{len(ran) - failed} passed, {failed} failed.")
    if failed:
        raise typer.Exit(1)
