"""Commands for who is away: they belong to `hub people`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from hub.cli.accounts import people
from hub.cli.output import Json, example, fail, print_json, print_table
from hub.cli.session import ACTOR, opened, party_named

app = typer.Typer()
"""No family of its own: the command joins `hub people`."""


@people.command(
    "away",
    epilog=example(
        "hub people away",
        "hub people away dana --from 2026-12-20 --until 2027-01-03",
        "hub people away dana --back",
    ),
)
def away(
    person: Annotated[
        str | None, typer.Argument(metavar="[PERSON]", help="A key, an address or an id.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="The first day away; else today.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="The last day away.")
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="Take back what was told here: they are there.")
    ] = False,
    note: Annotated[str | None, typer.Option(help="A word with it.")] = None,
    json: Json = False,
) -> None:
    """Show who is there and who stands in for whom; or say that somebody is away, or back.

    What needs an answer meanwhile goes to the first deputy who is there. What people.yaml says
    under `away` holds as well.
    """
    from hub.process import absence, ownership
    from hub.store import standings, work

    if person is None and (first or last or back or note):
        fail("name a person.", 2)
    if back and (first or last):
        fail("--back goes without --from and --until.", 2)
    with opened() as hub:
        if person is not None and (last or back):
            with hub.unit() as unit, unit.acting(ACTOR):
                id = str(party_named(hub, unit.tx, person))
                party = work.load(unit.tx, "party", [id])[id]
                today = unit.now.date()
                if back:
                    told = standings.absences_from(unit.tx, today.isoformat(), id)
                    for row in told:
                        absence.take_back(unit, party, row["id"], by=None, operator=True)
                    if not told:
                        fail(f"nothing was told here of {party['name']}; see people.yaml.")
                else:
                    absence.tell(
                        unit, party, _day(first) or today, _day(last) or today,
                        note=note, by=None, operator=True,
                    )  # fmt: skip
            with hub.unit() as unit:
                ownership.settle(unit)
        elif first or note:
            fail("say until when: --until 2027-01-03.", 2)
        found = _standings(hub, person)
    if json:
        print_json(found)
        return
    names = ("person", "name", "standing", "until", "acting")
    print_table(names, [[one[name] for name in names] for one in found], empty="Nobody.")


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return fail(f"'{text}' is not a day. Write year-month-day: 2026-12-20.", 2)


def _standings(hub: Any, person: str | None) -> list[dict[str, Any]]:
    snapshot, now = hub.live.current(), hub.clock()
    found = []
    with hub.database.read() as tx:
        only = party_named(hub, tx, person)
    for key, party in sorted(snapshot.parties.items()):
        if only not in (None, party["id"]):
            continue
        stands = snapshot.presence.stands(party["id"], now)
        if stands.standing == "gone" and only is None and stands.acting is None:
            continue
        acting = snapshot.people_by_id.get(stands.acting or "")
        found.append(
            {
                "person": key,
                "party": party["id"],
                "name": party["name"],
                "standing": stands.standing,
                "until": stands.until.isoformat() if stands.until else None,
                "acting": acting["name"] if acting and stands.standing != "present" else None,
            }
        )
    return found
