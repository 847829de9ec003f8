"""Commands on workspace files: begin, check, apply, look at what was applied and go back to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.output import (
    Json,
    Limit,
    example,
    fail,
    findings_json,
    group,
    note,
    print_findings,
    print_json,
    print_table,
)
from hub.cli.session import Folder, classes, folder_of, opened, reading

if TYPE_CHECKING:
    from hub.apply import Applied
    from hub.hub import Hub
    from hub.workspace import Loaded
    from mappings.source import Finding

PANEL = "Workspace"
app = typer.Typer()
revisions = group(
    "The stored revisions of the workspace, the newest first.",
    "hub revisions",
    "hub revisions write 3 ./as-it-was",
)
app.add_typer(revisions, name="revisions", rich_help_panel=PANEL)


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub init acme-ops", "cd acme-ops && hub check && hub up"),
)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Write a commented starter workspace."""
    from hub.workspace import read_files, write_starter
    from hub.workspace.schemas import refresh_schemas

    try:
        written = write_starter(folder)
    except FileExistsError as error:
        fail(str(error))
    for name in written:
        typer.echo(str(folder / name))
    for path in refresh_schemas(folder, read_files(folder), classes()):
        typer.echo(str(path))
    note(f"Next: hub check {folder}, then hub up --workspace {folder}")


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub check", "hub check acme-ops --live", "hub check --json"),
)
def check(
    folder: Folder = None,
    live: Annotated[
        bool, typer.Option("--live", help="Also ask each tool which fields it really has.")
    ] = False,
    json: Json = False,
) -> None:
    """Check every file of the workspace: syntax, names, types, ways back, cycles.

    Each finding says where it is and what to write. Exit code 1 if any is an error.
    """
    from hub.workspace import load, read_files
    from hub.workspace.schemas import refresh_schemas
    from mappings.source import SourceError

    loaded: Loaded | None = None
    try:
        files = read_files(folder_of(folder))
        refresh_schemas(folder_of(folder), files, classes())
        loaded = load(files, classes(), os.environ)
        findings: list[Finding] = list(loaded.findings)
    except SourceError as error:
        findings = error.findings
    if live and loaded is not None and loaded.workspace is not None:
        from hub.cli.live_check import ask_the_tools

        with opened(folder) as hub:
            findings += ask_the_tools(loaded.workspace, classes(), hub.live.resolve, hub.live.host)
    errors = sum(found.severity == "error" for found in findings)
    if json:
        print_json(findings_json(findings))
    else:
        print_findings(findings)
        if not errors and loaded is not None and loaded.workspace is not None:
            typer.echo(_summary(loaded, len(findings)))
        else:
            note(f"{_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}.")
    if errors:
        raise typer.Exit(1)


def _summary(loaded: Loaded, warnings: int) -> str:
    workspace = loaded.workspace
    assert workspace is not None  # noqa: S101 - the caller looked
    parts = [
        _count(len(workspace.connections), "connection"),
        _count(len(workspace.people), "person", "people"),
        _count(len({id(one) for one in workspace.mappings.values()}), "mapping"),
        _count(len(workspace.rules), "rule"),
        _count(len(workspace.processes), "process", "processes"),
    ]
    return f"{workspace.name} is fine: {', '.join(parts)}; {_count(warnings, 'warning')}."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


# ------------------------------------------------------------------------------------------ apply


@app.command(
    rich_help_panel=PANEL, epilog=example("hub apply", "hub apply acme-ops --force", "hub apply .")
)
def apply(
    folder: Folder = None,
    force: Annotated[
        bool, typer.Option("--force", help="Even if the newest revision is not from these files.")
    ] = False,
    json: Json = False,
) -> None:
    """Put the workspace's files into force as a new revision.

    Nothing changes if they are not valid. If the newest revision did not come from these files (it
    was saved in the studio, say), the difference is printed and nothing changes either.
    """
    with opened(folder) as hub:
        before = _mapped(hub)
        applied = apply_folder(hub, folder_of(folder), force=force)
        missed = _missed(hub, _mapped(hub) - before) if applied.new else {}
    if json:
        print_json(
            {
                "revision": applied.revision,
                "new": applied.new,
                "missed": [
                    {"connection": connection, "object": object, "deliveries": count}
                    for (connection, object), count in missed.items()
                ],
                "findings": findings_json(applied.findings),
            }
        )
    elif applied.new:
        typer.echo(f"Revision {applied.revision} is in force.")
    else:
        typer.echo(f"Revision {applied.revision} holds these very files already.")
    for (connection, object), count in missed.items() if not json else ():
        many = "1 delivery" if count == 1 else f"{count} deliveries"
        note(
            f"{many} of the last 24 h spoke of {connection}'s {object} before it was mapped. Have"
            f" them brought in with: hub deliveries replay --connection {connection}"
            " --status processed --since 24h"
        )


