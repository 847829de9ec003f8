"""A real hub with a small workspace, its API, and a caller of each kind."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from hub import identity
from hub.api.app import create_api, serve
from hub.api.stream import Stream
from hub.apply import apply
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.intake import parse_deliveries
from hub.flow.pull import pull
from hub.hub import Hub, open_hub
from hub.registry import connector_classes
from hub.settings import from_environment
from hub.store import access

ENV = {"GH_TOKEN": "ghp_not_a_real_one", "GH_HOOK": "not-a-real-secret-either"}
BOOTSTRAP = "bootstrap-token-for-these-tests"

HUB = """
name: acme-ops
timezone: UTC
connections:
  tracker:
    connector: spreadsheet
    path: {path}
    key: ID
  github:
    connector: github
    repositories: [acme/ops]
    auth: {{token: env:GH_TOKEN}}
    webhook: {{secret: env:GH_HOOK}}
"""
PEOPLE = """
people:
  dana: {name: Dana Meier, email: dana@acme.test, deputies: [lee]}
  lee: {name: Lee Kim, email: lee@acme.test}
  kim: {name: Kim Roth, email: kim@acme.test}
roles:
  finance-lead: [dana]
"""
QUESTION = """
process: question
title: One question
accountable: dana
steps:
  grant:
    type: decision
    title: Grant credit
    decider: role:finance-lead
    options: [approved, rejected]
    exclude: ["${case.started_by}"]
    due: 1bd
"""
WORK = """
process: work
title: Some work
accountable: dana
due: 10bd
steps:
  documents:
    title: Collect documents
    responsible: lee
    waiting_on: external
    due: 2bd
  check:
    type: decision
    title: Check them
    after: [documents]
    if: "case.data.amount > 100.0"
    decider: dana
    options: [fine, wrong]
"""


@dataclass(slots=True)
class Api:
    """The API under test; `as_("dana")` answers as somebody."""

    hub: Hub
    client: TestClient
    sheet: Path
    tokens: dict[str, str]
    woken: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, who: str | None = "dana", **more: Any) -> Any:
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        url = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.request(method, url, headers=headers, **more)

    def get(self, path: str, who: str | None = "dana", **params: Any) -> Any:
        answer = self.call("GET", path, who, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(
        self, path: str, body: Any = None, who: str | None = "dana", status: int | None = None
    ) -> Any:
        answer = (
            self.call("POST", path, who, json=body)
            if body is not None
            else self.call("POST", path, who)
        )
        wanted = (200, 201, 202) if status is None else (status,)
        assert answer.status_code in wanted, answer.text
        return answer.json()

    def work(self) -> None:
        """Run every stage until nothing is left to do."""
        while parse_deliveries(self.hub) + bring_in(self.hub) + deliver(self.hub):
            pass

    def pull(self) -> None:
        """Pull the tracker and bring in what it holds."""
        assert pull(self.hub, "tracker", "row", force=True).error is None
        self.work()

    def rows(self) -> dict[str, dict[str, str]]:
        """What stands in the tracker, by its key."""
        with self.sheet.open(newline="", encoding="utf-8") as file:
            return {row["ID"]: row for row in csv.DictReader(file)}

    def write_row(self, id: str, **cells: str) -> None:
        """Somebody edits the tracker by hand."""
        rows = self.rows()
        rows[id] = {**rows.get(id, {"ID": id}), **cells}
        write_sheet(self.sheet, rows)

    def party(self, key: str) -> Mapping[str, Any]:
        return self.hub.live.current().parties[key]


COLUMNS = ("ID", "Title", "Status", "Owner", "Due", "Notes")


def write_sheet(path: Path, rows: Mapping[str, Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows.values():
            writer.writerow({name: row.get(name, "") for name in COLUMNS})


def workspace_files(sheet: Path) -> dict[str, str]:
    return {
        "hub.yaml": HUB.format(path=sheet),
        "people.yaml": PEOPLE,
        "processes/question.yaml": QUESTION,
        "processes/work.yaml": WORK,
    }


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The API, for one hub after the other: to make its routes takes longer than most tests."""
    hub = open_hub(from_environment({}, workspace=tmp_path_factory.mktemp("nobody")), {})
    made = create_api(hub, Stream())
    hub.database.close()
    return made


@pytest.fixture
def api(tmp_path: Path, database_url: str, application: FastAPI) -> Iterator[Api]:
    """A hub with the workspace applied, and tokens for people, systems and an assistant."""
    sheet = tmp_path / "tracker.csv"
    write_sheet(sheet, {"1": {"ID": "1", "Title": "Order laptops", "Status": "Open"}})
    settings = from_environment(
        {
            "HUB_ADMIN_TOKEN": BOOTSTRAP,
            "HUB_PUBLIC_URL": "https://hub.acme.test",
            "HUB_DATABASE_URL": database_url,
        },
        workspace=tmp_path,
    )
    hub = open_hub(settings, connector_classes(), env=ENV)
    apply(hub.database, workspace_files(sheet), connector_classes(), datetime.now(UTC), env=ENV)
    tokens = {"bootstrap": BOOTSTRAP}
    for name, role, person in (
        ("dana", "member", "dana"),
        ("lee", "member", "lee"),
        ("kim", "member", "kim"),
        ("boss", "admin", "kim"),
        ("member", "member", None),
        ("operator", "operator", None),
        ("admin", "admin", None),
        ("assistant", "assistant", None),
    ):
        _, tokens[name] = identity.create_token(hub, role, name, person)
    dana = hub.live.current().parties["dana"]["id"]
    with hub.database.write() as tx:
        # nothing hands out such a token; the API must not rely on that
        _, tokens["bound-assistant"] = access.make_token(
            tx, "api", "bound", "assistant", hub.clock(), party=dana
        )
    stream = Stream()
    hub.announce = stream.publish
    woken: list[str] = []
    hub.wake = woken.append
    serve(application, hub, stream)
    client = TestClient(application, raise_server_exceptions=False)
    with client:
        yield Api(hub, client, sheet, tokens, woken)
    hub.database.close()
