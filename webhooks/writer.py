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
from dataclasses import dataclass

from webhooks.inbox import Inbox, Incoming, Stored

log = logging.getLogger("webhooks")

SLOW_FAILURE = 1.0
"""Seconds. A store that fails later than this is the database's trouble and not one row's."""


class CannotStore(Exception):
    """The queue is full, or the writer is not running."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    incoming: Incoming
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Stored | None]


class Writer:
    """Takes deliveries from event loops and stores them from one thread of its own.

    A batch holds at most `max_batch` deliveries and about `max_batch_bytes` of bodies (a larger
    single one goes alone). Beyond `max_waiting` deliveries or `max_waiting_bytes`, those being
    stored included, nothing more is taken.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        max_batch: int = 500,
        max_batch_bytes: int = 16 * 1024 * 1024,
        max_waiting: int = 5000,
        max_waiting_bytes: int = 128 * 1024 * 1024,
    ) -> None:
        self._inbox = inbox
        self._max_batch = max_batch
        self._max_batch_bytes = max_batch_bytes
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._queue: deque[_Waiting] = deque()
        self._count = 0
        self._bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._failures = 0

    def start(self) -> None:
        """Begin to store. Harmless when it runs already."""
        with self._changed:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="webhooks-writer", daemon=True)
            self._thread.start()

    def stop(self, timeout: float | None = 30.0) -> bool:
        """Take nothing more, store what is waiting, end. False if that took longer than
        `timeout` seconds; nobody was told that the rest is stored.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def submit(self, incoming: Incoming) -> asyncio.Future[Stored | None]:
        """Queue one delivery; the future gives its row, or None if it could not be stored.

        Call it on an event loop. Raises CannotStore.
        """
        loop = asyncio.get_running_loop()
        size = len(incoming.body)
        with self._changed:
            if self._stopping or self._thread is None or not self._thread.is_alive():
                raise CannotStore("The writer is not running.")
            full = self._count >= self._max_waiting
            if full or (self._count and self._bytes + size > self._max_waiting_bytes):
                raise CannotStore("The inbox does not keep up with what arrives.")
            answer: asyncio.Future[Stored | None] = loop.create_future()
            self._queue.append(_Waiting(incoming, loop, answer))
            self._count += 1
            self._bytes += size
            self._changed.notify()
        return answer

    def _run(self) -> None:
        while batch := self._collect():
            stored = self._store([waiting.incoming for waiting in batch])
            with self._changed:
                self._count -= len(batch)
                self._bytes -= sum(len(waiting.incoming.body) for waiting in batch)
            _answer(batch, stored)

    def _collect(self) -> list[_Waiting]:
        """Everything waiting up to the caps; blocks until there is something, empty at the end."""
        batch: list[_Waiting] = []
        size = 0
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            while self._queue and len(batch) < self._max_batch:
                size += len(self._queue[0].incoming.body)
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
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Stored | None]]] = {}
    for waiting, row in zip(batch, stored, strict=True):
        loops.setdefault(waiting.loop, []).append((waiting, row))
    for loop, pairs in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, pairs)
        except RuntimeError:
            log.warning("%d senders left before their answer; their rows are kept.", len(pairs))


def _settle(pairs: Sequence[tuple[_Waiting, Stored | None]]) -> None:
    for waiting, row in pairs:
        if not waiting.answer.done():
            waiting.answer.set_result(row)
