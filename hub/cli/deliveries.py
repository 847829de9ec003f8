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
from hub.cli.replaying import known_name, replay
from hub.cli.session import opened, reading

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
    not_replayed: Annotated[
        bool,
        typer.Option("--not-replayed", help="Of an original and its copies only the newest."),
    ] = False,
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
        moment_of("--until", until, now), text, not_replayed=not_replayed,
    )  # fmt: skip
    with reading() as (hub, tx):
        known_name(hub, tx, connection)
        last = inbox.delivery(tx, before) if before else None
        if before and last is None:
            raise LookupError(f"There is no delivery {before}. See: hub deliveries")
        rows = delivered.search(
            tx, narrow, before=last["position"] if last else None, limit=limit + 1
        )
        found = [present.delivery(dict(row)) for row in rows[:limit]]
        copies = delivered.copies(tx, [row["id"] for row in found])
    for row in found:
        row["replays"] = copies.get(row["id"], [])
    if json:
        print_json(found)
        return
    names = ["id", "received_at", "connection", "status", "verdict", "records", "size", "error"]
    for row in found:
        row["received_at"] = to_the_second(row["received_at"])
        row["replay"] = replay_words(row)
    if any(row["replay"] for row in found):
        names.append("replay")
    shown = [[None if row[name] == "" else row[name] for name in names] for row in found]
    print_table(names, shown, empty="No such deliveries.")
    if len(rows) > limit:
        note(f"There are more: add --before {found[-1]['id']}")


def replay_words(row: Mapping[str, Any]) -> str:
    """Whether it is a copy, or has copies of its own, the newest of which is named."""
    if row["replay_of"]:
        return f"copy of {row['replay_of']}"
    return f"replayed as {row['replays'][-1]}" if row["replays"] else ""


def to_the_second(moment: datetime) -> str:
    """A moment in a list of deliveries, which often come several in a minute."""
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


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
    from hub.flow.judged_again import checks, fate
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
        snapshot = _in_force(hub)
        found["checks"] = dict(checks(snapshot, row)) if snapshot is not None else {}
        became = fate(tx, snapshot, row)
        found["became"], found["exceptions"] = became.records, became.exceptions
        found["replays"] = delivered.copies(tx, [id]).get(id, [])
    if json:
        try:
            body.decode()
        except UnicodeDecodeError:
            found["body_base64"] = base64.b64encode(body).decode()
        print_json(found)
        return
    found["received_at"] = to_the_second(found["received_at"])
    aside = ("headers", "body", "checks", "became", "exceptions", "replays")
    print_details({name: value for name, value in found.items() if name not in aside})
    if found["replays"]:
        print_details({"replayed as": found["replays"]})
    if found["checks"]:
        typer.echo("\nChecks")
        print_details({f"  {name}": verdict for name, verdict in found["checks"].items()})
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

    A replay shows as the copy that it is, with the time it was made. What is refused does not show
    here, as it is not stored: see hub listen CONNECTION.
    """
    from hub import present
    from hub.ids import born
    from hub.store.delivered import Follower

    left = count
    with opened() as hub, watching() as watch:
        with hub.database.read() as tx:
            known_name(hub, tx, connection)
            follower = Follower(tx, connection, last)
        while True:
            with hub.database.read() as tx:
                rows = follower.look(tx)
            for row in rows:
                found = present.delivery(dict(row), body=json)
                if json:
                    print_json_line(found)
                else:
                    names = ("id", "connection", "status", "verdict", "size")
                    came = born(row["id"]) if row["replay_of"] else row["received_at"]
                    words = [to_the_second(came), *(cell(plain(found[name])) for name in names)]
                    if row["replay_of"]:
                        words.append(f"copy of {row['replay_of']}")
                    typer.echo(safe_text("  ".join(words)))
                if left is not None:
                    left -= 1
                    if left == 0:
                        return
            sys.stdout.flush()
            if not watch.wait():
                return
