"""Asks the tools themselves whether what the mappings name is there: `hub check --live`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from connectors.sdk import Connector, ConnectorError, Host, Source
from hub.workspace import Workspace
from mappings.compiler import CompiledMapping
from mappings.paths import PathError, parse_path
from mappings.source import Finding, did_you_mean
from mappings.spec import Located

Resolve = Callable[[str], str | None]


def ask_the_tools(
    workspace: Workspace, classes: Mapping[str, type[Connector]], resolve: Resolve, host: Host
) -> list[Finding]:
    """A finding for each connection that does not work and for each mapped field that its account
    does not have, in order of place. `host` is the running hub's: a token that rotates is renewed
    for it too.
    """
    found: list[Finding] = []
    for name, spec in workspace.connections.items():
        try:
            cls = classes[spec.connector]
            connector = cls(name, spec.settings(cls, resolve), host)
        except ConnectorError as error:
            found.append(Finding(spec.place, f"'{name}' cannot be asked: {error}"))
            continue
        try:
            connector.check()
            if isinstance(connector, Source):
                for (connection, object), mapping in workspace.mappings.items():
                    if connection == name:
                        found += _missing(connector, name, object, mapping)
        except ConnectorError as error:
            found.append(Finding(spec.place, f"'{name}' does not answer as it should: {error}"))
        finally:
            connector.close()
    return sorted(dict.fromkeys(found), key=lambda one: one.place)


def _missing(
    connector: Source, connection: str, object: str, mapping: CompiledMapping
) -> Iterator[Finding]:
    names = {field.name for field in connector.discover(object)}
    spec = mapping.spec
    for field in spec.fields.values():
        if field.removed or spec.direction_of(field) == "out":
            continue
        for located in field.sources:
            for root in sorted(_roots(located) - names - {"*"}):
                yield spec.finding(
                    located.place,
                    f"{object} of '{connection}' has no field '{root}' in this account.",
                    did_you_mean(root, sorted(names)),
                )


def _roots(located: Located) -> frozenset[str]:
    """The top-level fields a path reads."""
    try:
        return frozenset(parse_path(located.text).roots)
    except PathError:
        return frozenset()
