"""Whose turn it is to write: SQLite takes one writer, and its own busy loop knows no order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """A lock that is handed over in the order in which it was asked for. Who asks for it `first`
    goes before the others, but never twice in a row: the intake waits for one transaction at most,
    and whatever floods it cannot keep the rest of the hub from writing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._first: deque[threading.Lock] = deque()
        self._others: deque[threading.Lock] = deque()
        self._preferred = False

    @contextmanager
    def held(self, *, first: bool = False) -> Iterator[None]:
        """Alone until the block ends."""
        self._take(first)
        try:
            yield
        finally:
            self._hand_over()

    def _take(self, first: bool) -> None:
        with self._lock:
            if not self._taken:
                self._taken, self._preferred = True, False
                return
            mine = threading.Lock()
            mine.acquire()
            (self._first if first else self._others).append(mine)
        mine.acquire()

    def _hand_over(self) -> None:
        with self._lock:
            prefer = bool(self._first) and not (self._preferred and self._others)
            line = self._first if prefer else self._others
            if not line:
                self._taken = False
                return
            self._preferred = prefer
            line.popleft().release()