def _mapped(hub: Hub) -> set[tuple[str, str]]:
    """Connections and objects that a mapping in force takes."""
    from hub.live import NoWorkspace

    try:
        return set(hub.live.current().workspace.mappings)
    except NoWorkspace:
        return set()


def _missed(hub: Hub, fresh: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """By what is mapped for the first time: how many deliveries spoke of it to nobody."""
    from hub.flow.before_mapped import spoke_of

    if not fresh:
        return {}
    with hub.database.read() as tx:
        return dict(spoke_of(tx, hub.live.current(), fresh, hub.clock()))


def apply_folder(hub: Hub, folder: Path, *, force: bool = False) -> Applied:
    """Apply a folder's files and remember in it which revision they became."""
    from hub.apply import apply as store
    from hub.apply import mark, mark_of
    from hub.workspace import read_files
    from hub.workspace.schemas import refresh_schemas

    files = read_files(folder)
    refresh_schemas(folder, files, classes())
    applied = store(
        hub.database,
        files,
        classes(),
        hub.clock(),
        env=os.environ,
        force=force,
        based_on=mark_of(folder),
    )
    mark(folder, applied.revision)
    print_findings(applied.findings)
    return applied


# -------------------------------------------------------------------------------------- revisions


@revisions.command("list", epilog=example("hub revisions list --limit 5", "hub revisions --json"))
def list_(limit: Limit = 50, json: Json = False) -> None:
    """List the revisions, the newest first."""
    from hub.store import running

    with reading() as (_, tx):
        rows = [dict(row) for row in running.list_revisions(tx, limit)]
    if json:
        print_json(rows)
        return
    names = ("number", "created_at", "origin", "author", "hash")
    print_table(
        names,
        [[*(row[name] for name in names[:-1]), row["hash"][:12]] for row in rows],
        empty="Nothing has been applied yet. Run: hub apply",
    )


@revisions.command("write", epilog=example("hub revisions write 3 ./as-it-was"))
def write(
    number: Annotated[int, typer.Argument(metavar="N", help="As hub revisions lists it.", min=1)],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to; its workspace files are replaced.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Even over changes that no revision holds.")
    ] = False,
) -> None:
    """Write the files of a revision into a folder, so that work goes on from there.

    Files of the workspace that the revision does not have are removed; everything else in the
    folder stays. Refuses to write over changes that were never applied.
    """
    from hub.apply import mark
    from hub.store import running
    from hub.workspace import workspace_hash

    with reading() as (_, tx):
        files = _files_of(tx, number)
        stored = {row["hash"] for row in running.list_revisions(tx, 100_000)}
    there = _present(folder)
    if there and not force and workspace_hash(there) not in stored:
        fail(f"{folder} has changes that no revision holds. Name another folder, or use --force.")
    for name in write_files(folder, files):
        typer.echo(name)
    mark(folder, number)


def _present(folder: Path) -> Mapping[str, str]:
    """The workspace files of a folder; none where there is no workspace yet."""
    from hub.workspace import read_files

    return read_files(folder) if (folder / "hub.yaml").exists() else {}


def write_files(folder: Path, files: Mapping[str, str]) -> Sequence[str]:
    """Make a folder hold exactly these workspace files; a line per change."""
    present = _present(folder)
    changes = []
    root = folder.resolve()
    for name, text in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(root):
            fail(f"{path} is a link that leads out of the folder. Remove it, or choose another.")
        if present.get(name) == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        changes.append(f"wrote {path}")
    for name in sorted(present.keys() - files.keys()):
        (folder / name).unlink()
        changes.append(f"removed {folder / name}")
    return changes


@app.command(rich_help_panel=PANEL, epilog=example("hub rollback 3"))
def rollback(
    number: Annotated[int, typer.Argument(metavar="N", help="As hub revisions lists it.", min=1)],
    json: Json = False,
) -> None:
    """Put an old revision into force again, as a new one; history stays.

    The files of a folder are not touched: fetch them with hub revisions write.
    """
    from hub.apply import apply as store
    from hub.store import running

    with opened() as hub:
        with hub.database.read() as tx:
            files = _files_of(tx, number)
            newest = running.newest_number(tx)
        applied = store(
            hub.database,
            files,
            classes(),
            hub.clock(),
            env=os.environ,
            origin="rollback",
            based_on=newest,
        )
    print_findings(applied.findings)
    if json:
        print_json({"revision": applied.revision, "new": applied.new, "files_of": number})
    elif applied.new:
        typer.echo(f"Revision {applied.revision} is in force, with the files of {number}.")
        note(f"To go on from them: hub revisions write {applied.revision} DIR")
    else:
        typer.echo(f"Revision {applied.revision} holds the files of {number} already.")


def _files_of(tx: object, number: int) -> Mapping[str, str]:
    from hub.store import running

    row = running.revision(tx, number)  # type: ignore[arg-type] # a connection of the caller's
    if row is None:
        raise LookupError(f"There is no revision {number}. See: hub revisions")
    files: Mapping[str, str] = row["files"]
    return files
