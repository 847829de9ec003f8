"""Group commit: one thread stores everything that is waiting in one transaction.

A sender is answered only after the commit that holds its delivery. While one commit is on its way
to the disk the next batch collects, so a slow disk makes batches larger instead of senders slower.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from webhooks.inbox import Inbox, Incoming, Stored, Unsure

log = logging.getLogger("webhooks")

SLOW_FAILURE = 1.0
"""Seconds. A store that fails later than this is the database's trouble and not one row's."""

_Waiting = tuple[Incoming, asyncio.Future[Stored | None]]
"""A delivery, and where its answer is awaited."""


class CannotStore(Exception):
    """The queue is full, or the writer is not running."""


class Writer:
    """Takes deliveries from event loops and stores them from one thread of its own.

    A batch holds at most `max_batch` deliveries and about `max_batch_bytes` of bodies (a larger
    single one goes alone). Nothing more is taken beyond `max_waiting` deliveries or
    `max_waiting_bytes`, those being stored included, and while one commit takes longer than
    `max_age` seconds.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        max_batch: int = 500,
        max_batch_bytes: int = 16 * 1024 * 1024,
        max_waiting: int = 10_000,
        max_waiting_bytes: int = 128 * 1024 * 1024,
        max_age: float = 15.0,
    ) -> None:
        self._inbox = inbox
        self._max_batch = max_batch
        self._max_batch_bytes = max_batch_bytes
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._max_age = max_age
        self._queue: deque[_Waiting] = deque()
        self._count = 0
        self._bytes = 0
        self._since: float | None = None
        """When the batch that is being stored was taken; None while nothing is."""
        self._lock = threading.Lock()
        self._wake = threading.Lock()
        """Held but when there is something to do: the thread sleeps on it."""
        self._wake.acquire()
        self._idle = False
        self._calling = False
        self._stopping = False
        self._running = False
        self._thread: threading.Thread | None = None
        self._failures = 0

    def start(self) -> None:
        """Begin to store. Harmless when it runs already."""
        with self._lock:
            if self._running:
                return
            self._stopping, self._running = False, True
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

    def refusal(self, size: int) -> str | None:
        """Why a delivery of `size` bytes would not be taken now; None if it would. Cheap, so that
        it can be asked before a body is read.
        """
        if self._stopping or not self._running:
            return "The writer is not running."
        if not self._count:
            return None
        if self._count >= self._max_waiting or self._bytes + size > self._max_waiting_bytes:
            return "The inbox does not keep up with what arrives."
        since = self._since  # the thread may be done with it meanwhile
        if since is not None and time.monotonic() - since > self._max_age:
            return f"The inbox has not stored anything for {self._max_age:g} s."
        return None

    def submit(self, incoming: Incoming) -> asyncio.Future[Stored | None]:
        """Queue one delivery; the future gives its row, or None if it could not be stored.

        Call it on an event loop. Raises CannotStore.
        """
        size = len(incoming.body)
        loop = asyncio.get_running_loop()
        with self._lock:
            why = self.refusal(size)
            if why is not None:
                raise CannotStore(why)
            answer: asyncio.Future[Stored | None] = loop.create_future()
            self._queue.append((incoming, answer))
            self._count += 1
            self._bytes += size
            if self._idle and not self._calling:
                # once everything that is ready on the loop has been queued: the thread would only
                # take the interpreter away from it, for a batch of one
                self._calling = True
                loop.call_soon(self._call)
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
        try:
            while batch := self._collect():
                stored = self._store([incoming for incoming, _ in batch])
                with self._lock:
                    self._since = None
                    self._count -= len(batch)
                    self._bytes -= sum(len(incoming.body) for incoming, _ in batch)
                _answer(batch, stored)
        finally:
            self._running = False

    def _collect(self) -> list[_Waiting]:
        """What goes into the next commit; blocks until there is something, empty at the end."""
        while True:
            with self._lock:
                if self._queue:
                    self._since = time.monotonic()
                    return self._next_batch()
                if self._stopping:
                    return []
                self._idle = True
            self._wake.acquire()

    def _next_batch(self) -> list[_Waiting]:
        """Everything that waits, up to the caps."""
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < self._max_batch:
            size += len(self._queue[0][0].body)
            if batch and size > self._max_batch_bytes:
                break
            batch.append(self._queue.popleft())
        return batch

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
        except Unsure as error:
            log.error("Nobody knows whether %d deliveries are stored: %s", len(batch), error)
            return [None] * len(batch)
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
    for (_, answer), row in zip(batch, stored, strict=True):
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
