"""No 2xx without a row: group commit, a store that fails, a full queue, kill and shutdown."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.webhooks.intake_support import MemoryInbox, Served, refusal, signed, until
from webhooks.inbox import Incoming, Stored, Unsure
from webhooks.writer import CannotStore, Writer

ROOT = Path(__file__).parents[2]
Serve = Callable[..., Served]


def some(id: str, body: bytes = b"{}") -> Incoming:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Incoming("acme", id, at, "POST", "u", {}, body, "", "genuine", False)


async def flood(hub: Served, count: int) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=count)
    url = f"http://127.0.0.1:{hub.port}"
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        posts = [
            client.post("/webhooks/acme", content=b"{}", headers=signed(b"{}", id=str(number)))
            for number in range(count)
        ]
        return await asyncio.gather(*posts)


def test_two_hundred_deliveries_at_once_share_a_few_commits(hub: Served) -> None:
    """While the first one is on its way to the disk, the others collect."""
    hub.inbox.gate.clear()

    def open_when_waiting() -> None:
        until(lambda: hub.app._writer._count == 200, seconds=30)
        hub.inbox.gate.set()

    watcher = threading.Thread(target=open_when_waiting)
    watcher.start()
    answers = asyncio.run(flood(hub, 200))
    watcher.join()
    assert [answer.status_code for answer in answers] == [202] * 200
    assert len({answer.json()["id"] for answer in answers}) == 200
    assert len(hub.inbox.batches) <= 3
    assert len(hub.inbox.threads) == 1


def test_a_store_that_fails_is_503_with_retry_after_and_recovers(
    hub: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def full(batch: Sequence[Incoming]) -> None:
        raise sqlite3.OperationalError("database or disk is full\n[parameters: the body]")

    hub.inbox.fail = full
    response = hub.post("/webhooks/acme", headers=signed(b"{}"))
    assert refusal(response, 503) == "cannot_store"
    assert response.headers["retry-after"] == "10"
    assert "database or disk is full" in caplog.text
    assert "the body" not in caplog.text
    hub.inbox.fail = lambda batch: None
    assert hub.post("/webhooks/acme", headers=signed(b"{}")).status_code == 202
    assert "stores again; 1 deliveries" in caplog.text


def test_an_inbox_that_answers_too_few_rows_is_not_believed(serve: Serve) -> None:
    class Forgetful(MemoryInbox):
        def store(self, batch: Sequence[Incoming]) -> list[Stored]:
            return []

    response = serve(Forgetful()).post("/webhooks/acme", headers=signed(b"{}"))
    assert refusal(response, 503) == "cannot_store"


def test_what_may_be_stored_is_neither_told_nor_stored_a_second_time() -> None:
    """The database was lost while it committed."""
    inbox = MemoryInbox()
    attempts: list[int] = []

    def lost(batch: Sequence[Incoming]) -> None:
        attempts.append(len(batch))
        raise Unsure("server closed the connection unexpectedly")

    inbox.fail = lost

    async def together() -> list[Stored | None]:
        writer = Writer(inbox)
        writer.start()
        inbox.gate.clear()
        waiting = [writer.submit(some(str(number))) for number in range(8)]
        inbox.gate.set()
        results = await asyncio.gather(*waiting)
        writer.stop()
        return results

    assert asyncio.run(together()) == [None] * 8
    assert sum(attempts) == 8


def test_one_delivery_that_cannot_be_stored_does_not_take_its_batch_down() -> None:
    inbox = MemoryInbox()

    def picky(batch: Sequence[Incoming]) -> None:
        if any(incoming.delivery_id == "7" for incoming in batch):
            raise ValueError("no such character set")

    inbox.fail = picky

    async def together() -> list[Stored | None]:
        writer = Writer(inbox)
        inbox.gate.clear()
        writer.start()
        first = writer.submit(some("first"))
        assert await asyncio.to_thread(inbox.entered.wait, 10)
        waiting = [writer.submit(some(str(number))) for number in range(20)]
        inbox.gate.set()
        results = await asyncio.gather(first, *waiting)
        writer.stop()
        return results

    results = asyncio.run(together())
    assert [number for number, row in enumerate(results) if row is None] == [8]
    assert {row.delivery_id for row in inbox.rows} == {"first"} | {str(n) for n in range(20)} - {
        "7"
    }


def test_a_broken_database_is_asked_three_times_per_batch_and_not_per_delivery() -> None:
    inbox = MemoryInbox()

    def down(batch: Sequence[Incoming]) -> None:
        if len(inbox.batches) > 1:
            raise OSError("no space left on device")

    inbox.fail = down

    async def together() -> list[Stored | None]:
        writer = Writer(inbox)
        inbox.gate.clear()
        writer.start()
        first = writer.submit(some("first"))
        assert await asyncio.to_thread(inbox.entered.wait, 10)
        waiting = [writer.submit(some(str(number))) for number in range(100)]
        inbox.gate.set()
        results = await asyncio.gather(first, *waiting)
        writer.stop()
        return results

    results = asyncio.run(together())
    assert results[0] is not None
    assert results[1:] == [None] * 100
    assert inbox.batches == [1, 100, 50, 50]


def test_a_queue_past_its_limit_is_503_at_once(serve: Serve) -> None:
    hub = serve(max_waiting=2)
    hub.inbox.gate.clear()
    with ThreadPoolExecutor() as pool:
        waiting = [
            pool.submit(hub.post, "/webhooks/acme", headers=signed(b"{}", id=str(number)))
            for number in range(2)
        ]
        until(lambda: hub.app._writer._count == 2)
        response = hub.post("/webhooks/acme", headers=signed(b"{}", id="late"))
        assert refusal(response, 503) == "cannot_store"
        assert "retry-after" in response.headers
        hub.inbox.gate.set()
        assert [call.result().status_code for call in waiting] == [202, 202]


def test_batches_and_the_queue_are_capped_in_bytes_too() -> None:
    inbox = MemoryInbox()

    async def fill() -> None:
        writer = Writer(inbox, max_batch_bytes=100, max_waiting_bytes=400)
        inbox.gate.clear()
        writer.start()
        waiting = [writer.submit(some("first"))]
        assert await asyncio.to_thread(inbox.entered.wait, 10)
        sizes = [150, 40, 40, 40]
        waiting += [writer.submit(some(str(n), b"x" * size)) for n, size in enumerate(sizes)]
        with pytest.raises(CannotStore):
            writer.submit(some("too much", b"x" * 200))
        inbox.gate.set()
        assert None not in await asyncio.gather(*waiting)
        writer.stop()

    asyncio.run(fill())
    assert inbox.batches == [1, 1, 2, 1]


def test_a_commit_that_takes_too_long_is_503_and_the_retry_is_a_duplicate(serve: Serve) -> None:
    """The row may come to be after the answer; the other way round never happens."""
    hub = serve(commit_seconds=0.05)
    hub.inbox.gate.clear()
    response = hub.post("/webhooks/acme", headers=signed(b"{}"))
    assert refusal(response, 503) == "cannot_store"
    hub.inbox.gate.set()
    until(lambda: len(hub.inbox.rows) == 1)
    until(lambda: hub.app._writer._count == 0)
    assert hub.post("/webhooks/acme", headers=signed(b"{}")).json()["status"] == "duplicate"


def test_shutdown_stores_and_answers_what_is_waiting(serve: Serve) -> None:
    hub = serve()
    hub.inbox.gate.clear()
    with ThreadPoolExecutor() as pool:
        waiting = [
            pool.submit(hub.post, "/webhooks/acme", headers=signed(b"{}", id=str(number)))
            for number in range(5)
        ]
        until(lambda: hub.app._writer._count == 5)
        stopping = pool.submit(hub.app.stop)
        until(lambda: hub.app._writer._stopping)
        late = hub.post("/webhooks/acme", headers=signed(b"{}", id="late"))
        assert refusal(late, 503) == "cannot_store"
        hub.inbox.gate.set()
        assert stopping.result() is True
        assert [call.result().status_code for call in waiting] == [202] * 5
    assert len(hub.inbox.rows) == 5


def test_without_a_running_writer_nothing_is_taken_and_it_can_start_again(hub: Served) -> None:
    hub.app.stop()
    assert refusal(hub.post("/webhooks/acme", headers=signed(b"{}")), 503) == "cannot_store"
    hub.app.start()
    hub.app.start()
    assert hub.post("/webhooks/acme", headers=signed(b"{}")).status_code == 202


def test_every_2xx_has_a_row_after_the_process_is_killed(tmp_path: Path) -> None:
    """kill -9 in the middle of a burst: rows ≥ answers, and each answered id is there."""
    database = tmp_path / "inbox.db"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.webhooks.intake_sqlite_server", str(database)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    answered: list[str] = []
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"

        def send(worker: int) -> None:
            with httpx.Client(base_url=url, timeout=20) as client:
                for number in range(10_000):
                    id = f"{worker}-{number}"
                    try:
                        answer = client.post(
                            "/webhooks/acme", content=b"{}", headers=signed(b"{}", id=id)
                        )
                    except httpx.TransportError:
                        return
                    assert answer.status_code == 202
                    answered.append(id)

        with ThreadPoolExecutor(8) as pool:
            senders = [pool.submit(send, worker) for worker in range(8)]
            until(lambda: len(answered) >= 200, seconds=30)
            server.kill()
            for sender in senders:
                sender.result()
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()
    with sqlite3.connect(database) as connection:
        rows = {row[0] for row in connection.execute("SELECT delivery_id FROM inbox")}
    connection.close()
    assert set(answered) <= rows
    assert len(rows) - len(answered) <= 8  # at most what each sender had under way
