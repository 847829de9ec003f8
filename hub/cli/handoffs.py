"""Commands for handoffs, and for who is away."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli.output import (
    Id,
    Json,
    Limit,
    chosen,
    example,
    fail,
    group,
    one_of,
    plain,
    print_details,
    print_json,
    print_table,
)
from hub.cli.session import ACTOR, opened, party_named, reading

PANEL = "Look and act"
app = typer.Typer()
handoffs = group(
    "Handoffs: what is offered to whom, the newest first.",
    "hub handoffs --status offered",
    "hub handoffs accept hof_01k… --person lee",
)
app.add_typer(handoffs, name="handoffs", rich_help_panel=PANEL)

Note = Annotated[str | None, typer.Option(help="A word with it.")]
AsWhom = Annotated[str, typer.Option(help="Who answers: a key in people.yaml.")]


@handoffs.command(
    "list", epilog=example("hub handoffs list --to lee", "hub handoffs --status offered --json")
)
def list_handoffs(
    status: Annotated[
        str | None, typer.Option(help="offered, accepted, declined or expired.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Only those offered to this person.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List handoffs."""
    from hub import present
    from hub.process import bringing
    from hub.store import cases
    from mappings.states import HandoffStatus

    one_of("--status", status, list(HandoffStatus))
    with reading() as (hub, tx):
        rows = cases.list_handoffs(tx, status=status, to=party_named(hub, tx, to), limit=limit)
        brought = bringing.brings(tx, rows)
        found = present.handoffs(tx, rows, brought)
    if json:
        print_json(found)
        return
    names = ("id", "status", "to", "reason", "offered_at", "due", "case")
    print_table(
        (*names[:2], "what", *names[2:]),
        [[*chosen(one, names[:2]), _title(one), *chosen(one, names[2:])] for one in found],
        empty="No such handoffs.",
    )


def _title(one: Any) -> str:
    brings = one.brings or {}
    return brings.get("step") or (brings.get("case") or {}).get("title") or one.task or ""


@handoffs.command("show", epilog=example("hub handoffs show hof_01k…"))
def show_handoff(id: Id, json: Json = False) -> None:
    """Show one handoff: what was promised, and what comes with it."""
    with reading() as (_, tx):
        found = _handoff(tx, id)
    _print(found, json=json)


@handoffs.command(
    "accept", epilog=example('hub handoffs accept hof_01k… --person lee --note "On it."')
)
def accept(id: Id, person: AsWhom, note: Note = None, json: Json = False) -> None:
    """Take what was offered to a person, a role of theirs, or whom they stand in for."""
    _answer(id, "accepted", person, note, json=json)


@handoffs.command(
    "decline", epilog=example('hub handoffs decline hof_01k… --person lee --note "On leave."')
)
def decline(id: Id, person: AsWhom, note: Note = None, json: Json = False) -> None:
    """Turn down what was offered; whoever answers for it sees that."""
    _answer(id, "declined", person, note, json=json)


@handoffs.command(
    "offer",
    epilog=example(
        "hub handoffs offer stp_01k… --to lee --person dana",
        'hub handoffs offer tsk_01k… --to role:legal --note "needs a lawyer"',
    ),
)
def offer(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of a step or a task.")],
    to: Annotated[
        str, typer.Option(help="A person's key, address or id; role:NAME; external:ADDRESS.")
    ],
    person: Annotated[
        str | None, typer.Option(help="Who offers it: a key in people.yaml; else this machine.")
    ] = None,
    reason: Annotated[
        str, typer.Option(help="delegate, assign, escalate or release.")
    ] = "delegate",
    note: Note = None,
    json: Json = False,
) -> None:
    """Offer a step or a task to somebody. Who has it keeps it until the other one accepts."""
    from hub.process import handoffs as process
    from hub.unit import person_actor

    one_of("--reason", reason, list(process.AT_WILL))
    if not id.startswith(("stp_", "tsk_")):
        fail(f"'{id}' is the id of no step or task; they begin with stp_ or tsk_.", 2)
    with opened() as hub:
        with hub.unit() as unit:
            party = _party(hub, unit.tx, person) if person else None
            with unit.acting(person_actor(party) if party else ACTOR):
                made = process.offer(
                    unit,
                    to=to,
                    step=id if id.startswith("stp_") else None,
                    task=id if id.startswith("tsk_") else None,
                    party=party,
                    operator=party is None,
                    note=note,
                    reason=reason,
                )
        with hub.database.read() as tx:
            found = _handoff(tx, made)
    if json:
        print_json(found)
    else:
        typer.echo(f"Offered to {plain(found['to'])['name']}: {made}")


def _answer(id: str, status: str, person: str, note: str | None, *, json: bool) -> None:
    from hub.process import handoffs as process

    with opened() as hub:
        with hub.unit() as unit:
            process.answer(unit, id, status, _party(hub, unit.tx, person), note=note, channel="cli")
        with hub.database.read() as tx:
            found = _handoff(tx, id)
    if json:
        print_json(found)
    else:
        typer.echo(f"{status.capitalize()}.")


def _party(hub: Any, tx: Any, name: str) -> Any:
    from hub.store import work

    id = party_named(hub, tx, name)
    return work.load(tx, "party", [id])[id] if id else None


def _handoff(tx: Any, id: str) -> dict[str, Any]:
    from hub import present
    from hub.process import bringing
    from hub.store import cases

    row = cases.handoff(tx, id)
    if row is None:
        raise LookupError(f"There is no handoff {id}. See: hub handoffs")
    found: dict[str, Any] = plain(present.handoffs(tx, [row], bringing.brings(tx, [row]))[0])
    return found


def _print(found: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(found)
        return
    print_details({name: value for name, value in found.items() if name != "brings"})
    brings = found["brings"] or {}
    typer.echo("")
    print_details({name: value for name, value in brings.items() if value})
