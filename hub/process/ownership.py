"""Somebody always answers: what follows when people go away, come back, leave, or lose a role.

How each person stood when this was last seen to is stored, so nothing is lost between a revision, a
midnight or a crash and the handing over. Whoever is away keeps what they answer for as long as
their chain of deputies covers them; what nobody covers passes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.participants import links, messages
from hub.participants.messages import Message
from hub.process import passing_on
from hub.process.passing_on import Moved
from hub.process.presence import Stands
from hub.store import exceptions, standings
from hub.store.exceptions import Trouble
from hub.unit import Unit

Row = dict[str, Any]
NOBODY = "nobody"
"""The place of the exception that says that nobody is there."""


def settle(unit: Unit) -> int:
    """Do what follows from how people stand now; how many stood otherwise before."""
    before = standings.stored(unit.tx)
    now: dict[str, Stands] = {}
    changed: list[Row] = []
    roles = _roles(unit)
    for party in unit.snapshot.parties.values():
        id = party["id"]
        stands = now[id] = unit.snapshot.presence.stands(id, unit.now)
        row: Row = {
            "party": id,
            "standing": stands.standing,
            "acting": stands.acting,
            "until_day": stands.until.isoformat() if stands.until else None,
            "roles": roles.get(id, []),
        }
        was = before.get(id)
        if was is None or any(was[name] != value for name, value in row.items()):
            changed.append(row | {"changed_at": unit.now})
    lost = {
        row["party"]: set(before[row["party"]]["roles"]) - set(row["roles"])
        for row in changed
        if row["party"] in before
    }
    lost = {id: names for id, names in lost.items() if names}
    uncovered = {id for id, stands in now.items() if not stands.covered}
    if not changed and not uncovered:
        return 0
    moved = Moved()
    passing_on.pass_on(unit, uncovered, lost, moved)
    _announce(unit, before, now, moved)
    _show(unit, moved.stuck & uncovered, uncovered, moved)
    for row in changed:  # who lost a role and found nobody to take over is looked at again
        if row["party"] in moved.stuck & lost.keys():
            row["roles"] = sorted({*row["roles"], *lost[row["party"]]})
    gone = [id for id, stands in now.items() if stands.standing == "gone"]
    standings.leave(unit.tx, [id for id in gone if unit.snapshot.people_by_id[id]["active"]])
    standings.keep(unit.tx, changed)
    return len(changed)


def _roles(unit: Unit) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for role, members in unit.snapshot.workspace.roles.items():
        for key in members:
            party = unit.snapshot.parties.get(key)
            if party:
                found.setdefault(party["id"], []).append(role)
    return {id: sorted(names) for id, names in found.items()}


def _announce(
    unit: Unit, before: Mapping[str, Row], now: Mapping[str, Stands], moved: Moved
) -> None:
    """One message to each: what is theirs now, and for whom they stand in."""
    names = {id: row["name"] for id, row in unit.snapshot.people_by_id.items()}
    for id, stands in now.items():
        was = before.get(id)
        former = was["standing"] if was else "present"
        if stands.standing != former and was is not None:
            type_ = {"away": "party.away", "present": "party.back", "gone": "party.left"}
            unit.emit(
                type_[stands.standing],
                id,
                data={
                    "name": names[id],
                    "acting": stands.acting,
                    "until": stands.until.isoformat() if stands.until else None,
                },
            )
        if stands.standing != "away" or stands.acting is None:
            continue
        if was is None or was["acting"] != stands.acting or former != "away":
            _stand_in(unit, id, stands, names)
    for to, lines in moved.lines.items():
        messages.send(
            unit,
            Message(
                to=unit.snapshot.people_by_id[to],
                subject=f"Yours now: {len(lines)} piece{'' if len(lines) == 1 else 's'} of work",
                opening="Somebody who had this is not there any more, so it has come to you.",
                facts=lines[:30],
                button=("Open the dashboard", links.page("")),
                closing="If one of these is not for you, offer it to somebody else.",
                purpose="assignment",
            ),
            to,
        )


def _stand_in(unit: Unit, id: str, stands: Stands, names: Mapping[str, str]) -> None:
    acting = str(stands.acting)
    open_ = standings.steps_of(unit.tx, [id])
    if not open_:
        return
    messages.send(
        unit,
        Message(
            to=unit.snapshot.people_by_id[acting],
            subject=f"You stand in for {names[id]} until {stands.until}",
            opening=f"{names[id]} is away until {stands.until}. Until then you are asked in their"
            " place; they go on answering for it.",
            facts=[(step["case_title"], step["title"]) for step in open_[:30]],
            button=("Open the dashboard", links.page("")),
            purpose="assignment",
        ),
        acting,
    )


def _show(unit: Unit, stuck: set[str], uncovered: set[str], moved: Moved) -> None:
    """What a person must look at: that nobody is there, or that it went where no file says."""
    names = {id: row["name"] for id, row in unit.snapshot.people_by_id.items()}
    for id in stuck:
        unit.trouble(
            Trouble(
                "stalled",
                f"Nobody is there for {names.get(id, id)}",
                "They are not here, nobody stands in, and there is nobody else to pass their work"
                " on to. Name deputies in people.yaml, or add people.",
                severity="high",
                subject=id,
                owner=id,
                place=NOBODY,
                counted=False,
            )
        )
    for to, whose in moved.last_resort.items():
        for holder, number in whose.items():
            unit.trouble(
                Trouble(
                    "stalled",
                    f"{names[to]} has what {names.get(holder, holder)} had",
                    f"{number} piece(s) of work passed on, and no file says to whom: no deputy is"
                    " there, and nobody else with the role. Offer them to whom they belong to.",
                    subject=holder,
                    owner=to,
                    place="last-resort",
                )
            )
    for id in set(names) - stuck:
        for row in exceptions.open_of(unit.tx, id, "stalled") if id not in uncovered else ():
            exceptions.close(unit.tx, row["id"], "resolved", unit.now, None, "somebody is there")
            unit.emit("exception.resolved", row["id"], data={"type": row["type"], "about": id})
