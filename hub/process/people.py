"""Who is meant: turns the workspace's way of pointing at people into a party, with somebody
always answering.
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
    """The party that `who` means now. Raises Nobody."""
    people = unit.snapshot.parties
    if who.kind == "person":
        party = people.get(who.name)
        if party and party["active"]:
            return dict(party)
        raise Nobody(f"'{who.name}' is not among the people of this workspace.")
    if who.kind == "role":
        for key in unit.snapshot.workspace.roles.get(who.name, ()):
            party = people.get(key)
            if party and party["active"]:
                return dict(party)
        raise Nobody(f"The role '{who.name}' has no active member; add one in people.yaml.")
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
    return found[wanted]


def owner(unit: Unit, preferred: str | None = None) -> str | None:
    """Who looks after trouble that has no case: the preferred party, else the workspace's first
    person.
    """
    if preferred:
        return preferred
    for party in unit.snapshot.parties.values():
        if party["active"]:
            return str(party["id"])
    return None
