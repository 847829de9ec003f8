"""The people of a workspace: all of them for a pull, one of them for a message that they wrote."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from connectors.sdk import NotFoundError, Page, Record, RejectedError
from connectors.sdk.paging import KEPT, digest
from connectors.sdk.records import Cursor
from connectors.slack.client import SlackClient
from connectors.slack.records import USER, Row, user_record

REMEMBERED = 5_000
"""People kept in memory."""
LISTED = 200
"""People in one answer, as Slack recommends."""
MANY = 20
"""People from which on the whole list takes fewer requests."""
LATE = 86_400
"""Seconds that a change may show late: those of the last day are compared by content."""


class People:
    """Safe in threads."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client
        self._known: dict[str, Row] = {}
        self._lock = threading.Lock()

    def one(self, id: str) -> Row | None:
        """A user by ID, remembered while this process lives; None for one Slack hides."""
        with self._lock:
            if id in self._known:
                return self._known[id]
        try:
            row = self._client.get("users.info", user=id).get("user")
        except (NotFoundError, RejectedError):
            return None
        if not isinstance(row, dict):
            return None
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[id] = row
        return row

    def pull(self, cursor: Cursor) -> Iterator[Page]:
        """Who changed since the last pull. Slack lists everybody, in no order that says when."""
        identity = self._client.identity()
        mark = cursor.get("since")
        since = mark if isinstance(mark, int) else 0
        known = cursor.get("seen")
        seen: dict[str, str] = dict(known) if isinstance(known, dict) else {}
        changed = []
        for row in self._everybody():
            at, stamp = _updated(row), digest(dict(row))[:8]
            if at >= since - LATE and seen.get(str(row.get("id"))) != stamp:
                changed.append((at, stamp, user_record(row, identity.url)))
        changed.sort(key=lambda one: (one[0], one[2].id))
        stamps = {record.id: at for at, _, record in changed}
        for start in range(0, len(changed), LISTED):
            part = changed[start : start + LISTED]
            since = max(since, part[-1][0])
            seen |= {record.id: stamp for _, stamp, record in part}
            seen = {id: s for id, s in seen.items() if stamps.get(id, since) >= since - LATE}
            seen = dict(list(seen.items())[-KEPT:])
            yield Page([record for _, _, record in part], {"since": since, "seen": seen})

    def _everybody(self) -> Iterator[Row]:
        for page in self._client.pages("users.list", "members", limit=LISTED):
            yield from page.rows

    def fetch(self, ids: Sequence[str]) -> list[Record]:
        """One by one, or from the list where many are asked for."""
        url = self._client.identity().url
        rows: dict[str, Row | None] = {}
        if len(ids) >= MANY:
            rows = {str(row.get("id")): row for row in self._everybody()}
        return [self._fetched(id, rows[id] if id in rows else self._asked(id), url) for id in ids]

    def _fetched(self, id: str, row: Row | None, url: str) -> Record:
        return Record(USER, id, {"id": id}, deleted=True) if row is None else user_record(row, url)

    def _asked(self, id: str) -> Row | None:
        try:
            row = self._client.get("users.info", user=id).get("user")
        except NotFoundError:
            return None
        return row if isinstance(row, dict) else {}


def _updated(row: Row) -> int:
    at = row.get("updated")
    return at if isinstance(at, int) else 0
