"""Commands on what comes in and goes out: deliveries, pushes and connections."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.authorize import authorize
from hub.cli.output import (
    Id,
    Json,
    Limit,
    chosen,
    example,
    fail,
    group,
    one_of,
    print_details,
    print_json,
    print_table,
)
from hub.cli.session import opened, reading

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.live import Snapshot

PANEL = "Look and act"
app = typer.Typer()
deliveries = group(
    "Deliveries: webhook requests as they arrived, the newest first.",
    "hub deliveries --status quarantined",
    "hub deliveries replay dlv_01k…",
)
pushes = group(
    "Pushes: intended writes and what became of them, the newest first.",
    "hub pushes --status failed",
    "hub pushes retry psh_01k…",
)
connections = group(
    "Connections: how each account fares.", "hub connections", "hub connections check github"
)
app.add_typer(deliveries, name="deliveries", rich_help_panel=PANEL)
app.add_typer(pushes, name="pushes", rich_help_panel=PANEL)
app.add_typer(connections, name="connections", rich_help_panel=PANEL)

ACTOR: Mapping[str, Any] = {"kind": "system", "id": "cli", "name": "command line"}
Named = Annotated[str | None, typer.Option(help="Only those of this connection.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="As hub.yaml has it.")]


# ------------------------------------------------------------------------------------- deliveries


@deliveries.command(
    "list", epilog=example("hub deliveries list --connection github", "hub deliveries --json")
)
def list_deliveries(
    connection: Named = None,
    status: Annotated[
        str | None,
        typer.Option(help="accepted, processed, quarantined, ignored or captured."),
    ] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List deliveries."""
    from hub import present
    from hub.store import inbox
    from mappings.states import DeliveryStatus

    one_of("--status", status, list(DeliveryStatus))
    with reading() as (_, tx):
        rows = inbox.list_deliveries(tx, connection=connection, status=status, limit=limit)
        found = [present.delivery(dict(row)) for row in rows]
    if json:
        print_json(found)
        return
    names = ("id", "received_at", "connection", "status", "verdict", "records", "size", "error")
    shown = [[row[name] for name in names] for row in found]
    print_table(names, shown, empty="No such deliveries.")


@deliveries.command("show", epilog=example("hub deliveries show dlv_01k…"))
def show_delivery(id: Id, json: Json = False) -> None:
    """Show one delivery with its headers and its body as they arrived."""
    from hub import present
    from hub.store import inbox

    with reading() as (_, tx):
        row = inbox.delivery(tx, id)
        if row is None:
            raise LookupError(f"There is no delivery {id}. See: hub deliveries")
        found = present.delivery(dict(row), body=True)
        try:
            bytes(row["body"]).decode()
        except UnicodeDecodeError:
            found["body_base64"] = base64.b64encode(bytes(row["body"])).decode()
    if json:
        print_json(found)
        return
    print_details({name: value for name, value in found.items() if "body" not in name})
    # in quotes where it holds what a terminal would obey
    body = found["body"]
    safe = all(letter.isprintable() or letter in "\n\t" for letter in body)
    typer.echo(f"\n{body if safe else ascii(body)}")


@deliveries.command("replay", epilog=example("hub deliveries replay dlv_01k…"))
def replay(id: Id, json: Json = False) -> None:
    """Process a stored delivery again, after a mapping was mended, say. The original stays."""
    from hub.process.exceptions import replay_delivery

    with opened() as hub, hub.unit() as unit:
        copy = replay_delivery(unit, id, ACTOR)
        if copy is None:
            raise LookupError(f"There is no delivery {id}. See: hub deliveries")
    if json:
        print_json({"id": copy, "replay_of": id})
    else:
        typer.echo(f"Queued as {copy}; a running hub takes it at once.")


# ----------------------------------------------------------------------------------------- pushes


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


# ------------------------------------------------------------------------------------ connections


