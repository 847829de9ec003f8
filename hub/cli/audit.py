"""Commands on the log of what happened: its seals, heads to keep elsewhere, and its export."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.output import Json, example, fail, group, note, print_json
from hub.cli.session import reading, settings_for

if TYPE_CHECKING:
    from hub.store.heads import Head

PANEL = "Administer"
app = typer.Typer()
audit = group(
    "The log of what happened, and the proof that nobody changed it.",
    "hub audit verify --head kept-elsewhere.json",
    "hub audit head --out head.json",
    listing=False,
)
export = group("What happened, for other programs.", "hub export ocel log.json", listing=False)
for _name, _group in (("audit", audit), ("export", export)):
    app.add_typer(_group, name=_name, rich_help_panel=PANEL)


@contextmanager
def steps_of(total: int, what: str) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal; elsewhere nothing, for this is over in seconds."""
    if not sys.stderr.isatty() or total == 0:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task(what, total=total)
        yield lambda done: bar.update(line, completed=done)


@audit.command(
    "verify",
    epilog=example(
        "hub audit verify", "hub audit verify --head kept-elsewhere.json", "hub audit verify --json"
    ),
)
def verify(
    head: Annotated[
        list[Path] | None,
        typer.Option(
            "--head", metavar="FILE", help="A head that was kept elsewhere; may be repeated."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The public key that the heads must be signed with."),
    ] = None,
    json: Json = False,
) -> None:
    """Recompute the chain of events; exit code 1, and the row, if something was changed.

    The chain alone cannot see that its end was cut off, or that all of it was written anew. It must
    still pass through every head that is given with --head: make one with hub audit head, and keep
    it where whoever can change this database cannot.
    """
    from hub.store import events

    kept = [_read(file) for file in head or ()]
    with reading() as (hub, tx):
        trusted = key or _own_key(hub.settings.secret_key)
        for file, one in zip(head or (), kept, strict=True):
            _check(file, one, trusted)
        passing: dict[int, str] = {}
        for file, one in zip(head or (), kept, strict=True):
            if passing.setdefault(one.sequence, one.hash) != one.hash:
                fail(f"{file}: another head names another hash for event {one.sequence}.")
        last, _ = events.head(tx)
        with steps_of(last, "events") as told:
            sealed, found, broken = events.verify(tx, passing, told)
        waiting = events.unsealed(tx)
    result = {
        "ok": broken is None,
        "events": sealed,
        "head": found,
        "unsealed": waiting,
        "heads": len(kept),
        "broken": broken,
    }
    if json:
        print_json(result)
    elif broken is None:
        typer.echo(f"{sealed} sealed events, all in order. Head: {sealed}:{found}")
        for one in kept:
            typer.echo(f"It passes through the head of {one.time}: {one.sequence}:{one.hash}")
        if waiting:
            note(f"{waiting} newer ones wait to be sealed; a running hub does it within seconds.")
    if broken is not None:
        fail(f"the chain is broken: {broken}. Restore the database from a backup and compare.")


@audit.command("head", epilog=example("hub audit head --out head.json", "hub audit head --json"))
def head_(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to keep it.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the signed head of the log: its last number, that event's hash, and when.

    Give it to somebody else to keep: an auditor, another company, a printer. Whoever has it and
    the public key (hub audit key) can prove later whether the log up to there was changed.
    """
    from hub.store import events, heads

    with reading() as (hub, tx):
        made = heads.export(tx, hub.settings.secret_key, hub.clock())
        waiting = events.unsealed(tx)
    if out is not None:
        out.write_text(made.text(), encoding="utf-8")
        note(f"Head {made.sequence}:{made.hash} of {made.time}: {out}")
    if json or out is None:
        typer.echo(made.text(), nl=False)
    if waiting:
        note(f"{waiting} newer events are not sealed yet, and not covered by it.")


@audit.command("key", epilog=example("hub audit key", "hub audit key --pem > hub-audit.pem"))
def key_(
    pem: Annotated[bool, typer.Option("--pem", help="As openssl takes it.")] = False,
    json: Json = False,
) -> None:
    """Print the public key that heads are signed with (Ed25519). It is no secret."""
    from hub.store import heads

    secret = settings_for().secret_key
    if json:
        print_json(
            {
                "algorithm": "Ed25519",
                "key": heads.public_key(secret),
                "pem": heads.public_pem(secret),
            }
        )
    else:
        typer.echo(heads.public_pem(secret) if pem else heads.public_key(secret), nl=not pem)


def _own_key(secret: bytes) -> str:
    from hub.store import heads

    return heads.public_key(secret)


def _read(file: Path) -> Head:
    from hub.store import heads

    try:
        return heads.read(file.read_bytes())
    except heads.BadHead as error:
        fail(f"{file}: {error}.")


def _check(file: Path, head: Head, key: str) -> None:
    from hub.store import heads

    try:
        heads.check_signature(head, key)
    except heads.BadHead as error:
        fail(f"{file}: {error}.")


@export.command("ocel", epilog=example("hub export ocel log.json", "hub export ocel - | less"))
def ocel(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - for standard output.")],
) -> None:
    """Write everything that happened as OCEL 2.0 JSON, for process mining."""
    from hub.export import counts, write

    with reading() as (_, tx):
        if str(file) == "-":
            write(tx, sys.stdout)
            return
        with (
            steps_of(sum(counts(tx)), "objects and events") as told,
            file.open("w", encoding="utf-8") as out,
        ):
            objects, happened = write(tx, out, told)
    note(f"{happened} events, {objects} objects: {file}")
