"""Commands that show where work stands: tasks, items and cases, and why a value is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.cli.output import (
    Id,
    Json,
    Limit,
    cell,
    chosen,
    example,
    fail,
    group,
    one_of,
    plain,
    print_details,
    print_json,
    print_table,
)
from hub.cli.session import ACTOR, opened, party_named, reading

PANEL = "Look and act"
app = typer.Typer()
tasks = group("Tasks, last changed first.", "hub tasks --overdue", "hub tasks show tsk_01k…")
items = group("Items: deals, orders, invoices.", "hub items --kind deal", "hub items show itm_01k…")
cases = group("Cases, last started first.", "hub cases", "hub cases show cas_01k…")
for _name, _group in (("tasks", tasks), ("cases", cases), ("items", items)):
    app.add_typer(_group, name=_name, rich_help_panel=PANEL)

Connection = Annotated[str | None, typer.Option(help="Only those linked to this connection.")]
Text = Annotated[str | None, typer.Option("--q", "-q", help="Only those that contain this text.")]
Who = Annotated[str | None, typer.Option(help="A person's key, address or id.")]
Remote = Annotated[str | None, typer.Option(help="The tool's id of the record.")]
Object = Annotated[str | None, typer.Option(help="The tool's kind of record.")]


# ------------------------------------------------------------------------------------------ tasks


@tasks.command(
    "list",
    epilog=example("hub tasks list --assignee dana --status open", "hub tasks --overdue --json"),
)
def list_tasks(
    status: Annotated[
        str | None, typer.Option(help="open, in_progress, on_hold, done or cancelled.")
    ] = None,
    assignee: Who = None,
    accountable: Who = None,
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    waiting_on: Annotated[str | None, typer.Option(help="internal, external or system.")] = None,
    connection: Connection = None,
    object: Object = None,
    external_id: Remote = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those past their due.")] = False,
    q: Text = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List tasks."""
    from hub import present
    from hub.store import work
    from mappings.states import TaskStatus, WaitingOn

    one_of("--status", status, list(TaskStatus))
    one_of("--waiting-on", waiting_on, list(WaitingOn))
    with reading() as (hub, tx):
        narrow = work.WorkFilter(
            connection=connection,
            object=object,
            external_id=external_id,
            status=status,
            assignee=party_named(hub, tx, assignee),
            accountable=party_named(hub, tx, accountable),
            case=case,
            waiting_on=waiting_on,
            overdue=True if overdue else None,
            q=q,
        )
        found = present.tasks(tx, work.search(tx, "task", narrow, hub.clock(), limit=limit))
    if json:
        print_json(found)
        return
    names = ("id", "status", "title", "assignee", "accountable", "due", "waiting_on")
    print_table(names, [chosen(one, names) for one in found], empty="No such tasks.")


@tasks.command("show", epilog=example("hub tasks show tsk_01k…"))
def show_task(id: Id, json: Json = False) -> None:
    """Show one task with its comments."""
    from hub import present
    from hub.store import work

    with reading() as (_, tx):
        task = present.tasks(tx, [_row(tx, "task", id)])[0]
        comments = present.comments(tx, [dict(one) for one in work.comments_of(tx, task.id)])
    if json:
        print_json({**plain(task), "comments": comments})
        return
    print_details(_without_links(plain(task)))
    _print_links(plain(task))
    for comment in comments:
        who = comment.author.name if comment.author else "somebody"
        gone = [link.connection for link in comment.links if link.remote_deleted]
        marks = ", ".join([comment.visibility, *(f"deleted in {name}" for name in gone)])
        typer.echo(f"\n{cell(comment.created_at)}  {who} ({marks})\n{comment.body}")


