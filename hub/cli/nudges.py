"""Commands for nudges: what people were told and will be told, and hearing of it later."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli.moments import span_of
from hub.cli.output import (
    Json,
    Limit,
    chosen,
    example,
    fail,
    group,
    note,
    one_of,
    plain,
    print_json,
    print_table,
)
from hub.cli.session import opened, party_named, reading

app = typer.Typer()
nudges = group(
    "What people were told, and what waits to be told, the newest first.",
    "hub nudges --to dana",
    "hub nudges snooze stp_01k… --person dana --for 4h",
)
app.add_typer(nudges, name="nudges", rich_help_panel="Look and act")


@nudges.command("list", epilog=example("hub nudges list --to dana --status waiting"))
def list_nudges(
    to: Annotated[str | None, typer.Option(help="Only those for this person.")] = None,
    status: Annotated[str | None, typer.Option(help="waiting, sent or dropped.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List nudges, with when each goes and why it waits."""
    from hub import present
    from hub.api.nudges import shown
    from hub.store import nudges as stored

    one_of("--status", status, ("waiting", "sent", "dropped"))
    with reading() as (hub, tx):
        rows = stored.list_nudges(tx, party=party_named(hub, tx, to), status=status, limit=limit)
        found = shown(rows, present.Parties(tx, (row["party"] for row in rows)))
    if json:
        print_json(found)
        return
    names = ("purpose", "title", "status", "why", "due_at", "sent_at")
    print_table(
        ("id", "to", *names),
        [[one.id, plain(one.to), *chosen(one, names)] for one in found],
        empty="Nobody was told anything yet.",
    )


@nudges.command("snooze", epilog=example("hub nudges snooze stp_01k… --person dana --for 4h"))
def snooze(
    step: Annotated[str, typer.Argument(help="The id of a step.")],
    person: Annotated[str, typer.Option(help="Who is not to be reminded: a key in people.yaml.")],
    lasting: Annotated[str, typer.Option("--for", help="How long: 30m, 4h, 2d.")] = "4h",
) -> None:
    """Remind a person of a step no sooner. Its due does not move, nor do escalations to others."""
    from hub.api.nudges import FURTHEST
    from hub.store import cases
    from hub.store import nudges as stored

    span = span_of("--for", lasting)
    if span > FURTHEST:
        fail(f"--for cannot be '{lasting}'. Write at most {FURTHEST.days}d.", 2)
    with opened() as hub, hub.unit() as unit:
        party = party_named(hub, unit.tx, person)
        if party is None or cases.step(unit.tx, step) is None:
            fail(f"There is no step {step}. List them with: hub cases show ID")
        stored.snooze(unit.tx, party, step, unit.now + span, unit.now)
        until = unit.now + span
    note(f"{person} hears of it after {until.astimezone():%Y-%m-%d %H:%M}.")
