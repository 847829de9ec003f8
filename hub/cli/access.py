"""Commands for administrators: tokens and secrets."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Annotated, Any

import typer

from hub.cli.output import Json, example, fail, group, note, one_of, print_json, print_table
from hub.cli.session import opened, reading

PANEL = "Administer"
app = typer.Typer()
token = group(
    "API tokens. Each is shown once, when it is created.",
    "hub token create --role operator --name ci",
    "hub token list",
    listing=False,
)
secret = group(
    "Secrets that hub.yaml names as secret:NAME, stored encrypted.",
    "hub secret set github-token < token.txt",
    "hub secret list",
    listing=False,
)
for _name, _group in (("token", token), ("secret", secret)):
    app.add_typer(_group, name=_name, rich_help_panel=PANEL)

_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


# ----------------------------------------------------------------------------------------- tokens


@token.command(
    "create",
    epilog=example(
        "hub token create --role operator --name ci",
        "hub token create --role member --name dana-laptop --person dana --days 90 --json",
    ),
)
def create(
    role: Annotated[str, typer.Option(help="admin, operator, member or assistant.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    person: Annotated[
        str | None, typer.Option(help="Key in people.yaml; such a token can decide and accept.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="How long it is good; else until revoked.", min=1)
    ] = None,
    json: Json = False,
) -> None:
    """Create an API token and print it, for the only time."""
    from hub import identity

    one_of("--role", role, identity.ROLES)
    if role == "assistant" and person is not None:
        fail("an assistant stands for nobody. Leave --person out, or choose another role.", 2)
    lifetime = timedelta(days=days) if days else None
    with opened() as hub:
        id, made = identity.create_token(hub, role, name, person, lifetime)
    if json:
        print_json({"id": id, "token": made})
    else:
        typer.echo(made)
        note(f"This is {id}. Keep it now: it is not shown again.")


@token.command("list", epilog=example("hub token list", "hub token list --json"))
def list_tokens(json: Json = False) -> None:
    """List the API tokens, without anything secret."""
    from hub import present
    from hub.store import access

    with reading() as (_, tx):
        rows = access.list_tokens(tx)
        people = present.Parties(tx, (row["party"] for row in rows))
        names = ("id", "name", "role", "person", "created_at", "expires_at")
        found: list[dict[str, Any]] = []
        for row in rows:
            person = people.get(row["party"])
            shown = {**row, "person": person.name if person else None}
            found.append({name: shown[name] for name in names})
    if json:
        print_json(found)
    else:
        print_table(names, [list(row.values()) for row in found], empty="No tokens yet.")


@token.command("revoke", epilog=example("hub token revoke tok_01k…"))
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="As hub token list shows it.")],
    json: Json = False,
) -> None:
    """Make a token worthless at once."""
    from hub.store import access

    with opened() as hub, hub.database.write() as tx:
        if id not in {row["id"] for row in access.list_tokens(tx)}:
            raise LookupError(f"There is no token {id}. See: hub token list")
        access.revoke(tx, id)
    if json:
        print_json({"id": id, "revoked": True})
    else:
        typer.echo(f"{id} is revoked.")


# ---------------------------------------------------------------------------------------- secrets


@secret.command(
    "set",
    epilog=example("hub secret set github-token < token.txt", "hub secret set github-token"),
)
def set_secret(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in secret:NAME.")],
    json: Json = False,
) -> None:
    """Store a secret. Its value comes from standard input, or is asked for without showing it."""
    from hub.store import access

    if not _SECRET_NAME.fullmatch(name):
        fail(f"'{name}' cannot be a secret's name. Use letters, digits, dots and dashes.", 2)
    if sys.stdin.isatty():
        value = typer.prompt(name, hide_input=True, err=True)
    else:
        value = sys.stdin.read().rstrip("\r\n")
    if not value:
        fail("the value is empty; nothing was stored. Give it on standard input.")
    with opened() as hub, hub.database.write() as tx:
        access.put_secret(tx, hub.settings.secret_key, name, value, hub.clock())
    if json:
        print_json({"name": name})
    else:
        typer.echo(f"Stored. Write secret:{name} where hub.yaml needs it.")


@secret.command("list", epilog=example("hub secret list", "hub secret list --json"))
def list_secrets(json: Json = False) -> None:
    """List the names of the stored secrets; their values are never shown."""
    from hub.store import access

    with reading() as (_, tx):
        found = [{"name": name} for name in access.secret_names(tx)]
    if json:
        print_json(found)
    else:
        print_table(("name",), [[one["name"]] for one in found], empty="No secrets yet.")
