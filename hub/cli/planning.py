"""The command that shows what a sync would change on both sides, and changes nothing."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.output import Json, example, note, plain
from hub.cli.progress import pull_progress
from hub.cli.session import classes, folder_of, opened
from hub.cli.step_words import short

if TYPE_CHECKING:
    from hub.flow.foreseen import FollowUp, Foreseen, RecordPlan, WritePlan
    from hub.flow.planning import Planning
    from hub.flow.undone import Missing
    from hub.hub import Hub
    from hub.live import Snapshot

PANEL = "Workspace"
_SIGNS = {"create": "+", "link": "=", "update": "~", "delete": "-"}
_WORDS = {"create": "create", "link": "link to", "update": "update", "delete": "deleted there:"}
_THEN = {
    "many": "a lost permission looks the same, so none is taken for deleted and a person is asked",
    "settings": "the connection's settings changed since all were listed, so none is taken for"
    " deleted and a person is asked",
    "partial": "the list leaves some out, so none is taken for deleted and a person is asked",
    "ask": "the tool is asked for each",
    "gone": "missed before too, so they are taken for deleted",
    "wait": "taken for deleted if the next pull of everything misses them too",
}
"""What a pull of everything makes of what it misses."""
_ORDER = (
    "seen", "create here", "link here", "update here", "delete here", "unchanged", "create there",
    "update there", "delete there", "missing", "conflicts", "problems", "kept out",
    "waiting for their parent", "messages",
)  # fmt: skip
app = typer.Typer()


@app.command(
    rich_help_panel=PANEL,
    epilog=example(
        "hub plan github",
        "hub plan crm --object opportunity --full",
        "hub plan crm --full --limit 20",
        "hub plan crm --json",
    ),
)
def plan(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="As hub.yaml has it.")],
    object: Annotated[
        str | None, typer.Option(help="One kind of record; else all that are pulled.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read from the beginning, not since the last pull.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="Look at so many records of each kind only.", min=1)
    ] = None,
    applied: Annotated[
        bool, typer.Option("--applied", help="By the revision in force, not by the files here.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what a sync would change here and in the tool. Nothing is written anywhere.

    Reads the tool as a pull would, by the workspace files as they are now, and brings the records
    in for trial only. An access token may be renewed on the way. Exit code 1 if a field or record
    would be a problem or the tool could not be read.
    """
    with opened() as hub:
        snapshot, unapplied = _snapshot(hub, applied=applied)
        try:
            found = _plan(hub, snapshot, connection, object, unapplied, full, limit, json)
        finally:
            if unapplied:
                snapshot.close()
    if found:
        raise typer.Exit(1)


def _plan(
    hub: Hub,
    snapshot: Snapshot,
    connection: str,
    object: str | None,
    unapplied: bool,
    full: bool,
    limit: int | None,
    json: bool,
) -> bool:
    from hub.flow.planning import Planning, pending_in

    objects = _objects(snapshot, connection, object)
    planning = Planning(hub, snapshot, connection, unapplied, full, limit)
    with pull_progress(connection) as show:
        coming = planning.run(objects, show)
        if json:
            _print_json(connection, planning, coming)
        else:
            empty = True
            for one in coming:
                _print(one)
                empty = False
            if empty:
                typer.echo("Nothing would change.")
            typer.echo(_counted(planning))
    for cut in sorted(planning.cut):
        note(f"Only the first {limit} of {connection}/{cut} were looked at.")
    waiting = pending_in(hub, connection)
    if waiting:
        note(f"{waiting} that came in before wait to be brought in; they are not part of this.")
    if unapplied:
        note("By the files here, which are not in force yet: hub apply puts them in force.")
    return bool(planning.counts.get("problems"))


@contextmanager
def snapshot_of_files(hub: Hub) -> Iterator[Snapshot]:
    """The workspace files as they are now, applied or not, ready to ask the tools. Raises
    NotValid.
    """
    snapshot, unapplied = _snapshot(hub, applied=False)
    try:
        yield snapshot
    finally:
        if unapplied:
            snapshot.close()


def _snapshot(hub: Hub, *, applied: bool) -> tuple[Snapshot, bool]:
    """What to plan by, and whether that is files that are not in force."""
    from hub.apply import NotValid
    from hub.store import running, work
    from hub.workspace import load, read_files, workspace_hash

    root = folder_of()
    if applied or not (root / "hub.yaml").is_file():
        return hub.live.current(), False
    files = read_files(root)
    with hub.database.read() as tx:
        newest = running.newest_revision(tx)
        parties = work.people(tx)
    if newest is not None and newest["hash"] == workspace_hash(files):
        return hub.live.current(), False
    loaded = load(files, classes(), os.environ)
    if loaded.workspace is None:
        raise NotValid(loaded.errors)
    number = newest["number"] if newest is not None else 0
    return hub.live.snapshot_of(number, loaded.workspace, files, parties), True


