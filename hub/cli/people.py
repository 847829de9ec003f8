"""Commands for what waits for a person: decisions and exceptions."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.cli.output import (
    Id,
    Json,
    Limit,
    chosen,
    example,
    fail,
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
decisions = group(
    "Decisions that people are asked for, the newest first.",
    "hub decisions --open",
    "hub decisions decide dec_01k… approved --person lee",
)
exceptions = group(
    "Exceptions: what a person must look at, the newest first.",
    "hub exceptions",
    'hub exceptions waive exc_01k… --comment "known, harmless"',
)
app.add_typer(decisions, name="decisions", rich_help_panel=PANEL)
app.add_typer(exceptions, name="exceptions", rich_help_panel=PANEL)

Comment = Annotated[str | None, typer.Option(help="Why; kept with it.")]
Person = Annotated[
    str | None, typer.Option(help="Who does this: a key in people.yaml; else this machine.")
]


# -------------------------------------------------------------------------------------- decisions


@decisions.command("list", epilog=example("hub decisions list --open --decider lee"))
def list_decisions(
    open: Annotated[bool, typer.Option("--open", help="Only those that wait.")] = False,
    decider: Annotated[str | None, typer.Option(help="Only those that this person has.")] = None,
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List decisions."""
    from hub import present
    from hub.store import cases

    with reading() as (hub, tx):
        rows = cases.list_decisions(
            tx, case=case, open_only=open, decider=party_named(hub, tx, decider), limit=limit
        )
        found = present.decisions(tx, rows)
        people = present.Parties(tx, (row["decider"] for row in rows))
        deciders = [people.get(row["decider"]) for row in rows]
    if json:
        print_json(found)
        return
    names = ("id", "question", "options", "outcome", "decided_by", "due", "case")
    print_table(
        ("id", "question", "decider", *names[2:]),
        [
            [one.id, one.question, plain(who), *chosen(one, names[2:])]
            for one, who in zip(found, deciders, strict=True)
        ],
        empty="No such decisions.",
    )


@decisions.command("show", epilog=example("hub decisions show dec_01k…"))
def show_decision(id: Id, json: Json = False) -> None:
    """Show one decision: the question, and the evidence as it stands now."""
    with reading() as (_, tx):
        found = _decision(tx, id)
    if json:
        print_json(found)
    else:
        _print_decision(found)


@decisions.command(
    "decide",
    epilog=example(
        "hub decisions decide dec_01k… approved --person lee",
        'hub decisions decide dec_01k… rejected --person lee --comment "no cover" --yes',
    ),
)
def decide(
    id: Id,
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="One of the options.")],
    person: Annotated[str, typer.Option(help="Who decides: a key in people.yaml.")],
    comment: Comment = None,
    yes: Annotated[bool, typer.Option("--yes", help="I have seen the evidence.")] = False,
    json: Json = False,
) -> None:
    """Decide, as a person who works on this machine.

    The evidence is printed and must be confirmed. If it changes before the decision is taken,
    nothing is decided.
    """
    from hub.process import answers
    from hub.store import work

    with opened() as hub:
        with hub.database.read() as tx:
            found = _decision(tx, id)
            key = party_named(hub, tx, person)
            party = work.load(tx, "party", [key])[key] if key else None
        if outcome not in found["options"]:
            fail(f"'{outcome}' is not an option. Options: {', '.join(found['options'])}.", 2)
        if not json:
            _print_decision(found)
        if not yes:
            if json:
                fail("with --json nobody can be asked. Add --yes once you saw the evidence.", 2)
            name = party["name"] if party else person
            typer.confirm(f"Decide '{outcome}' as {name}?", abort=True, err=True)
        with hub.unit() as unit:
            answers.decide(
                unit, id, outcome, party,
                evidence_hash=found["evidence_hash"], comment=comment, channel="cli",
            )  # fmt: skip
        with hub.database.read() as tx:
            found = _decision(tx, id)
    if json:
        print_json(found)
    else:
        typer.echo(f"Decided: {outcome}.")


def _decision(tx: Any, id: str) -> dict[str, Any]:
    """A decision; one that waits shows the evidence of this moment, which it is bound to."""
    from hub import present
    from hub.process import evidence
    from hub.store import cases

    row = cases.decision(tx, id)
    if row is None:
        raise LookupError(f"There is no decision {id}. See: hub decisions")
    if row["outcome"] in (None, "expired"):
        known = evidence.gather(tx, cases.load(tx, [row["case_id"]])[row["case_id"]])
        row |= {"evidence": known, "evidence_hash": cases.evidence_hash(known)}
    found: dict[str, Any] = plain(present.decisions(tx, [row])[0])
    return found


def _print_decision(found: Mapping[str, Any]) -> None:
    print_details({name: value for name, value in found.items() if name != "evidence"})
    typer.echo("evidence")
    text = json_module.dumps(found["evidence"], indent=2, ensure_ascii=False)
    typer.echo("\n".join(f"  {line}" for line in text.splitlines()))


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
