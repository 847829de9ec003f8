"""The servers that the bench of the intake measures, each a process of its own that serves on the
socket it is handed and prints `ready`: `python -m bench._intake_servers KIND FD PLACE`.

`product`: the hub's own intake, as `hub web` runs it: WebhookApp and StoreInbox on the real schema.
`reference`: a bare ASGI application that checks the HMAC and stores id and body by group commit,
and does nothing
else. `file`: the same into an appended file with fdatasync. `bare`: HMAC, no storage.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from bench._intake_load import PATH, SECRET

Row = tuple[str, bytes]
Store = Callable[[list[Row]], None]
MAX_BATCH = 500


def product(sock: socket.socket, database_url: str) -> None:
    """The hub without its pipeline; the workspace must have been applied."""
    from hub import serve
    from hub.hub import open_hub
    from hub.registry import connector_classes
    from hub.settings import Settings

    folder = Path(os.environ["HUB_WORKSPACE"])
    settings = Settings(folder, database_url, None, os.environ["HUB_SECRET_KEY"].encode())
    serve.configure_logging("text")
    hub = open_hub(settings, connector_classes())
    serve.web(hub, sock, lambda: print("ready", flush=True))
    hub.live.close()
    hub.database.close()


# --------------------------------------------------------------------------------------- references


def into_sqlite(path: str) -> Store:
    """Ids and bodies into a table without an index, WAL and FULL."""
    try:
        import pysqlite3 as sqlite
    except ImportError:
        import sqlite3 as sqlite
    connection = sqlite.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS reference (id TEXT, body BLOB)")

    def store(batch: list[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO reference VALUES (?, ?)", batch)
        connection.execute("COMMIT")

    return store


def into_postgresql(url: str) -> Store:
    """The same by COPY."""
    import psycopg

    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE TABLE IF NOT EXISTS reference (id text, body bytea)")

    def store(batch: list[Row]) -> None:
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY reference FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types(["text", "bytea"])
            for row in batch:
                copy.write_row(row)

    return store


def into_file(path: str) -> Store:
    """Appended to a file, one fdatasync for each batch."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def store(batch: list[Row]) -> None:
        os.write(file, b"".join(id.encode() + body for id, body in batch))
        os.fdatasync(file)

    return store


class Group:
    """One thread that stores all that is waiting and wakes the loop once for each batch."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._changed = threading.Condition()
        self.loop: asyncio.AbstractEventLoop | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def submit(self, row: Row) -> asyncio.Future[None]:
        self.loop = self.loop or asyncio.get_running_loop()
        future = self.loop.create_future()
        with self._changed:
            self._waiting.append((row, future))
            self._changed.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            self._store([row for row, _ in batch])
            assert self.loop is not None  # noqa: S101 - somebody submitted
            self.loop.call_soon_threadsafe(_settle, [future for _, future in batch])


def _settle(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def reference(group: Group | None) -> Any:
    """The application: HMAC over the body, then the row, then 202."""
    key = SECRET.encode()
    answer = b'{"status":"accepted"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        id = given = b""
        for name, value in scope["headers"]:
            if name == b"x-github-delivery":
                id = value
            elif name == b"x-hub-signature-256":
                given = value
        expected = b"sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest().encode()
        status = 401
        if scope["path"] == PATH and hmac.compare_digest(expected, given):
            if group is not None:
                await group.submit((id.decode(), body))
            status = 202
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return application


class Ready(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


STORES: dict[str, Callable[[str], Store]] = {
    "reference-sqlite": into_sqlite,
    "reference-postgresql": into_postgresql,
    "file": into_file,
}


def main() -> None:
    """Serve until told to stop."""
    kind, number, place = sys.argv[1:]
    sock = socket.socket(fileno=int(number))
    if kind == "product":
        product(sock, place)
        return
    group = Group(STORES[kind](place)) if kind in STORES else None
    config = uvicorn.Config(
        reference(group), lifespan="off", log_level="warning", access_log=False, server_header=False
    )
    Ready(config).run([sock])


if __name__ == "__main__":
    main()
