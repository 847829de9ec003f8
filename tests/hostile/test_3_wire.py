"""Rows about the wire, over real sockets: slow senders, and requests that say two things."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar

import pytest

from hub.api import doors
from tests.hostile.house import House, Served, read_to_end, served, standard
from webhooks.limits import BODY_SECONDS
from webhooks.server import DeadlineHttpProtocol

BODY = b'{"type":"order.created","data":{"id":"1","title":"x"}}'


@pytest.fixture(scope="module")
def wire(home: House) -> Iterator[Served]:
    """The application behind a server that the tests of this module share."""
    with served(home) as server:
        yield server


class Impatient(DeadlineHttpProtocol):
    """With deadlines that a test can wait for."""

    header_seconds: ClassVar[float] = 1.5


class TestSlowSenders:
    def test_none_may_take_longer_than_thirty_seconds(self) -> None:
        assert DeadlineHttpProtocol.header_seconds + BODY_SECONDS <= 30
        assert DeadlineHttpProtocol.header_seconds + doors.BODY_SECONDS <= 30

    def test_two_hundred_of_them_are_closed_and_others_are_served(
        self, home: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They drip a byte at a time: in their headers, in a delivery, in a call of the API, in a
        form.
        """
        monkeypatch.setattr(doors, "BODY_SECONDS", 1.5)
        monkeypatch.setattr(home.application.intake.app, "_body_seconds", 1.5)
        openings = [
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-",
            b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n",
            b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 5000\r\n\r\n",
            b"POST /p/none HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded"
            b"\r\nContent-Length: 5000\r\n\r\n",
        ]
        with served(home, Impatient) as server, ExitStack() as sockets:
            slow = []
            for number in range(200):
                one = sockets.enter_context(server.connect())
                one.sendall(openings[number % len(openings)])
                slow.append(one)
            longest = 0.0
            for number in range(40):
                began = time.monotonic()
                request = b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\n"
                request += b"".join(
                    f"{name}: {value}\r\n".encode()
                    for name, value in standard(BODY, f"quick{number}").items()
                )
                request += b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(BODY), BODY)
                assert server.raw(request).startswith(b"HTTP/1.1 202")
                longest = max(longest, time.monotonic() - began)
                for one in slow:
                    drip(one)
            # a bound for a busy machine; the figure itself is the bench's
            assert longest < 5
            until = time.monotonic() + 15
            while slow and time.monotonic() < until:
                for one in slow:
                    drip(one)
                closed, _, _ = select.select(slow, [], [], 0.05)
                for one in closed:
                    answer = read_to_end(one)
                    assert answer == b"" or answer.startswith((b"HTTP/1.1 4",)), answer
                    slow.remove(one)
            assert not slow, f"{len(slow)} are still open"


def drip(one: socket.socket) -> None:
    try:
        one.sendall(b"a")
    except OSError:
        return  # closed already; the reader finds out


END = b"\r\n\r\n0\r\n\r\n"
AMBIGUOUS = {
    "content_length_and_chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked" + END,
    "chunked_and_content_length": b"Transfer-Encoding: chunked\r\nContent-Length: 5" + END,
    "two_content_lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "signed_content_length": b"Content-Length: +2\r\n\r\n{}",
    "negative_content_length": b"Content-Length: -2\r\n\r\n{}",
    "hexadecimal_content_length": b"Content-Length: 0x2\r\n\r\n{}",
    "listed_content_length": b"Content-Length: 2, 2\r\n\r\n{}",
    "unknown_transfer_encoding": b"Transfer-Encoding: xchunked\r\n\r\n{}",
    "chunked_is_not_the_last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked_with_a_tab": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "negative_chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "chunk_beyond_64_bits": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx\r\n" + END,
    "chunk_without_its_end": b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}X0\r\n\r\n",
    "blank_before_the_colon": b"Content-Length : 2\r\n\r\n{}",
    "folded_header": b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "nul_in_a_header": b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
}


class TestContentLengthAndChunked:
    @pytest.mark.parametrize("path", ["/webhooks/shop", "/api/v1/tasks", "/p/none"])
    @pytest.mark.parametrize("rest", AMBIGUOUS)
    def test_two_ways_to_read_it_are_none(self, wire: Served, path: str, rest: str) -> None:
        start = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
        answer = wire.raw(start + AMBIGUOUS[rest])
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert b"application/problem+json" in answer
        assert b'"request_malformed"' in answer
        assert answer.count(b"HTTP/1.1 4") == 1

    @pytest.mark.parametrize(
        ("request_", "status", "code"),
        [
            (
                b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
                431,
                b"headers_too_large",
            ),
            (
                b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
                431,
                b"headers_too_large",
            ),
            (b"GET /" + b"a" * 80_000, 431, b"headers_too_large"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, b"request_malformed"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, b"request_malformed"),
            (b"GET /api/v1/t\xff\xfe HTTP/1.1\r\n\r\n", 400, b"request_malformed"),
            (b"FOO / HTTP/1.1\r\n\r\n", 400, b"request_malformed"),
            (b"GET / HTTP/9.9\r\n\r\n", 400, b"request_malformed"),
        ],
        ids=["header", "headers", "address", "tls", "http2", "bytes", "method", "version"],
    )
    def test_what_is_no_request_is_a_problem_too(
        self, wire: Served, request_: bytes, status: int, code: bytes
    ) -> None:
        answer = wire.raw(request_)
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
        assert b'"code": "%s"' % code in answer

    def test_an_upgrade_is_not_agreed_to(self, wire: Served) -> None:
        answer = wire.raw(
            b"GET /api/v1/tasks HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 401 ")

    def test_pipelined_requests_are_answered_in_order(self, wire: Served) -> None:
        get = b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"
        answer = wire.raw(
            get % (b"/healthz", b"")
            + get % (b"/nowhere", b"")
            + get % (b"/healthz", b"Connection: close\r\n")
        )
        assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]

    def test_a_sender_that_closes_its_half_gets_its_answer(self, wire: Served) -> None:
        with wire.connect() as one:
            headers = "".join(
                f"{name}: {value}\r\n" for name, value in standard(BODY, "half").items()
            )
            one.sendall(
                f"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\n{headers}"
                f"Content-Length: {len(BODY)}\r\n\r\n".encode()
                + BODY
            )
            one.shutdown(socket.SHUT_WR)
            assert one.recv(65536).startswith(b"HTTP/1.1 202")
