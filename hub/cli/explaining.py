"""The command that says why a value is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.cli.output import Json, Limit, cell, example, plain, print_json
from hub.cli.session import reading
from hub.cli.step_words import short

PANEL = "Look and act"
app = typer.Typer()


@app.command(
    rich_help_panel=PANEL,
    epilog=example(
        "hub explain tsk_01k… status",
        "hub explain github:2451000035 status",
        "hub explain cas_01k… --json",
    ),
)
def explain(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Of a task, item, case, decision, …; or CONNECTION:EXTERNAL_ID."
        ),
    ],
    field: Annotated[
        str | None, typer.Argument(metavar="FIELD", help="One of its fields.", show_default=False)
    ] = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """Say why a value is what it is, the newest change first.

    Each change with the event, who or what made it, the line of the mapping or rule, and what
    caused it. For one field also what the tools say of it now, step by step, when it was last
    written to each, and what is kept aside because it could not be mapped.
    """
    from hub.live import NoWorkspace
    from hub.process import explain as why
    from hub.process.settled import settled

    with reading() as (hub, tx):
        try:
            snapshot = hub.live.current()
        except NoWorkspace:
            snapshot = None
        subject = why.entity_named(tx, id)
        shown = why.fields_of(tx, subject)
        found = why.explain(tx, subject, field, limit, snapshot)
        held = why.held(tx, subject, field)
        over = settled(tx, subject, field)
        said = why.read_from(tx, snapshot, subject, field) if snapshot and field else []
        wrote = why.written(tx, subject, field) if field else []
        people = _people(tx, found, over, wrote)
    if json:
        print_json(found)
        return
    if not found and not held and not said and not over:
        raise LookupError(_nothing(id, subject, field, shown))
    if shown is not None and field is not None:
        name, _, key = field.partition(".")
        value = shown.get(name)
        if key:
            value = (value or {}).get(key)
        typer.echo(f"{field} of '{shown.get('title') or subject}' is {cell(value)}")
    for one in held:
        _print_held(one)
    for one in over:
        _print_settled(one, people)
    for one in said:
        _print_said(one)
    for one in wrote:
        _print_written(one, people)
    for entry in found:
        _print_entry(entry, field, people)


def _nothing(id: str, subject: str, field: str | None, shown: Mapping[str, Any] | None) -> str:
    from mappings.source import did_you_mean

    if field is None:
        return f"There is no event of {id}. Is the id right? See: hub tasks, hub cases"
    if shown is None:
        return f"There is no change of '{field}' of {id}. See all with: hub explain {subject}"
    names = [*shown, *(f"custom.{key}" for key in shown.get("custom") or ())]
    if field in names:
        return (
            f"There is no change of '{field}' of {id}: it is as it began here,"
            f" and no mapping reads it. See all with: hub explain {subject}"
        )
    hint = did_you_mean(field, names)
    return f"There is no change of '{field}' of {id}. {hint}".rstrip()


def _people(
    tx: Any,
    found: list[dict[str, Any]],
    over: list[dict[str, Any]],
    wrote: list[dict[str, Any]],
) -> dict[str, str]:
    """Names of the parties that values name by id."""
    from hub.store import work

    values = [
        value
        for entry in found
        for change in entry["event"].changed.values()
        if isinstance(change, Mapping)
        for value in change.values()
    ]
    values += [
        value
        for entry in found
        for ruling in entry["rulings"].values()
        for value in (ruling.get("ours"), ruling.get("theirs"))
    ]
    values += [one.get("value") for one in wrote]
    values += [value for one in over for value in (*one["lost"].values(), one.get("chosen"))]
    ids = {value for value in values if isinstance(value, str) and value.startswith("pty_")}
    return {id: row["name"] for id, row in work.load(tx, "party", ids).items()}


def _print_held(one: Mapping[str, Any]) -> None:
    if one["type"] == "sync_conflict":
        _line(
            f"! {one['field']} is under review: here {short(one.get('ours'))},"
            f" in {one.get('connection')} {short(one.get('theirs'))}  ({one['exception']})"
        )
        return
    at = f" at {one['mapping']}" if one.get("mapping") else ""
    where = f" ({one['path']})" if one.get("path") else ""
    way = "could not be said to" if one.get("direction") == "out" else "is kept aside from"
    _line(
        f"! {one.get('field')} {way} {one.get('connection')}: {short(one.get('raw'))}{where}{at}"
        f"  ({one['exception']})"
    )
    _line(f"    {one['detail']}")


def _print_settled(one: Mapping[str, Any], people: Mapping[str, str]) -> None:
    who = _actor(one["by"]) if one["by"] else "itself"
    _line(f"{plain(one['at'])}  {one['field']} was settled by {who}: {one['words']}")
    names = {"ours": "here", "theirs": f"in {one['connection']}"}
    for side, value in one["lost"].items():
        _line(f"    not chosen: {names[side]} {_value(value, people)}  ({one['exception']})")


def _print_said(one: Mapping[str, Any]) -> None:
    _line(f"{one['connection']} {one['object']} {one['external_id']} says now, by {one['at']}:")
    for step in one["steps"]:
        given = f"{short(step['input'])} → " if "input" in step else ""
        gave = short(step["output"]) if "output" in step else step.get("state", "")
        error = f"✗ {step['error']}" if "error" in step else ""
        _line(f"    {step['step']}: {given}{gave}{error}".rstrip())
    if "stands_for" in one:
        _line(f"    = the queue there, for {one['stands_for']}, who has no account there")
    elif "problem" in one:
        _line(f"    = no value: {one['problem']}")
    elif "result" in one:
        _line(f"    = {short(one['result'])}")
    else:
        _line("    = left as it is here")


def _print_written(one: Mapping[str, Any], people: Mapping[str, str]) -> None:
    value = f": {_value(one['value'], people)}" if "value" in one else ""
    queue = f", with the queue {one['queued']} in their place" if "queued" in one else ""
    record = f"{one['connection']} {one['object']} {one['external_id']}"
    _line(f"{plain(one['at'])}  last written to {record}{value}{queue}  ({one['push']})")


def _print_entry(entry: Mapping[str, Any], field: str | None, people: Mapping[str, str]) -> None:
    event = plain(entry["event"])
    typer.echo(f"{event['time']}  {event['type']}  by {_actor(entry['actor'])}")
    for name, change in event["changed"].items():
        if field in (None, name):
            change = change if isinstance(change, Mapping) else {"after": change}
            before, after = (_value(change.get(which), people) for which in ("before", "after"))
            at = entry["mapping"].get(name)
            _line(f"    {name}: {before} → {after}" + (f"   mapped at {at}" if at else ""))
    if field is not None and field in entry["mapping"]:
        if field not in event["changed"] and not entry["rulings"]:
            _line(f"    {field} came with it   mapped at {entry['mapping'][field]}")
        for line in entry["lines"].get(field, ()):
            _line(f"        | {line}")
    data = event["data"]
    if event["type"] == "link.moved":
        now = f"{data.get('connection')} {data.get('object')} {data.get('external_id')}"
        _line(f"    its record is now {now}, and was {data.get('former_id')}")
    elif event["type"].endswith(".merged"):
        title = data.get("merged_title")
        _line(f"    '{title}' ({data.get('merged')}) was merged into it; what it was follows")
    if event["type"].startswith("link.") and data.get("matched"):
        _line(f"    recognised by {short(data['matched'])}")
    for name, ruling in entry["rulings"].items():
        won, lost = ("ours", "theirs") if ruling["holds"] == "ours" else ("theirs", "ours")
        _line(
            f"    {name} was changed on both sides: {won} holds by {ruling['rule']};"
            f" {lost} was {_value(ruling[lost], people)}"
        )
    _print_rules(entry["rules"])
    for cause in entry["because"]:
        if cause["kind"] == "event":
            known = plain(cause["event"])
            who = _actor(cause["actor"])
            typer.echo(f"  because of {known['type']} {known['subject']} by {who}  {known['time']}")
            _print_rules(cause["rules"])
        elif cause["kind"] == "delivery":
            received = cell(cause["received_at"])
            typer.echo(f"  because of {cause['id']} from {cause['connection']}  {received}")
        else:
            typer.echo(f"  because of {cause['kind']} {cause['id']}")


def _value(value: Any, people: Mapping[str, str]) -> str:
    return people[value] if isinstance(value, str) and value in people else cell(value)


def _line(text: str) -> None:
    """Text from outside, without what would move the cursor."""
    typer.echo("".join(letter if letter.isprintable() else " " for letter in text))


def _print_rules(rules: list[Mapping[str, Any]]) -> None:
    for rule in rules:
        typer.echo(f"    rule {rule['rule']} at {rule['at']}")


def _actor(actor: Mapping[str, Any]) -> str:
    return f"{actor.get('name') or actor.get('id')} ({actor.get('kind')})"
