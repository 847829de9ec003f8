"""The page of one connection: the fields that its account has, what maps each, and what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from connectors.sdk import ConnectorError
from hub.flow.shown_schema import shown
from hub.store import schemas
from hub.web.site import Site, Stop, When

_CHANGES = 50


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One object of the account. `fields` are those that something maps or that are in trouble;
    `others` no mapping names.
    """

    object: str
    seen: When
    fields: Sequence[Mapping[str, Any]]
    others: Sequence[Mapping[str, Any]]
    not_read: Sequence[str]
    not_written: Sequence[str]
    changes: Sequence[tuple[When, str, str]]


def add_connection(router: APIRouter, site: Site) -> None:
    """The route of a connection's page."""

    @router.get("/connections/{name}")
    def show_connection(request: Request, name: str) -> Response:
        caller = site.caller(request)
        snapshot = site.snapshot()
        if snapshot is None or name not in snapshot.workspace.connections:
            raise Stop(404, "There is no such connection", f"Nothing is called {name}.")
        try:
            title = snapshot.connector(name).title
        except ConnectorError:
            title = snapshot.workspace.connections[name].connector
        with site.hub.database.read() as tx:
            rows = schemas.rows(tx, name)
        objects = [_object(site, shown(snapshot, row)) for _, row in sorted(rows.items())]
        return site.page(
            "connection.html", caller, nav="connections", name=name, title=title, objects=objects
        )


def _object(site: Site, one: Mapping[str, Any]) -> ObjectView:
    fields = one["fields"]
    return ObjectView(
        object=one["object"],
        seen=site.past(one["seen_at"]),
        fields=[row for row in fields if row["maps"] or row["trouble"]],
        others=[row for row in fields if not (row["maps"] or row["trouble"])],
        not_read=one["not_read"],
        not_written=one["not_written"],
        changes=[
            (site.past(datetime.fromisoformat(row["at"])), row["field"], row["what"])
            for row in one["changes"][:_CHANGES]
        ],
    )
