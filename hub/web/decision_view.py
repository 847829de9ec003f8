"""A decision as the page of its case shows it: the question, who has said what, who is still asked,
and what whoever looks may do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.live import Snapshot
from hub.present import seat_status
from hub.process import delegation
from hub.process.answers import bar
from hub.process.model import StepDefinition
from hub.web import words
from hub.web.board import People, Person
from hub.web.site import Site, When

Row = Mapping[str, Any]

_SAYS = {
    "asked": "is asked",
    "waiting": "is asked later",
    "stale": "said so on other facts; must confirm it",
    "given": "",
    "moot": "was not needed",
}


@dataclass(frozen=True, slots=True)
class SeatView:
    """One voice. `person` gave it, or is asked; `behalf` is in whose place, if in another's."""

    person: Person | None
    behalf: Person | None
    role: str
    status: str
    says: str
    outcome: str
    comment: str
    note: str
    at: When


@dataclass(frozen=True, slots=True)
class Panel:
    """What a page shows of the seats, and what its reader may do there. `barred` says why they may
    not answer; `chosen` is what they said before.
    """

    seats: tuple[SeatView, ...]
    rule: str
    barred: str
    chosen: str
    can_delegate: tuple[tuple[str, str], ...]
    can_revoke: bool


def panel(
    site: Site,
    snapshot: Snapshot | None,
    people: People,
    decision: Row,
    seats: Sequence[dict[str, Any]],
    wanted: StepDefinition | None,
    step: Row,
    me: Row | None,
    *,
    open_: bool,
) -> Panel:
    """`decision` with the evidence hash of now where it is open."""
    barred, chosen, revoke = "", "", False
    others: tuple[tuple[str, str], ...] = ()
    if open_ and wanted is not None and snapshot is not None:
        refused = bar(snapshot, wanted, decision, seats, me, site.now)
        barred = str(refused) if refused else ""
        mine = _mine(seats, me)
        chosen = next((s["outcome"] for s in seats if me and s["given_by"] == me["id"]), "")
        others = _others(snapshot, decision, seats, step, me, mine)
        revoke = bool(mine and mine["on_behalf_of"] and mine["outcome"] is None)
    shown = seats if len(seats) > 1 or any(s["on_behalf_of"] or s["note"] for s in seats) else ()
    return Panel(
        tuple(_seat(site, people, decision, seat) for seat in shown),
        _rule(decision),
        barred,
        chosen or "",
        others,
        revoke,
    )


def _mine(seats: Sequence[dict[str, Any]], me: Row | None) -> dict[str, Any] | None:
    if me is None:
        return None
    return next((one for one in seats if me["id"] in (one["party"], one["on_behalf_of"])), None)


def _others(
    snapshot: Snapshot,
    decision: Row,
    seats: Sequence[dict[str, Any]],
    step: Row,
    me: Row | None,
    mine: Row | None,
) -> tuple[tuple[str, str], ...]:
    """To whom the reader can hand a seat on, as id and name."""
    if me is None or me["id"] not in snapshot.people_by_id:
        return ()
    handed = mine is not None and (
        mine["outcome"] is not None or mine["on_behalf_of"] not in (None, me["id"])
    )
    naming = me["id"] == step["accountable"] and len(seats) < decision["quorum"]
    if handed or (mine is None and not naming):
        return ()
    found = delegation.could_take(snapshot, decision, list(seats))
    return tuple((row["id"], row["name"]) for row in found if row["id"] != me["id"])


def _rule(decision: Row) -> str:
    vetoes = ", ".join(words.label(one).lower() for one in decision["veto"])
    alone = f" One voice is enough for: {vetoes}." if vetoes else ""
    if decision["sequence"]:
        return f"They are asked one after the other.{alone}"
    if decision["quorum"] > 1:
        return f"{decision['quorum']} must agree.{alone}"
    return ""


def _seat(site: Site, people: People, decision: Row, seat: Row) -> SeatView:
    status = seat_status(decision, seat)
    owner = seat["on_behalf_of"] or seat["party"]
    speaks = seat["given_by"] or seat["party"]
    at: datetime | None = seat["given_at"]
    return SeatView(
        person=people.get(speaks),
        behalf=people.get(owner) if owner != speaks else None,
        role=words.label(seat["role"]) if seat["role"] and not seat["given_by"] else "",
        status=status,
        says=_SAYS[status],
        outcome=words.label(seat["outcome"]) if seat["outcome"] else "",
        comment=seat["comment"] or "",
        note=seat["note"] or "",
        at=site.past(at) if at else site.due(None),
    )
