"""What the hub lends a connector: a pace that all processes share, and a safe for tokens that
change while it runs.

A connector that is used alone (tests, scripts, the conformance kit) gets the defaults, which live
in its process.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

log = structlog.get_logger("connectors.host")


@dataclass(frozen=True, slots=True)
class Token:
    """What an authorization server handed out. `expires_at` is in epoch seconds, None: unknown.
    `account` names whom it is good for, so that it is not shown to another.
    """

    access: str = field(repr=False)
    expires_at: float | None = None
    refresh: str | None = field(default=None, repr=False)
    account: str = ""


class Vault(Protocol):
    """Keeps the tokens of connections, encrypted and durable where the hub lends it."""

    def load(self, connection: str) -> Token | None:
        """The newest token, or None before the first."""

    def save(self, connection: str, token: Token) -> None:
        """Store it durably before this returns: a rotated refresh token exists only here."""

    def locked(self, connection: str) -> AbstractContextManager[None]:
        """Hold while renewing, so that one of all threads and processes does it. Not re-entrant."""


class MemoryVault:
    """A vault for one process, forgotten when it ends."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def load(self, connection: str) -> Token | None:
        return self._tokens.get(connection)

    def save(self, connection: str, token: Token) -> None:
        self._tokens[connection] = token

    @contextmanager
    def locked(self, connection: str) -> Iterator[None]:
        with self._locks[connection]:
            yield


class Pace:
    """How fast each connection may go, bucket by bucket: a moving window per rate, and a pause
    where the vendor asked for one. Shared by all processes that share its storage.

    A storage that does not answer never stops the work: this process then keeps the pace alone.
    """

    def __init__(self, shared: RedisStorage | None = None) -> None:
        """`shared` must have been made with `wrap_exceptions=True`."""
        self._shared = MovingWindowRateLimiter(shared) if shared else None
        self._alone: MovingWindowRateLimiter | None = None
        self._lock = threading.Lock()

    def take(self, connection: str, bucket: str, rate: str) -> float:
        """0 and one request of `rate` ("80/minute") used up, or the seconds until there is one."""
        item = parse(rate)
        if self._shared:
            try:
                return _take(self._shared, item, connection, bucket)
            except StorageError as error:
                log.warning("the shared pace cannot be reached", error=str(error.storage_error))
        with self._lock:  # its storage starts a thread, so it waits until somebody has a rate
            self._alone = self._alone or MovingWindowRateLimiter(MemoryStorage())
        return _take(self._alone, item, connection, bucket)


def _take(windows: MovingWindowRateLimiter, item: RateLimitItem, *place: str) -> float:
    if windows.hit(item, *place):
        return 0.0
    return max(0.001, windows.get_window_stats(item, *place).reset_time - time.time())


@dataclass(frozen=True, slots=True)
class Host:
    """What a connector is handed beside its settings."""

    pace: Pace = field(default_factory=Pace)
    vault: Vault = field(default_factory=MemoryVault)
