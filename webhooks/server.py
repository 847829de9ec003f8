"""An HTTP protocol for uvicorn that does not wait for ever: headers have a deadline and a size.

uvicorn bounds neither, and an ASGI application is only called once the headers are complete, so
two hundred sockets that send a byte now and then would stay open. Use it as
`uvicorn.Config(app, http=DeadlineHttpProtocol)`.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webhooks.corked import Corked


def _refusal(status: HTTPStatus, code: str, detail: str, retry_after: int | None = None) -> bytes:
    """A whole answer for what never becomes a request, in the form of every other refusal."""
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
    }
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"x-content-type-options: nosniff\r\ncontent-length: {len(body)}\r\n"
        + (f"retry-after: {retry_after}\r\n" if retry_after else "")
        + "connection: close\r\n\r\n"
    )
    return head.encode() + body


_TOO_LARGE = _refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    "Address and headers together are larger than what is read here.",
)
_MALFORMED = _refusal(
    HTTPStatus.BAD_REQUEST,
    "request_malformed",
    "This is not HTTP/1.1 as it should be: check its first line, its headers and how long it says"
    " that its body is.",
)


_TOO_MANY = _refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_connections",
    "This server has as many connections open as it takes. Close some, or try again later.",
    retry_after=5,
)


async def _too_large(scope: Any, receive: Any, send: Any) -> None:
    """An application for one request whose headers came complete and too large."""
    head, _, body = _TOO_LARGE.partition(b"\r\n\r\n")
    lines = (line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    headers = [(name, value) for name, value in lines]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": body})


SURPLUS_SECONDS = 1.0
"""How long a connection beyond the limit has to say something and be told so."""


LINGER_SECONDS = 2.0
"""How long a refused connection may still say what nobody reads."""


class DeadlineHttpProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with limits, and answers in one packet.

    `header_seconds`: from the connection, or from the first byte of a later request, to the end
    of its headers. `header_bytes`: request line and headers together. `max_connections`: open
    sockets of this server; one more is answered 503 and closed.
    """

    max_connections: ClassVar[int] = 2000

    header_seconds: ClassVar[float] = 10.0
    header_bytes: ClassVar[int] = 64 * 1024

    _due: float | None = None
    """By when the headers must be complete, on the loop's clock; None while none are awaited."""
    _timer: asyncio.TimerHandle | None = None
    _in_headers: bool = True
    _header_size: int = 0
    _chunk: int = 0
    _surplus: bool = False
    _refused: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._corked = Corked(transport, self.loop)
        self._surplus = len(self.connections) > self.max_connections
        if self._surplus:
            self._due = self.loop.time() + SURPLUS_SECONDS
            self._timer = self.loop.call_at(self._due, self._look)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._surplus:
            # told only once it speaks: what is closed with bytes unread is reset, and says nothing
            self._disarm()
            self.transport.write(_TOO_MANY)
            self.transport.close()
            return
        self._chunk = len(data)
        if self._in_headers:
            self._header_size += len(data)
        super().data_received(data)
        if not self._in_headers or self._refused or self.transport.is_closing():
            return
        if self._header_size > self.header_bytes:
            self._refuse(_TOO_LARGE)
        elif self.cycle is None or self.cycle.response_complete:
            # While an answer is under way uvicorn's keep-alive timer takes over when it ends.
            self._arm()

    def eof_received(self) -> bool:  # type: ignore[override] # as asyncio has it
        """A sender that has closed its half after a whole request still gets its answer."""
        if self._refused or self.cycle is None or self.cycle.response_complete:
            return False
        if self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        self._refuse(_MALFORMED)

    def _refuse(self, answer: bytes) -> None:
        """Answer, and let the rest arrive for a moment: a sender that is still sending when its
        connection closes sees a reset instead of the answer.
        """
        self._disarm()
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        came = max(self._header_size, self._chunk)
        self._in_headers = False
        self._header_size = 0
        self._disarm()
        if came <= self.header_bytes or self._weight() <= self.header_bytes:
            super().on_headers_complete()
            if self.cycle is not None:  # there is none for an upgrade
                self.cycle.transport = self._corked  # type: ignore[assignment] # what it uses of one
            return
        # they came in one piece with their end, before the size of what waits was looked at
        app, self.app = self.app, _too_large
        try:
            super().on_headers_complete()
        finally:
            self.app = app

    def _weight(self) -> int:
        """Bytes of the address and the headers of the request that has just been read."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_complete(self) -> None:
        self._in_headers = True
        super().on_message_complete()

    def _arm(self) -> None:
        """Headers are due. The timer stays while requests come and go, and looks when it fires: one
        for each request would cost more than reading its headers.
        """
        if self._due is None:
            self._due = self.loop.time() + self.header_seconds
            if self._timer is None:
                self._timer = self.loop.call_at(self._due, self._look)

    def _disarm(self) -> None:
        self._due = None

    def _look(self) -> None:
        self._timer = None
        if self._due is None or self.transport.is_closing():
            return
        if self._due > self.loop.time():
            self._timer = self.loop.call_at(self._due, self._look)
        else:
            self.transport.close()


def server_config(app: Any) -> uvicorn.Config:
    """How an application that takes deliveries is served."""
    return uvicorn.Config(
        app,
        http=DeadlineHttpProtocol,
        ws="none",  # there is no WebSocket here: an upgrade is not agreed to
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # the pages have them read; the intake is told by nobody
        timeout_graceful_shutdown=5,
    )
