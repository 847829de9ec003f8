"""Reading everything that changed in one repository, oldest first, without losing what changes
meanwhile.

GitHub lists by `updated_at`, to the second, and pages by offset. Offsets slip when a record is
updated between two pages, so each full page is followed by a question from its newest timestamp on
(inclusive). Only a second that fills whole pages is read by following links, and then read again
until a pass brings nothing new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from connectors.github.client import PAGE, GithubClient, next_page, rows
from connectors.github.records import Row
from connectors.sdk import PayloadError

KEPT = 500
"""How many records of the newest second a cursor remembers. Those beyond are delivered again."""
PASSES = 5
"""How often a second that fills pages is read again before moving on regardless."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a walk stands: everything before `since` was delivered, and of `since` and later what
    `seen` holds (record id to `updated_at` and a digest of its content: within one second only the
    content tells whether it changed again). `etag` belongs to the one-page answer for `since`.
    """

    since: str = ""
    etag: str | None = None
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Any) -> Mark:
        """The mark in a cursor; the beginning if there is none."""
        if not isinstance(stored, dict):
            return cls()
        since = stored.get("since") or ""
        seen = {id: (since, digest) for id, digest in (stored.get("seen") or {}).items()}
        return cls(since, stored.get("etag"), seen)

    def pruned(self) -> Mark:
        """The same mark without what lies before `since`."""
        kept = {id: stamp for id, stamp in self.seen.items() if stamp[0] >= self.since}
        return replace(self, seen=kept)

    def stored(self) -> dict[str, Any]:
        """JSON for the cursor, bounded."""
        ours = [(id, digest) for id, (at, digest) in self.seen.items() if at == self.since]
        return {"since": self.since, "etag": self.etag, "seen": dict(ours[-KEPT:])}


def digest(row: Row) -> str:
    """A short name for a record's content."""
    return hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def walk(client: GithubClient, path: str, mark: Mark) -> Iterator[tuple[list[Row], Mark]]:
    """New and changed rows page by page, each with the mark that follows them."""
    params: dict[str, str | int] = {"state": "all", "sort": "updated", "direction": "asc"}
    since, seen, etag = mark.since, dict(mark.seen), mark.etag
    link: str | None = None
    by_offset = found = False  # this pass over `since`: followed a link; brought something
    passes = 1
    while True:
        if link:
            response = client.get(link)
        else:
            window = {"since": since} if since else {}
            response = client.get(path, {**params, "per_page": PAGE, **window}, etag)
        if response.status == 304:
            return
        page = [(row, str(row.get("id")), (_updated(row), digest(row))) for row in rows(response)]
        fresh = [row for row, id, stamp in page if seen.get(id) != stamp]
        seen.update({id: stamp for _, id, stamp in page})
        newest = max((at for _, _, (at, _) in page), default=since)
        more = next_page(response)
        found = found or bool(fresh)
        within = more is not None and newest <= since
        again = not within and by_offset and found and passes < PASSES
        done = not within and not again and more is None

        reached = since if within or again else max(newest, since)
        whole = done and not by_offset and reached == since
        after = Mark(reached, response.headers.get("etag") if whole else None, seen)
        if fresh or (done and (after.since, after.etag) != (mark.since, mark.etag)):
            mark = after.pruned()
            yield fresh, mark
        if done:
            return
        etag = None
        link = more if within else None
        if within:
            by_offset = True
            continue
        passes = passes + 1 if again else 1
        by_offset = found = False
        since, seen = reached, after.pruned().seen


def _updated(row: Row) -> str:
    value = row.get("updated_at")
    if not isinstance(value, str) or "id" not in row:
        raise PayloadError("A record without id or updated_at.", "updated_at")
    return value