def _objects(snapshot: Snapshot, connection: str, object: str | None) -> list[str]:
    from hub.flow.pull import pullable
    from mappings.source import did_you_mean

    names = snapshot.workspace.connections
    if connection not in names:
        hint = did_you_mean(connection, sorted(names)) or "See: hub.yaml"
        raise LookupError(f"There is no connection '{connection}'. {hint}")
    known = [kind for name, kind in pullable(snapshot) if name == connection]
    if object is None:
        if not known:
            # what waits in the outbox is shown all the same
            note(f"Nothing of '{connection}' is pulled.")
        return known
    if object not in known:
        raise LookupError(
            f"'{object}' of '{connection}' is not pulled. {did_you_mean(object, known)}".strip()
        )
    return [object]


# ------------------------------------------------------------------------------------------ words


def _print(one: Foreseen) -> None:
    from hub.flow.foreseen import RecordPlan, WritePlan
    from hub.flow.undone import Missing

    if isinstance(one, RecordPlan):
        _print_record(one)
    elif isinstance(one, WritePlan):
        _print_write(one)
    elif isinstance(one, Missing):
        _print_missing(one)
    else:
        _print_follow_up(one)


def _print_record(one: RecordPlan) -> None:
    sign = _SIGNS.get(one.here or "", "!")
    what = _WORDS.get(one.here or "", "look at")
    _line(
        f"{sign} here   {what} {one.entity_type} '{_brief(one.title)}'"
        f"  from {one.connection} {one.object} {one.external_id}".replace("  from   ", "")
        + (f"  by {one.by}  {one.at}" if one.by else "")
    )
    for field in one.fields:
        change = f"{short(field.after)}"
        if one.here != "create":
            change = f"{short(field.before)} → {change}"
        why = "" if field.why == "new" else f"  {field.why}"
        _line(f"      {field.name}: {change}{why}{f'  {field.at}' if field.at else ''}")
    for conflict in one.conflicts:
        _line(
            f"    ! {conflict.name}: here {short(conflict.ours)}, there {short(conflict.theirs)}:"
            f" a person {'was asked already' if conflict.asked else 'must choose'}  {conflict.at}"
        )
    for problem in one.problems:
        raw = f"{problem.field} is {short(problem.raw)}: " if problem.field else ""
        _line(f"    ! {problem.type}: {raw}{problem.message}")


def _print_write(one: WritePlan) -> None:
    where = f"{one.connection} {one.object} {one.external_id or ''}".rstrip()
    _line(f"{_SIGNS.get(one.op, '!')} there  {one.op} {where}  '{_brief(one.title)}'  ({one.why})")
    for name, (before, after) in one.fields.items():
        change = short(after) if one.op == "create" else f"{short(before)} → {short(after)}"
        _line(f"      {name}: {change}")
    for name, at in one.at.items():
        _line(f"      by {name}  {at}")
    for problem in one.problems:
        _line(f"    ! {problem}")


def _print_missing(one: Missing) -> None:
    more = f" and {one.missed - len(one.some)} more" if one.missed > len(one.some) else ""
    _line(
        f"! here   {one.missed} {one.object} of {one.connection} are missing there, {one.seen} were"
        f" seen: {_THEN[one.then]}"
    )
    _line(f"      {', '.join(one.some)}{more}")


def _print_follow_up(one: FollowUp) -> None:
    rule = f" by rule {one.rule}" if one.rule else ""
    because = f", because of {one.because}" if one.because else ""
    _line(f"> here   {one.type} {one.subject}{rule}{because}")


def _line(text: str) -> None:
    """Text from outside, without what would move the cursor."""
    typer.echo("".join(letter if letter.isprintable() else " " for letter in text))


def _brief(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _counted(planning: Planning) -> str:
    said = [f"{name}: {planning.counts[name]}" for name in _ORDER if planning.counts.get(name)] or [
        "seen: 0"
    ]
    return "  ".join(said)


def _print_json(connection: str, planning: Planning, coming: Any) -> None:
    """One document, written as it comes, so that a large plan is never whole in memory."""
    dump = partial(json_module.dumps, ensure_ascii=False, default=str)
    typer.echo(f'{{"connection": {dump(connection)}, "changes": [')
    first = True
    for one in coming:
        typer.echo(("" if first else ",") + dump(plain(_as_json(one))))
        first = False
    counts = {name: planning.counts.get(name, 0) for name in _ORDER}
    typer.echo(f'], "counts": {dump(counts)}, "cut": {dump(sorted(planning.cut))}}}')


def _as_json(one: Foreseen) -> dict[str, Any]:
    from hub.flow.foreseen import RecordPlan, WritePlan
    from hub.flow.undone import Missing

    values = asdict(one)
    if isinstance(one, RecordPlan):
        return {"side": "here", "op": values.pop("here") or "none", **values}
    if isinstance(one, WritePlan):
        pairs = values.pop("fields")
        values["fields"] = {
            name: {"before": before, "after": after} for name, (before, after) in pairs.items()
        }
        return {"side": "there", "op": values.pop("op"), **values}
    return {"side": "here", "op": "missing" if isinstance(one, Missing) else "follows", **values}
