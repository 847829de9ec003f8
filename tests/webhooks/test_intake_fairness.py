"""One that sends thousands stands beside the others, not before them, nothing grows for ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.webhooks.intake_support import MemoryInbox, Served, refusal, signed, until
from webhooks.gate import Gate
from webhooks.inbox import Incoming
from webhooks.server import DeadlineHttpProtocol
from webhooks.writer import Writer

Serve = Callable[..., Served]


def some(connection: str, id: str, body: bytes = b"{}") -> Incoming:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Incoming(connection, id, at, "POST", "u", {}, body, "", "genuine", False)


def test_in_company_so_many_of_each_are_inside_and_the_next_come_in_as_they_leave() -> None:
    async def run() -> None:
        gate = Gate(share=2)
        assert gate.enter("quiet") is None
        inside = [gate.enter("noisy") for _ in range(5)]
        assert inside[:2] == [None, None]
        lined_up = [turn for turn in inside if turn is not None]
        assert [turn.done() for turn in lined_up] == [False, False, False]
        assert gate.enter("quiet") is None  # whoever stands in another line
        gate.leave("noisy")
        assert [turn.done() for turn in lined_up] == [True, False, False]

    asyncio.run(run())


def test_who_sends_alone_has_the_whole_house() -> None:
    async def run() -> None:
        gate = Gate(share=2)
        assert [gate.enter("only") for _ in range(500)] == [None] * 500

    asyncio.run(run())


def test_a_line_moves_on_when_the_company_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        gate = Gate(share=1)
        gate.enter("quiet")
        gate.enter("noisy")
        lined_up = [gate.enter("noisy") for _ in range(4)]
        monkeypatch.setattr("webhooks.gate.COMPANY_SECONDS", 0.0)
        gate.enter("quiet")  # the last sign of company, which is over at once
        gate.leave("noisy")
        assert all(turn is not None and turn.done() for turn in lined_up)

    asyncio.run(run())


def test_whoever_gives_up_waiting_leaves_no_place_taken() -> None:
    async def run() -> None:
        gate = Gate(share=1)
        gate.enter("quiet")
        assert gate.enter("noisy") is None
        early, late = gate.enter("noisy"), gate.enter("noisy")
        assert early is not None
        assert late is not None
        gate.withdraw("noisy", early)
        gate.leave("noisy")
        assert late.done()
        gate.withdraw("noisy", late)  # let in at the very moment it gave up
        assert gate.enter("noisy") is None

    asyncio.run(run())


def test_one_connection_cannot_line_up_for_ever(serve: Serve) -> None:
    inbox = MemoryInbox()
    hub = serve(inbox=inbox, gate=Gate(share=1, max_waiting=0))
    hub.app._gate.enter("small")
    hub.app._gate.enter("acme")
    full = hub.post("/webhooks/acme", headers=signed(b"{}"))
    assert refusal(full, 503) == "cannot_store"
    assert full.headers["retry-after"] == "10"
    assert "connection" not in full.headers  # a small body that has come is read and forgotten
    hub.app._gate.leave("acme")
    assert hub.post("/webhooks/acme", headers=signed(b"{}")).status_code == 202


def test_deliveries_wait_for_their_turn_and_are_stored(serve: Serve) -> None:
    """A flood beside another sender: nobody is turned away, nothing is lost."""
    inbox = MemoryInbox()
    hub = serve(inbox=inbox, gate=Gate(share=1))
    hub.app._gate.enter("small")
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda at: hub.post("/webhooks/acme", headers=signed(b"{}", str(at))), range(40)
        )
        assert {answer.status_code for answer in answers} == {202}
    assert len(inbox.rows) == 40


def test_a_commit_that_hangs_turns_everybody_away_at_once(serve: Serve) -> None:
    """By the age of what waits: nobody is kept until the queue is full."""
    inbox = MemoryInbox()
    hub = serve(inbox=inbox, writer=Writer(inbox, max_age=0.05))
    inbox.gate.clear()

    async def run() -> None:
        waiting = hub.app._writer.submit(some("small", "1"))
        assert await asyncio.to_thread(inbox.entered.wait, 10)
        await asyncio.to_thread(until, lambda: hub.app._writer.refusal(10) is not None)
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
