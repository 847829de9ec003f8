"""Commands on connections: how each fares, what it refused, pausing and resuming it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.authorize import authorize
from hub.cli.moments import said_until
from hub.cli.output import (
    Json,
    cell,
    chosen,
    example,
    fail,
    group,
    note,
    print_details,
    print_json,
    print_table,
)
from hub.cli.session import ACTOR, having, opened, reading

if TYPE_CHECKING:
    from hub.live import Snapshot

app = typer.Typer()
connections = group(
    "Connections: how each account fares.", "hub connections", "hub connections check github"
)
app.add_typer(connections, name="connections", rich_help_panel="Look and act")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As hub.yaml has it.")]


@connections.command("list", epilog=example("hub connections list", "hub connections --json"))
def list_connections(json: Json = False) -> None:
    """List the connections: whether each works, what was pulled when, what waits."""
    with reading() as (hub, tx):
        snapshot = hub.live.current()
        found = [_connection(tx, snapshot, name) for name in snapshot.workspace.connections]
    if json:
        print_json(found)
        return
    names = (
        "name", "connector", "status", "deliveries", "last_delivery_at", "last_ok_at", "failures",
        "last_error",
    )  # fmt: skip
    print_table(
        names,
        [[row[name] for name in names] for row in found],
        empty="No connections yet; add one under connections: in hub.yaml.",
    )
    if bare := [row["name"] for row in found if row["unsigned"]]:
        note(f"Anybody may write to {', '.join(bare)}: deliveries need no proof (unsigned: true).")
    for row in found:
        if row["circuit"]["state"] != "closed":
            about = row["circuit"]
            when = f"until {cell(about['until'])}" if about["until"] else "until somebody has tried"
            note(f"{row['name']} is not called {when}: {about['why']}")
        if row["limited_until"]:
            note(f"{row['name']} wants to be left alone until {cell(row['limited_until'])}.")
        if row["capturing"]:
            when = said_until(row["capture_until"])
            note(f"{row['name']} captures {when}: deliveries are stored and not processed.")
        if row["webhook_trouble"]:
            note(f"{row['name']}: {row['webhook_trouble']}")


@connections.command("show", epilog=example("hub connections show github"))
def show_connection(name: Name, json: Json = False) -> None:
    """Show one connection with what is pulled from it."""
    with reading() as (hub, tx):
        found = _connection(tx, having(hub, name), name)
    if json:
        print_json(found)
        return
    aside = ("pulls", "refusals", "refused")
    print_details({key: value for key, value in found.items() if key not in aside})
    typer.echo("")
    names = ("object", "pulled_at", "next_pull_at", "full_at")
    pulls = [chosen(one, names) for one in found["pulls"]]
    print_table(names, pulls, empty="Nothing was pulled yet.")
    for one in found["pulls"]:
        if one["backfill"]:
            note(f"{one['object']}: everything is being pulled, {one['backfill']['said']}.")
    if found["refused"]:
        typer.echo(f"\nRefused deliveries: {found['refused']} in all, the newest first")
        told = ("at", "code", "part", "reason", "remote", "size")
        print_table(told, [[one[name] for name in told] for one in found["refusals"]])
        if found["refusals"]:
            note(f"What to do: {found['refusals'][0]['remedy']}")


def _backfill(row: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any] | None:
    from hub.flow.progress import backfill, in_words

    now = datetime.now(UTC)
    one = backfill(row, now, state.get("limited_until"))
    return {**asdict(one), "said": in_words(one, now)} if one else None


def _connection(tx: Any, snapshot: Snapshot, name: str) -> dict[str, Any]:
    from hub.flow import connections as flow
    from hub.flow import lacking
    from hub.flow.proving import proving
    from hub.store import circuits, cursors, delivered, notices, running, subscriptions

    state = running.connection_states(tx).get(name, {})
    circuit = circuits.circuits(tx).get(name) or circuits.closed(name)
    pulls = [
        {key: row[key] for key in ("object", "cursor", "pulled_at", "next_pull_at", "full_at")}
        | {"backfill": _backfill(row, state)}
        for row in map(dict, cursors.all_cursors(tx))
        if row["connection"] == name
    ]
    registered = subscriptions.rows(tx).get(name)
    refused = sum(one.count for one in notices.counts(tx, name) if one.outcome == "refused")
    about = ("status", "url", "expires_at", "attempts", "error")
    shown = ("status", "reason", "failures", "last_error", "last_ok_at", "changed_at")
    return {
        "name": name,
        "connector": snapshot.workspace.connections[name].connector,
        **{key: state.get(key) for key in shown},
        "status": state.get("status", "active"),
        "failures": state.get("failures", 0),
        "circuit": {
            "state": circuit.state,
            "trips": circuit.trips,
            "until": circuit.until,
            "why": circuit.why if circuit.trips else None,
        },
        "limited_until": circuit.limited_until,
        "subscription": {key: registered[key] for key in about} if registered else None,
        "deliveries": proving(snapshot, name),
        "unsigned": proving(snapshot, name) == "unsigned",
        "capturing": name in flow.capturing(tx, snapshot),
        "capture_until": running.capture_until(tx).get(name),
        "webhook_trouble": lacking.open_ones(tx, [name]).get(name),
        "last_delivery_at": delivered.last_received(tx, [name]).get(name),
        "pulls": pulls,
        "refused": refused,
        "refusals": refusals(tx, name),
    }


def refusals(tx: Any, name: str, limit: int = 5) -> list[dict[str, Any]]:
    """The last refused requests, with what to do about each."""
    from hub.refusals import remedy
    from hub.store import notices

    shown = ("at", "code", "part", "reason", "method", "path", "size", "remote", "headers")
    return [
        {key: row[key] for key in shown} | {"remedy": remedy(name, row)}
        for row in notices.of(tx, name, outcome="refused", limit=limit)
    ]


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


@connections.command(
    "capture",
    epilog=example(
        "hub connections capture crm --for 2h",
        "hub connections capture crm --stop",
    ),
)
def capture(
    name: Name,
    lasting: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long: 15m, 2h, 1d.")
    ] = "1h",
    stop: Annotated[bool, typer.Option("--stop", help="Process deliveries again.")] = False,
    json: Json = False,
) -> None:
    """Have a connection's deliveries stored and not processed for a while, as samples.

    What was captured is processed later with: hub deliveries replay --status captured
    """
    from hub.cli.moments import span_of
    from hub.flow import connections as flow
    from hub.store import delivered, running
    from hub.store.delivered import Narrow

    span = None if stop else span_of("--for", lasting)
    _steer(name, lambda unit: flow.capture(unit, name, span), json=json)
    if json:
        return
    with reading() as (_, tx):
        until = running.capture_until(tx).get(name)
        narrow = Narrow(name, "captured", not_replayed=True)
        waiting = delivered.pick(tx, narrow, upto=delivered.newest(tx)).count
    if span:
        typer.echo(f"Deliveries are stored and not processed {said_until(until)}.")
        return
    typer.echo("Deliveries are processed again as they come.")
    if waiting:
        many = (
            "1 captured delivery waits" if waiting == 1 else f"{waiting} captured deliveries wait"
        )
        typer.echo(
            f"{many}. Process with: hub deliveries replay --connection {name} --status captured"
        )


@connections.command(
    "schema",
    epilog=example("hub connections schema crm", "hub connections schema crm opportunity --json"),
)
def schema(
    name: Name,
    object: Annotated[
        str | None, typer.Argument(metavar="OBJECT", help="Only this one, with all its fields.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the fields an account has, what maps each, and what changed when."""
    from hub.flow.shown_schema import shown
    from hub.store import schemas

    with reading() as (hub, tx):
        snapshot = having(hub, name)
        rows = schemas.rows(tx, name)
        found = [
            shown(snapshot, row)
            for (_, of), row in sorted(rows.items())
            if object is None or of == object
        ]
    if json:
        print_json(found)
        return
    if not found:
        known = ", ".join(sorted(of for _, of in rows)) or "none yet"
        fail(
            f"No fields of {object or 'anything'} in '{name}' are known. Objects: {known}."
            " A running hub asks the account after hub apply and once a day."
        )
    for one in found:
        typer.echo(f"{one['object']}, last asked {cell(one['seen_at'])}")
        mapped = [row for row in one["fields"] if object or row["maps"] or row["trouble"]]
        columns = ("name", "type", "label", "maps", "place", "trouble")
        print_table(columns, [[row[key] for key in columns] for row in mapped], empty="None.")
        if object is None and len(mapped) < len(one["fields"]):
            left = len(one["fields"]) - len(mapped)
            command = f"hub connections schema {name} {one['object']}"
            note(f"{left} more that no mapping reads: {command}")
        if one["changes"]:
            typer.echo("What changed, the newest first")
            told = ("at", "field", "what")
            print_table(told, [[row[key] for key in told] for row in one["changes"][:20]])
        typer.echo("")


