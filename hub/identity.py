"""Who is calling: API tokens, dashboard sessions and the one-time link that starts one; and what
each role may do.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from hub.hub import Hub
from hub.store import access, work

Role = Literal["admin", "operator", "member", "assistant"]
RANK: Mapping[str, int] = {"assistant": 0, "member": 1, "operator": 2, "admin": 3}
ROLES = tuple(RANK)

SIGN_IN = timedelta(minutes=30)
SESSION = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request. `party` is the person behind it, None for a token without one."""

    role: str
    token: str
    name: str
    party: Mapping[str, Any] | None = None

    def may(self, role: str) -> bool:
        """Whether this caller has at least a role's rights."""
        return RANK[self.role] >= RANK[role]

    def actor(self) -> dict[str, Any]:
        """The caller as the actor of an event."""
        if self.party is not None:
            return {"kind": "person", "id": self.party["id"], "name": self.party["name"]}
        kind = "assistant" if self.role == "assistant" else "system"
        return {"kind": kind, "id": self.token, "name": self.name}


def by_token(hub: Hub, secret: str) -> Caller | None:
    """The caller with this API token; the bootstrap token of HUB_ADMIN_TOKEN is an admin without
    a person.
    """
    bootstrap = hub.settings.admin_token
    if bootstrap and secrets.compare_digest(secret.encode(), bootstrap.encode()):
        return Caller("admin", "bootstrap", "HUB_ADMIN_TOKEN")
    return _caller(hub, secret, "api")


def by_session(hub: Hub, cookie: str) -> Caller | None:
    """The caller of a dashboard session."""
    return _caller(hub, cookie, "session")


def _caller(hub: Hub, secret: str, kind: str) -> Caller | None:
    with hub.database.read() as tx:
        row = access.token(tx, secret, kind, hub.clock())
        if row is None:
            return None
        party = work.load(tx, "party", [row["party"]]).get(row["party"]) if row["party"] else None
    return Caller(row["role"], row["id"], row["name"], party)


def create_token(
    hub: Hub, role: str, name: str, person: str | None = None, lifetime: timedelta | None = None
) -> tuple[str, str]:
    """A new API token: its id and, once, its secret. Raises LookupError for an unknown person or
    role.
    """
    if role not in RANK:
        raise LookupError(f"There is no role '{role}'. Roles: {', '.join(ROLES)}.")
    if role == "assistant" and person:
        # bound to a person it could decide, and an assistant never does
        raise LookupError("An assistant stands for nobody. Leave the person out.")
    with hub.database.write() as tx:
        party = _party_of(tx, person) if person else None
        return access.make_token(tx, "api", name, role, hub.clock(), party=party, lifetime=lifetime)


def sign_in_link(hub: Hub, base_url: str, person: str | None = None, role: str = "admin") -> str:
    """An address that signs one browser in, once, within half an hour."""
    with hub.database.write() as tx:
        party = _party_of(tx, person) if person else None
        _, secret = access.make_token(
            tx, "signin", person or role, role, hub.clock(), party=party, lifetime=SIGN_IN
        )
    return f"{base_url}/sign-in/{secret}"


def sign_in(hub: Hub, secret: str) -> str | None:
    """Turn a one-time link's secret into a session's; None if it is unknown, used or too old."""
    now = hub.clock()
    with hub.database.write() as tx:
        row = access.token(tx, secret, "signin", now)
        if row is None or not access.use_once(tx, row["id"], now):
            return None
        _, session = access.make_token(
            tx, "session", row["name"], row["role"], now, party=row["party"], lifetime=SESSION
        )
    return session


def _party_of(tx: Any, person: str) -> str:
    found = work.people(tx).get(person)
    if found is None or not found["active"]:
        raise LookupError(f"There is no person '{person}' in the workspace; see people.yaml.")
    return str(found["id"])
