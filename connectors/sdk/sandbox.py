"""Sandboxes: small real servers on loopback that behave like the vendor, for tests, the demo and
integrators.

A sandbox speaks the vendor's protocol over a real socket with the vendor's own data shapes, errors
and limits, keeps its state in memory and writes every effect it received to a ledger, so that a
test can count effects rather than calls.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

import uvicorn

from connectors.sdk.faults import Asgi, Faults, Faulty, Kind
from connectors.sdk.records import Change, Delivery, Json, Record

__all__ = ["Asgi", "Drill", "Effect", "Faults", "HttpSandbox", "Inapplicable", "Sandbox"]


@dataclass(slots=True)
class Effect:
    """One write that reached the vendor: what a test counts."""

    op: str
    object: str
    id: str
    fields: Mapping[str, Any]
    key: str | None = None


class Inapplicable(Exception):
    """This cannot happen at this vendor; the message says why."""


class Drill(ABC):
    """How the conformance kit makes things happen at one vendor, whichever it is.

    The first group is what every sandbox can do for each object its connector declares. The rest
    raises Inapplicable with a reason where the vendor knows no such thing. Everything here is done
    by people or time, never by the connector's account, except where it says so.
    """

    page: int = 100
    """How many records a page of this sandbox holds."""

    # what people do ------------------------------------------------------------------------------

    @abstractmethod
    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        """A person makes `count` new records; their ids, as `Record.id` will be. `at`: all of them
        last changed at this very moment.
        """

    @abstractmethod
    def edit(self, object: str, id: str) -> None:
        """A person changes something of a record that a mapping would read."""

    @abstractmethod
    def remove(self, object: str, id: str) -> None:
        """A person deletes a record."""

    @abstractmethod
    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        """What the vendor now holds: id to vendor fields, without what was deleted."""

    # what the hub would write --------------------------------------------------------------------

    def changeable(self, object: str) -> str:
        """A new record that the connector's account may change: a person's, unless the vendor lets
        an account change only what it wrote itself.
        """
        return self.seed(object, 1)[0]

    def creation(self, object: str, key: str) -> Change:
        """A create that this vendor accepts; records it needs (a parent) are made first."""
        raise Inapplicable("nothing can be created")

    def alteration(self, record: Record, key: str) -> Change:
        """An update of one or two fields of this record that this vendor accepts."""
        raise Inapplicable("nothing can be updated")

    def refusal(self, object: str, key: str) -> Change:
        """A create or update that this vendor refuses because of a field."""
        raise Inapplicable("the vendor takes whatever it is given")

    def collide(self, record: Record, key: str) -> Change:
        """A person changes a field of this record, and this is the update that the hub sends after
        it: the same field, another value (of a list: another part), `base` and `version` as they
        were before. Override where the connector looks first or the vendor refuses what is late.
        """
        raise Inapplicable("nobody looks before a write: of two to one field the later stands")

    # webhooks ------------------------------------------------------------------------------------

    def deliveries(self) -> Sequence[Delivery]:
        """The webhooks that what happened so far has caused, as they would arrive, oldest first."""
        raise Inapplicable("the vendor sends no webhooks")

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        """A delivery with any body, signed as the vendor signs; `at` is when it was signed."""
        raise Inapplicable("the vendor does not sign")

    def handshakes(self) -> Sequence[Delivery]:
        """What the vendor sends before its first webhook."""
        raise Inapplicable("the vendor wants no handshake")

    # time and trouble ----------------------------------------------------------------------------

    def move(self, object: str, id: str) -> None:
        """A person moves a record so that its address changes, though not its id."""
        raise Inapplicable("records do not move")

    def expire_cursor(self) -> None:
        """Whatever a cursor may point to is forgotten by the vendor."""
        raise Inapplicable("cursors do not expire")

    def expire_token(self) -> None:
        """The access token in use stops being good; a new one can be had."""
        raise Inapplicable("the credentials do not expire by themselves")

    def expire_subscription(self, id: str) -> None:
        """A webhook registration ends."""
        raise Inapplicable("webhooks are not registered by API")

    def subscriptions(self) -> Mapping[str, str]:
        """The webhook registrations at the vendor: id to address."""
        raise Inapplicable("webhooks are not registered by API")

    def lag(self, seconds: float) -> None:
        """Searches and lists run this far behind."""
        raise Inapplicable("lists are up to date")

    def ignore_writes(self, count: int) -> None:
        """The next writes are answered with success and change nothing."""
        raise Inapplicable("the vendor does what it says")

    def hidden_failure(self) -> None:
        """The next request that reads is answered with success and a body that says it failed."""
        raise Inapplicable("a failure shows in the status")

    def clock(self, ahead: float) -> None:
        """The vendor's clock runs this many seconds ahead of ours (behind: negative)."""
        raise Inapplicable("the vendor writes no times")


