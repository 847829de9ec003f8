"""Deliveries a second through the intake, and what durability costs: `python -m bench.intake`.

One uvicorn process, one asyncio client in another, the same signed deliveries three ways: group
commit into SQLite (WAL, synchronous=FULL), the same with one commit per delivery, and an inbox that
forgets (all the rest is done). All three in one run on one machine, so that the ratios mean
something where the figures do not.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from connectors.sdk import Delivery, Parsed, Receiver
from connectors.sdk.signatures import check_hmac
from webhooks.app import WebhookApp
from webhooks.inbox import Endpoint, Incoming, Stored
from webhooks.server import DeadlineHttpProtocol

SECRET = "bench secret"  # noqa: S105 # signs only what this file sends to itself
WAYS = {"group commit": 500, "commit per request": 1, "no storage": 500}
"""Each way and how many deliveries one commit may hold."""


class BenchReceiver(Receiver):
    """An HMAC over the body, as GitHub and most others do it."""

    def verify(self, delivery: Delivery) -> str | None:
        signature = delivery.headers.get("x-hub-signature-256", "")
        check_hmac(delivery.body, [SecretStr(SECRET)], [signature.removeprefix("sha256=")])
        return delivery.headers.get("x-github-delivery")

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return []


class NoInbox:
    """Accepts and forgets."""

    def __init__(self) -> None:
        self._ids = itertools.count()

    def store(self, batch: Sequence[Incoming]) -> list[Stored]:
        return [Stored(str(next(self._ids))) for _ in batch]


class SqliteInbox:
    """One durable row per delivery, duplicates found by a unique index."""

    def __init__(self, path: Path) -> None:
        self._connection = _connect(path)
        self._ids = itertools.count(1)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE inbox (id INTEGER PRIMARY KEY, connection TEXT, delivery_id TEXT,"
            " received_at TEXT, url TEXT, headers TEXT, body BLOB, body_hash TEXT, verdict TEXT,"
            " UNIQUE (connection, delivery_id))",
        ):
            self._connection.execute(statement)

    def store(self, batch: Sequence[Incoming]) -> list[Stored]:
        ids = [next(self._ids) for _ in batch]
        rows = [
            (
                id,
                one.connection,
                one.delivery_id,
                one.received_at.isoformat(),
                one.url,
                json.dumps(dict(one.headers)),
                one.body,
                one.body_hash,
                one.verdict,
            )
            for id, one in zip(ids, batch, strict=True)
        ]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO inbox VALUES (?,?,?,?,?,?,?,?,?)", rows)
        self._connection.execute("COMMIT")
        return [Stored(str(id)) for id in ids]


def _connect(path: Path) -> Any:
    try:
        import pysqlite3 as sqlite
    except ImportError:
        import sqlite3 as sqlite
    return sqlite.connect(path, check_same_thread=False, isolation_level=None)


def serve(way: str, folder: str, listening: socket.socket) -> None:
    """Run one intake until this process is ended."""
    inbox = NoInbox() if way == "no storage" else SqliteInbox(Path(folder) / "inbox.db")
    app = WebhookApp(
        {"bench": Endpoint("bench", BenchReceiver())},
        inbox,
        public_url="http://localhost",
        now=lambda: datetime.now(UTC),
        max_batch=WAYS[way],
    )
    config = uvicorn.Config(app, http=DeadlineHttpProtocol, access_log=False, log_level="warning")
    uvicorn.Server(config).run([listening])


async def _send(port: int, body: bytes, ids: itertools.count[int], until: float) -> list[float]:
    """One sender on one connection: the latencies of its accepted deliveries, in seconds."""
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        "POST /webhooks/bench HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Event: issues\r\n"
        f"X-Hub-Signature-256: sha256={digest}\r\nX-GitHub-Delivery: "
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    while (began := time.perf_counter()) < until:
        writer.write(head + b"%d\r\n\r\n" % next(ids) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 202 "):
            raise RuntimeError(f"The intake answered {answer[:40]!r} instead of 202.")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        taken.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()
    return taken


async def _load(port: int, senders: int, seconds: float, size: int) -> list[float]:
    body = json.dumps({"action": "opened", "text": "x" * size}).encode()
    ids = itertools.count(time.time_ns())
    until = time.perf_counter() + seconds
    taken = await asyncio.gather(*(_send(port, body, ids, until) for _ in range(senders)))
    return [one for each in taken for one in each]


def measure(
    way: str, senders: int, seconds: float, size: int, where: str | None = None
) -> tuple[float, float, float]:
    """Deliveries a second, and the p50 and p99 latency in milliseconds."""
    with (
        tempfile.TemporaryDirectory(dir=where) as folder,
        socket.create_server(("127.0.0.1", 0), backlog=512) as listening,
    ):
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(way, folder, listening)
        )
        process.start()
        try:
            port = listening.getsockname()[1]
            asyncio.run(_load(port, senders, 0.5, size))  # warm up; waits for the start as well
            began = time.perf_counter()
            taken = sorted(asyncio.run(_load(port, senders, seconds, size)))
            rate = len(taken) / (time.perf_counter() - began)
        finally:
            process.terminate()
            process.join(20)
    return rate, taken[len(taken) // 2] * 1000, taken[int(len(taken) * 0.99)] * 1000


def main() -> None:
    """Measure every way at each number of senders and print the table with its ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="per measurement")
    parser.add_argument("--size", type=int, default=1000, help="bytes of payload")
    parser.add_argument("--folder", help="where the database goes; a real disk, not memory")
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 64])
    chosen = parser.parse_args()
    print(f"{'senders':>7}  {'way':<20}{'req/s':>8}{'p50 ms':>9}{'p99 ms':>9}  to no storage")
    for senders in chosen.senders:
        found = {
            way: measure(way, senders, chosen.seconds, chosen.size, chosen.folder)
            for way in reversed(WAYS)
        }
        bare = found["no storage"][0]
        for way, (rate, p50, p99) in found.items():
            print(f"{senders:>7}  {way:<20}{rate:>8.0f}{p50:>9.2f}{p99:>9.2f}  {rate / bare:.2f}")
        gain = found["group commit"][0] / found["commit per request"][0]
        print(f"{senders:>7}  group commit is {gain:.2f} times commit per request")


if __name__ == "__main__":
    main()
