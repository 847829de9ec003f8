"""Commands on what goes out: pushes and their retry."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli.output import (
    Id,
    Json,
    Limit,
    example,
    group,
    one_of,
    print_details,
    print_json,
    print_table,
)
from hub.cli.session import ACTOR, opened, reading

app = typer.Typer()
pushes = group(
    "Pushes: intended writes and what became of them, the newest first.",
    "hub pushes --status failed",
    "hub pushes retry psh_01k…",
)
app.add_typer(pushes, name="pushes", rich_help_panel="Look and act")

Named = Annotated[str | None, typer.Option(help="Only those of this connection.")]


@pushes.command(
    "list", epilog=example("hub pushes list --status unknown", "hub pushes --entity tsk_01k…")
)
def list_pushes(
    connection: Named = None,
    status: Annotated[
        str | None, typer.Option(help="pending, sent, unknown, failed or superseded.")
    ] = None,
    entity: Annotated[str | None, typer.Option(help="Only those of this task or item.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List pushes."""
    from hub import present
    from hub.store import outbox
    from mappings.states import PushStatus

    one_of("--status", status, list(PushStatus))
    with reading() as (_, tx):
        rows = outbox.list_pushes(
            tx, connection=connection, status=status, entity=entity, limit=limit
        )
        found = [present.push(dict(row)) for row in rows]
    if json:
        print_json(found)
        return
    names = ("id", "created_at", "connection", "object", "op", "status", "attempts", "entity",
             "error")  # fmt: skip
    print_table(names, [[row[name] for name in names] for row in found], empty="No such pushes.")


@pushes.command("show", epilog=example("hub pushes show psh_01k…"))
def show_push(id: Id, json: Json = False) -> None:
    """Show one push and what the tool answered."""
    from hub import present
    from hub.store import outbox

    with reading() as (_, tx):
        row = outbox.push(tx, id)
        if row is None:
            raise LookupError(f"There is no push {id}. See: hub pushes")
        found = present.push(dict(row))
    if json:
        print_json(found)
    else:
        print_details(found)


@pushes.command("retry", epilog=example("hub pushes retry psh_01k…"))
def retry(id: Id, json: Json = False) -> None:
    """Send a failed or unknown push again, with its old key."""
    from hub import present
    from hub.process.exceptions import retry_push
    from hub.store import outbox

    with opened() as hub, hub.unit() as unit:
        if outbox.push(unit.tx, id) is None:
            raise LookupError(f"There is no push {id}. See: hub pushes")
        retry_push(unit, id, ACTOR)
        row = outbox.push(unit.tx, id)
        found = present.push(dict(row)) if row else {}
    if json:
        print_json(found)
    else:
        typer.echo("Queued; a running hub sends it at once.")
