"""Commands for what a person must look at: exceptions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli.output import (
    Id,
    Json,
    Limit,
    chosen,
    example,
    group,
    note,
    one_of,
    plain,
    print_details,
    print_json,
    print_table,
)
from hub.cli.session import ACTOR, opened, party_named, reading

PANEL = "Look and act"
app = typer.Typer()
exceptions = group(
    "Exceptions: what a person must look at, the newest first.",
    "hub exceptions",
    'hub exceptions waive exc_01k… --comment "known, harmless"',
)
app.add_typer(exceptions, name="exceptions", rich_help_panel=PANEL)

Comment = Annotated[str | None, typer.Option(help="Why; kept with it.")]
Person = Annotated[
    str | None, typer.Option(help="Who does this: a key in people.yaml; else this machine.")
]


# ------------------------------------------------------------------------------------- exceptions


@exceptions.command(
    "list", epilog=example("hub exceptions list --type sync_conflict", "hub exceptions --json")
)
def list_exceptions(
    status: Annotated[
        str, typer.Option(help="open (acknowledged ones too), resolved, waived or all.")
    ] = "open",
    type: Annotated[str | None, typer.Option(help="sync_conflict, push_failed, overdue, …")] = None,
    owner: Annotated[str | None, typer.Option(help="Only those that this person has.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only those about this id.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List exceptions; without a status, the open ones."""
    from hub import present
    from hub.store import exceptions as store
    from mappings.states import ExceptionStatus, ExceptionType

    one_of("--status", status, [*ExceptionStatus, "all"])
    one_of("--type", type, list(ExceptionType))
    with reading() as (hub, tx):
        rows = store.list_exceptions(
            tx,
            status=None if status == "all" else status,
            type=type,
            subject=subject,
            owner=party_named(hub, tx, owner),
            limit=limit,
        )
        found = present.exceptions(tx, [dict(row) for row in rows])
    if json:
        print_json(found)
        return
    names = ("id", "severity", "type", "title", "owner", "status", "opened_at", "subject")
    print_table(names, [chosen(one, names) for one in found], empty="No such exceptions.")


@exceptions.command("show", epilog=example("hub exceptions show exc_01k…"))
def show_exception(id: Id, json: Json = False) -> None:
    """Show one exception."""
    with reading() as (_, tx):
        found = _exception(tx, id)
    if json:
        print_json(found)
    else:
        print_details(found)


@exceptions.command(
    "resolve",
    epilog=example(
        'hub exceptions resolve exc_01k… --comment "called them"',
        "hub exceptions resolve exc_01k… --choose theirs",
        "hub exceptions resolve exc_01k… --is dana",
    ),
)
def resolve(
    id: Id,
    choose: Annotated[
        str | None,
        typer.Option(
            help="For a sync conflict: ours, theirs, or another value."
            " For a duplicate: the id of the other, or separate."
        ),
    ] = None,
    who: Annotated[
        str | None,
        typer.Option("--is", metavar="PERSON", help="Who it is that a tool names: one of ours."),
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="What one of ours is called in a tool that we cannot tell.")
    ] = None,
    comment: Comment = None,
    person: Person = None,
    json: Json = False,
) -> None:
    """Close an exception as settled, and do what that means."""
    from hub.process import exceptions as process

    choice = process.Choice(choose) if choose is not None else None

    def act(unit: Any, actor: Any) -> None:
        process.resolve(
            unit, id, actor, comment=comment, choice=choice, account=account,
            person=_party(unit.tx, who),
        )  # fmt: skip

    _close(id, person, act, json=json)


@exceptions.command(
    "waive", epilog=example('hub exceptions waive exc_01k… --comment "known, harmless"')
)
def waive(
    id: Id,
    comment: Annotated[str, typer.Option(help="Why it may stay as it is; required.")],
    person: Person = None,
    json: Json = False,
) -> None:
    """Close an exception as accepted for what it is."""
    from hub.process import exceptions as process

    _close(id, person, lambda unit, actor: process.waive(unit, id, actor, comment), json=json)


@exceptions.command("retry", epilog=example("hub exceptions retry exc_01k…"))
def retry(id: Id, comment: Comment = None, person: Person = None, json: Json = False) -> None:
    """Try again what failed, once its cause is mended, and close the exception."""
    from hub.process import exceptions as process

    _close(
        id, person, lambda unit, actor: process.retry(unit, id, actor, comment=comment), json=json
    )


def _party(tx: Any, name: str | None) -> str | None:
    from hub.store import work

    if name is None:
        return None
    found = work.find_party(tx, name)
    if found is None:
        raise LookupError(f"There is nobody called '{name}'. See: hub people")
    return str(found["id"])


def _close(id: str, person: str | None, act: Any, *, json: bool) -> None:
    from hub.store import work
    from hub.unit import person_actor

    with opened() as hub:
        with hub.unit() as unit:
            actor = ACTOR
            key = party_named(hub, unit.tx, person)
            if key:
                actor = person_actor(work.load(unit.tx, "party", [key])[key])
            act(unit, actor)
        with hub.database.read() as tx:
            found = _exception(tx, id)
    if json:
        print_json(found)
    else:
        note(f"{found['status']}: {found['title']}")


def _exception(tx: Any, id: str) -> dict[str, Any]:
    from hub import present
    from hub.store import exceptions as store

    row = store.exception(tx, id)
    if row is None:
        raise LookupError(f"There is no exception {id}. See: hub exceptions")
    found: dict[str, Any] = plain(present.exceptions(tx, [dict(row)])[0])
    return found