connections.command(
    "authorize",
    epilog=example("hub connections authorize mail", "hub connections authorize crm --no-browser"),
)(authorize)


@connections.command("check", epilog=example("hub connections check github"))
def check(name: Name, json: Json = False) -> None:
    """Ask a tool whether our credentials work."""
    from connectors.sdk import ConnectorError
    from hub.flow import connections as flow
    from hub.store import delivered

    error = None
    with opened() as hub:
        try:
            having(hub, name).connector(name).check()
            flow.note_check(hub, name)
        except ConnectorError as found:
            error = str(found)
        offers = having(hub, name).offers(name).values()
        receives_only = not any(one.pull or one.fetch or one.find or one.push for one in offers)
        with hub.database.read() as tx:
            refused = refusals(tx, name, 1)
            last = delivered.last_received(tx, [name]).get(name)
    if json:
        print_json({"name": name, "ok": error is None, "error": error, "refusals": refused})
    elif error is None and receives_only:
        came = f"the last delivery came {cell(last)}" if last else "no delivery has come yet"
        typer.echo(f"{name} receives only, so there is nobody to ask; {came}.")
    elif error is None:
        typer.echo(f"{name} answers, and the credentials work.")
    if refused and not json:
        one = refused[0]
        why = one["reason"] or one["code"].replace("_", " ")
        note(f"Its last refused delivery came {cell(one['at'])}: {why} {one['remedy']}".rstrip())
    if error is not None:
        fail(error)
