"""An HTTP protocol for uvicorn that does not wait for ever: headers have a deadline and a size.

uvicorn bounds neither, and an ASGI application is only called once the headers are complete, so
two hundred sockets that send a byte now and then would stay open. Use it as
`uvicorn.Config(app, http=DeadlineHttpProtocol)`.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class DeadlineHttpProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with two limits per request.

    `header_seconds`: from the connection, or from the first byte of a later request, to the end
    of its headers. `header_bytes`: request line and headers together.
    """

    header_seconds: ClassVar[float] = 15.0
    header_bytes: ClassVar[int] = 64 * 1024

    _deadline: asyncio.TimerHandle | None = None
    _in_headers: bool = True
    _header_size: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_size += len(data)
        super().data_received(data)
        if not self._in_headers or self.transport.is_closing():
            return
        if self._header_size > self.header_bytes:
            self._disarm()
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self.cycle is None or self.cycle.response_complete:
            # While an answer is under way uvicorn's keep-alive timer takes over when it ends.
            self._arm()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_size = 0
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_headers = True
        super().on_message_complete()

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.header_seconds, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()