@connections.command("list", epilog=example("hub connections list", "hub connections --json"))
def list_connections(json: Json = False) -> None:
    """List the connections: whether each works, what was pulled when, what waits."""
    with reading() as (hub, tx):
        snapshot = hub.live.current()
        found = [_connection(tx, snapshot, name) for name in snapshot.workspace.connections]
    if json:
        print_json(found)
        return
    names = ("name", "connector", "status", "last_ok_at", "failures", "last_error")
    print_table(
        names,
        [[row[name] for name in names] for row in found],
        empty="No connections yet; add one under connections: in hub.yaml.",
    )


@connections.command("show", epilog=example("hub connections show github"))
def show_connection(name: Name, json: Json = False) -> None:
    """Show one connection with what is pulled from it."""
    with reading() as (hub, tx):
        found = _connection(tx, having(hub, name), name)
    if json:
        print_json(found)
        return
    print_details({key: value for key, value in found.items() if key != "pulls"})
    typer.echo("")
    names = ("object", "pulled_at", "next_pull_at")
    pulls = [chosen(one, names) for one in found["pulls"]]
    print_table(names, pulls, empty="Nothing was pulled yet.")


def _connection(tx: Any, snapshot: Snapshot, name: str) -> dict[str, Any]:
    from hub.store import running, subscriptions

    state = running.connection_states(tx).get(name, {})
    pulls = [
        {key: row[key] for key in ("object", "cursor", "pulled_at", "next_pull_at")}
        for row in running.all_cursors(tx)
        if row["connection"] == name
    ]
    registered = subscriptions.rows(tx).get(name)
    about = ("status", "url", "expires_at", "attempts", "error")
    shown = ("status", "reason", "failures", "last_error", "last_ok_at", "changed_at")
    return {
        "name": name,
        "connector": snapshot.workspace.connections[name].connector,
        **{key: state.get(key) for key in shown},
        "status": state.get("status", "active"),
        "failures": state.get("failures", 0),
        "subscription": {key: registered[key] for key in about} if registered else None,
        "pulls": pulls,
    }


@connections.command(
    "pause", epilog=example('hub connections pause github --reason "they are moving house"')
)
def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="Shown to whoever wonders.")] = "paused by hand",
    json: Json = False,
) -> None:
    """Stop pulling from a tool and writing to it; what comes and goes meanwhile waits."""
    from hub.flow import connections as flow

    _steer(name, lambda unit: flow.pause(unit, name, reason), json=json)


@connections.command("resume", epilog=example("hub connections resume github"))
def resume(name: Name, json: Json = False) -> None:
    """Go on with a paused connection."""
    from hub.flow import connections as flow

    _steer(name, lambda unit: flow.resume(unit, name), json=json)


def _steer(name: str, act: Callable[[Any], None], *, json: bool) -> None:
    from hub.store import running

    with opened() as hub:
        snapshot = having(hub, name)
        with hub.unit() as unit:
            running.keep_connections(unit.tx, [name])
            with unit.acting(ACTOR):
                act(unit)
        with hub.database.read() as tx:
            found = _connection(tx, snapshot, name)
    if json:
        print_json(found)
    else:
        typer.echo(f"{name} is {found['status']}.")


connections.command(
    "authorize",
    epilog=example("hub connections authorize mail", "hub connections authorize crm --no-browser"),
)(authorize)


@connections.command("check", epilog=example("hub connections check github"))
def check(name: Name, json: Json = False) -> None:
    """Ask a tool whether our credentials work."""
    from connectors.sdk import ConnectorError

    error = None
    with opened() as hub:
        try:
            having(hub, name).connector(name).check()
        except ConnectorError as found:
            error = str(found)
    if json:
        print_json({"name": name, "ok": error is None, "error": error})
    elif error is None:
        typer.echo(f"{name} answers, and the credentials work.")
    if error is not None:
        fail(error)


def having(hub: Hub, name: str) -> Snapshot:
    """The workspace in force, which has this connection. Raises LookupError."""
    from mappings.source import did_you_mean

    snapshot = hub.live.current()
    known = sorted(snapshot.workspace.connections)
    if name not in known:
        hint = did_you_mean(name, known)
        raise LookupError(f"There is no connection '{name}' in force. {hint}".strip())
    return snapshot
