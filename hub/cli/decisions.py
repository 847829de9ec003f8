"""Commands for what people are asked to decide: who is asked, who has said what, and deciding."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

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
    note,
    plain,
    print_details,
    print_json,
    print_table,
)
from hub.cli.session import opened, party_named, reading

if TYPE_CHECKING:
    from hub.unit import Unit

PANEL = "Look and act"
app = typer.Typer()
decisions = group(
    "Decisions that people are asked for, the newest first.",
    "hub decisions --open",
    "hub decisions decide dec_01k… approved --person lee",
    "hub decisions delegate dec_01k… --person lee --to dana",
)
app.add_typer(decisions, name="decisions", rich_help_panel=PANEL)

Comment = Annotated[str | None, typer.Option(help="Why; kept with it.")]
Whose = Annotated[str, typer.Option(help="Who does this: a key in people.yaml.")]


@decisions.command(
    "list",
    epilog=example("hub decisions list --open --decider lee", "hub decisions list --mine lee"),
)
def list_decisions(
    open: Annotated[bool, typer.Option("--open", help="Only those that wait.")] = False,
    decider: Annotated[str | None, typer.Option(help="Only those that this person has.")] = None,
    mine: Annotated[
        str | None,
        typer.Option(
            metavar="PERSON", help="Only those in which this person may answer, for others too."
        ),
    ] = None,
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List decisions, with how far each is. One that expired still waits."""
    from hub import present
    from hub.process import exclusion, seating
    from hub.store import cases, work

    with reading() as (hub, tx):
        about, me = None, None
        if mine is not None:
            key = party_named(hub, tx, mine)
            me = work.load(tx, "party", [key])[key] if key else None
            about = seating.concerning(hub.live.current(), me) if me else None
        rows = cases.list_decisions(
            tx, case=case, open_only=open, decider=party_named(hub, tx, decider),
            concerning=about, limit=limit,
        )  # fmt: skip
        if me is not None:
            rows = [r for r in rows if not exclusion.excluded(hub.live.current(), r, me)]
        found = present.decisions(tx, rows)
    if json:
        print_json(found)
        return
    names = ("id", "question", "options", "outcome", "decided_by", "due", "case")
    print_table(
        ("id", "question", "asked", "voices", *names[2:]),
        [
            [one.id, one.question, _asked(plain(one)), _voices(plain(one)), *chosen(one, names[2:])]
            for one in found
        ],
        empty="No such decisions.",
    )


def _asked(one: Mapping[str, Any]) -> str:
    """Whose voice is still to be given."""
    return ", ".join(s["party"]["name"] for s in one["seats"] if s["status"] in ("asked", "stale"))


def _voices(one: Mapping[str, Any]) -> str:
    given = sum(seat["outcome"] is not None for seat in one["seats"])
    return f"{given} of {one['quorum']}"


@decisions.command("show", epilog=example("hub decisions show dec_01k…"))
def show_decision(id: Id, json: Json = False) -> None:
    """Show one decision: the question, who has said what, and the evidence as it stands now."""
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
    """Decide, as a person who works on this machine; or give or change one voice of several.

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
    elif found["outcome"] == outcome:
        typer.echo(f"Decided: {outcome}.")
    else:
        typer.echo(f"Your voice is taken: {outcome}. Not decided yet; asked: {_asked(found)}.")


@decisions.command("withdraw", epilog=example("hub decisions withdraw dec_01k… --person lee"))
def withdraw(id: Id, person: Whose, json: Json = False) -> None:
    """Take back the voice that a person gave, while it has decided nothing."""
    from hub.process import answers

    _act(id, person, answers.take_back, "Taken back.", json=json)


@decisions.command(
    "delegate",
    epilog=example(
        "hub decisions delegate dec_01k… --person lee --to dana",
        'hub decisions delegate dec_01k… --person lee --to dana --note "I am on a plane"',
    ),
)
def delegate(
    id: Id,
    person: Whose,
    to: Annotated[str, typer.Option(help="Who answers instead: a key in people.yaml.")],
    note: Annotated[str | None, typer.Option(help="What to tell them.")] = None,
    json: Json = False,
) -> None:
    """Let somebody else answer in a person's place; the person may still answer first.

    Where too few people can decide, whoever answers for the step names somebody so.
    """
    from hub.process import delegation
    from hub.store import work

    def act(unit: Unit, id: str, party: Mapping[str, Any] | None) -> None:
        delegation.delegate(unit, id, party, work.find_party(unit.tx, to), note=note)

    _act(id, person, act, f"Asked: {to}.", json=json)


@decisions.command("revoke", epilog=example("hub decisions revoke dec_01k… --person lee"))
def revoke(id: Id, person: Whose, json: Json = False) -> None:
    """End a delegation: take back what a person handed on, or give back what they were handed."""
    from hub.process import delegation

    _act(id, person, delegation.revoke, "It is back with whoever had it before.", json=json)


def _act(id: str, person: str, act: Any, done: str, *, json: bool) -> None:
    from hub.store import work

    with opened() as hub:
        with hub.unit() as unit:
            _decision(unit.tx, id)
            key = party_named(hub, unit.tx, person)
            act(unit, id, work.load(unit.tx, "party", [key])[key] if key else None)
        with hub.database.read() as tx:
            found = _decision(tx, id)
    if json:
        print_json(found)
    else:
        note(done)


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
    aside = ("evidence", "seats")
    print_details({name: value for name, value in found.items() if name not in aside})
    typer.echo("voices")
    for seat in found["seats"]:
        typer.echo(f"  {_seat(seat)}")
    typer.echo("evidence")
    text = json_module.dumps(found["evidence"], indent=2, ensure_ascii=False)
    typer.echo("\n".join(f"  {line}" for line in text.splitlines()))


def _seat(seat: Mapping[str, Any]) -> str:
    owner, giver = seat["on_behalf_of"] or seat["party"], seat["given_by"] or seat["party"]
    name = cell(giver["name"]) + (f" for {owner['name']}" if owner["id"] != giver["id"] else "")
    said = f": {seat['outcome']}" if seat["outcome"] else ""
    why = f' "{seat["comment"]}"' if seat["comment"] else ""
    return f"{name} ({seat['status']}){said}{why}"
