"""The least a program can do that pulls into SQLite: ask for a page, parse it, upsert its rows as
they came, with the cursor in the same transaction. No mapping, no links, no history, no retries.

`python bench/_pull_bare.py WAY URL PAGE DATABASE`; the last line is what it found, as JSON. The
database is set as the hub's own: WAL, every commit flushed to the disk.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import orjson

Rows = list[tuple[int, str, bytes]]
Page = tuple[Rows, str | None]


class Ticket(msgspec.Struct):
    """What a loop must know of a ticket to store it."""

    id: int
    updated_at: str


class Tickets(msgspec.Struct):
    """A page whose tickets stay the bytes they came as."""

    tickets: list[msgspec.Raw]
    next: str | None


_PAGE = msgspec.json.Decoder(Tickets)
_TICKET = msgspec.json.Decoder(Ticket)


def by_orjson(body: bytes) -> Page:
    """Everything is decoded, and each row encoded again."""
    found = orjson.loads(body)
    rows = [(row["id"], row["updated_at"], orjson.dumps(row)) for row in found["tickets"]]
    return rows, found["next"]


def by_msgspec(body: bytes) -> Page:
    """Only id and time are decoded; the row is stored as its own bytes."""
    found = _PAGE.decode(body)
    rows = []
    for raw in found.tickets:
        ticket = _TICKET.decode(raw)
        rows.append((ticket.id, ticket.updated_at, bytes(raw)))
    return rows, found.next


def one_by_one(pages: Iterator[Page]) -> Iterator[Page]:
    """A page is asked for when the one before it is stored."""
    return pages


def overlapped(pages: Iterator[Page]) -> Iterator[Page]:
    """A thread asks for a page while the one before it is stored."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = thread.submit(next, pages, None)
            yield page


WAYS: dict[str, tuple[Callable[[bytes], Page], Callable[[Iterator[Page]], Iterator[Page]]]] = {
    "orjson": (by_orjson, one_by_one),
    "msgspec": (by_msgspec, overlapped),
}


def pull(way: str, url: str, size: str, database: str) -> int:
    """Pull what changed since the cursor; how many tickets the table holds then."""
    decode, order = WAYS[way]
    tx = sqlite3.connect(database, isolation_level=None)
    tx.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE IF NOT EXISTS ticket (id INTEGER PRIMARY KEY, changed TEXT, body BLOB);"
        "CREATE TABLE IF NOT EXISTS cursor (object TEXT PRIMARY KEY, at TEXT);"
    )
    held = tx.execute("SELECT at FROM cursor").fetchone()

    def pages() -> Iterator[Page]:
        query = {"limit": size} | ({"updated_since": held[0]} if held else {})
        with httpx.Client() as client:
            while True:
                page = decode(client.get(f"{url}/tickets", params=query).content)
                yield page
                if page[1] is None:
                    return
                query["after"] = page[1]

    for rows, _ in order(pages()):
        tx.execute("BEGIN IMMEDIATE")
        tx.executemany(
            "INSERT INTO ticket VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET changed = excluded.changed, body = excluded.body",
            rows,
        )
        if rows:
            tx.execute("INSERT OR REPLACE INTO cursor VALUES ('ticket', ?)", (rows[-1][1],))
        tx.execute("COMMIT")
    count: int = tx.execute("SELECT count(*) FROM ticket").fetchone()[0]
    tx.close()
    return count


if __name__ == "__main__":
    began, cpu = time.perf_counter(), time.process_time()
    rows = pull(*sys.argv[1:5])
    found = {
        "rows": rows,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))
