"""Commands on where a task or an item lives: link, unlink, and merging two that are one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from hub.cli.output import Id, Json, Limit, example, fail, note, print_json, print_table
from hub.cli.people import Person
from hub.cli.session import ACTOR, opened, party_named, reading
from hub.cli.work import items, tasks

app = typer.Typer()
"""Nothing by itself: its commands are those of tasks and items."""

Where = Annotated[str, typer.Argument(metavar="CONNECTION", help="As hub.yaml has it.")]
There = Annotated[str, typer.Argument(metavar="EXTERNAL_ID", help="The record's id there.")]
Object = Annotated[str | None, typer.Option(help="Its kind of record, if several will do.")]
Again = Annotated[
    bool, typer.Option("--relink", help="Even if it is linked to another record there.")
]
New = Annotated[
    bool,
    typer.Option("--new", help="Have the record become one of its own; else it is left alone."),
]
Into = Annotated[str, typer.Option(help="The id of the one that stays.")]


@tasks.command(
    "link",
    epilog=example(
        "hub tasks link tsk_01k… tracker R7", "hub tasks link tsk_01k… crm 500X --relink"
    ),
)
def link_task(
    id: Id, connection: Where, external_id: There, object: Object = None, relink: Again = False,
    person: Person = None, json: Json = False,
) -> None:  # fmt: skip
    """Link a task to a record of a tool. Neither side is overwritten unasked."""
    _link("task", id, connection, external_id, object, person, relink=relink, json=json)


@items.command("link", epilog=example("hub items link itm_01k… crm 006X"))
def link_item(
    id: Id, connection: Where, external_id: There, object: Object = None, relink: Again = False,
    person: Person = None, json: Json = False,
) -> None:  # fmt: skip
    """Link an item to a record of a tool. Neither side is overwritten unasked."""
    _link("item", id, connection, external_id, object, person, relink=relink, json=json)


@tasks.command(
    "unlink",
    epilog=example("hub tasks unlink tsk_01k… tracker", "hub tasks unlink tsk_01k… tracker --new"),
)
def unlink_task(
    id: Id, connection: Where, new: New = False, person: Person = None, json: Json = False
) -> None:
    """Unlink a task from a tool. The record there stays as it is, and is left alone."""
    _unlink("task", id, connection, person, new=new, json=json)


@items.command("unlink", epilog=example("hub items unlink itm_01k… crm"))
def unlink_item(
    id: Id, connection: Where, new: New = False, person: Person = None, json: Json = False
) -> None:
    """Unlink an item from a tool. The record there stays as it is, and is left alone."""
    _unlink("item", id, connection, person, new=new, json=json)


@tasks.command("merge", epilog=example("hub tasks merge tsk_01k… --into tsk_01j…"))
def merge_task(id: Id, into: Into, person: Person = None, json: Json = False) -> None:
    """Merge a task into another one: links, comments and all else go along."""
    _merge("task", id, into, person, json=json)


@items.command("merge", epilog=example("hub items merge itm_01k… --into itm_01j…"))
def merge_item(id: Id, into: Into, person: Person = None, json: Json = False) -> None:
    """Merge an item into another one: links and all else go along."""
    _merge("item", id, into, person, json=json)


@tasks.command(
    "unlinked", epilog=example("hub tasks unlinked", "hub tasks unlinked --connection crm --json")
)
def list_unlinked(
    connection: Annotated[str | None, typer.Option(help="Only those of this connection.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List the records, of items too, that were unlinked and are left alone."""
    from hub.store import sameness

    with reading() as (_, tx):
        rows = sameness.left_alone(tx, connection, limit)
    names = ("connection", "object", "external_id", "entity_id", "at")
    if json:
        print_json([{name: row[name] for name in names} for row in rows])
        return
    print_table(names, [[row[name] for name in names] for row in rows], empty="None is left alone.")


# ----------------------------------------------------------------------------------------- acting


def _link(
    kind: str, id: str, connection: str, external_id: str, object: str | None,
    person: str | None, *, relink: bool, json: bool,
) -> None:  # fmt: skip
    from hub.flow import linking

    def act(unit: Any, entity: dict[str, Any]) -> str:
        if relink:
            linking.relink(unit, kind, entity, connection, object, external_id)
        else:
            linking.check_free(unit, entity, connection)
            linking.link_record(unit, kind, entity, connection, object, external_id)
        return str(entity["id"])

    _act(kind, id, person, act, "Linked; a running hub reads the record at once.", json=json)


def _unlink(
    kind: str, id: str, connection: str, person: str | None, *, new: bool, json: bool
) -> None:
    from hub.flow import linking

    def act(unit: Any, entity: dict[str, Any]) -> str:
        linking.unlink(unit, kind, entity, connection, "new" if new else "leave")
        return str(entity["id"])

    what = "it becomes one of its own" if new else "it is left alone until it is linked again"
    _act(kind, id, person, act, f"Unlinked; the record stays there, and {what}.", json=json)


def _merge(kind: str, id: str, into: str, person: str | None, *, json: bool) -> None:
    from hub.flow.merging import merge_entities

    def act(unit: Any, entity: dict[str, Any]) -> str:
        return str(merge_entities(unit, kind, id, into)["id"])

    _act(kind, id, person, act, f"Merged into {into}.", json=json)


def _act(
    kind: str, id: str, person: str | None, act: Callable[[Any, dict[str, Any]], str], said: str,
    *, json: bool,
) -> None:  # fmt: skip
    from hub import present
    from hub.process.answers import Refused
    from hub.store import sameness, work
    from hub.unit import person_actor

    with opened() as hub:
        try:
            with hub.unit() as unit:
                key = party_named(hub, unit.tx, person)
                actor = person_actor(work.load(unit.tx, "party", [key])[key]) if key else ACTOR
                there = sameness.answers_for(unit.tx, id)
                entity = work.load(unit.tx, kind, [there], lock=True).get(there)
                if entity is None:
                    raise LookupError(f"There is no {kind} {id}. See: hub {kind}s")
                with unit.acting(actor):
                    there = act(unit, entity)
        except Refused as refused:
            fail(str(refused))
        hub.wake("bring_in")
        with hub.database.read() as tx:
            rows = list(work.load(tx, kind, [there]).values())
            found = present.tasks(tx, rows) if kind == "task" else present.items(tx, rows)
    if json:
        print_json(found[0])
    else:
        note(said)
