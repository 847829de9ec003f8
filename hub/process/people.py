"""Who is meant: turns the workspace's way of pointing at people into a party, with somebody
always answering.

What needs hands or an answer goes to somebody who is there: whoever is away is stood in for by the
first present one of their chain of deputies. What somebody answers for stays theirs as long as they
are covered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.process.who import Who
from hub.store import work
from hub.unit import Unit
from mappings.expressions import ExpressionError

Row = dict[str, Any]


class Nobody(LookupError):
    """A pointer at people leads to nobody; the message says which one and what to do."""


def resolve(
    unit: Unit,
    who: Who,
    context: Mapping[str, Any],
    *,
    accountable: str | None = None,
    responsible: str | None = None,
) -> Row:
    """The party that `who` means now, for what needs hands or an answer: of somebody who is away it
    is whoever stands in, with the id of the one who was meant under `on_behalf_of`. Raises Nobody.
    """
    return _meant(unit, who, context, accountable, responsible, stays=False)


def answering(unit: Unit, who: Who, *, accountable: str | None = None) -> Row:
    """The party that `who` means now, for what somebody answers for: one who is away keeps that as
    long as somebody covers them. Raises Nobody.
    """
    return _meant(unit, who, {}, accountable, None, stays=True)


def _meant(
    unit: Unit,
    who: Who,
    context: Mapping[str, Any],
    accountable: str | None,
    responsible: str | None,
    *,
    stays: bool,
) -> Row:
    if who.kind == "person":
        party = unit.snapshot.parties.get(who.name)
        if party is None or not unit.snapshot.presence.works_here(party["id"], unit.now):
            raise Nobody(f"'{who.name}' is not among the people of this workspace.")
        return _there(unit, dict(party), stays)
    if who.kind == "role":
        return _of_role(unit, who.name, stays)
    if who.kind == "external":
        assert who.address is not None  # noqa: S101 - the loader gives an external one an address
        try:
            address = str(who.address.render(context)).strip()
        except ExpressionError as error:
            raise Nobody(f"The address of {who.text} could not be worked out: {error}") from error
        if "@" not in address or any(c.isspace() or c in "<>,;" for c in address):
            raise Nobody(f"'{address}' (from {who.text}) is not an e-mail address.")
        return work.ensure_external(unit.tx, address, unit.now)
    wanted = accountable if who.kind == "accountable" else responsible
    found = work.load(unit.tx, "party", [wanted]) if wanted else {}
    if not wanted or wanted not in found:
        raise Nobody(f"There is no '{who.kind}' here to turn to.")
    return _there(unit, found[wanted], stays, named=False)


def members(unit: Unit, role: str) -> list[str]:
    """The parties that have a role and work here, in the order in which they are asked."""
    people, presence = unit.snapshot.parties, unit.snapshot.presence
    return [
        people[key]["id"]
        for key in unit.snapshot.workspace.roles.get(role, ())
        if key in people and presence.works_here(people[key]["id"], unit.now)
    ]


def _of_role(unit: Unit, role: str, stays: bool) -> Row:
    """The first member who is there; else the first whom somebody stands in for."""
    those, presence = members(unit, role), unit.snapshot.presence
    if not those:
        raise Nobody(f"The role '{role}' has no active member; add one in people.yaml.")
    by_id = unit.snapshot.people_by_id
    for id in those:
        if presence.here(id, unit.now):
            return dict(by_id[id])
    for id in those:
        if presence.acting(id, unit.now):
            return _there(unit, dict(by_id[id]), stays)
    raise Nobody(f"Everybody with the role '{role}' is away, and nobody stands in for them.")


def _there(unit: Unit, party: Row, stays: bool, *, named: bool = True) -> Row:
    """The party, or who stands in for it. Raises Nobody where nobody does and a file `named` it."""
    stands = unit.snapshot.presence.stands(party["id"], unit.now)
    if stands.standing == "present" or (stays and stands.covered):
        return party
    if stands.acting is not None:
        return dict(unit.snapshot.people_by_id[stands.acting]) | {"on_behalf_of": party["id"]}
    if not named:
        return party  # somebody who is away is better than nobody
    until = f" until {stands.until}" if stands.until else ""
    raise Nobody(f"{party['name']} is away{until}, and nobody stands in.")


def owner(unit: Unit, preferred: str | None = None) -> str | None:
    """Who looks after trouble that has no case: the preferred party, else the workspace's first
    person who is there, else the first.
    """
    if preferred:
        return preferred
    presence = unit.snapshot.presence
    working = [
        str(party["id"])
        for party in unit.snapshot.parties.values()
        if presence.works_here(party["id"], unit.now)
    ]
    return next((id for id in working if presence.here(id, unit.now)), next(iter(working), None))