@tasks.command("delete", epilog=example("hub tasks delete tsk_01k…", "hub tasks delete ID --yes"))
def delete_task(
    id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete a task, also in tools whose mapping says `deletes: {out: delete}`.

    Its history stays. In other tools its record stays as it is, and makes no new task here.
    """
    from hub.process import deleting
    from hub.store import work

    with reading() as (_, tx):
        held = _row(tx, "task", id)
    id, title = held["id"], held["title"]
    if not yes and (json or not typer.confirm(f"Delete '{title}'?", err=True)):
        fail("nothing was deleted. Add --yes if you are sure.", 2)
    with opened() as hub, hub.unit() as unit, unit.acting(ACTOR):
        task = work.load(unit.tx, "task", [id], lock=True).get(id)
        if task is None:
            raise LookupError(f"There is no task {id}. See: hub tasks")
        there = deleting.delete_task(unit, task)
    if json:
        print_json({"deleted": id, "deletes_in": there})
    else:
        typer.echo(
            f"Deleted. A running hub deletes it in {', '.join(there)}."
            if there
            else "Deleted here."
        )


# ------------------------------------------------------------------------------------------ items


@items.command("list", epilog=example("hub items list --kind deal", "hub items -q Acme --json"))
def list_items(
    kind: Annotated[str | None, typer.Option(help="deal, order, invoice, …")] = None,
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    connection: Connection = None,
    object: Object = None,
    external_id: Remote = None,
    q: Text = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List items."""
    from hub import present
    from hub.store import work

    narrow = work.WorkFilter(
        connection=connection, object=object, external_id=external_id, kind=kind, case=case, q=q
    )
    with reading() as (hub, tx):
        found = present.items(tx, work.search(tx, "item", narrow, hub.clock(), limit=limit))
    if json:
        print_json(found)
        return
    names = ("id", "kind", "stage", "title", "amount", "owner", "date")
    print_table(names, [chosen(one, names) for one in found], empty="No such items.")


@items.command("show", epilog=example("hub items show itm_01k…"))
def show_item(id: Id, json: Json = False) -> None:
    """Show one item."""
    from hub import present

    with reading() as (_, tx):
        item = plain(present.items(tx, [_row(tx, "item", id)])[0])
    if json:
        print_json(item)
        return
    print_details(_without_links(item))
    _print_links(item)


# ------------------------------------------------------------------------------------------ cases


@cases.command(
    "list",
    epilog=example("hub cases list --health overdue", "hub cases --process onboarding --json"),
)
def list_cases(
    status: Annotated[
        str | None, typer.Option(help="active, suspended, completed or terminated.")
    ] = None,
    process: Annotated[str | None, typer.Option(help="Only those of this process.")] = None,
    health: Annotated[
        str | None, typer.Option(help="on_track, at_risk, overdue or blocked.")
    ] = None,
    q: Text = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List cases."""
    from hub import present
    from hub.store import cases as store
    from mappings.states import CaseStatus, Health

    one_of("--status", status, list(CaseStatus))
    one_of("--health", health, list(Health))
    with reading() as (_, tx):
        found = present.cases(
            tx,
            store.list_cases(tx, status=status, process=process, health=health, q=q, limit=limit),
        )
    if json:
        print_json(found)
        return
    names = ("id", "process", "status", "health", "title", "accountable", "due")
    print_table(names, [chosen(one, names) for one in found], empty="No such cases.")


@cases.command("show", epilog=example("hub cases show cas_01k…"))
def show_case(id: Id, json: Json = False) -> None:
    """Show one case: its steps, who has each, and what happened."""
    from hub import present
    from hub.process.clock_view import with_clocks
    from hub.store import cases as store
    from hub.store import events

    with reading() as (hub, tx):
        row = store.load(tx, [id]).get(id)
        if row is None:
            raise LookupError(f"There is no case {id}. See: hub cases")
        case = plain(with_clocks(tx, present.cases(tx, [row])[0], hub.clock()))
        timeline = [
            present.event(dict(one))
            for one in events.of(tx, case=id, limit=500, newest_first=False)
        ]
    if json:
        print_json({**case, "timeline": timeline})
        return
    print_details(
        {name: value for name, value in case.items() if name not in ("steps", "links", "tasks")}
    )
    typer.echo("")
    names = ("key", "run", "type", "status", "title", "responsible", "due", "task", "decision")
    print_table(names, [chosen(step, names) for step in case["steps"]], empty="No steps.")
    typer.echo("")
    print_table(
        ("time", "event", "subject", "by"),
        [(one.time, one.type, one.subject, plain(one.actor)) for one in timeline],
    )


def _row(tx: Any, kind: str, id: str) -> Mapping[str, Any]:
    from hub.store import sameness, work

    there = sameness.answers_for(tx, id)  # of one that was merged, the one it was merged into
    row = work.load(tx, kind, [there]).get(there)
    if row is None:
        raise LookupError(f"There is no {kind} {id}. See: hub {kind}s")
    return row


def _without_links(entity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entity.items() if name != "links"}


def _print_links(entity: Mapping[str, Any]) -> None:
    if entity["links"]:
        typer.echo("")
        names = ("connection", "object", "external_id", "url", "remote_deleted")
        print_table(names, [chosen(one, names) for one in entity["links"]])
