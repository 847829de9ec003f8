"""Where a command works: the workspace folder that was named, its settings, and the hub opened on
it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.output import fail

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from connectors.sdk import Connector
    from hub.hub import Hub
    from hub.live import Snapshot
    from hub.settings import Settings

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR", help="The workspace; else HUB_WORKSPACE, else here.", show_default=False
    ),
]

ACTOR: Mapping[str, Any] = {"kind": "system", "id": "cli", "name": "command line"}
"""Who acts, in the history, where the command line cannot know which person types."""

_named: Path | None = None


def name_workspace(folder: Path | None) -> None:
    """Remember what `hub --workspace` said."""
    global _named
    _named = folder


def folder_of(folder: Path | None = None) -> Path:
    """The workspace folder: as given, else `--workspace`, else HUB_WORKSPACE, else here."""
    return folder or _named or Path(os.environ.get("HUB_WORKSPACE") or ".")


def settings_for(folder: Path | None = None) -> Settings:
    """The settings for work in a folder. Stops, before anything is written, where there is no
    workspace.
    """
    from hub.settings import from_environment

    root = folder_of(folder)
    if not os.environ.get("HUB_DATABASE_URL"):
        known = (root / "hub.yaml").is_file() or (root / ".hub" / "hub.db").is_file()
        if not known:
            fail(
                f"there is no workspace in '{root}'. Name one with HUB_WORKSPACE or"
                " hub --workspace DIR, or make one with: hub init DIR"
            )
    elif not root.is_dir():
        fail(f"there is no folder '{root}'. Name another with HUB_WORKSPACE.")
    return from_environment(workspace=root)


class Installed(Mapping[str, "type[Connector]"]):
    """The installed connectors, imported when one is first looked for: most commands need none."""

    def _found(self) -> Mapping[str, type[Connector]]:
        from hub.registry import connector_classes

        return connector_classes()

    def __getitem__(self, name: str) -> type[Connector]:
        from hub.registry import connector_class

        found = connector_class(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())


def classes() -> Mapping[str, type[Connector]]:
    """The installed connectors."""
    return Installed()


def quiet() -> None:
    """Log lines go to standard error, and only those that a person at a command line needs."""
    import logging

    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(
                colors=False,
                # the pretty one prints local variables, and with them secrets
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


@contextmanager
def opened(folder: Path | None = None) -> Iterator[Hub]:
    """The hub of a workspace, for one command."""
    quiet()
    settings = settings_for(folder)
    from hub.hub import open_hub
    from hub.stream import telling

    hub = open_hub(settings, classes())
    try:
        with telling(hub):
            yield hub
    finally:
        hub.live.close()
        hub.database.close()


@contextmanager
def reading() -> Iterator[tuple[Hub, Connection]]:
    """The hub with a snapshot of its database."""
    with opened() as hub, hub.database.read() as tx:
        yield hub, tx


def party_named(hub: Hub, tx: Any, name: str | None) -> str | None:
    """The id of a party that is named by its key in people.yaml, its address or its id. Raises
    LookupError.
    """
    from hub.store import work

    if name is None:
        return None
    people = work.people(tx)
    if name in people:
        return str(people[name]["id"])
    if work.load(tx, "party", [name]):
        return name
    for row in work.list_parties(tx, q=name):
        if name.lower() == (row["email"] or "").lower():
            return str(row["id"])
    from mappings.source import did_you_mean

    hint = did_you_mean(name, sorted(people))
    raise LookupError(f"There is nobody called '{name}'. {hint}".strip())


def having(hub: Hub, name: str) -> Snapshot:
    """The workspace in force, which has this connection. Raises LookupError."""
    from mappings.source import did_you_mean

    snapshot = hub.live.current()
    known = sorted(snapshot.workspace.connections)
    if name not in known:
        hint = did_you_mean(name, known)
        raise LookupError(f"There is no connection '{name}' in force. {hint}".strip())
    return snapshot
