"""The command that pulls now: pages of changed records, brought in, and counted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.output import Json, example, note, print_json
from hub.cli.session import having, opened

if TYPE_CHECKING:
    from hub.flow.pull import Pulled
    from hub.hub import Hub

PANEL = "Look and act"
TURN = 20.0
"""Seconds to wait for somebody else's pull of the same object."""
PATIENCE = 60.0
"""Seconds without progress after which we no longer wait for records to be brought in."""

Show = Callable[[str, int], None]
app = typer.Typer()


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub pull github", "hub pull crm --object opportunity --full"),
)
def pull(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="As hub.yaml has it.")],
    object: Annotated[
        str | None, typer.Option(help="One kind of record; else all that are used.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="From the beginning, not since last.")
    ] = False,
    json: Json = False,
) -> None:
    """Pull what changed in a tool now, bring it in, and count what came of it.

    Exit code 1 if the tool could not be read or something could not be brought in.
    """
    results: list[Pulled] = []
    with opened() as hub:
        objects = _objects(hub, connection, object)
        began = time.monotonic()
        with pull_progress(connection) as show:
            for one in objects:
                results.append(_pull_one(hub, connection, one, show, full=full))
        complete = _bring_in(hub, results)
        seconds = max(time.monotonic() - began, 0.001)
    found = _counted(results, seconds)
    if json:
        print_json({"connection": connection, **found, "objects": _per_object(results)})
    else:
        typer.echo("  ".join(f"{name}: {value}" for name, value in found.items()))
    for result in results:
        if result.error:
            note(f"error: {connection}/{result.object}: {result.error}")
        if result.busy:
            note(f"error: {connection}/{result.object} is being pulled already. Try again soon.")
    if not complete:
        note(
            "error: some records still wait to be brought in."
            " A running hub goes on with them; see: hub exceptions"
        )
    if not complete or any(result.error or result.busy for result in results):
        raise typer.Exit(1)


def _pull_one(hub: Hub, connection: str, object: str, show: Show, *, full: bool) -> Pulled:
    """Pull one object; where a running hub is at it right now, wait for our turn."""
    from hub.flow.pull import pull as run

    deadline = time.monotonic() + TURN
    while True:
        result = run(hub, connection, object, full=full, force=True, progress=partial(show, object))
        if not result.busy or time.monotonic() > deadline:
            show(object, result.seen)
            return result
        time.sleep(0.2)


def _objects(hub: Hub, connection: str, object: str | None) -> list[str]:
    from hub.flow.pull import pullable
    from mappings.source import did_you_mean

    snapshot = having(hub, connection)
    known = [kind for name, kind in pullable(snapshot) if name == connection]
    if object is None:
        if not known:
            raise LookupError(f"Nothing of '{connection}' can be pulled, or nothing is mapped.")
        return known
    if object not in known:
        hint = did_you_mean(object, known)
        raise LookupError(f"'{object}' of '{connection}' is not pulled. {hint}".strip())
    return [object]


def _bring_in(hub: Hub, results: list[Pulled]) -> bool:
    """Work in this process until the pulled records are in; a running hub helps."""
    from hub.flow.bring_in import bring_in
    from hub.flow.pull import count_outcome

    deadline = time.monotonic() + PATIENCE
    while True:
        worked = bring_in(hub)
        if all([count_outcome(hub, result) for result in results]):
            return True
        if worked:
            deadline = time.monotonic() + PATIENCE
        elif time.monotonic() > deadline:
            return False
        else:
            time.sleep(0.1)  # another process has them, or they wait for their parents


_COUNTS = ("seen", "created", "updated", "unchanged", "deleted", "exceptions")


def _counted(results: list[Pulled], seconds: float) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: sum(getattr(result, name) for result in results) for name in _COUNTS
    }
    return {**found, "records/s": round(found["seen"] / seconds)}


def _per_object(results: list[Pulled]) -> list[dict[str, Any]]:
    names = ("object", *_COUNTS, "busy", "error")
    return [{name: getattr(result, name) for name in names} for result in results]


@contextmanager
def pull_progress(connection: str) -> Iterator[Show]:
    """A bar on a terminal; elsewhere a plain line per object and now and then, on standard
    error.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed} records"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        lines: dict[str, Any] = {}
        with bar:

            def draw(object: str, seen: int) -> None:
                if object not in lines:
                    lines[object] = bar.add_task(f"{connection} {object}", total=None)
                bar.update(lines[object], completed=seen)

            yield draw
        return
    said: dict[str, tuple[int, float]] = {}

    def say(object: str, seen: int) -> None:
        before, when = said.get(object, (-1, 0.0))
        if seen != before and (before < 0 or time.monotonic() - when > 2.0):
            said[object] = (seen, time.monotonic())
            note(f"{connection} {object}: {seen} records")

    yield say
