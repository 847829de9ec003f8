"""Who of ours a tool's user is, by what there is to go by. Pure, but for `recognise_all`.

In this order: `identities` of people.yaml, a person who said so, whom we have known it to be, and
the e-mail address. What speaks for two people speaks for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from hub.store import accounts, work
from hub.workspace import Workspace

Row = dict[str, Any]

IDENTITIES, EMAIL, EXTERNAL, PERSON = "identities", "email", "external", "person"
"""What speaks for it: people.yaml, an address, a record of an outsider, or a person."""


@dataclass(slots=True)
class Evidence:
    """What there is to go by in one connection; names and addresses are in lower case."""

    identities: Mapping[str, str]
    """The names in people.yaml, to parties."""
    said: Mapping[str, str] = field(default_factory=dict)
    """Mere names that a person said who they are, to parties."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Addresses to the one party that has each."""
    ours: frozenset[str] = frozenset()
    """The parties who are the workspace's people."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a tool's user is called there."""

    own: tuple[str, ...]
    """What nobody else is called: the record's id and handle."""
    login: str | None
    email: str | None

    def all(self) -> Iterable[str]:
        return (*self.own, *(one for one in (self.login, self.email) if one))


def recognise(account: Row, names: Names, by: Evidence) -> bool:
    """Set whose account it is, and the names that are told by. True where what is said in
    `identities` contradicts itself.
    """
    email, party, evidence = names.email, account["party"], account["evidence"]
    owner = by.owners.get(email) if email else None
    disputed: str | None = None
    written = _spoken_for(names, by.identities)
    said = _spoken_for(names, by.said)
    contradiction = len(written) > 1
    if len(written) == 1:
        party, evidence = written.pop(), IDENTITIES
    elif evidence == PERSON:
        if party is None and owner is not None:
            disputed = email  # it is not whom the address speaks for, a person said
    elif len(said) == 1:
        party, evidence = said.pop(), PERSON
    elif party is None or evidence == IDENTITIES or contradiction:
        party = None if contradiction else owner
        evidence = EMAIL if party else None
    elif owner is not None and owner != party:
        if party not in by.ours and owner in by.ours and account["email"] == email:
            party, evidence = owner, EMAIL  # the outsider with this address became one of us
        else:
            disputed = email
    account["party"], account["evidence"], account["disputed"] = party, evidence, disputed
    told = [*names.own]
    if names.login and not ("@" in names.login and by.owners.get(names.login, party) != party):
        told.append(names.login)
    if email and not disputed:
        told.append(email)
    account["names"] = list(dict.fromkeys(told))
    account["email"] = email
    return contradiction


def _spoken_for(names: Names, known: Mapping[str, str]) -> set[str]:
    """Whom the most certain of the names speak for."""
    if not known:
        return set()
    return {known[name] for name in names.own if name in known} or {
        known[name] for name in names.all() if name in known
    }


def names_of(account: Mapping[str, Any]) -> Names:
    """The names that an account was stored with."""
    own = tuple(dict.fromkeys(_lower(account["external_id"], account["handle"])))
    email = account["email"]
    left = [one for one in account["names"] if one not in own and one != email]
    return Names(own, left[0] if left else None, email)


def _lower(*names: str | None) -> list[str]:
    return [name.lower() for name in names if name]


def identities_of(
    workspace: Workspace, connection: str, parties: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """The names of a connection in people.yaml, to the parties of these people (by their key)."""
    return {
        str(handle).strip().lower(): parties[person]["id"]
        for person, handle in workspace.identities.get(connection, {}).items()
        if person in parties
    }


def owners_of(found: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, str]:
    """Of the parties with each address: the workspace's person, else the only outsider."""
    owners = {}
    for address, parties in found.items():
        rows = list(parties)
        ours = [row for row in rows if row["person"] is not None]
        if len(ours or rows) == 1:
            owners[address] = (ours or rows)[0]["id"]
    return owners


def recognise_all(tx: Connection, workspace: Workspace, now: datetime) -> None:
    """Look again at every account there is, as the workspace says now who is who."""
    accounts.alone(tx)
    rows = accounts.listed(tx)
    if not rows:
        return
    people = work.people(tx)
    known = accounts.parties_by_email(tx, {row["email"] for row in rows if row["email"]})
    owners, ours = owners_of(known), frozenset(row["id"] for row in people.values())
    by: dict[str, Evidence] = {}
    for row in rows:
        if row["connection"] not in by:
            identities = identities_of(workspace, row["connection"], people)
            by[row["connection"]] = Evidence(identities, {}, owners, ours)
    changed = []
    for row in rows:
        if not row["object"]:
            continue  # a mere name: a person's word
        before = dict(row)
        recognise(row, names_of(row), by[row["connection"]])
        if row != before:
            changed.append(row)
            if row["party"] != before["party"]:
                accounts.relink(tx, row, now)
    accounts.keep(tx, changed, now)
