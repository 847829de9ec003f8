"""Commands that steer running cases: let them rest and go on, end them, move a step by hand, and
move cases to the newest version of their process.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.output import Id, Json, example, note, print_json, print_table
from hub.cli.session import ACTOR, opened
from hub.cli.work import PANEL, cases

if TYPE_CHECKING:
    from hub.hub import Hub

app = typer.Typer()

Why = Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")]
Step = Annotated[str, typer.Argument(metavar="STEP", help="The id or the key of the step.")]


@cases.command(
    "suspend", epilog=example('hub cases suspend cas_01k… --reason "customer asks for a pause"')
)
def suspend(id: Id, reason: Why, json: Json = False) -> None:
    """Let a case rest: nobody is chased and nothing goes on until it is resumed."""
    from hub.process import by_hand

    with opened() as hub:
        with hub.unit() as unit:
            by_hand.suspend(unit, id, ACTOR, reason)
        _tell(hub, id, json)


@cases.command("resume", epilog=example("hub cases resume cas_01k…"))
def resume(
    id: Id,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, if it matters.")] = None,
    json: Json = False,
) -> None:
    """Let a suspended case go on, with what came in meanwhile."""
    from hub.process import by_hand

    with opened() as hub:
        with hub.unit() as unit:
            by_hand.resume(unit, id, ACTOR, reason)
        _tell(hub, id, json)


@cases.command(
    "terminate", epilog=example('hub cases terminate cas_01k… --reason "customer withdrew"')
)
def terminate(id: Id, reason: Why, json: Json = False) -> None:
    """End a case before its time: what is open is cancelled, in the tools too.

    For what was done and has a `compensation`, a task asks to undo it.
    """
    from hub.process import by_hand

    with opened() as hub:
        with hub.unit() as unit:
            by_hand.terminate(unit, id, ACTOR, reason)
        _tell(hub, id, json)


@cases.command(
    "complete",
    epilog=example('hub cases complete cas_01k… paid --reason "paid in cash"'),
)
def complete(id: Id, step: Step, reason: Why, json: Json = False) -> None:
    """Complete a step that waits for an event or a process, by hand."""
    _by_hand(id, step, reason, json, skip=False)


@cases.command("skip", epilog=example('hub cases skip cas_01k… paid --reason "nothing to be paid"'))
def skip(id: Id, step: Step, reason: Why, json: Json = False) -> None:
    """Go on without a step that waits for an event or a process."""
    _by_hand(id, step, reason, json, skip=True)


def _by_hand(id: str, step: str, reason: str, json: bool, *, skip: bool) -> None:
    from hub.process import by_hand
    from hub.store import cases as store

    with opened() as hub:
        with hub.unit() as unit:
            rows = store.steps_of(unit.tx, [id])[id]
            named = [one for one in rows if step in (one["id"], one["key"])]
            active = [one for one in named if one["status"] == "active"] or named
            if len(active) > 1 and step != active[0]["id"]:
                found = ", ".join(f"{one['id']} ({one['title']})" for one in active)
                raise LookupError(f"'{step}' runs more than once; name one by its id: {found}.")
            by_hand.complete(
                unit, id, active[0]["id"] if active else step, ACTOR, reason, skip=skip
            )
        _tell(hub, id, json)


def _tell(hub: Hub, id: str, json: bool) -> None:
    from hub import present
    from hub.store import cases as store

    with hub.database.read() as tx:
        case = present.cases(tx, list(store.load(tx, [id]).values()))[0]
    if json:
        print_json(case)
    else:
        ended = f": {case.outcome}" if case.outcome else ""
        typer.echo(f"'{case.title}' is {case.status}{ended}.")


@app.command(
    "migrate-cases",
    rich_help_panel=PANEL,
    epilog=example(
        "hub migrate-cases onboarding --dry-run",
        "hub migrate-cases onboarding --case cas_01k… --json",
    ),
)
def migrate_cases(
    process: Annotated[str, typer.Argument(metavar="PROCESS", help="The name of the process.")],
    case: Annotated[
        list[str] | None, typer.Option("--case", metavar="ID", help="Only this one; repeatable.")
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="The version: newest, the one of the workspace in force.")
    ] = "newest",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would happen to each.")
    ] = False,
    json: Json = False,
) -> None:
    """Move running cases to the newest version of their process.

    Steps are matched by their key. New ones are added, open ones that are gone are ended, what is
    active keeps its owner and its due. A case that cannot be moved stays as it is; the exit code
    is 1 if there is one.
    """
    from hub.process import migrating
    from hub.process.answers import Refused
    from hub.store import cases as store

    if to != "newest":
        raise typer.BadParameter("cases move to the newest version only.", param_hint="'--to'")
    wanted = case or []
    moves: list[dict[str, Any]] = []
    with opened() as hub:
        with hub.unit() as unit:
            version, _ = migrating.newest(unit, process)
            missing = set(wanted) - set(store.load(unit.tx, wanted))
            if missing:
                raise LookupError(f"There is no case {sorted(missing)[0]}. See: hub cases")
            found = store.outdated(unit.tx, process, version, wanted)
        for id, _title in found:
            # a transaction for each: one that fails keeps none of the others
            with hub.unit() as unit, unit.acting(ACTOR):
                move = migrating.look(unit, id)
                done = False
                if not dry_run and not move.problems:
                    try:
                        with unit.attempt():
                            migrating.migrate(unit, id)
                        done = True
                    except Refused as refused:
                        move = migrating.refused(move, str(refused))
                moves.append({**asdict(move), "moved": done})
    stuck = [one for one in moves if one["problems"]]
    if json:
        print_json(moves)
    else:
        _print_moves(moves, process, dry_run)
        if stuck:
            note(f"{len(stuck)} of {len(moves)} cannot be moved, and stay as they are.")
    if stuck:
        raise typer.Exit(1)


def _print_moves(moves: list[dict[str, Any]], process: str, dry_run: bool) -> None:
    rows = []
    for one in moves:
        parts = [
            f"{name}: {', '.join(one[name])}"
            for name in ("added", "changed", "ended", "left", "waits")
            if one[name]
        ]
        verdict = "cannot" if one["problems"] else "would move" if dry_run else "moved"
        rows.append((one["case"], one["title"], verdict, "; ".join([*one["problems"], *parts])))
    print_table(
        ("case", "title", "", "what"),
        rows,
        empty=f"Every running case of '{process}' has its newest version.",
    )
