"""One timer for all answers that are awaited: a timer for each costs more than the rest of the
waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Patience:
    """Gives each future so many seconds from `watch`; then it raises TimeoutError to whoever awaits
    it. For one event loop.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Begin to count for one future."""
        loop = future.get_loop()
        watched = self._watched
        while watched and watched[0][1].done():
            watched.popleft()
        watched.append((loop.time() + self._seconds, future))
        if self._timer is None:
            self._timer = loop.call_at(watched[0][0], self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Those at the front have waited longest."""
        now = loop.time()
        while self._watched:
            until, future = self._watched[0]
            if until > now and not future.done():
                break
            self._watched.popleft()
            if not future.done():
                future.set_exception(TimeoutError())
        self._timer = loop.call_at(self._watched[0][0], self._look, loop) if self._watched else None
