"""Webhook addresses that a running hub cannot serve, or not by all their secrets: told to a person
as an exception, which is closed once it is mended. Only the hub that runs knows its environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Connection

from hub.flow.connections import settle
from hub.hub import Hub
from hub.process.people import owner
from hub.store import exceptions
from hub.store.exceptions import Trouble

ABOUT = "webhook address"


def tell(hub: Hub, out: Mapping[str, str], partly: Mapping[str, Sequence[str]]) -> None:
    """Open an exception for each connection that takes no deliveries (`out`, why) or lacks some of
    its secrets (`partly`), and close those of connections that are in neither.
    """
    found = {name: _out(name, why) for name, why in out.items()}
    found |= {name: _partly(name, missing) for name, missing in partly.items() if missing}
    with hub.database.read() as tx:
        names = [*hub.live.current().workspace.connections]
        told = open_ones(tx, names)
    over = [name for name in told if name not in found]
    new = [one for name, one in found.items() if told.get(name) != one.detail]
    if not over and not new:
        return
    with hub.unit() as unit:
        for one in new:
            unit.trouble(replace(one, owner=owner(unit)))
        for name in over:
            settle(unit, name, "it takes deliveries with all its secrets", ABOUT)


def open_ones(tx: Connection, names: Sequence[str]) -> dict[str, str]:
    """What is told of these connections now: the name of each to what is wrong."""
    return {
        row["subject"]: row["detail"]
        for row in exceptions.open_of(tx, list(names), "connection")
        if row["data"].get("about") == ABOUT
    }


def _out(name: str, why: str) -> Trouble:
    return _trouble(
        name,
        f"{name} takes no deliveries",
        f"{why} Until it is mended, whoever sends to /webhooks/{name} is told to come back (503).",
    )


def _partly(name: str, missing: Sequence[str]) -> Trouble:
    return _trouble(
        name,
        f"{name} lacks one of its webhook secrets",
        f"{' '.join(missing)} Deliveries are judged by its other secrets; one that is signed with"
        " this secret is refused.",
    )


def _trouble(name: str, title: str, detail: str) -> Trouble:
    data: dict[str, Any] = {"connection": name, "about": ABOUT}
    return Trouble(
        "connection", title, detail, severity="high", subject=name, place=ABOUT, data=data
    )
