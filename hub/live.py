"""The workspace in force: its newest revision, ready to use, and picked up anew when a newer one
is applied.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, cast

from pydantic import SecretStr
from sqlalchemy.engine import Connection

from connectors.sdk import ConfigError, ConnectionConfig, Connector, Host, ObjectSpec
from hub.process.presence import Person, Presence
from hub.roster import NOBODY, Roster
from hub.store import access, accounts, running, schemas, standings, subscriptions, work
from hub.store.database import Database
from hub.workspace import ConnectionSpec, Workspace, load
from mappings.compiler import CompiledMapping

Row = dict[str, Any]

GRACE = 900.0
"""Seconds that the connectors of a former revision may still be in use."""


@dataclass(slots=True)
class Snapshot:
    """One revision: immutable in what it says; connectors are built when first asked for."""

    revision: int
    workspace: Workspace
    files: Mapping[str, str]
    parties: Mapping[str, Row]
    """The workspace's people as parties, by their key."""
    classes: Mapping[str, type[Connector]]
    resolve: Callable[[str], str | None]
    host: Host
    handed_over: Callable[[str], Sequence[str]]
    """The webhook secrets that a connection's vendor handed over."""
    roster: Roster = field(default_factory=Roster)
    """Who is who by what tools say; it goes on changing."""
    _connectors: dict[str, Connector] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _by_email: dict[str, str] = field(default_factory=dict)
    _by_id: dict[str, str] = field(default_factory=dict)
    _handles: dict[str, dict[str, str]] = field(default_factory=dict)
    _offers: dict[str, Mapping[str, ObjectSpec]] = field(default_factory=dict)
    people_by_id: dict[str, Row] = field(default_factory=dict)
    """The workspace's people as parties, by their id."""
    drifts: Mapping[tuple[str, str], Row] = field(default_factory=dict)
    """What became of the fields of accounts, by connection and object (see `hub.flow.drift`)."""
    presence: Presence = field(default_factory=lambda: Presence({}))
    """Who is there, and who stands in for whom."""

    def __post_init__(self) -> None:
        self.note_absences({})
        for key, party in self.parties.items():
            self._by_id[party["id"]] = key
            self.people_by_id[party["id"]] = party
            if party["email"]:
                self._by_email.setdefault(party["email"].lower(), party["id"])
        for name, spec in self.workspace.connections.items():
            self._offers[name] = spec.offers(self.classes[spec.connector])
        for connection, handles in self.workspace.identities.items():
            self._handles[connection] = {
                str(handle).lower(): self.parties[person]["id"]
                for person, handle in handles.items()
                if person in self.parties
            }

    # ---------------------------------------------------------------------- people in tools

    def party_for(self, connection: str, handle: str) -> str | None:
        """Our party for a tool's name of a person: by `identities`, else by what is known of the
        tool's users, else by e-mail, else nobody.
        """
        wanted = str(handle).lower()
        found = self._handles.get(connection, {}).get(wanted)
        if found is None:
            found = self.roster.party(connection, wanted)
            if found is None:
                return self._by_email.get(wanted)
        return found if found != NOBODY else None

    def handle_for(self, connection: str, party: str) -> str | None:
        """A tool's name for a party: as in `identities`, else the account there that is known to
        be theirs, else the e-mail address where that tool names people so.
        """
        key = self._by_id.get(party)
        if key is None:
            return self.roster.handle(connection, party)
        handle = self.workspace.identities.get(connection, {}).get(key)
        if handle is not None:
            # written by whatever name: a tool takes the one that its own records use
            return self.roster.handle_of_name(connection, str(handle).lower()) or str(handle)
        known = self.roster.handle(connection, party)
        if known is not None:
            return known
        spec = self.workspace.connections.get(connection)
        if spec is None or not self.classes[spec.connector].names_people_by_email:
            return None
        email: str | None = self.parties[key]["email"]
        return email

    def queue_of(self, connection: str) -> str | None:
        """Who gets there what somebody without an account there has: see `fallback`."""
        return self.workspace.fallback.get(connection)

    def party_by_email(self, email: str) -> str | None:
        """Our person with this address."""
        return self._by_email.get(email.lower())

    def stands_in(self, party: str, deputy: str, now: datetime | None = None) -> bool:
        """Whether one of our people may act for another: as their deputy, or down the chain while
        those between are away (`now`; without a moment, at any time).
        """
        return self.presence.stands_in(party, deputy, now)

    def note_absences(self, told: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Take in the absences that people told the hub, as days by party; those of people.yaml are
        known.
        """
        people = self.workspace.people
        found: dict[str, Person] = {}
        for key, party in self.parties.items():
            one = people.get(key)
            days = [
                (date.fromisoformat(a), date.fromisoformat(b)) for a, b in told.get(party["id"], ())
            ]
            found[party["id"]] = Person(
                party=party["id"],
                active=bool(party["active"]) and one is not None,
                zone=(one.timezone if one else None) or self.workspace.timezone,
                deputies=tuple(
                    self.parties[deputy]["id"]
                    for deputy in (one.deputies if one else ())
                    if deputy in self.parties
                ),
                away=(*(one.away if one else ()), *days),
                last_day=one.left if one else None,
            )
        self.presence = Presence(found)

    def person_key(self, party: str) -> str | None:
        """The workspace key of a party."""
        return self._by_id.get(party)

    # --------------------------------------------------------------------------- connectors

    def connector(self, name: str) -> Connector:
        """The connector of a connection. Raises ConfigError where it cannot be built."""
        with self._lock:
            found = self._connectors.get(name)
            if found is None:
                spec: ConnectionSpec | None = self.workspace.connections.get(name)
                if spec is None:
                    raise ConfigError(f"There is no connection '{name}' in this workspace.")
                cls = self.classes[spec.connector]
                settings = with_secrets(spec.settings(cls, self.resolve), self.handed_over(name))
                found = self._connectors[name] = cls(name, settings, self.host)
            return found

    def lacking(self, name: str) -> Sequence[str]:
        """Which of its webhook secrets are not there, in words; it works by the others."""
        return self.workspace.connections[name].lacking(self.resolve)

    def offers(self, connection: str) -> Mapping[str, ObjectSpec]:
        """The objects of a connection, and what can be done with each."""
        return self._offers.get(connection, {})

    def mapping(self, connection: str, object: str) -> CompiledMapping | None:
        """The mapping in force for an object of a connection."""
        return self.workspace.mappings.get((connection, object))

    def not_read(self, connection: str, object: str) -> Collection[str]:
        """Our fields that are in quarantine as a whole: the tool's are gone, or not what they were.
        They keep our value.
        """
        held: Collection[str] = self.drifts.get((connection, object), {}).get("in", ())
        return held

    def not_written(self, connection: str, object: str) -> Collection[str]:
        """Our fields that would be refused there, so that they are not sent for now."""
        held: Collection[str] = self.drifts.get((connection, object), {}).get("out", ())
        return held

    def mirror(self, connection: str, entity: str, object: str | None = None) -> str | None:
        """The object of a connection that an entity is written to: the named one, or the first
        one that takes it.
        """
        pushable = self.offers(connection)
        for (name, kind), mapping in self.workspace.mappings.items():
            if name != connection or (object is not None and kind != object):
                continue
            takes = kind in pushable and pushable[kind].push and mapping.writes
            if takes and mapping.spec.entity == entity:
                return kind
        return None

    def mail(self) -> str | None:
        """The connection that sends mail: the first one that reaches people by e-mail address."""
        for name in self.workspace.connections:
            if self._reaches_by(name) == "email":
                return name
        return None

    def _reaches_by(self, connection: str) -> str | None:
        spec = self.workspace.connections.get(connection)
        message = self.offers(connection).get("message")
        if spec is None or message is None or "create" not in message.push:
            return None
        return self.classes[spec.connector].reaches_people_by

    def way_to(self, party: Mapping[str, Any]) -> tuple[str, str] | None:
        """The connection and address that a party is written to by: a person's own `channel`, if
        they have an account there, else mail. None where there is no way. Outsiders get mail.
        """
        key = self._by_id.get(party["id"])
        person = self.workspace.people.get(key) if key else None
        if person is not None and person.channel:
            by = self._reaches_by(person.channel)
            address = party.get("email") if by == "email" else None
            if by == "account":
                address = self.handle_for(person.channel, party["id"])
            if address:
                return person.channel, str(address)
        mail = self.mail()
        return (mail, str(party["email"])) if mail and party.get("email") else None

    def takes_buttons(self, connection: str) -> bool:
        """Whether messages of a connection may carry buttons."""
        spec = self.workspace.connections.get(connection)
        message = self.offers(connection).get("message")
        if spec is None or message is None or "update" not in message.push:
            return False
        return self.classes[spec.connector].takes_buttons

    def afresh(self) -> Snapshot:
        """The same revision with connectors that are yet to be built."""
        fresh = Snapshot(
            self.revision,
            self.workspace,
            self.files,
            self.parties,
            self.classes,
            self.resolve,
            self.host,
            self.handed_over,
            self.roster,
        )
        fresh.presence = self.presence
        return fresh

    def close(self) -> None:
        with self._lock:
            for connector in self._connectors.values():
                connector.close()
            self._connectors.clear()


def with_secrets(settings: ConnectionConfig, secrets: Sequence[str]) -> ConnectionConfig:
    """The settings with further secrets that deliveries may be signed with."""
    if not secrets:
        return settings
    webhook = settings.webhook
    known = [*webhook.secret, *(SecretStr(one) for one in secrets)]
    return settings.model_copy(update={"webhook": webhook.model_copy(update={"secret": known})})


class NoWorkspace(RuntimeError):
    """Nothing has been applied yet."""


class Live:
    """Hands out the snapshot of the newest revision. Safe from many threads."""

    def __init__(
        self,
        database: Database,
        classes: Mapping[str, type[Connector]],
        key: bytes,
        env: Mapping[str, str] | None = None,
        host: Host | None = None,
    ) -> None:
        self._database = database
        self._classes = classes
        self._key = key
        self._env = os.environ if env is None else env
        self.host = host or Host()
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._secrets_of: tuple[datetime | None, ...] = ()
        self.roster = Roster()
        self._roster_lock = threading.Lock()
        self._roster_of: Any = None
        self._roster_until: datetime | None = None
        self._mended_for: Any = None
        self._mend_at: float | None = None
        self._unreadable = -1
        self._retired: list[tuple[float, Snapshot]] = []

    def current(self) -> Snapshot:
        """The newest revision's snapshot; looks whether there is a newer one. Raises NoWorkspace.

        A stored revision that this version of the hub can no longer read leaves the old one in
        force.
        """
        with self._database.read() as tx:
            newest, *stamps, roster_of = running.configuration_stamp(tx)
        secrets_of = tuple(stamps)
        if roster_of != self._roster_of:
            self._read_roster()
        with self._lock:
            if self._snapshot is not None and newest in (self._snapshot.revision, self._unreadable):
                if secrets_of[:2] != self._secrets_of[:2]:
                    # connectors were built with the former secrets: build them anew
                    self._retire(self._snapshot)
                    self._snapshot = self._snapshot.afresh()
                if secrets_of != self._secrets_of:
                    with self._database.read() as tx:
                        self._snapshot.drifts = schemas.drifts(tx)
                        self._snapshot.note_absences(standings.told_absences(tx))
                    self._secrets_of = secrets_of
                return self._snapshot
            if newest == 0:
                raise NoWorkspace("No workspace has been applied. Run: hub apply DIR")
            with self._database.read() as tx:
                row = running.revision(tx, newest)
                parties = work.people(tx)
                drifts = schemas.drifts(tx)
                told = standings.told_absences(tx)
            assert row is not None  # noqa: S101 - revisions are never deleted
            loaded = load(row["files"], self._classes, self._env)
            if loaded.workspace is None:
                if self._snapshot is not None:
                    self._unreadable = newest
                    return self._snapshot
                raise NoWorkspace(
                    f"Revision {newest} does not load in this version: {loaded.findings[0]}"
                )
            if self._snapshot is not None:
                self._retire(self._snapshot)
            self._snapshot = self.snapshot_of(newest, loaded.workspace, row["files"], parties)
            self._snapshot.drifts = drifts
            self._snapshot.note_absences(told)
            self._secrets_of = secrets_of
            return self._snapshot

    def known(self, tx: Connection) -> Snapshot | None:
        """The newest revision's snapshot, as a transaction sees it; None if it is not here yet."""
        newest, *stamps, roster_of = running.configuration_stamp(tx)
        with self._lock:
            snapshot = self._snapshot
            there = snapshot is not None and newest in (snapshot.revision, self._unreadable)
            same = tuple(stamps) == self._secrets_of and roster_of == self._roster_of
            return snapshot if there and same else None

    def _read_roster(self) -> None:
        """Take in the accounts that changed since we last looked."""
        with self._roster_lock, self._database.read() as tx:
            *_, roster_of = running.configuration_stamp(tx)
            changed = accounts.changed_since(tx, self._roster_until)
            self.roster.take(changed)
            if changed:
                self._roster_until = changed[-1]["changed_at"]
            self._roster_of = roster_of

    def people_to_mend(self, again: timedelta) -> bool:
        """Whether somebody became known, or changed, since this was last asked; and once more after
        a while, as others may have looked before and committed since.
        """
        with self._roster_lock:
            now = time.monotonic()
            due = self._roster_of != self._mended_for or (
                self._mend_at is not None and now >= self._mend_at
            )
            if self._roster_of != self._mended_for:
                self._mended_for, self._mend_at = self._roster_of, now + again.total_seconds()
            elif due:
                self._mend_at = None
            return due

    def latest(self) -> Snapshot:
        """The snapshot that was in force when somebody last looked, without looking: for what is
        looked at again in its transaction. Raises NoWorkspace.
        """
        return self._snapshot or self.current()

    def snapshot_of(
        self, revision: int, workspace: Workspace, files: Any, parties: Mapping[str, Row]
    ) -> Snapshot:
        """A snapshot of a workspace, in force or not. To be closed by whoever asked."""
        return Snapshot(
            revision=revision,
            workspace=workspace,
            files=cast("Mapping[str, str]", files),
            parties=parties,
            classes=self._classes,
            resolve=self.resolve,
            host=self.host,
            handed_over=self.handed_over,
            roster=self.roster,
        )

    def former(self, connection: str, since: int) -> Snapshot | None:
        """The newest revision, from `since` on, that has a connection which is gone now. To be
        closed by whoever asked.
        """
        with self._database.read() as tx:
            numbers = [row["number"] for row in running.list_revisions(tx, 1000)]
            parties = work.people(tx)
        for number in numbers:
            if number < since:
                break
            with self._database.read() as tx:
                row = running.revision(tx, number)
            loaded = load(row["files"], self._classes, self._env) if row else None
            if loaded and loaded.workspace and connection in loaded.workspace.connections:
                assert row is not None  # noqa: S101 - it was loaded
                return self.snapshot_of(number, loaded.workspace, row["files"], parties)
        return None

    def handed_over(self, connection: str) -> Sequence[str]:
        """The webhook secrets that a vendor handed over. Raises ConfigError where the hub's secret
        key is another one.
        """
        try:
            with self._database.read() as tx:
                stored = subscriptions.handed_over_name(connection)
                own = (access.get_secret(tx, self._key, stored) or "").splitlines()
                found = subscriptions.secrets_of(tx, self._key, connection)
                return [*own, *found]
        except access.WrongKey as error:
            raise ConfigError(str(error)) from None

    def _retire(self, snapshot: Snapshot) -> None:
        """Its connectors may still be in use: they are closed long after."""
        now = time.monotonic()
        for at, one in self._retired:
            if now - at > GRACE:
                one.close()
        self._retired = [(at, one) for at, one in self._retired if now - at <= GRACE]
        self._retired.append((now, snapshot))

    def close(self) -> None:
        """Close every connector there is. Call once nobody works any more."""
        with self._lock:
            for _, one in self._retired:
                one.close()
            self._retired.clear()
            if self._snapshot is not None:
                self._snapshot.close()

    def resolve(self, reference: str) -> str | None:
        """The value of `env:NAME` or `secret:NAME`, None if there is none."""
        kind, _, name = reference.partition(":")
        if kind == "env":
            return self._env.get(name) or None
        if kind == "secret":
            with self._database.read() as tx:
                return access.get_secret(tx, self._key, name)
        return None
