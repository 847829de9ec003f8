"""people.yaml: who works here, in which roles, who stands in for whom, and who is who in which
tool.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from connectors.sdk import Connector
from hub import keys
from hub.process.clock_keys import read_calendar
from hub.reading import Reader, unknown
from mappings.source import Map

_EMAIL = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+")
_QUIET = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MEANS_SOMETHING = ("accountable", "responsible", "external", "role", "hub")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be responsible. `quiet_hours` is `HH:MM-HH:MM` and may pass midnight."""

    key: str
    name: str
    email: str | None = None
    timezone: str | None = None
    deputies: tuple[str, ...] = ()
    quiet_hours: str | None = None
    channel: str | None = None
    """The connection that this person is written to by; None: mail."""
    away: tuple[tuple[date, date], ...] = ()
    """First and last days of absences."""
    left: date | None = None
    """Their last day here."""
    calendar: str | None = None
    """One of the workspace's named calendars."""


@dataclass(frozen=True, slots=True)
class People:
    """Everybody: persons by key, role name to person keys, connection to person key to handle, and
    connection to the queue there of whoever has no account.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fallback: Mapping[str, str] = field(default_factory=dict)
    role_calendars: Mapping[str, str] = field(default_factory=dict)
    """Named calendars, by role."""


def load_people(
    reader: Reader,
    connections: Collection[str] | None,
    connectors: Mapping[str, type[Connector]] | None = None,
    calendars: Collection[str] | None = None,
) -> People:
    """What the file says; what is wrong with it is among the reader's findings. `connections` None:
    they are not known, so not checked. `connectors`: those of the connections that are in order.
    """
    document = reader.load()
    if document is None:
        return People()
    reader.only(document, keys.PEOPLE, "people.yaml")
    written = reader.mapping(document, "people") or Map(document.place)
    people: dict[str, Person] = {}
    addresses: dict[str, str] = {}
    for key in written:
        person = _person(reader, written, key, calendars)
        if person is None:
            continue
        people[key] = person
        if person.email is not None:
            first = addresses.setdefault(person.email.casefold(), key)
            if first != key:
                reader.error(
                    written[key].at("email"),
                    f"'{first}' has this address too, so mail from it could be either.",
                    "Give each person an address of their own.",
                )
    _deputies(reader, written, people)
    roles, role_calendars = _roles(reader, document, people, written, calendars)
    identities = _identities(reader, document, written, connections)
    for key, person in people.items():
        if person.channel is not None and connections is not None:
            account = identities.get(person.channel, {}).get(key)
            _channel(reader, written[key], person, account, connections, connectors or {})
    fallback = _fallback(reader, document, identities, connections)
    return People(people, roles, identities, fallback, role_calendars)


def _channel(
    reader: Reader,
    body: Map,
    person: Person,
    account: str | None,
    connections: Collection[str],
    connectors: Mapping[str, type[Connector]],
) -> None:
    """Whether a person can be written to by their channel."""
    name = person.channel or ""
    if name not in connections:
        reader.error(body.at("channel"), *unknown(name, "connection", connections))
        return
    connector = connectors.get(name)
    if connector is None:
        return  # what is wrong with it was told
    if connector.reaches_people_by is None:
        fit = [one for one, kind in connectors.items() if kind.reaches_people_by]
        reader.error(
            body.at("channel"),
            f"'{name}' ({connector.title}) does not write to people.",
            f"Connections that do: {', '.join(sorted(fit)) or 'none yet'}.",
        )
        return
    by_email = connector.reaches_people_by == "email" or connector.names_people_by_email
    if account is None and not (person.email and by_email):
        reader.warn(
            body.at("channel"),
            f"'{person.key}' has no account in '{name}', so mail is used.",
            f"Name it under identities: {name}: {{{person.key}: …}}",
        )


def _person(
    reader: Reader, written: Map, key: str, calendars: Collection[str] | None
) -> Person | None:
    body = reader.mapping(written, key)
    if body is None:
        if written[key] is None:
            reader.error(written.key_at(key), f"'{key}' says nothing.", "Add at least a name.")
        return None
    if key in _MEANS_SOMETHING or not _KEY.fullmatch(key):
        reader.error(
            written.key_at(key),
            f"'{key}' cannot be a person's key.",
            "Use letters, digits, dots and dashes, and no word that means something else.",
        )
    reader.only(body, keys.PERSON, "a person")
    reader.required(body, "name", "a person")
    email, timezone = reader.text(body, "email"), reader.text(body, "timezone")
    quiet = reader.text(body, "quiet_hours")
    if email is not None and not _EMAIL.fullmatch(email):
        reader.error(body.at("email"), f"'{email}' is not an e-mail address.")
    if timezone is not None:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            reader.error(
                body.at("timezone"),
                f"'{timezone}' is not a time zone.",
                "Write an IANA name such as Europe/Zurich.",
            )
    if quiet is not None and not _QUIET.fullmatch(quiet):
        reader.error(
            body.at("quiet_hours"), f"'{quiet}' are not hours of a day.", 'Write "19:00-07:00".'
        )
    deputies = tuple(deputy for deputy, _ in reader.texts(body, "deputies"))
    channel = reader.text(body, "channel")
    return Person(
        key,
        reader.text(body, "name") or key,
        email,
        timezone,
        deputies,
        quiet,
        channel,
        away=_away(reader, body),
        left=_day(reader, body, "left"),
        calendar=read_calendar(reader, body, calendars),
    )


def _day(reader: Reader, body: Map, key: str) -> date | None:
    """A day, YYYY-MM-DD."""
    written = reader.text(body, key)
    if written is None:
        return None
    try:
        return date.fromisoformat(written) if len(written) == 10 else _no_day(written)
    except ValueError:
        reader.error(
            body.at(key), f"'{written}' is not a day.", "Write year-month-day: 2026-12-20."
        )
        return None


def _no_day(written: str) -> date:
    raise ValueError(written)


def _away(reader: Reader, body: Map) -> tuple[tuple[date, date], ...]:
    """Absences, as first and last days."""
    found = []
    for one in reader.maps(body, "away") if body.get("away") is not None else ():
        reader.only(one, keys.AWAY, "an absence")
        for needed in ("from", "until"):
            reader.required(one, needed, "an absence")
        first, last = _day(reader, one, "from"), _day(reader, one, "until")
        if first is None or last is None:
            continue
        if last < first:
            reader.error(
                one.at("until"),
                f"this absence ends on {last}, before it begins.",
                "Write the last day away after the first one.",
            )
            continue
        found.append((first, last))
    return tuple(found)


def _deputies(reader: Reader, written: Map, people: Mapping[str, Person]) -> None:
    for key, person in people.items():
        if not person.deputies:
            continue
        places = dict(Reader(reader.file).texts(written[key], "deputies"))
        for deputy in person.deputies:
            if deputy == key:
                reader.error(places[deputy], f"'{key}' cannot stand in for themselves.")
            elif deputy not in written:
                reader.error(places[deputy], *unknown(deputy, "person", written))
    others = {
        key: [deputy for deputy in person.deputies if deputy != key and deputy in people]
        for key, person in people.items()
    }
    for circle in _closed_circles(others):
        reader.warn(
            written[circle[0]].at("deputies"),
            f"these stand in only for each other: {' → '.join([*circle, circle[0]])}.",
            "When all of them are away nobody is asked; name one more deputy.",
        )


def _closed_circles(deputies: Mapping[str, list[str]]) -> list[list[str]]:
    """Groups whose chains of deputies never lead out of the group, each in the order of a chain."""
    reach: dict[str, list[str]] = {}
    for key in deputies:
        seen, row = [], list(deputies[key])
        while row:
            one = row.pop(0)
            if one not in seen:
                seen.append(one)
                row += deputies.get(one, ())
        reach[key] = seen
    found: list[list[str]] = []
    told: set[str] = set()
    for key, those in reach.items():
        closed = key in those and all(key in reach.get(one, ()) for one in those)
        if closed and key not in told:
            told |= {key, *those}
            found.append([key, *(one for one in those if one != key)])
    return found


def _roles(
    reader: Reader,
    document: Map,
    people: Mapping[str, Person],
    written: Map,
    calendars: Collection[str] | None,
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Who has each role, and the calendars of the roles that have one."""
    roles: dict[str, tuple[str, ...]] = {}
    own: dict[str, str] = {}
    section = reader.mapping(document, "roles")
    for name in section or ():
        if section is None:
            break
        body, key = section, name
        if isinstance(section[name], Map):
            body, key = section[name], "members"
            reader.only(body, keys.ROLE, "a role")
            reader.required(body, "members", "a role")
            calendar = read_calendar(reader, body, calendars)
            if calendar is not None:
                own[name] = calendar
        members = reader.texts(body, key)
        for member, place in members:
            if member not in written:
                reader.error(place, *unknown(member, "person", people))
        if not members and key in body and (body[key] is None or body[key] == []):
            reader.error(body.key_at(key), f"nobody has the role '{name}'.", "Write [somebody].")
        roles[name] = tuple(member for member, _ in members)
    return roles, own


