"""Answering a handoff: only whoever it was offered to, their deputy, or an admin in person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.process import asking
from hub.process.answers import Refused, human
from hub.store import cases, work
from hub.unit import Unit, person_actor

Row = dict[str, Any]


def answer(
    unit: Unit,
    handoff_id: str,
    status: str,
    party: Mapping[str, Any] | None,
    *,
    note: str | None = None,
    admin: bool = False,
    channel: str | None = None,
) -> None:
    """Accept or decline (`status`) as a person. Raises Refused; LookupError if there is none."""
    who = human(party)
    handoff = cases.handoff(unit.tx, handoff_id)
    if handoff is None:
        raise LookupError(f"There is no handoff {handoff_id}.")
    if (
        handoff["to_party"] != who["id"]
        and not admin
        and not unit.snapshot.stands_in(handoff["to_party"], who["id"])
    ):
        to = work.load(unit.tx, "party", [handoff["to_party"]]).get(handoff["to_party"])
        name = to["name"] if to else "somebody else"
        raise Refused(
            "not_yours", f"This was offered to {name}; they or their deputy can answer.", 403
        )
    with unit.acting(person_actor(who), correlation=unit.correlation):
        if not asking.answer_handoff(unit, handoff, status, note, channel):
            raise Refused("already_answered", f"It is {handoff['status']} already.")
