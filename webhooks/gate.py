"""Fairness between connections: while several send, so many deliveries of each are worked on at
once; what is beyond stands in a line of its own connection and costs nothing until its turn comes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

COMPANY_SECONDS = 5.0
"""How long after two connections sent in turn they count as sending together."""


class TooMany(Exception):
    """The line of this connection is full."""


class _Door:
    """How many of one connection are inside, and who waits."""

    __slots__ = ("inside", "waiting")

    def __init__(self) -> None:
        self.inside = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Gate:
    """In company at most `share` deliveries of a connection are inside; one that sends alone has
    the whole house. At most `max_waiting` of a connection wait. For one event loop.
    """

    def __init__(self, *, share: int = 4, max_waiting: int = 1000) -> None:
        self._share = share
        self._max_waiting = max_waiting
        self._doors: dict[str, _Door] = {}
        self._last = ""
        self._company_until = 0.0

    def enter(self, connection: str) -> asyncio.Future[None] | None:
        """Come in; where a future is given, once it is done. Whoever is in must `leave`; whoever
        gives up waiting calls `withdraw`. Raises TooMany.
        """
        door = self._doors.get(connection)
        if door is None:
            door = self._doors[connection] = _Door()
        if connection != self._last:
            if self._last:
                self._company_until = time.monotonic() + COMPANY_SECONDS
            self._last = connection
        if not door.waiting and (door.inside < self._share or not self._in_company()):
            door.inside += 1
            return None
        if len(door.waiting) >= self._max_waiting:
            raise TooMany
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        door.waiting.append(turn)
        return turn

    def withdraw(self, connection: str, turn: asyncio.Future[None]) -> None:
        """Wait no more; whoever was let in at this very moment leaves."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self.leave(connection)
        else:
            turn.cancel()

    def leave(self, connection: str) -> None:
        """Be done, and let in who is next."""
        door = self._doors[connection]
        door.inside -= 1
        while door.waiting and (door.inside < self._share or not self._in_company()):
            turn = door.waiting.popleft()
            if not turn.done():
                door.inside += 1
                turn.set_result(None)

    def _in_company(self) -> bool:
        return time.monotonic() < self._company_until