def _by_connection(
    reader: Reader, document: Map, key: str, connections: Collection[str] | None
) -> Iterator[tuple[Map, str]]:
    """A section that says something of each connection it names, with those names."""
    section = reader.mapping(document, key)
    if section is None:
        return
    for connection in section:
        if connections is not None and connection not in connections:
            reader.error(
                section.key_at(connection), *unknown(connection, "connection", connections)
            )
        yield section, connection


def _identities(
    reader: Reader, document: Map, written: Map, connections: Collection[str] | None
) -> dict[str, dict[str, str]]:
    identities: dict[str, dict[str, str]] = {}
    for section, connection in _by_connection(reader, document, "identities", connections):
        handles = reader.mapping(section, connection)
        if handles is None:
            continue
        taken: dict[str, str] = {}
        for person in handles:
            if person not in written:
                reader.error(handles.key_at(person), *unknown(person, "person", written))
            handle = reader.text(handles, person)
            if handle is None:
                continue
            if handle in taken.values():
                reader.error(
                    handles.at(person), f"somebody else is '{handle}' in {connection} already."
                )
            taken[person] = handle
        identities[connection] = taken
    return identities


def _fallback(
    reader: Reader,
    document: Map,
    identities: Mapping[str, Mapping[str, str]],
    connections: Collection[str] | None,
) -> dict[str, str]:
    """Per connection, who is given there what belongs to somebody without an account there. It is
    nobody of ours: else one of us would have another's work.
    """
    fallback: dict[str, str] = {}
    for section, connection in _by_connection(reader, document, "fallback", connections):
        queue = reader.text(section, connection)
        if queue is None:
            continue
        for person, handle in identities.get(connection, {}).items():
            if handle.casefold() == queue.casefold():
                reader.error(
                    section.at(connection),
                    f"'{queue}' is {person} in {connection}, who would have everybody's work.",
                    "Name an account or a group there that is nobody of you.",
                )
        fallback[connection] = queue
    return fallback
