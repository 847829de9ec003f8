"""Commands on what comes in: deliveries listed, shown and followed as they come."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.following import watching
from hub.cli.moments import moment_of
from hub.cli.output import (
    Id,
    Json,
    Limit,
    cell,
    example,
    group,
    note,
    one_of,
    plain,
    print_details,
    print_json,
    print_json_line,
    print_table,
    safe_text,
)
from hub.cli.replaying import replay
from hub.cli.session import having, opened, reading

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.live import Snapshot

app = typer.Typer()
deliveries = group(
    "Deliveries: webhook requests as they arrived, the newest first.",
    "hub deliveries --status quarantined",
    "hub deliveries show dlv_01k…",
    "hub deliveries tail --connection github",
    "hub deliveries replay dlv_01k…",
)
app.add_typer(deliveries, name="deliveries", rich_help_panel="Look and act")

Named = Annotated[str | None, typer.Option(help="Only those of this connection.")]
VERDICTS = ("genuine", "unsigned", "altered")


@deliveries.command(
    "list",
    epilog=example(
        "hub deliveries list --connection github",
        "hub deliveries --status quarantined --since 2h",
        "hub deliveries --text 72d3162e --json",
    ),
)
def list_deliveries(
    connection: Named = None,
    status: Annotated[
        str | None,
        typer.Option(help="accepted, processed, quarantined, ignored or captured."),
    ] = None,
    verdict: Annotated[str | None, typer.Option(help="genuine, unsigned or altered.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Received since: 2h (ago), 2026-03-02.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Received before: 30m (ago), 2026-03-02.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Stands in the id, the vendor's id or the address.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="ID", help="The next page: older than this one.")
    ] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List deliveries.

    A delivery that was refused is no delivery: see hub connections show NAME, or hub listen NAME.
    """
    from hub import present
    from hub.store import delivered, inbox
    from hub.store.delivered import Narrow
    from mappings.states import DeliveryStatus

    one_of("--status", status, list(DeliveryStatus))
    one_of("--verdict", verdict, VERDICTS)
    now = datetime.now(UTC)
    narrow = Narrow(
        connection, status, verdict, moment_of("--since", since, now),
        moment_of("--until", until, now), text,
    )  # fmt: skip
    with reading() as (_, tx):
        last = inbox.delivery(tx, before) if before else None
        if before and last is None:
            raise LookupError(f"There is no delivery {before}. See: hub deliveries")
        rows = delivered.search(
            tx, narrow, before=last["position"] if last else None, limit=limit + 1
        )
        found = [present.delivery(dict(row)) for row in rows[:limit]]
    if json:
        print_json(found)
        return
    names = ("id", "received_at", "connection", "status", "verdict", "records", "size", "error")
    shown = [[row[name] for name in names] for row in found]
    print_table(names, shown, empty="No such deliveries.")
    if len(rows) > limit:
        note(f"There are more: add --before {found[-1]['id']}")


@deliveries.command(
    "show",
    epilog=example(
        "hub deliveries show dlv_01k…", "hub deliveries show dlv_01k… --raw > samples/issue.json"
    ),
)
def show_delivery(
    id: Id,
    raw: Annotated[
        bool, typer.Option("--raw", help="The body alone, byte for byte, for a file.")
    ] = False,
    json: Json = False,
) -> None:
    """Show one delivery: headers, body, the records it became and what is wrong with it.

    A body that is JSON is laid out for reading; --raw gives it as it came.
    """
    from hub import present
    from hub.flow.proof import fate
    from hub.layout import laid_out
    from hub.store import delivered, inbox

    with reading() as (hub, tx):
        row = inbox.delivery(tx, id)
        if row is None:
            raise LookupError(f"There is no delivery {id}. See: hub deliveries")
        body = bytes(row["body"])
        if raw:
            sys.stdout.buffer.write(body)
            sys.stdout.buffer.flush()
            return
        found = present.delivery(dict(row), body=True)
        became = fate(tx, _in_force(hub), row)
        found["became"], found["exceptions"] = became.records, became.exceptions
        found["replays"] = delivered.copies(tx, [id]).get(id, [])
    if json:
        try:
            body.decode()
        except UnicodeDecodeError:
            found["body_base64"] = base64.b64encode(body).decode()
        print_json(found)
        return
    aside = ("headers", "body", "became", "exceptions", "replays")
    print_details({name: value for name, value in found.items() if name not in aside})
    if found["replays"]:
        print_details({"replayed as": found["replays"]})
    typer.echo("\nHeaders")
    print_details({f"  {name}": value for name, value in found["headers"].items()})
    _print_became(found)
    typer.echo(f"\nBody\n{safe_text(laid_out(body))}")


def _in_force(hub: Hub) -> Snapshot | None:
    from hub.live import NoWorkspace

    try:
        return hub.live.current()
    except NoWorkspace:
        return None


def _print_became(found: Mapping[str, Any]) -> None:
    if found["became"]:
        typer.echo("\nBecame")
        names = ("object", "external_id", "kind", "status", "entity", "error")
        print_table(names, [[one[name] for name in names] for one in found["became"]])
    for one in found["exceptions"]:
        if one is found["exceptions"][0]:
            typer.echo("\nExceptions")
        said = f"{one['id']}  {one['status']}  {one['title']}"
        typer.echo(safe_text(f"  {said}" + (f"\n    {one['detail']}" if one["detail"] else "")))


deliveries.command(
    "replay",
    epilog=example(
        "hub deliveries replay dlv_01k…",
        "hub deliveries replay --status captured --connection github",
        "hub deliveries replay --connection github --status quarantined --since 2h --dry-run",
        "hub deliveries replay --status quarantined --since 2026-03-02 --yes",
    ),
)(replay)


@deliveries.command(
    "tail",
    epilog=example(
        "hub deliveries tail --connection github",
        "hub deliveries tail --json | jq .body",
        "hub deliveries tail --count 1",
    ),
)
def tail(
    connection: Named = None,
    last: Annotated[
        int, typer.Option(help="Begin with so many that are there already.", min=0, max=500)
    ] = 0,
    count: Annotated[
        int | None, typer.Option(help="End after so many.", min=1, show_default=False)
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, with headers and body.")
    ] = False,
) -> None:
    """Follow deliveries as they come, until Ctrl-C.

    What is refused does not show here, as it is not stored: see hub listen CONNECTION.
    """
    from hub import present
    from hub.store.delivered import Follower

    left = count
    with opened() as hub, watching() as watch:
        if connection is not None:
            having(hub, connection)
        with hub.database.read() as tx:
            follower = Follower(tx, connection, last)
        while True:
            with hub.database.read() as tx:
                rows = follower.look(tx)
            for row in rows:
                found = present.delivery(dict(row), body=json)
                if json:
                    print_json_line(found)
                else:
                    names = ("received_at", "id", "connection", "status", "verdict", "size")
                    typer.echo(safe_text("  ".join(cell(plain(found[name])) for name in names)))
                if left is not None:
                    left -= 1
                    if left == 0:
                        return
            sys.stdout.flush()
            if not watch.wait():
                return
