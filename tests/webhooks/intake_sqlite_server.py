"""The intake with a SQLite inbox in a process of its own, to be killed by a test."""

from __future__ import annotations

import socket
import sqlite3
import sys
from collections.abc import Sequence

import uvicorn

from tests.webhooks.intake_support import NOW, PUBLIC, endpoints
from webhooks.app import WebhookApp
from webhooks.inbox import Incoming, Stored


class SqliteInbox:
    """One table, WAL, synchronous=FULL. The connection belongs to the writer's thread."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY, connection TEXT,"
            " delivery_id TEXT, body BLOB, UNIQUE (connection, delivery_id))"
        )

    def store(self, batch: Sequence[Incoming]) -> list[Stored]:
        stored = []
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for incoming in batch:
                key = (incoming.connection, incoming.delivery_id)
                row = self._connection.execute(
                    "INSERT INTO inbox (connection, delivery_id, body) VALUES (?, ?, ?)"
                    " ON CONFLICT DO NOTHING RETURNING id",
                    (*key, incoming.body),
                ).fetchone()
                known = (
                    row
                    or self._connection.execute(
                        "SELECT id FROM inbox WHERE connection = ? AND delivery_id = ?", key
                    ).fetchone()
                )
                stored.append(Stored(str(known[0]), duplicate=row is None))
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        return stored


def main() -> None:
    """Serve until killed; the port is the first line printed."""
    app = WebhookApp(endpoints([]), SqliteInbox(sys.argv[1]), public_url=PUBLIC, now=lambda: NOW)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])


if __name__ == "__main__":
    main()
