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

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def _refusal(status: HTTPStatus, code: str, detail: str) -> bytes:
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
        "connection: close\r\n\r\n"
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


async def _too_large(scope: Any, receive: Any, send: Any) -> None:
    """An application for one request whose headers came complete and too large."""
    head, _, body = _TOO_LARGE.partition(b"\r\n\r\n")
    lines = (line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    headers = [(name, value) for name, value in lines]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class DeadlineHttpProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with two limits per request.

    `header_seconds`: from the connection, or from the first byte of a later request, to the end
    of its headers. `header_bytes`: request line and headers together.
    """

    header_seconds: ClassVar[float] = 10.0
    header_bytes: ClassVar[int] = 64 * 1024

    _deadline: asyncio.TimerHandle | None = None
    _in_headers: bool = True
    _header_size: int = 0
    _weight: int = 0

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

    def send_400_response(self, msg: str) -> None:
        self._disarm()
        self.transport.write(_MALFORMED)
        self.transport.close()

    def on_url(self, url: bytes) -> None:
        self._weight += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._weight += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_size = 0
        self._disarm()
        weight, self._weight = self._weight, 0
        if weight <= self.header_bytes:
            super().on_headers_complete()
            return
        # they came in one piece with their end, before the size of what waits was looked at
        app, self.app = self.app, _too_large
        try:
            super().on_headers_complete()
        finally:
            self.app = app

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
