"""A whole workspace, loaded: every file read, every name resolved, everything compiled; or the
findings that say why not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from connectors.sdk import Connector
from hub import keys
from hub.participants.pacing import Pace
from hub.process.calendar import Calendar
from hub.process.definitions import load_process
from hub.process.model import ProcessDefinition
from hub.process.step_kinds import check_parts
from hub.process.who import Known
from hub.reading import Reader
from hub.workspace.calendars import Calendars, load_calendars
from hub.workspace.connections import ConnectionSpec, load_connections
from hub.workspace.files import FOLDERS, workspace_hash
from hub.workspace.mapping_files import load_mappings
from hub.workspace.nudging import load_pace
from hub.workspace.people import People, Person, load_people
from hub.workspace.retention import Retention, load_retention
from hub.workspace.rules import RuleSet, load_rules
from hub.workspace.services import in_their_files, put_in
from hub.workspace.uses import check_uses
from mappings.compiler import CompiledMapping
from mappings.sameness import Agreement, agreements
from mappings.source import Finding, Map, Place


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything the files say, ready to run. `hash` is the same for the same files anywhere."""

    name: str
    timezone: str
    calendar: Calendar
    hash: str
    calendars: Calendars = field(default_factory=Calendars)
    """Whose days and hours count for whom."""
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
    nudges: Pace = field(default_factory=Pace)


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
    named: dict[str, Calendar] = {}
    pace = Pace()
    connections: dict[str, ConnectionSpec] = {}
    services: Mapping[str, Reader] = {}
    if document is not None:
        hub.only(top, keys.HUB, "hub.yaml")
        hub.required(top, "name", "hub.yaml")
        name = hub.text(top, "name") or ""
        timezone, calendar, named = load_calendars(hub, top)
        retention = load_retention(hub, top)
        pace = load_pace(hub, top)
        services = put_in(hub, top, connectors, files)
        connections = load_connections(hub, top, connectors, env)
    findings += in_their_files(hub.findings, services)

    # a mistake in hub.yaml must not make every name in the other files look unknown
    written = top.get("connections")
    names = frozenset(written) if isinstance(written, dict) else frozenset()
    sure = document is not None
    several = top.get("calendars")
    calendars = frozenset(several) if isinstance(several, dict) else frozenset()
    people = People()
    people_sure = True
    if "people.yaml" in files:
        reader = Reader("people.yaml", files["people.yaml"])
        classes = {
            name: connectors[one.connector]
            for name, one in connections.items()
            if one.connector in connectors
        }
        people = load_people(reader, names if sure else None, classes, calendars if sure else None)
        people_sure = bool(people.people or people.roles) or not reader.failed
        findings += reader.findings

    known = Known(
        people=frozenset(people.people) if people_sure else None,
        roles=people.roles if people_sure else None,
        connections=names if sure else None,
        calendars=calendars if sure else None,
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
    findings += check_parts(processes, process_names)

    readers = [Reader(file, files[file]) for file in _in(files, "rules")]
    known = replace(known, processes=frozenset(process_names))
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
        calendars=Calendars(calendar, named, people.people, people.role_calendars),
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
        nudges=pace,
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
