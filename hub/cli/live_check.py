"""Asks the tools themselves whether what the mappings name is there and is what they take it for:
`hub check --live`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from connectors.sdk import Connector, ConnectorError, Host, Source
from hub.flow.fitting import compare
from hub.workspace import Workspace
from mappings.source import Finding

Resolve = Callable[[str], str | None]


def ask_the_tools(
    workspace: Workspace, classes: Mapping[str, type[Connector]], resolve: Resolve, host: Host
) -> list[Finding]:
    """What does not fit between the mappings and the accounts, in order of place: connections that
    do not work, fields and values that an account does not have, fields of another type, choices
    that no value map names. `host` is the running hub's: a token that rotates is renewed for it
    too.
    """
    found: list[Finding] = []
    for name, spec in workspace.connections.items():
        try:
            cls = classes[spec.connector]
            connector = cls(name, spec.settings(cls, resolve), host)
        except Exception as error:
            found.append(Finding(spec.place, f"'{name}' cannot be asked: {_said(error)}"))
            continue
        try:
            connector.check()
            if isinstance(connector, Source):
                for (connection, object), mapping in workspace.mappings.items():
                    if connection == name:
                        account = {field.name: field for field in connector.discover(object)}
                        called = f"{object} of '{name}'"
                        found += [one.finding for one in compare(mapping, account, called)]
        except ConnectorError as error:
            found.append(Finding(spec.place, f"'{name}' does not answer as it should: {error}"))
        except Exception as error:
            found.append(
                Finding(
                    spec.place,
                    f"'{name}' cannot be reached: {_said(error)}",
                    "Look at its settings in hub.yaml, then: hub doctor",
                )
            )
        finally:
            with suppress(Exception):
                connector.close()
    return sorted(dict.fromkeys(found), key=lambda one: one.place)


def _said(error: Exception) -> str:
    """An error in a sentence, also where a connector let through one that says nothing."""
    text = " ".join(str(error).split())
    return f"{text.removesuffix('.') or type(error).__name__}."
