"""People tell that they are away: their own word, or an operator's for anybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from hub.process.answers import Refused
from hub.store import standings
from hub.unit import Unit

Row = dict[str, Any]


def tell(
    unit: Unit,
    party: Mapping[str, Any],
    first: date,
    last: date,
    *,
    note: str | None = None,
    by: Mapping[str, Any] | None,
    operator: bool,
) -> Row:
    """Note that a person is away from a first day to a last one. `by`: the person who says so.
    Raises Refused.
    """
    _may(party, by, operator)
    if unit.snapshot.person_key(party["id"]) is None:
        raise Refused("not_ours", f"{party['name']} is not among the people of the workspace.", 422)
    if last < first:
        raise Refused("validation_failed", f"{last} is before {first}.", 422)
    row = standings.add_absence(
        unit.tx, party["id"], first.isoformat(), last.isoformat(), note, unit.actor, unit.now
    )
    unit.emit(
        "party.away",
        party["id"],
        data={"name": party["name"], "from": row["from_day"], "until": row["until_day"]},
        on_behalf_of=party["id"] if by is None or by["id"] != party["id"] else None,
    )
    return row


def take_back(
    unit: Unit,
    party: Mapping[str, Any],
    id: str,
    *,
    by: Mapping[str, Any] | None,
    operator: bool,
) -> None:
    """They are not away after all, or back early. Raises Refused; LookupError if there is none."""
    _may(party, by, operator)
    row = standings.absence(unit.tx, id)
    if row is None or row["party"] != party["id"]:
        raise LookupError(f"There is no absence {id} of {party['name']}.")
    if not standings.end_absence(unit.tx, id, unit.now):
        raise Refused("already_ended", "This absence was taken back already.")
    unit.emit("party.back", party["id"], data={"name": party["name"], "absence": id})


def _may(party: Mapping[str, Any], by: Mapping[str, Any] | None, operator: bool) -> None:
    if not operator and (by is None or by["id"] != party["id"]):
        raise Refused(
            "not_yours", "People say themselves when they are away; an operator can for anybody.",
            403,
        )  # fmt: skip
