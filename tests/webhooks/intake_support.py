"""A real uvicorn on loopback around the intake, inboxes to look into, and a vendor that signs."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from connectors.sdk import Delivery, Parsed, Receiver, Reply, SignatureError
from connectors.sdk.signatures import check_fresh, check_hmac
from webhooks.app import WebhookApp
from webhooks.inbox import Endpoint, Incoming, Stored
from webhooks.server import DeadlineHttpProtocol

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
PUBLIC = "https://hub.example.test"
SECRET = "correct horse"
TOKEN = "tok-3b1f9c"


def signature(body: bytes, secret: str = SECRET, stamp: str = STAMP) -> str:
    """What the vendor of these tests puts into X-Acme-Signature."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def signed(body: bytes, id: str | None = "d-1", **headers: str) -> dict[str, str]:
    """The headers of a genuine delivery."""
    names = {"x-acme-timestamp": STAMP, "x-acme-signature": signature(body)}
    if id is not None:
        names["x-acme-delivery"] = id
    return names | {name.replace("_", "-"): value for name, value in headers.items()}


class AcmeReceiver(Receiver):
    """Signs `timestamp.body`; GET and `ping` are handshakes; any event is acknowledged with XML if
    it asks for it.
    """

    stored_headers = ("X-Acme-Sender", "x-acme-secret")

    def verify(self, delivery: Delivery) -> str | None:
        stamp = delivery.headers.get("x-acme-timestamp", "")
        check_fresh(stamp, delivery.received_at)
        check_hmac(
            stamp.encode() + b"." + delivery.body,
            [SecretStr(SECRET), SecretStr("old secret")],
            [part.strip() for part in delivery.headers.get("x-acme-signature", "").split(",")],
        )
        return delivery.headers.get("x-acme-delivery")

    def handshake(self, delivery: Delivery) -> Reply | None:
        if delivery.method != "POST":
            challenge = delivery.query.get("challenge")
            if challenge is None:
                return None
            return Reply(body=challenge.encode(), headers={"x-challenge": challenge})
        return Reply(body=b"pong") if delivery.body == b"ping" else None

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        if delivery.headers.get("content-type") == "text/xml":
            return Reply(body=b"<Ack/>", headers={"content-type": "text/xml"})
        return None

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return []


class TokenReceiver(AcmeReceiver):
    """A vendor that cannot sign: the token in the address is all there is."""

    def verify(self, delivery: Delivery) -> str | None:
        return delivery.headers.get("x-acme-delivery")


class HandingOverReceiver(AcmeReceiver):
    """Hands over its signing secret in a POST that nobody could have signed."""

    handshake_before_verify = True

    def handshake(self, delivery: Delivery) -> Reply | None:
        secret = delivery.headers.get("x-hook-secret")
        return Reply(204, headers={"x-hook-secret": secret}, secret=secret) if secret else None


class BrokenReceiver(AcmeReceiver):
    """A connector with bugs everywhere; the errors quote the body, as errors do."""

    def verify(self, delivery: Delivery) -> str | None:
        if delivery.headers.get("x-acme-delivery"):
            return delivery.headers["x-acme-delivery"]
        raise RecursionError(delivery.body.decode())

    def handshake(self, delivery: Delivery) -> Reply | None:
        raise ValueError(delivery.body.decode())

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        raise ValueError(delivery.body.decode())


class StrangeIds(AcmeReceiver):
    """Takes its delivery id from the body, where a sender can write anything."""

    def verify(self, delivery: Delivery) -> str | None:
        return delivery.body.decode("utf-8", errors="surrogateescape")


class RefusingReceiver(AcmeReceiver):
    def verify(self, delivery: Delivery) -> str | None:
        raise SignatureError("Nothing is ever genuine.", code="some_private_code")


class MemoryInbox:
    """Rows in a list. `fail` is asked before each store and may raise; `gate` holds stores back."""

    def __init__(self) -> None:
        self.rows: list[Incoming] = []
        self.batches: list[int] = []
        self.threads: set[str] = set()
        self.fail: Callable[[Sequence[Incoming]], None] = lambda batch: None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self._ids = itertools.count(1)
        self._known: dict[tuple[str, str], str] = {}

    def store(self, batch: Sequence[Incoming]) -> list[Stored]:
        self.threads.add(threading.current_thread().name)
        self.batches.append(len(batch))
        self.entered.set()
        assert self.gate.wait(20), "nobody opened the gate"
        self.fail(batch)
        return [self._one(incoming) for incoming in batch]

    def _one(self, incoming: Incoming) -> Stored:
        key = (incoming.connection, incoming.delivery_id or "")
        if incoming.delivery_id is not None and key in self._known:
            return Stored(self._known[key], duplicate=True)
        self.rows.append(incoming)
        row = f"dlv_{next(self._ids)}"
        self._known[key] = row
        return Stored(row)


class Served:
    """The intake behind a real uvicorn in a thread of its own."""

    def __init__(self, endpoints: dict[str, Endpoint], inbox: Any, **settings: Any) -> None:
        self.inbox = inbox
        self.secrets: list[str] = []
        self.outcomes: list[tuple[str, str]] = []
        self.app = WebhookApp(
            endpoints,
            inbox,
            public_url=PUBLIC,
            now=lambda: NOW,
            observe=lambda connection, outcome: self.outcomes.append((connection, outcome)),
            **settings,
        )

    def start(self, protocol: type[DeadlineHttpProtocol] = DeadlineHttpProtocol) -> Served:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(self.app, http=protocol, log_config=None, lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        until(lambda: self._server.started)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        return self

    def stop(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()
        assert not self._thread.is_alive()

    def post(self, path: str, body: Any = b"{}", **options: Any) -> httpx.Response:
        return self.client.post(path, content=body, **options)

    def raw(self, request: bytes, timeout: float = 20) -> bytes:
        """Send these bytes as they are and read until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a real server, not for time to pass."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)


def refusal(response: httpx.Response, status: int) -> str:
    """The code of a problem document, after a look at the rest of it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "code", "detail"}
    assert problem["status"] == status
    return str(problem["code"])


def awaits_none(secret: str) -> None:
    """As a connection answers that registered long ago."""
    raise PermissionError("no webhook is being registered")


def endpoints(secrets: list[str]) -> dict[str, Endpoint]:
    """One connection for each way to prove oneself."""
    hashed = hashlib.sha256(TOKEN.encode()).digest()
    acme, token = AcmeReceiver(), TokenReceiver()
    made = [
        Endpoint("acme", acme),
        Endpoint("small", acme, max_body=1000),
        Endpoint("both", acme, token_hash=hashed),
        Endpoint("sforce", token, token_hash=hashed, token_required=True),
        Endpoint("forgotten", token, token_required=True),
        Endpoint("open", acme, unsigned=True, capture=True),
        Endpoint("asana", HandingOverReceiver(), on_secret=secrets.append),
        Endpoint("settled", HandingOverReceiver()),
        Endpoint("registered", HandingOverReceiver(), on_secret=awaits_none),
        Endpoint("broken", BrokenReceiver()),
        Endpoint("strange", StrangeIds()),
        Endpoint("refusing", RefusingReceiver()),
        Endpoint("files", object()),  # type: ignore[arg-type] # a connector that is no receiver
    ]
    return {endpoint.connection: endpoint for endpoint in made}
