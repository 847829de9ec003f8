"""Group commit: one thread stores everything that is waiting in one transaction.

A sender is answered only after the commit that holds its delivery. While one commit is on its way
to the disk the next batch collects, so a slow disk makes batches larger instead of senders slower.

Each connection has a line of its own and batches take from the lines in turn, so that one that
sends thousands at once does not stand before everybody else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from webhooks.inbox import Inbox, Incoming, Stored

log = logging.getLogger("webhooks")

SLOW_FAILURE = 1.0
"""Seconds. A store that fails later than this is the database's trouble and not one row's."""
COMPANY_SECONDS = 5.0
"""How long a connection counts as sending after its last delivery."""

_Waiting = tuple[Incoming, asyncio.Future[Stored | None], float]
"""A delivery, where its answer is awaited, and since when (monotonic seconds)."""


class CannotStore(Exception):
    """The queue is full, or the writer is not running."""


class _Line:
    """What one connection has sent and nobody has stored yet, and how much of it there is, what is
    being stored included.
    """

    __slots__ = ("bytes", "count", "last", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.count = 0
        self.bytes = 0
        self.last = 0.0


class Writer:
    """Takes deliveries from event loops and stores them from one thread of its own.

    A batch holds at most `max_batch` deliveries and about `max_batch_bytes` of bodies (a larger
    single one goes alone); while several connections send, at most `max_share` of each. Nothing
    more is taken beyond `max_waiting` deliveries or `max_waiting_bytes`, those being stored
    included, beyond `…_each` of one connection, and while one has waited for `max_age` seconds.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        max_batch: int = 500,
        max_batch_bytes: int = 16 * 1024 * 1024,
        max_share: int = 32,
        max_waiting: int = 10_000,
        max_waiting_bytes: int = 128 * 1024 * 1024,
        max_waiting_each: int = 5_000,
        max_waiting_bytes_each: int = 64 * 1024 * 1024,
        max_age: float = 15.0,
    ) -> None:
        self._inbox = inbox
        self._max_batch = max_batch
        self._max_batch_bytes = max_batch_bytes
        self._max_share = max_share
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._max_waiting_each = max_waiting_each
        self._max_waiting_bytes_each = max_waiting_bytes_each
        self._max_age = max_age
        self._lines: dict[str, _Line] = {}
        self._turns: deque[_Line] = deque()
        """Lines in which somebody waits, in the order in which they are served."""
        self._count = 0
        self._bytes = 0
        self._oldest: float | None = None
        """Since when the oldest delivery being stored has waited."""
        self._lock = threading.Lock()
        self._wake = threading.Lock()
        """Held but when there is something to do: the thread sleeps on it."""
        self._wake.acquire()
        self._idle = False
        self._calling = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._failures = 0

    def start(self) -> None:
        """Begin to store. Harmless when it runs already."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="webhooks-writer", daemon=True)
            self._thread.start()

    def stop(self, timeout: float | None = 30.0) -> bool:
        """Take nothing more, store what is waiting, end. False if that took longer than
        `timeout` seconds; nobody was told that the rest is stored.
        """
        with self._lock:
            self._stopping = True
            self._rouse()
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def refusal(self, connection: str, size: int) -> str | None:
        """Why a delivery of `size` bytes would not be taken now; None if it would. Cheap, so that
        it can be asked before a body is read.
        """
        if self._stopping or self._thread is None or not self._thread.is_alive():
            return "The writer is not running."
        if not self._count:
            return None
        if self._count >= self._max_waiting or self._bytes + size > self._max_waiting_bytes:
            return "The inbox does not keep up with what arrives."
        oldest = self._oldest  # the thread may be done with it meanwhile
        if oldest is not None and time.monotonic() - oldest > self._max_age:
            return f"The inbox has not stored anything for {self._max_age:g} s."
        line = self._lines.get(connection)
        if line is not None and line.count:
            over = line.bytes + size > self._max_waiting_bytes_each
            if over or line.count >= self._max_waiting_each:
                return "Too much of this connection is waiting already."
        return None

    def submit(self, incoming: Incoming) -> asyncio.Future[Stored | None]:
        """Queue one delivery; the future gives its row, or None if it could not be stored.

        Call it on an event loop. Raises CannotStore.
        """
        size = len(incoming.body)
        now = time.monotonic()
        with self._lock:
            why = self.refusal(incoming.connection, size)
            if why is not None:
                raise CannotStore(why)
            answer: asyncio.Future[Stored | None] = asyncio.get_running_loop().create_future()
            line = self._lines.get(incoming.connection)
            if line is None:
                line = self._lines[incoming.connection] = _Line()
            if not line.waiting:
                self._turns.append(line)
            line.waiting.append((incoming, answer, now))
            line.last = now
            line.count += 1
            line.bytes += size
            self._count += 1
            self._bytes += size
            if self._idle and not self._calling:
                # once everything that is ready on the loop has been queued: the thread would only
                # take the interpreter away from it, for a batch of one
                self._calling = True
                answer.get_loop().call_soon(self._call)
        return answer

    def _call(self) -> None:
        with self._lock:
            self._rouse()

    def _rouse(self) -> None:
        self._calling = False
        if self._idle:
            self._idle = False
            self._wake.release()

    def _run(self) -> None:
        while batch := self._collect():
            stored = self._store([waiting[0] for waiting in batch])
            self._account(batch)
            _answer(batch, stored)

    def _account(self, batch: Sequence[_Waiting]) -> None:
        """What was stored, or given up, waits no more."""
        with self._lock:
            self._oldest = None
            self._count -= len(batch)
            for incoming, _, _ in batch:
                size = len(incoming.body)
                self._bytes -= size
                line = self._lines[incoming.connection]
                line.count -= 1
                line.bytes -= size

    def _collect(self) -> list[_Waiting]:
        """What goes into the next commit; blocks until there is something, empty at the end."""
        while True:
            with self._lock:
                if self._turns:
                    batch = self._next_batch()
                    self._oldest = min(waiting[2] for waiting in batch)
                    return batch
                if self._stopping:
                    return []
                self._idle = True
            self._wake.acquire()

    def _next_batch(self) -> list[_Waiting]:
        """From each line in turn, so much of it as is its share; what it leaves comes next time."""
        batch: list[_Waiting] = []
        size = 0
        share = self._max_share if self._in_company() else self._max_batch
        for _ in range(len(self._turns)):
            if len(batch) == self._max_batch:
                break  # whoever was left out is first next time
            line = self._turns.popleft()
            for _ in range(min(share, self._max_batch - len(batch), len(line.waiting))):
                size += len(line.waiting[0][0].body)
                if batch and size > self._max_batch_bytes:
                    self._turns.appendleft(line)
                    return batch
                batch.append(line.waiting.popleft())
            if line.waiting:
                self._turns.append(line)
        return batch

    def _in_company(self) -> bool:
        """Whether more than one connection sends these days. Forgets those that do not."""
        if len(self._turns) > 1:
            return True
        since = time.monotonic() - COMPANY_SECONDS
        silent = [
            name for name, line in self._lines.items() if not line.count and line.last < since
        ]
        for name in silent:
            del self._lines[name]
        return len(self._lines) > 1

    def _store(self, batch: Sequence[Incoming]) -> list[Stored | None]:
        began = time.monotonic()
        stored = self._attempt(batch)
        if stored is None and time.monotonic() - began < SLOW_FAILURE:
            stored = self._halve(batch)
        result = stored or [None] * len(batch)
        refused = result.count(None)
        if refused:
            self._failures += refused
        elif self._failures:
            log.warning("The inbox stores again; %d deliveries were refused.", self._failures)
            self._failures = 0
        return result

    def _halve(self, batch: Sequence[Incoming]) -> list[Stored | None]:
        """Store a batch that failed as a whole, without the delivery that spoils it.

        Where both halves fail the trouble is the database's, and we stop asking: everybody is
        told to come back, so even two spoilt rows cost their neighbours only a retry.
        """
        if len(batch) == 1:
            return [None]
        middle = len(batch) // 2
        first, second = batch[:middle], batch[middle:]
        one, two = self._attempt(first), self._attempt(second)
        if one is None and two is None:
            return [None] * len(batch)
        return (one or self._halve(first)) + (two or self._halve(second))

    def _attempt(self, batch: Sequence[Incoming]) -> list[Stored | None] | None:
        try:
            stored = list(self._inbox.store(batch))
        except Exception as error:
            # Only the first line: database errors carry their parameters, here bodies, below it.
            line = str(error).partition("\n")[0][:200]
            log.error("Cannot store %d deliveries: %s: %s", len(batch), type(error).__name__, line)
            return None
        if len(stored) != len(batch):
            log.error("The inbox answered %d rows for %d deliveries.", len(stored), len(batch))
            return None
        return list(stored)


def _answer(batch: Sequence[_Waiting], stored: Sequence[Stored | None]) -> None:
    """Hand the results over, waking each event loop once per batch and not once per delivery."""
    loops: dict[
        asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Stored | None], Stored | None]]
    ]
    loops = {}
    for (_, answer, _), row in zip(batch, stored, strict=True):
        loops.setdefault(answer.get_loop(), []).append((answer, row))
    for loop, pairs in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, pairs)
        except RuntimeError:
            log.warning("%d senders left before their answer; their rows are kept.", len(pairs))


def _settle(pairs: Sequence[tuple[asyncio.Future[Stored | None], Stored | None]]) -> None:
    for answer, row in pairs:
        if not answer.done():
            answer.set_result(row)