class Sandbox(ABC):
    """A vendor on loopback. Use as a context manager, or `start()` and `stop()`.

    `connection()` is the block to put under `connections:` in hub.yaml; `env()` the secrets that it
    refers to. `luck` makes what is random repeatable.
    """

    name: ClassVar[str]
    luck: int = 1

    def __init__(self) -> None:
        self.ledger: list[Effect] = []
        self.faults = Faults()
        self.webhook_url: str | None = None
        self.lock = threading.RLock()

    @abstractmethod
    def start(self, port: int = 0) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def connection(self) -> dict[str, Any]:
        """The connection's configuration, secrets as `env:NAME`."""

    def env(self) -> dict[str, str]:
        """The environment variables that `connection()` refers to."""
        return {}

    def drill(self) -> Drill:
        """What the conformance kit works with."""
        raise NotImplementedError(f"The {self.name} sandbox has no drill; see `Drill`.")

    def populate(self) -> None:
        """Put something in, so that whoever opens the sandbox finds it in use. Not for tests."""
        return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class HttpSandbox(Sandbox):
    """A sandbox that is an ASGI application, served by uvicorn in a thread of its own, with the
    faults of `connectors.sdk.faults` in front.
    """

    @abstractmethod
    def app(self) -> Asgi: ...

    def kind(self, method: str, path: str) -> Kind:
        """What a request is. Override where a search is a POST, and for token endpoints."""
        return "read" if method in ("GET", "HEAD", "OPTIONS") else "write"

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        """How this vendor words a refusal: headers and body."""
        return {"content-type": "application/json"}, b'{"message":"refused on purpose"}'

    def goes_on(self, answer: Json) -> bool:
        """Whether a list has further pages. Override where the body tells, so that the fault
        `hollow` leaves lists alone that end where they begin.
        """
        return True

    def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 picks a free one. Returns once requests are answered."""
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        faulty = Faulty(
            self.app(), lambda: self.faults, self.kind, self.wording, self.luck, self.goes_on
        )
        # connections are cut on purpose, which uvicorn would call an error
        config = uvicorn.Config(faulty, log_level="critical", lifespan="off", access_log=False)
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            args=([self._socket],),
            name=f"sandbox-{self.name}",
            daemon=True,
        )
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"The {self.name} sandbox did not start on port {self.port}.")
            time.sleep(0.005)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.end()
        self._thread.join(timeout=10)
        self._socket.close()


class _Server(uvicorn.Server):
    """uvicorn that ends when it is told to, not at its next look: suites start hundreds."""

    async def main_loop(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        counter = 0
        while not (self.should_exit or await self.on_tick(counter)):
            counter = (counter + 1) % 864_000
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()

    def end(self) -> None:
        """Stop at once; requests under way are cut. From any thread."""
        self.should_exit = self.force_exit = True
        with suppress(AttributeError, RuntimeError):  # it never began, or has ended already
            self._loop.call_soon_threadsafe(self._told.set)
