"""`hub deliveries replay`: one, several, or all that a filter finds are processed again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.following import watching
from hub.cli.moments import moment_of
from hub.cli.output import Json, cell, fail, note, one_of, print_json
from hub.cli.session import ACTOR, having, opened

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.process.replays import Run
    from hub.store.delivered import Narrow, Picked


def replay(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="As hub deliveries lists them.", show_default=False),
    ] = None,
    connection: Annotated[str | None, typer.Option(help="All of this connection.")] = None,
    status: Annotated[
        str | None,
        typer.Option(help="All that are quarantined, captured, ignored, processed or accepted."),
    ] = None,
    verdict: Annotated[str | None, typer.Option(help="genuine, unsigned or altered.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="All received since: 2h (ago), 2026-03-02.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="All received before: 30m (ago), 2026-03-02.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="All with this in the id, the vendor's id or the address.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    resume: Annotated[
        str | None,
        typer.Option(metavar="AT", help="Go on where an interrupted replay says it stopped."),
    ] = None,
    json: Json = False,
) -> None:
    """Process stored deliveries again, after a mapping was mended, say. The originals stay.

    By filter, what was replayed already is left out: of an original and its copies only the newest
    counts, so that a replay can be interrupted and begun again.
    """
    from hub.store.delivered import Narrow
    from mappings.states import DeliveryStatus

    one_of("--status", status, list(DeliveryStatus))
    one_of("--verdict", verdict, ("genuine", "unsigned", "altered"))
    filters = {"connection": connection, "status": status, "verdict": verdict, "since": since,
               "until": until, "text": text}  # fmt: skip
    chosen = {name: value for name, value in filters.items() if value is not None}
    if ids and (chosen or resume):
        fail("give ids, or a filter, not both.", 2)
    if ids:
        _by_id(ids, json=json, dry_run=dry_run)
        return
    if not chosen:
        fail("say which: ids, or a filter such as --connection, --status and --since.", 2)
    now = datetime.now(UTC)
    narrow = Narrow(
        connection, status, verdict, moment_of("--since", since, now),
        moment_of("--until", until, now), text,
    )  # fmt: skip
    for name, moment in (("since", narrow.since), ("until", narrow.until)):
        if moment is not None:  # said as "ago" it would be another one later
            chosen[name] = moment.isoformat()
    with opened() as hub:
        with hub.database.read() as tx:
            known_name(hub, tx, connection)
        run, picked = _begun(hub, narrow, resume)
        if not json:
            _say(picked, note if not dry_run else typer.echo)
        copies: list[tuple[str, str]] = []
        rest: Run | None = None
        if picked.count and not dry_run:
            _sure(picked, yes=yes)
            copies, rest = _run(hub, run, picked.count, resumable(chosen))
    again = resumable(chosen)(rest) if rest else None
    if json:
        print_json(
            {
                "matched": picked.count,
                "groups": [
                    {"connection": of, "status": was, "count": number}
                    for of, was, number in picked.groups
                ],
                "replayed": [{"id": new, "replay_of": old} for old, new in copies],
                "resume": again,
            }
        )
    elif copies:
        typer.echo(f"Queued {len(copies)}; a running hub takes them at once.")
    if again:
        note(f"Stopped after {len(copies)} of {picked.count}. Go on with: {again}")
        raise typer.Exit(1)


def resumable(chosen: dict[str, str]) -> Callable[[Run], str]:
    """The command that goes on with a run."""
    words = [f"--{name} {shlex.quote(value)}" for name, value in chosen.items()]
    return lambda run: (
        f"hub deliveries replay {' '.join(words)} --resume {run.after}-{run.upto} --yes"
    )


def _begun(hub: Hub, narrow: Narrow, resume: str | None) -> tuple[Run, Picked]:
    from hub.process.replays import Run
    from hub.store import delivered

    with hub.database.read() as tx:
        if resume is None:
            run = Run(narrow, 0, delivered.newest(tx))
        else:
            after, _, upto = resume.partition("-")
            if not (after.isdecimal() and upto.isdecimal() and len(resume) < 40):
                fail(f"--resume cannot be '{resume}'. Copy it from where the replay stopped.", 2)
            run = Run(narrow, int(after), int(upto))
        return run, delivered.pick(tx, narrow, after=run.after, upto=run.upto)


def known_name(hub: Hub, tx: Any, name: str | None) -> None:
    """Raises LookupError for a connection that neither is in force nor has any deliveries."""
    from hub.store import delivered
    from hub.store.delivered import Narrow

    if name is not None and not delivered.search(tx, Narrow(name), limit=1):
        having(hub, name)


def _say(picked: Picked, tell: Callable[[str], None]) -> None:
    """The counts are for people, unless they are all that was asked for."""
    if not picked.count:
        tell("No such deliveries, or all of them were replayed already.")
        return
    many = "1 delivery" if picked.count == 1 else f"{picked.count} deliveries"
    tell(f"{many}, received {cell(picked.oldest)} to {cell(picked.newest)}:")
    for connection, status, count in picked.groups:
        tell(f"  {count:>7}  {connection}  {status}")


def _sure(picked: Picked, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        fail("nothing was replayed. Nobody can be asked here: add --yes if you are sure.", 2)
    if not typer.confirm("Process them again?", err=True):
        note("Nothing was replayed.")
        raise typer.Exit(1)


def _run(
    hub: Hub, run: Run, count: int, again: Callable[[Run], str]
) -> tuple[list[tuple[str, str]], Run | None]:
    """Copies made, and what is left of the run where somebody stopped it."""
    from hub.process.replays import replay as next_batch

    copies: list[tuple[str, str]] = []
    rest: Run | None = run
    with watching() as watch, _bar(count) as show:
        if count > 1000:
            note(f"If this is interrupted, go on with: {again(run)}")
        while rest is not None:
            with hub.unit() as unit:
                done = next_batch(unit, rest, ACTOR)
            copies += done.copies
            rest = done.run
            show(len(copies))
            if watch.stopped:
                break
    return copies, rest


@contextmanager
def _bar(count: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=count)
        yield lambda done: progress.update(task, completed=done)


def _by_id(ids: list[str], *, json: bool, dry_run: bool) -> None:
    from hub.process.replays import replay_one
    from hub.store import delivered

    wanted = list(dict.fromkeys(ids))
    with opened() as hub:
        with hub.database.read() as tx:
            known = delivered.whole(tx, wanted)
        unknown = [id for id in wanted if id not in known]
        if unknown:
            raise LookupError(f"There is no delivery {', '.join(unknown)}. See: hub deliveries")
        if dry_run:
            typer.echo(f"{len(wanted)} would be replayed.")
            return
        made: list[dict[str, Any]] = []
        for id in wanted:
            with hub.unit() as unit:
                made.append({"id": replay_one(unit, id, ACTOR), "replay_of": id})
    if json:
        print_json(made[0] if len(made) == 1 else made)
        return
    for one in made:
        typer.echo(f"{one['replay_of']} is queued as {one['id']}; a running hub takes it at once.")
