"""Who is who in which tool, in memory: what the table `accounts` says, by every name.

Ids come before logins and addresses: nobody becomes somebody else by taking another's id for a
login. A name that two people bear, or that is disputed, is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Key = tuple[str, str, str]
NOBODY = ""
"""What a name leads to that two people bear: asking on by e-mail address would be a guess."""


class _Account(NamedTuple):
    party: str | None
    own: frozenset[str]
    """What only it can be called: its id, and what the tool's records call it."""
    names: tuple[str, ...]
    disputed: str | None
    handle: str
    """Empty: nothing can be given to it."""
    active: bool
    said: bool
    """Whether a person, or `identities`, says who it is."""


class Roster:
    """Takes in accounts as they change; one thread at a time does, any number may look."""

    __slots__ = ("_accounts", "_handles", "_holders", "_names", "_of")

    def __init__(self) -> None:
        self._accounts: dict[Key, _Account] = {}
        self._holders: dict[tuple[str, str], Key | list[Key]] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._of: dict[tuple[str, str], Key | list[Key]] = {}
        self._handles: dict[str, dict[str, str]] = {}

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Accounts that are new, or have changed."""
        for row in rows:
            key = (row["connection"], row["object"], row["external_id"])
            before = self._accounts.get(key)
            own = frozenset({row["external_id"].lower(), row["handle"].lower()} - {""})
            names = tuple(row["names"])
            after = self._accounts[key] = _Account(
                row["party"],
                own,
                names,
                row["disputed"],
                row["handle"],
                bool(row["active"]),
                row["evidence"] in ("person", "identities"),
            )
            for account, enter in ((before, False), (after, True)):
                if account is not None:
                    self._enter(key, account, enter=enter)
            touched = _names_of(after) | (_names_of(before) if before else set())
            for name in touched:
                self._settle_name(key[0], name)
            for party in {one.party for one in (before, after) if one and one.party}:
                self._settle_party(key[0], party)

    def _enter(self, key: Key, account: _Account, *, enter: bool) -> None:
        for name in _names_of(account):
            _put(self._holders, (key[0], name), key, enter=enter)
        if account.party:
            _put(self._of, (key[0], account.party), key, enter=enter)

    def _settle_name(self, connection: str, name: str) -> None:
        first: set[str] = set()
        second: set[str] = set()
        disputed = False
        for key in _keys(self._holders.get((connection, name))):
            account = self._accounts[key]
            if account.disputed == name:
                disputed = True
            elif account.party is not None:
                (first if name in account.own else second).add(account.party)
        known = self._names.setdefault(connection, {})
        found = first or second
        if disputed and not first:
            known[name] = NOBODY
        elif found:
            known[name] = next(iter(found)) if len(found) == 1 else NOBODY
        else:
            known.pop(name, None)

    def _settle_party(self, connection: str, party: str) -> None:
        accounts = [
            (not account.said, key[1:], account.handle)
            for key in _keys(self._of.get((connection, party)))
            if (account := self._accounts[key]).active and account.handle
        ]
        known = self._handles.setdefault(connection, {})
        if accounts:
            known[party] = min(accounts)[2]
        else:
            known.pop(party, None)

    def party(self, connection: str, name: str) -> str | None:
        """Whom a name, in lower case, leads to; `NOBODY` where it leads to several."""
        names = self._names.get(connection)
        return names.get(name) if names is not None else None

    def handle(self, connection: str, party: str) -> str | None:
        """What a tool's records call a party; None where it has no account that is in use."""
        handles = self._handles.get(connection)
        return handles.get(party) if handles is not None else None

    def handle_of_name(self, connection: str, name: str) -> str | None:
        """What a tool's records call whoever is called so; None where that is not clear."""
        keys = _keys(self._holders.get((connection, name)))
        found = {self._accounts[key].handle for key in keys} - {""}
        return found.pop() if len(found) == 1 else None


def _names_of(account: _Account) -> set[str]:
    names = {*account.own, *account.names} if account.names or account.party else set(account.own)
    return names | {account.disputed} if account.disputed else names


def _keys(held: Key | list[Key] | None) -> Iterable[Key]:
    if held is None:
        return ()
    return held if isinstance(held, list) else (held,)


def _put(
    index: dict[tuple[str, str], Key | list[Key]], at: tuple[str, str], key: Key, *, enter: bool
) -> None:
    """Add or remove a key; most have one, which needs no list."""
    keys = [one for one in _keys(index.get(at)) if one != key]
    if enter:
        keys.append(key)
    if not keys:
        index.pop(at, None)
    else:
        index[at] = keys[0] if len(keys) == 1 else keys
