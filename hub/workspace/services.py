"""Parts of a connection that stand in files of their own: `service: tracker` in hub.yaml is
services/tracker.yaml, put in its place with the positions of that file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from connectors.sdk import Connector
from connectors.sdk.config import Folder
from hub.reading import Reader, unknown
from mappings.source import Finding, Map

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def put_in(
    reader: Reader,
    document: Map,
    connectors: Mapping[str, type[Connector]],
    files: Mapping[str, str],
) -> dict[str, Reader]:
    """Replace each such name by what its file holds. What is wrong with a file, or with the name
    of one, is a finding; the readers of the files by their names, for `in_their_files`.
    """
    readers: dict[str, Reader] = {}
    section = document.get("connections")
    for body in section.values() if isinstance(section, Map) else ():
        connector = connectors.get(str(body.get("connector"))) if isinstance(body, Map) else None
        if connector is None:
            continue
        for key, folder in folders_of(connector).items():
            name = body.get(key)
            if not isinstance(name, str):
                continue
            file = f"{folder}/{name}.yaml"
            if file not in readers and file in files:
                readers[file] = Reader(file, files[file])
            held = readers[file].load() if file in readers else None
            if file not in readers:
                known = [
                    one.removeprefix(f"{folder}/").removesuffix(".yaml")
                    for one in files
                    if one.startswith(f"{folder}/") and one.endswith(".yaml")
                ]
                reader.error(body.at(key), *unknown(name, f"file in {folder}/", known))
            if held is None:
                # told already; whatever else the model would say about it is noise
                body[key] = Map(body.at(key))
            else:
                body[key] = held
                body.value_places[key] = held.place
    return readers


def folders_of(connector: type[Connector]) -> dict[str, str]:
    """The keys of a connection that may name a file, with the folder it stands in."""
    return {
        key: mark.name
        for key, info in connector.config.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, Folder)
    }


def in_their_files(findings: list[Finding], readers: Mapping[str, Reader]) -> list[Finding]:
    """The findings with the line of the file that they point into, and those of the files
    themselves. A file that several connections name is told once.
    """
    found = []
    for finding in findings:
        held = readers.get(finding.place.file)
        if held is not None:
            lines, line = held.source.lines, finding.place.line
            excerpt = lines[line - 1] if 0 < line <= len(lines) else ""
            finding = replace(finding, excerpt=excerpt)
        found.append(finding)
    for held in readers.values():
        found += held.findings
    return list(dict.fromkeys(found))
