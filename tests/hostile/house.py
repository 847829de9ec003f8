"""The real application over a real database, with connections of every kind of proof, for tests
that treat it badly: called in this process, or over real sockets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi.testclient import TestClient

from hub import identity
from hub.app import Application
from hub.apply import apply
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.intake import parse_deliveries
from hub.hub import Hub, open_hub
from hub.registry import connector_classes
from hub.settings import from_environment
from webhooks.server import DeadlineHttpProtocol

SECRET = "a secret of these tests"
HOOK = base64.b64encode(b"twenty-four bytes or more").decode()
TOKEN = "tok-8c1f0a-in-the-address"
ENV = {
    "GH_TOKEN": "ghp_not_a_real_one",
    "GH_HOOK": SECRET,
    "STD_HOOK": f"whsec_{HOOK}",
    "SF_ID": "id",
    "SF_SECRET": "not-a-real-secret",
    "SF_HOOK": TOKEN,
}
PUBLIC = "https://hub.acme.test"

HUB = """\
name: acme-ops
timezone: UTC
connections:
  github:
    connector: github
    base_url: {base_url}
    repositories: [acme/ops]
    auth: {{token: env:GH_TOKEN}}
    webhook: {{secret: env:GH_HOOK}}
  shop:
    connector: webhook
    scheme: standard-webhooks
    webhook: {{secret: env:STD_HOOK}}
    objects:
      order: {{records: $.data, id: $.id}}
  crm:
    connector: salesforce
    base_url: {base_url}
    auth: {{client_id: env:SF_ID, client_secret: env:SF_SECRET}}
    webhook: {{token: env:SF_HOOK}}
  org:
    connector: salesforce
    base_url: {base_url}
    organization_id: 00D5g000004Acme
    auth: {{client_id: env:SF_ID, client_secret: env:SF_SECRET}}
    webhook: {{token: env:SF_HOOK}}
  tracker:
    connector: spreadsheet
    path: {sheet}
    key: ID
"""
PEOPLE = """\
people:
  dana: {name: Dana Meier, email: dana@acme.test, deputies: [lee]}
  lee: {name: Lee Kim, email: lee@acme.test}
roles:
  finance-lead: [dana]
"""
ORDER = """\
mapping: order
connection: shop
object: order
entity: task
direction: in
fields:
  title: $.title
  description: $.text
"""
QUESTION = """\
process: question
title: One question
accountable: dana
steps:
  grant:
    type: decision
    title: Grant credit
    decider: role:finance-lead
    options: [approved, rejected]
    due: 1bd
"""
CALLERS = (
    ("dana", "member", "dana"),
    ("lee", "operator", "lee"),
    ("boss", "admin", "dana"),
    ("member", "member", None),
    ("operator", "operator", None),
    ("admin", "admin", None),
    ("assistant", "assistant", None),
)


@dataclass
class House:
    """A hub whose stages are driven by hand, and those who call on it."""

    hub: Hub
    application: Application
    tokens: dict[str, str]
    files: dict[str, str]
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = TestClient(
            self.application, base_url=PUBLIC, raise_server_exceptions=False,
            follow_redirects=False,
        )  # fmt: skip

    def call(self, method: str, path: str, who: str | None = "boss", **more: Any) -> httpx.Response:
        """Call the API as somebody."""
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        url = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.request(method, url, headers=headers, **more)

    def hook(
        self, connection: str, body: bytes, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a delivery."""
        return self.client.post(f"/webhooks/{connection}", content=body, headers=headers or {})

    def work(self) -> None:
        """Run every stage until nothing is left to do."""
        while parse_deliveries(self.hub) + bring_in(self.hub) + deliver(self.hub):
            pass

    def rows(self, statement: Any) -> list[Any]:
        with self.hub.database.read() as tx:
            return list(tx.execute(statement).mappings())


@contextmanager
def house(
    folder: Path, database_url: str | None = None, base_url: str = "http://127.0.0.1:9"
) -> Iterator[House]:
    """A hub with a workspace in force, ready to be called."""
    sheet = folder / "tracker.csv"
    sheet.write_text("ID,Title,Status,Owner,Due,Notes\n1,Order laptops,Open,,,\n", encoding="utf-8")
    settings = from_environment(
        {
            "HUB_ADMIN_TOKEN": "bootstrap-token-for-these-tests",
            "HUB_PUBLIC_URL": PUBLIC,
            "HUB_DATABASE_URL": database_url or f"sqlite:///{folder / 'hub.db'}",
        },
        workspace=folder,
    )
    files = {
        "hub.yaml": HUB.format(sheet=sheet, base_url=base_url),
        "people.yaml": PEOPLE,
        "mappings/order.yaml": ORDER,
        "processes/question.yaml": QUESTION,
    }
    hub = open_hub(settings, connector_classes(), env=ENV)
    apply(hub.database, files, connector_classes(), datetime.now(UTC), env=ENV)
    tokens = {
        name: identity.create_token(hub, role, name, person)[1] for name, role, person in CALLERS
    }
    application = Application(hub, PUBLIC)
    application.start()
    made = House(hub, application, tokens, files)
    try:
        with made.client:
            yield made
    finally:
        application.stop()
        hub.database.close()


# ------------------------------------------------------------------------------------ on the wire


@dataclass
class Served:
    """The same behind a real server on loopback."""

    house: House
    port: int

    def raw(self, request: bytes, timeout: float = 20) -> bytes:
        """Send these bytes as they are, and read until the server closes."""
        with self.connect(timeout) as connection:
            connection.sendall(request)
            return read_to_end(connection)

    def connect(self, timeout: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)


def read_to_end(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@contextmanager
def served(
    house: House, protocol: type[DeadlineHttpProtocol] = DeadlineHttpProtocol
) -> Iterator[Served]:
    """A house behind uvicorn, as `hub up` runs it."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = uvicorn.Server(
        uvicorn.Config(
            house.application,
            http=protocol,
            ws="none",
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    until(lambda: server.started)
    try:
        yield Served(house, sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
        sock.close()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something to become true; fails if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)


# ---------------------------------------------------------------------------------------- senders


def github(
    body: bytes, id: str = "d-1", secret: str = SECRET, event: str = "issues"
) -> dict[str, str]:
    """Headers of a genuine delivery of GitHub."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": id,
        "x-hub-signature-256": f"sha256={signature}",
    }


def standard(body: bytes, id: str = "msg_1", stamp: str | None = None) -> dict[str, str]:
    """Headers of a genuine delivery by the Standard Webhooks."""
    stamp = str(int(time.time())) if stamp is None else stamp
    key = base64.b64decode(HOOK)
    text = f"{id}.{stamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature}",
    }
