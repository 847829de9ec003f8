"""Commands for who is who in the tools."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli.output import (
    Json,
    Limit,
    example,
    fail,
    group,
    note,
    print_json,
    print_table,
)
from hub.cli.session import ACTOR, having, opened, party_named, reading

PANEL = "Look and act"
app = typer.Typer()
people = group(
    "Who is who in the tools: by which names, how we know, and who is still unknown.",
    "hub people",
    "hub people --unknown",
    "hub people is dana --in github --called dmeier",
)
app.add_typer(people, name="people", rich_help_panel=PANEL)

In = Annotated[str, typer.Option("--in", metavar="CONNECTION", help="The tool.")]
Called = Annotated[
    str, typer.Option("--called", metavar="NAME", help="Their id, login or address there.")
]
By = Annotated[
    str | None, typer.Option(help="Who says so: a key in people.yaml; else this machine.")
]
_EVIDENCE = {
    "identities": "people.yaml",
    "email": "e-mail address",
    "external": "an outsider's record",
    "person": "a person said so",
}


@people.command("list", epilog=example("hub people list --in jira", "hub people list --unknown"))
def list_people(
    connection: Annotated[
        str | None, typer.Option("--in", metavar="CONNECTION", help="Only this tool's users.")
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Only those whom nobody knows, or who are disputed.")
    ] = False,
    limit: Limit = 200,
    json: Json = False,
) -> None:
    """List the users of the tools, who each is, and how we know."""
    from hub.store import accounts

    with reading() as (hub, tx):
        if connection is not None:
            having(hub, connection)
        rows = accounts.listed(tx, connection=connection, unknown=unknown, limit=limit)
        if not unknown:
            rows += _only_written(hub, tx, connection)
        found = _told(tx, rows)
    _print(found, json=json, empty="There are none.")


@people.command("who", epilog=example("hub people who dana", "hub people who dmeier"))
def who(
    name: Annotated[
        str, typer.Argument(help="One of ours (key, address or id), or a name in a tool.")
    ],
    json: Json = False,
) -> None:
    """Show what somebody is called in each tool; or who is called so in them."""
    from hub.store import accounts

    with reading() as (hub, tx):
        written = _only_written(hub, tx, None)
        try:
            party = party_named(hub, tx, name)
        except LookupError:
            party = None
        if party is not None:
            rows = accounts.of_parties(tx, [party]).get(party, [])
            rows += [one for one in written if one["party"] == party]
        else:
            wanted = name.strip().lower()
            rows = [
                row
                for connection in hub.live.current().workspace.connections
                for row in accounts.bearing(tx, connection, name)
            ]
            rows += [one for one in written if wanted in one["names"]]
            if not rows:
                fail(f"nobody is called '{name}', here or in a tool. See: hub people")
        found = _told(tx, rows)
    _print(found, json=json, empty=f"No tool's account of '{name}' is known.")


@people.command("is", epilog=example("hub people is dana --in github --called dmeier"))
def identify(
    person: Annotated[str, typer.Argument(help="One of ours: a key, an address or an id.")],
    connection: In,
    called: Called,
    by: By = None,
    json: Json = False,
) -> None:
    """Say who somebody is in a tool. What waited for that goes on by itself."""
    from hub.flow import people as flow
    from hub.store import work

    with opened() as hub:
        with hub.unit() as unit:
            id = str(party_named(hub, unit.tx, person))
            party = work.load(unit.tx, "party", [id])[id]
            with unit.acting(_actor(hub, unit.tx, by)):
                account = flow.identify(unit, connection, called, party)
        with hub.database.read() as tx:
            found = _told(tx, [account])
        hub.wake("drain")
    if json:
        print_json(found[0])
    else:
        note(f"{party['name']} is '{called}' in {connection}.")


@people.command("not", epilog=example("hub people not --in github --called dmeier"))
def unidentify(connection: In, called: Called, by: By = None, json: Json = False) -> None:
    """Take back who somebody is in a tool; or say that an account is not whom its address speaks
    for.
    """
    from hub.flow import people as flow

    with opened() as hub:
        with hub.unit() as unit, unit.acting(_actor(hub, unit.tx, by)):
            try:
                account = flow.unidentify(unit, connection, called)
            except ValueError as error:
                fail(str(error))
        with hub.database.read() as tx:
            found = _told(tx, [account])
    if json:
        print_json(found[0])
    else:
        note(f"'{called}' in {connection}: {found[0]['name'] or 'nobody knows who it is'}.")


def _actor(hub: Any, tx: Any, by: str | None) -> Any:
    from hub.store import work
    from hub.unit import person_actor

    id = party_named(hub, tx, by)
    return person_actor(work.load(tx, "party", [id])[id]) if id else ACTOR


def _only_written(hub: Any, tx: Any, connection: str | None) -> list[dict[str, Any]]:
    """Who people.yaml says is who where the tool's own users tell nothing of it."""
    from hub.store import accounts

    snapshot, found = hub.live.current(), []
    for name, handles in snapshot.workspace.identities.items():
        if connection not in (None, name):
            continue
        for key, handle in handles.items():
            known = snapshot.roster.handle_of_name(name, str(handle).lower())
            if known is None and key in snapshot.parties:
                row = accounts.new(name, "", str(handle))
                row |= {"names": [str(handle).lower()], "evidence": "identities"}
                found.append(row | {"party": snapshot.parties[key]["id"]})
    return found


def _told(tx: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Accounts with the name of who each is."""
    from hub.store import work

    parties = work.load(tx, "party", {row["party"] for row in rows if row["party"]})
    return [
        {
            "party": row["party"],
            "name": parties[row["party"]]["name"] if row["party"] in parties else None,
            **{
                name: row[name]
                for name in (
                    "connection", "object", "external_id", "handle", "names", "title", "email",
                    "active", "evidence", "disputed",
                )
            },
        }
        for row in rows
    ]  # fmt: skip


def _print(found: list[dict[str, Any]], *, json: bool, empty: str) -> None:
    if json:
        print_json(found)
        return
    print_table(
        ("who", "in", "called", "shown as", "known by"),
        [
            (
                one["name"] or "?",
                one["connection"],
                one["handle"] or one["external_id"],
                one["title"] or one["email"] or "",
                _how(one),
            )
            for one in found
        ],
        empty=empty,
    )


def _how(one: dict[str, Any]) -> str:
    known = _EVIDENCE.get(one["evidence"] or "", "")
    if one["party"] is None:
        known = "a person said: nobody of ours" if one["evidence"] == "person" else ""
    more = []
    if one["disputed"] and one["party"]:
        more.append(f"{one['disputed']} speaks for somebody else")
    if not one["active"]:
        more.append("deactivated there")
    return ", ".join([*([known] if known else []), *more]) or "nobody knows"
