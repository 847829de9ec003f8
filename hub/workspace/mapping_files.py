"""Which mapping applies where: the workspace's own files first, the connectors' defaults where
there is none, one compiled mapping for each connection and object.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from importlib import resources

from connectors.sdk import Connector
from hub.reading import unknown
from hub.transforms import brought_transforms
from hub.workspace.connections import ConnectionSpec
from mappings import check
from mappings.check import check_mapping
from mappings.check.met import check_met
from mappings.compiler import CompiledMapping, MappingError, compile_mapping
from mappings.language import MappingSpec, load_mapping, resolve
from mappings.source import Finding

Connectors = Mapping[str, type[Connector]]
_NAMED = re.compile(r"^mapping:\s*['\"]?([^'\"\s#]+)", re.MULTILINE)
"""The name in a file that is not YAML, so that what extends it is not called wrong too."""


@lru_cache(maxsize=256)
def default_mappings(connector: type[Connector]) -> tuple[tuple[str, str], ...]:
    """The mapping files a connector ships, as (file, text)."""
    package = connector.__module__.rpartition(".")[0]
    if not package:
        return ()
    folder = resources.files(package) / "mappings"
    if not folder.is_dir():
        return ()
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    where = package.replace(".", "/")
    return tuple((f"{where}/mappings/{name}", (folder / name).read_text("utf-8")) for name in names)


@lru_cache(maxsize=256)
def _default_specs(
    connector: type[Connector],
) -> tuple[tuple[MappingSpec, ...], tuple[Finding, ...]]:
    specs, findings = [], []
    for file, text in default_mappings(connector):
        spec, found = load_mapping(file, text)
        findings += found
        if spec is not None:
            specs.append(spec)
    return tuple(specs), tuple(findings)


def load_mappings(
    files: Mapping[str, str],
    samples: Mapping[str, str],
    connections: Mapping[str, ConnectionSpec],
    connectors: Connectors,
    zone: str,
    broken: Collection[str] = (),
) -> tuple[dict[tuple[str, str], CompiledMapping], list[Finding]]:
    """The compiled mapping of each (connection, object). `files` are those of mappings/, `samples`
    those that an example may point at, `broken` connections that hub.yaml has
    but that could not be read.
    """
    brought_transforms()
    findings: list[Finding] = []
    own: list[MappingSpec] = []
    unreadable: set[str] = set()
    for file, text in files.items():
        spec, found = load_mapping(file, text)
        findings += found
        if spec is not None:
            own.append(spec)
        elif match := _NAMED.search(text):
            unreadable.add(match[1])
    names = {spec.name for spec in own}
    shipped: list[MappingSpec] = []
    named = {each.connector for each in connections.values()}
    named |= {each.connector for each in own if each.connector is not None}
    used = sorted(name for name in named if name in connectors)
    for name in used:
        specs, found_in_defaults = _default_specs(connectors[name])
        findings += found_in_defaults
        shipped += specs
    resolved, found = resolve(own, shipped, unreadable)
    findings += found
    sample_names = frozenset(samples)
    compiled: dict[str, CompiledMapping] = {}
    told: dict[str, frozenset[str]] = {}
    for spec in resolved.values():
        problems = [*check_mapping(spec)]
        if spec.name in names:
            problems += _check_names(spec, connections, connectors, sample_names, broken, told)
            if not any(problem.severity == "error" for problem in problems):
                problems += check_met(spec, samples)
        findings += problems
        if not spec.baseless and not any(problem.severity == "error" for problem in problems):
            try:
                compiled[spec.name] = compile_mapping(spec, zone)
            except MappingError as error:
                findings.append(spec.finding(spec.place, str(error)))
    ranks = [names, {spec.name for spec in shipped} - names]
    return _choose(compiled, ranks, connections, findings)


def _choose(
    compiled: Mapping[str, CompiledMapping],
    ranks: Sequence[set[str]],
    connections: Mapping[str, ConnectionSpec],
    findings: list[Finding],
) -> tuple[dict[tuple[str, str], CompiledMapping], list[Finding]]:
    """A connection's own mapping beats one for its connector, and that beats a default."""
    chosen: dict[tuple[str, str], CompiledMapping] = {}
    for rank in ranks:
        for by_connection in (True, False):
            taken: dict[tuple[str, str], CompiledMapping] = {}
            for name, mapping in compiled.items():
                spec = mapping.spec
                if name not in rank or spec.object is None:
                    continue
                if (spec.connection is not None) != by_connection:
                    continue
                for connection in connections.values():
                    if connection.name != spec.connection and (
                        by_connection or connection.connector != spec.connector
                    ):
                        continue
                    key = (connection.name, spec.object)
                    if key in taken:
                        findings.append(
                            spec.finding(
                                spec.place,
                                f"'{taken[key].spec.name}' maps the object '{spec.object}' of "
                                f"'{connection.name}' already ({taken[key].spec.place}).",
                                "Keep one of them.",
                            )
                        )
                        continue
                    taken[key] = mapping
            chosen = {**taken, **chosen}
    return chosen, findings


