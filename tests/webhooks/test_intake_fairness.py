"""One that sends thousands stands beside the others, not before them, nothing grows for ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from tests.webhooks.intake_support import MemoryInbox, Served, refusal, signed, until
from webhooks.inbox import Incoming, Stored
from webhooks.server import DeadlineHttpProtocol
from webhooks.writer import CannotStore, Writer

Serve = Callable[..., Served]


def some(connection: str, id: str, body: bytes = b"{}") -> Incoming:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Incoming(connection, id, at, "POST", "u", {}, body, "", "genuine", False)


class Watched(MemoryInbox):
    """Remembers which connections each batch held."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[list[str]] = []

    def store(self, batch: Sequence[Incoming]) -> list[Stored]:
        self.held.append([one.connection for one in batch])
        return super().store(batch)


def stored_in(writer: Writer, inbox: Watched, line: Sequence[Incoming]) -> list[list[str]]:
    """The batches that a line became which had formed behind a commit that took its time."""

    async def run() -> None:
        inbox.gate.clear()
        writer.start()
        waiting = [writer.submit(some("before", "0"))]
        assert await asyncio.to_thread(inbox.entered.wait, 10)
        waiting += [writer.submit(one) for one in line]
        inbox.gate.set()
        assert None not in await asyncio.gather(*waiting)
        writer.stop()

    asyncio.run(run())
    return inbox.held[1:]


def test_a_quiet_sender_goes_with_the_next_commit_whatever_waits_before_it() -> None:
    inbox = Watched()
    flood = [some("noisy", str(at)) for at in range(300)]
    batches = stored_in(Writer(inbox, max_share=32), inbox, [*flood, some("quiet", "1")])
    assert batches[0].count("quiet") == 1
    assert [batch.count("noisy") for batch in batches] == [32] * 9 + [12]


def test_lines_that_a_full_batch_left_out_are_first_in_the_next() -> None:
    inbox = Watched()
    line = [some(name, f"{name}{at}") for name in "abcde" for at in range(4)]
    batches = stored_in(Writer(inbox, max_share=4, max_batch=8), inbox, line)
    assert ["".join(batch) for batch in batches] == ["aaaabbbb", "ccccdddd", "eeee"]


def test_one_connection_cannot_fill_the_queue_for_the_others(serve: Serve) -> None:
    inbox = MemoryInbox()
    hub = serve(inbox=inbox, writer=Writer(inbox, max_waiting_each=3))
    inbox.gate.clear()

    async def run() -> None:
        line = [hub.app._writer.submit(some("acme", str(at))) for at in range(3)]
        with pytest.raises(CannotStore, match="this connection"):
            hub.app._writer.submit(some("acme", "3"))
        other = hub.app._writer.submit(some("small", "1"))
        full = await asyncio.to_thread(hub.post, "/webhooks/acme", headers=signed(b"{}"))
        assert refusal(full, 503) == "cannot_store"
        assert full.headers["retry-after"] == "10"
        assert "connection" not in full.headers  # a small body that has come is read and forgotten
        inbox.gate.set()
        assert None not in await asyncio.gather(*line, other)

    asyncio.run(run())
    assert hub.post("/webhooks/acme", headers=signed(b"{}")).status_code == 202


def test_a_commit_that_hangs_turns_everybody_away_at_once(serve: Serve) -> None:
    """By the age of what waits: nobody is kept until the queue is full."""
    inbox = MemoryInbox()
    hub = serve(inbox=inbox, writer=Writer(inbox, max_age=0.05))
    inbox.gate.clear()

    async def run() -> None:
        waiting = hub.app._writer.submit(some("small", "1"))
        assert await asyncio.to_thread(inbox.entered.wait, 10)
        await asyncio.to_thread(until, lambda: hub.app._writer.refusal("acme", 10) is not None)
        answer = await asyncio.to_thread(hub.post, "/webhooks/acme", headers=signed(b"{}"))
        assert refusal(answer, 503) == "cannot_store"
        inbox.gate.set()
        assert await waiting is not None

    asyncio.run(run())
    until(lambda: hub.app._writer._count == 0)
    assert hub.post("/webhooks/acme", headers=signed(b"{}")).status_code == 202


def test_a_process_takes_so_many_connections_and_says_so(serve: Serve) -> None:
    class Few(DeadlineHttpProtocol):
        max_connections = 3

    hub = serve(protocol=Few)
    held = [socket.create_connection(("127.0.0.1", hub.port)) for _ in range(3)]
    try:
        until(lambda: len(hub._server.server_state.connections) == 3)
        answer = hub.raw(b"POST /webhooks/acme HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"too_many_connections" in answer
        assert b"retry-after: 5" in answer
    finally:
        for one in held:
            one.close()
    until(lambda: not hub._server.server_state.connections)
    assert hub.post("/webhooks/acme", headers=signed(b"{}")).status_code == 202
