"""Absences: who is away until when, who stands in, and saying so."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub import present
from hub.api.auth import Anyone, HubDep, Member
from hub.api.errors import not_found
from hub.api.repeating import Repeatable
from hub.hub import Hub
from hub.process import absence, ownership
from hub.store import standings, work
from mappings.canonical import Moment, Party

router = APIRouter(prefix="/parties", tags=["people"], route_class=Repeatable)

Row = dict[str, Any]


class Absence(BaseModel):
    """Days that somebody is away, both included."""

    id: str
    from_: date = Field(alias="from", serialization_alias="from")
    until: date
    note: str | None
    told_at: Moment

    model_config = ConfigDict(populate_by_name=True)


class Standing(BaseModel):
    """Whether somebody is there, who acts for them, and absences that are not over."""

    party: Party
    standing: Literal["present", "away", "gone"]
    acting: Party | None = Field(description="Who stands in now; null for whoever is there.")
    until: date | None = Field(description="The last day of this absence.")
    absences: list[Absence]


class NewAbsence(BaseModel):
    """Days that somebody is away, both included."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: date = Field(alias="from")
    until: date
    note: Annotated[str, StringConstraints(max_length=1000)] | None = None


@router.get("/{id}/away")
def get_standing(hub: HubDep, caller: Anyone, id: str) -> Standing:
    """Whether somebody is there, and who acts for them."""
    return _standing(hub, id)


def _standing(hub: Hub, id: str) -> Standing:
    snapshot = hub.live.current()
    now = hub.clock()
    with hub.database.read() as tx:
        party = work.find_party(tx, id)
        if party is None:
            raise not_found("party", id)
        stands = snapshot.presence.stands(party["id"], now)
        acting = snapshot.people_by_id.get(stands.acting or "")
        rows = standings.absences_from(tx, now.date().isoformat(), party["id"])
    return Standing(
        party=present.party(party),
        standing=stands.standing,
        acting=present.party(acting) if acting and stands.standing != "present" else None,
        until=stands.until,
        absences=[
            Absence(
                id=row["id"],
                from_=row["from_day"],
                until=row["until_day"],
                note=row["note"],
                told_at=row["told_at"],
            )
            for row in rows
        ],
    )


@router.post("/{id}/away", status_code=201)
def go_away(hub: HubDep, caller: Member, id: str, body: NewAbsence) -> Standing:
    """Say that you are away, or as an operator that somebody is. Who stands in is asked meanwhile,
    by `deputies` in people.yaml.
    """
    with hub.unit() as unit, unit.acting(caller.actor()):
        party = work.find_party(unit.tx, id)
        if party is None:
            raise not_found("party", id)
        absence.tell(
            unit, party, body.from_, body.until,
            note=body.note, by=caller.party, operator=caller.may("operator"),
        )  # fmt: skip
    with hub.unit() as unit:
        ownership.settle(unit)
    return _standing(hub, id)


@router.delete("/{id}/away/{absence_id}")
def come_back(hub: HubDep, caller: Member, id: str, absence_id: str) -> Standing:
    """Take an absence back: it is over, or will not be."""
    with hub.unit() as unit, unit.acting(caller.actor()):
        party = work.find_party(unit.tx, id)
        if party is None:
            raise not_found("party", id)
        try:
            absence.take_back(
                unit, party, absence_id, by=caller.party, operator=caller.may("operator")
            )
        except LookupError:
            raise not_found("absence", absence_id) from None
    with hub.unit() as unit:
        ownership.settle(unit)
    return _standing(hub, id)
