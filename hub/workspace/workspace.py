"""A whole workspace, loaded: every file read, every name resolved, everything compiled; or the
findings that say why not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from connectors.sdk import Connector
from hub import keys
from hub.process.calendar import WEEKDAYS, Calendar, parse_hours, supported_countries
from hub.process.definitions import load_process
from hub.process.model import ProcessDefinition
from hub.process.who import Known
from hub.reading import Reader, unknown
from hub.workspace.connections import ConnectionSpec, load_connections
from hub.workspace.files import FOLDERS, workspace_hash
from hub.workspace.mapping_files import load_mappings
from hub.workspace.people import People, Person, load_people
from hub.workspace.retention import Retention, load_retention
from hub.workspace.rules import RuleSet, load_rules
from hub.workspace.services import in_their_files, put_in
from hub.workspace.uses import check_uses
from mappings.compiler import CompiledMapping
from mappings.sameness import Agreement, agreements
from mappings.source import Finding, Map, Place

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything the files say, ready to run. `hash` is the same for the same files anywhere."""

    name: str
    timezone: str
    calendar: Calendar
    hash: str
    connections: Mapping[str, ConnectionSpec] = field(default_factory=dict)
    people: Mapping[str, Person] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fallback: Mapping[str, str] = field(default_factory=dict)
    mappings: Mapping[tuple[str, str], CompiledMapping] = field(default_factory=dict)
    agreements: Mapping[str, tuple[Agreement, ...]] = field(default_factory=dict)
    """What `match` of these mappings speaks of, by kind of entity."""
    rules: RuleSet = field(default_factory=RuleSet)
    processes: Mapping[str, ProcessDefinition] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A workspace, or None beside at least one error among the findings (in order of place)."""

    workspace: Workspace | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(found for found in self.findings if found.severity == "error")


def load(
    files: Mapping[str, str],
    connectors: Mapping[str, type[Connector]],
    env: Mapping[str, str] | None = None,
) -> Loaded:
    """Load and check a workspace. `env` are the variables that `env:NAME` may name; None: whether
    they are set is not looked at.
    """
    findings: list[Finding] = _misnamed(files)
    hub = Reader("hub.yaml", files.get("hub.yaml", ""))
    if "hub.yaml" not in files:
        hub.error(Place("hub.yaml"), "there is no hub.yaml.", "Make one with: hub init DIR")
    document = hub.load() if "hub.yaml" in files else None
    top = document if document is not None else Map(Place("hub.yaml"))
    name, timezone, calendar, retention = "", "UTC", Calendar(), Retention()
    connections: dict[str, ConnectionSpec] = {}
    services: Mapping[str, Reader] = {}
    if document is not None:
        hub.only(top, keys.HUB, "hub.yaml")
        hub.required(top, "name", "hub.yaml")
        name = hub.text(top, "name") or ""
        timezone, calendar = _calendar(hub, top)
        retention = load_retention(hub, top)
        services = put_in(hub, top, connectors, files)
        connections = load_connections(hub, top, connectors, env)
    findings += in_their_files(hub.findings, services)

    # a mistake in hub.yaml must not make every name in the other files look unknown
    written = top.get("connections")
    names = frozenset(written) if isinstance(written, dict) else frozenset()
    sure = document is not None
    people = People()
    people_sure = True
    if "people.yaml" in files:
        reader = Reader("people.yaml", files["people.yaml"])
        classes = {
            name: connectors[one.connector]
            for name, one in connections.items()
            if one.connector in connectors
        }
        people = load_people(reader, names if sure else None, classes)
        people_sure = bool(people.people or people.roles) or not reader.failed
        findings += reader.findings

    known = Known(
        people=frozenset(people.people) if people_sure else None,
        roles=people.roles if people_sure else None,
        connections=names if sure else None,
    )
    processes: dict[str, ProcessDefinition] = {}
    process_names: set[str] = set()
    for file in _in(files, "processes"):
        definition, found = load_process(file, files[file], known)
        findings += found
        key = definition.key if definition else _name_in(files[file])
        if definition is not None and key in processes:
            first = processes[definition.key].place.file
            findings.append(
                Finding(
                    definition.place,
                    f"there are two processes '{key}' (the first in {first}).",
                    "Rename one of them.",
                )
            )
        elif definition is not None:
            processes[definition.key] = definition
        if key:
            process_names.add(key)

    readers = [Reader(file, files[file]) for file in _in(files, "rules")]
    known = Known(known.people, known.roles, known.connections, frozenset(process_names))
    rules = load_rules(readers, known)
    for reader in readers:
        findings += reader.findings

    mappings, found = load_mappings(
        {file: files[file] for file in _in(files, "mappings")},
        {file: text for file, text in files.items() if file.startswith("samples/")},
        connections,
        connectors,
        timezone,
        names - set(connections),
    )
    findings += found
    if not any(found.severity == "error" for found in findings):
        offers = {name: one.offers(connectors[one.connector]) for name, one in connections.items()}
        findings += check_uses(connections, offers, mappings, processes, rules, files)
    ordered = tuple(sorted(dict.fromkeys(findings), key=lambda found: found.place))
    if any(found.severity == "error" for found in ordered):
        return Loaded(None, ordered)
    workspace = Workspace(
        name=name,
        timezone=timezone,
        calendar=calendar,
        hash=workspace_hash(files),
        connections=connections,
        people=people.people,
        roles=people.roles,
        identities=people.identities,
        fallback=people.fallback,
        mappings=mappings,
        agreements=agreements(one.spec for one in mappings.values()),
        rules=rules,
        processes=processes,
        retention=retention,
    )
    return Loaded(workspace, ordered)


def _in(files: Mapping[str, str], folder: str) -> list[str]:
    return sorted(
        file for file in files if file.startswith(f"{folder}/") and file.endswith(".yaml")
    )


def _misnamed(files: Mapping[str, str]) -> list[Finding]:
    """Files that look as if they counted, but do not."""
    return [
        Finding(Place(file), f"'{file}' is not read.", "Rename it to end in .yaml.")
        for file in files
        if file.endswith(".yml") and file.partition("/")[0] in FOLDERS
    ]


def _name_in(text: str) -> str:
    """The name of a process whose file has errors, so that rules that name it stay quiet."""
    match = re.search(r"^process:\s*['\"]?([^'\"\s#]+)", text, re.MULTILINE)
    return match[1] if match else ""


def _calendar(reader: Reader, top: Map) -> tuple[str, Calendar]:
    timezone = reader.text(top, "timezone") or "UTC"
    zone = _valid(reader, top.at("timezone"), {"timezone": timezone})
    section = reader.mapping(top, "calendar")
    if section is None:
        return timezone, zone or Calendar()
    reader.only(section, keys.CALENDAR, "the calendar")
    settings: dict[str, object] = {"timezone": timezone if zone else "UTC"}
    country, subdivision = reader.text(section, "country"), reader.text(section, "subdivision")
    countries = supported_countries() if country else {}
    if country is not None and country not in countries:
        message, hint = unknown(country, "country", countries)
        reader.error(
            section.at("country"), message, f"Write an ISO code such as CH. {hint}".strip()
        )
    elif country is not None:
        settings["country"] = country
    if subdivision is not None and country is None:
        reader.error(section.at("subdivision"), "a subdivision needs a 'country' beside it.")
    elif subdivision is not None and country in countries:
        if subdivision in countries[country]:
            settings["subdivision"] = subdivision
        else:
            reader.error(
                section.at("subdivision"),
                *unknown(subdivision, f"subdivision of {country}", countries[country]),
            )
    days = reader.texts(section, "workdays")
    for day, place in days:
        if day not in WEEKDAYS:
            reader.error(place, f"'{day}' is not a weekday.", f"Write {', '.join(WEEKDAYS)}.")
    if section.get("workdays") == []:
        reader.error(section.at("workdays"), "nobody ever works.", "Name at least one weekday.")
    good_days = [day for day, _ in days if day in WEEKDAYS]
    if good_days:
        settings["workdays"] = good_days
    hours = reader.text(section, "hours")
    if hours is not None:
        try:
            parse_hours(hours)
            settings["hours"] = hours
        except ValueError as error:
            reader.error(section.at("hours"), str(error))
    closed = []
    for day, place in reader.texts(section, "closed"):
        try:
            if not _DATE.fullmatch(day):
                raise ValueError
            closed.append(date.fromisoformat(day))
        except ValueError:
            reader.error(place, f"'{day}' is not a date.", "Write 2026-12-24.")
    settings["closed"] = closed
    return timezone, _valid(reader, section.place, settings) or Calendar()


def _valid(reader: Reader, place: Place, settings: Mapping[str, object]) -> Calendar | None:
    try:
        return Calendar(**settings)  # type: ignore[arg-type] # each was checked by its caller
    except ValueError as error:
        reader.error(place, str(error))
        return None