def _offered(
    spec: MappingSpec,
    connector: type[Connector],
    connections: Mapping[str, ConnectionSpec],
    told: dict[str, frozenset[str]],
) -> frozenset[str]:
    """The objects that a mapping may name: those of its connection, or, where it is for a
    connector, those that any connection of it has. Empty: there is none to tell.
    """
    one = connections.get(spec.connection) if spec.connection is not None else None
    own = [one] if one else [e for e in connections.values() if e.connector == connector.name]
    for each in own:
        if each.name not in told:  # a connector may read its whole configuration for that
            told[each.name] = frozenset(each.offers(connector))
    known = frozenset[str]() if one else frozenset(connector.objects)
    return known.union(*(told[each.name] for each in own))


def _check_names(
    spec: MappingSpec,
    connections: Mapping[str, ConnectionSpec],
    connectors: Connectors,
    samples: frozenset[str],
    broken: Collection[str],
    told: dict[str, frozenset[str]],
) -> list[Finding]:
    """What a mapping names outside itself must exist."""
    found: list[Finding] = []
    connector: str | None = spec.connector
    if spec.connection is not None:
        if spec.connection in connections:
            connector = connections[spec.connection].connector
        elif spec.connection not in broken:
            found.append(
                spec.finding(
                    spec.place_of("connection"),
                    *unknown(spec.connection, "connection", connections),
                )
            )
    elif spec.connector is not None and spec.connector not in connectors:
        found.append(
            spec.finding(
                spec.place_of("connector"), *unknown(spec.connector, "connector", connectors)
            )
        )
    known = connectors.get(connector or "")
    if known is not None and spec.object is not None:
        offered = _offered(spec, known, connections, told)
        if offered and spec.object not in offered:
            found.append(
                spec.finding(
                    spec.place_of("object"), *unknown(spec.object, f"{connector} object", offered)
                )
            )
    if (
        spec.connection is not None
        and spec.identity is not None
        and connector not in check.DECLARES_IDENTITY
    ):
        found.append(
            spec.finding(
                spec.identity.place,
                f"who a record is, is the knowledge of the connector '{connector}'.",
                f"Remove identity; it is for {', '.join(check.DECLARES_IDENTITY)}.",
            )
        )
    systems = {"hub", *connections, *broken, *([connector] if connector else [])}
    for each in spec.fields.values():
        system = each.system_of_record
        if system is not None and system not in systems:
            found.append(
                spec.finding(
                    each.at("system_of_record"), *unknown(system, "system of record", systems)
                )
            )
    for example in spec.examples:
        if isinstance(example.given, str) and example.given not in samples:
            message, hint = unknown(example.given, "file", samples)
            place = example.given_place or example.place
            found.append(spec.finding(place, message, hint or "Put it into samples/."))
    return found
