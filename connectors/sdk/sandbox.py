"""Sandboxes: small real servers on loopback that behave like the vendor, for tests, the demo and
integrators.

A sandbox speaks the vendor's protocol over a real socket with the vendor's own data shapes, errors
and limits, keeps its
state in memory and writes every effect it received to a ledger, so that a test can count effects
rather than calls.
"""

from __future__ import annotations

import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import uvicorn

Asgi = Callable[..., Any]


@dataclass(slots=True)
class Effect:
    """One write that reached the vendor: what a test counts."""

    op: str
    object: str
    id: str
    fields: Mapping[str, Any]
    key: str | None = None


@dataclass(slots=True)
class Faults:
    """What to do wrong on purpose. Each entry is used up by the next matching request."""

    status: list[int] = field(default_factory=list)
    """Answer the next write requests with these statuses and do nothing."""
    cut_after_effect: int = 0
    """Carry out this many writes, then close the connection without an answer."""
    retry_after: str | None = None
    """Retry-After header to send with 429 and 503."""


class Sandbox(ABC):
    """A vendor on loopback. Use as a context manager, or `start()` and `stop()`.

    `connection()` is the block to put under `connections:` in hub.yaml; `env()` the secrets that it
    refers to.
    """

    name: ClassVar[str]

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

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class HttpSandbox(Sandbox):
    """A sandbox that is an ASGI application, served by uvicorn in a thread of its own."""

    @abstractmethod
    def app(self) -> Asgi: ...

    def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 picks a free one. Returns once requests are answered."""
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(self.app(), log_level="warning", lifespan="off", access_log=False)
        self._server = uvicorn.Server(config)
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
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
