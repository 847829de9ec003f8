"""The vendor of the bench of pulling: an HTTP API in a process of its own that hands out tickets of
1 KB, a hundred or a thousand a page, oldest change first.

The tickets are written to a file before anything is measured, and a page is a piece of that file,
so that a million of them take no memory and the vendor is never what is waited for. It speaks as
much HTTP/1.1 as it takes to answer GET over a connection that stays open.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(milliseconds=7)
"""Between two changes. No two tickets share a time, so that a cursor by time loses none."""
PEOPLE = ("ann", "ben", "cleo", "dana", "eli")
STATES = ("new", "open", "pending", "hold", "solved", "closed")
TEXT = (
    "Customer reports that the export of the monthly statement stops at page 14 with a message"
    " about a missing font. Happens on two machines, both updated on Monday. "
)


def moment(number: int) -> str:
    """When this ticket last changed."""
    return f"{START + number * STEP:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def ticket(number: int) -> dict[str, Any]:
    """One ticket of about 1,000 bytes of JSON."""
    person = PEOPLE[number % len(PEOPLE)]
    return {
        "id": number,
        "subject": f"Statement {number} stops at page 14",
        "description": TEXT + f"Seen by {person} first, reference {number:08}. " + TEXT,
        "status": STATES[number % len(STATES)],
        "priority": ("low", "normal", "high", "urgent")[number % 4],
        "due_on": f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "assignee": {"id": f"u{number % 5}", "email": f"{person}@desk.example", "name": person},
        "requester": {"id": f"c{number % 977}", "email": f"c{number % 977}@shop.example"},
        "tags": ["statement", f"team-{number % 7}", "print"],
        "amount": f"{number % 9000}.{number % 100:02}",
        "organization": {"id": number % 311, "name": f"Shop {number % 311} Ltd"},
        "via": {"channel": "web", "source": {"from": f"198.51.100.{number % 250}"}},
        "url": f"https://desk.example/tickets/{number}",
        "locale": "en-GB",
        "is_public": True,
        "created_at": "2025-12-01T08:00:00.000Z",
        "updated_at": moment(number),
        "updated_by": f"{person}@desk.example",
        "followers": [],
    }


class _Shelf:
    """All tickets one after another in a file that has no name, with commas between them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._starts = array("Q", [0])
        at = 0
        for number in range(count):
            written = orjson.dumps(ticket(number)) + b","
            self._file.write(written)
            at += len(written)
            self._starts.append(at)
        self._file.flush()

    def answer(self, query: dict[str, list[str]]) -> bytes:
        """The page that a request asks for, as a whole answer."""
        first = self._first(query)
        last = min(self.count, first + int(query.get("limit", ["100"])[0]))
        begin, end = self._starts[first], self._starts[last]
        rows = os.pread(self._file.fileno(), max(0, end - begin - 1), begin)
        following = b'"%d"' % last if last < self.count else b"null"
        body = b'{"tickets":[%b],"next":%b}' % (rows, following)
        return (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
        ) + body

    def _first(self, query: dict[str, list[str]]) -> int:
        if after := query.get("after"):
            return min(self.count, int(after[0]))
        if since := query.get("updated_since"):
            passed = datetime.fromisoformat(since[0]) - START
            return min(self.count, max(0, -(-passed // STEP)))
        return 0


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, shelf: _Shelf) -> None:
        self._shelf = shelf
        self._heard = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            target = self._heard[:end].split(b" ", 2)[1].decode()
            self._heard = self._heard[end + 4 :]
            self._transport.write(self._shelf.answer(parse_qs(urlsplit(target).query)))


def _serve(told: Any, count: int) -> None:
    shelf = _Shelf(count)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Line(shelf), "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def vendor(count: int) -> Iterator[str]:
    """The address of a vendor with `count` tickets, which answers until the block ends."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, count), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
