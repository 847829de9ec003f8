"""The mapping that a command names: one of the workspace's files as they are now, or one that a
connector ships.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.output import note
from hub.cli.session import classes, folder_of
from mappings import custom

if TYPE_CHECKING:
    from hub.workspace import Workspace
    from mappings.compiler import CompiledMapping


@dataclass(frozen=True, slots=True)
class Subject:
    """The mapping that is looked at, for whom, and who is who."""

    compiled: CompiledMapping
    people: FilePeople
    connection: str


def known_field(subject: Subject, field: str) -> None:
    from mappings.source import did_you_mean

    names = list(subject.compiled.plans)
    if field not in names:
        spec = subject.compiled.spec
        hint = did_you_mean(field, names)
        raise LookupError(f"The mapping '{spec.name}' has no field '{field}'. {hint}".strip())


def named_mapping(name: str, connection: str | None) -> Subject:
    """A mapping of the workspace here, else one that a connector ships, by name or file."""
    from mappings.source import did_you_mean

    workspace = loaded_workspace(folder_of()) if (folder_of() / "hub.yaml").exists() else None
    known: list[Subject] = [
        Subject(compiled, FilePeople({}, {}, ""), of) for compiled, of in _shipped()
    ]
    if workspace is not None:
        for (of, _), compiled in workspace.mappings.items():
            people = FilePeople(workspace.people, workspace.identities, of)
            known.append(Subject(compiled, people, of))
    if connection is not None:
        known = [one for one in known if one.connection == connection]
        if not known:
            raise LookupError(f"There is no connection '{connection}' with mappings. See: hub.yaml")
    # those of the workspace come last, and first they are looked at
    known.reverse()
    for one in known:
        if one.compiled.spec.name == name:
            return one
    path = Path(name)
    found = {
        one.compiled.spec.name: one
        for one in reversed(known)
        if "." in name
        and Path(one.compiled.spec.place.file).parts[-len(path.parts) :] == path.parts
    }
    if len(found) > 1:
        raise LookupError(f"Several files are called '{name}'. Write one of: {', '.join(found)}.")
    if found:
        return next(iter(found.values()))
    names = sorted({one.compiled.spec.name for one in known})
    hint = did_you_mean(name, names) or "All in use: hub mapping list."
    raise LookupError(f"There is no mapping '{name}'. {hint}")


def _shipped() -> Iterable[tuple[CompiledMapping, str]]:
    """The mappings that connectors bring, each with its connector's name."""
    from hub.workspace.mapping_files import default_mappings
    from mappings.compiler import MappingError, compile_mapping
    from mappings.language import load_mapping, resolve

    for name, cls in classes().items():
        specs = [load_mapping(file, text)[0] for file, text in default_mappings(cls)]
        resolved, _ = resolve([spec for spec in specs if spec is not None])
        for spec in resolved.values():
            try:
                yield compile_mapping(spec, "UTC"), name
            except MappingError as error:
                note(f"{spec.place} error: {error}")


def loaded_workspace(folder: Path) -> Workspace:
    """The workspace of a folder's files. Raises NotValid."""
    from hub.apply import NotValid
    from hub.workspace import load, read_files

    loaded = load(read_files(folder), classes(), os.environ)
    if loaded.workspace is None:
        raise NotValid(loaded.errors)
    return loaded.workspace


@dataclass(frozen=True, slots=True)
class FilePeople:
    """People as the files name them, so that a preview needs no database: a party's id is its key
    in people.yaml. Without any people, everybody is called here as in the tool.
    """

    people: Mapping[str, Any]
    identities: Mapping[str, Mapping[str, str]]
    connection: str

    def party_for(self, connection: str, handle: str) -> str | None:
        if not self.people:
            return handle
        wanted = handle.lower()
        for key, name in self.identities.get(connection, {}).items():
            if str(name).lower() == wanted:
                return key
        for key, person in self.people.items():
            if (person.email or "").lower() == wanted:
                return key
        return None

    def handle_for(self, connection: str, party: str) -> str | None:
        if not self.people:
            return party
        handle = self.identities.get(connection, {}).get(party)
        if handle is not None:
            return str(handle)
        person = self.people.get(party)
        return person.email if person else None

    def entity(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Mapped values in the form of the entity: `custom` nested, people as parties."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            if custom.is_custom(name):
                found["custom"] = custom.with_value(found.get("custom", {}), name, value)
            elif name in ("assignee", "requester", "owner", "author") and isinstance(value, str):
                found[name] = self._party(value)
            else:
                found[name] = value
        return found

    def _party(self, key: str) -> dict[str, Any]:
        person = self.people.get(key)
        return {
            "id": key,
            "kind": "person",
            "side": "internal",
            "name": person.name if person else key,
            "email": person.email if person else None,
        }
