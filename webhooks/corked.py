"""Head and body of an answer in one packet: uvicorn writes them one after the other, and each write
is a system call here and a second read at the sender's.
"""

from __future__ import annotations

import asyncio


class Corked:
    """A transport as uvicorn's request cycle uses it. The first write of an answer waits for the
    second one, but no longer than until the event loop has done what is ready now.
    """

    __slots__ = ("_loop", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: bytes | None = None

    def write(self, data: bytes) -> None:
        waiting = self._waiting
        if waiting is None:
            if not self._transport.is_closing():
                self._waiting = data
                self._loop.call_soon(self._flush)
        else:
            self._waiting = None
            self._transport.write(waiting + data)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._transport.write(waiting)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._flush()
        self._transport.close()
