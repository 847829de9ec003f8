"""Reading: what changed, some records by id, what a lost create left behind, which fields exist."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from urllib.parse import quote

from connectors.jira import jql
from connectors.jira.client import JiraClient, Row, chunks, one, rows
from connectors.jira.config import JiraConfig
from connectors.jira.records import (
    PROPERTY,
    comment_record,
    fields_of,
    gone,
    hub_key,
    issue_record,
    moment,
    part,
    user_record,
)
from connectors.sdk import (
    Change,
    ConfigError,
    NotFoundError,
    Page,
    PayloadError,
    Record,
    RejectedError,
    TransientError,
)
from connectors.sdk.paging import Listed, Mark, digest, follow, walk
from connectors.sdk.records import Cursor

ALL = ["*all", "-comment", "-worklog", "-attachment"]
"""Every field of an issue but the long lists, which are objects of their own."""
ALWAYS = ("created", "project", "status", "updated")
RECONCILED = 50
"""Issues that a search can be asked to show as they are now."""
FRESH = 600.0
"""Seconds for which the search may not have caught up with what we wrote."""
LONG_AGO = 24 * 60
"""Minutes before a pull's beginning from which an issue's comments are delivered once more."""
CLOCKS = timedelta(hours=2)
"""How far before a lost create `find` begins: clocks differ."""
KNOWN_PEOPLE = 1000
"""How many people a cursor remembers by content. Those beyond are delivered again: harmless."""


class Reader:
    """Everything that only reads. Safe in threads."""

    def __init__(self, client: JiraClient, settings: JiraConfig) -> None:
        self._client = client
        self._settings = settings
        self._site = settings.base_url
        self._written: dict[str, float] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------ searches

    def remember(self, id: str) -> None:
        """We wrote this issue: searches shall not show it as it was."""
        with self._lock:
            self._written.pop(id, None)
            self._written[id] = time.monotonic()

    def forget(self, id: str) -> None:
        """It is gone: there is nothing to show."""
        with self._lock:
            self._written.pop(id, None)

    def _recent(self) -> list[int]:
        with self._lock:
            limit = time.monotonic() - FRESH
            self._written = {id: at for id, at in self._written.items() if at > limit}
            return [int(id) for id in list(self._written)[-RECONCILED:] if id.isdigit()]

    def me(self) -> Row:
        answer = self._client.get("/myself")
        if not isinstance(answer, dict) or not answer.get("accountId"):
            raise PayloadError("Jira does not say who we are.", "/myself")
        return answer

    def zone(self) -> tzinfo | None:
        """Asked for each pull: people change it."""
        return jql.zone_of(self.me().get("timeZone"))

    def _search(self, question: str, fields: Sequence[str], next: Any) -> Listed:
        asked: dict[str, Any] = {
            "jql": question,
            "fields": list(fields),
            "maxResults": self._settings.page_size,
            "properties": [PROPERTY],
        }
        if recent := self._recent():
            asked["reconcileIssues"] = recent
        if next is not None:
            asked["nextPageToken"] = next
        try:
            body = self._client.send("POST", "/search/jql", json=asked)
        except RejectedError as error:
            if next is not None:  # a token that ended on the way: the next pull asks anew
                raise TransientError(f"{error} The page that follows is gone.") from None
            raise ConfigError(
                f"{error} Correct `projects`, or let the connection's user browse them."
            ) from None
        found = rows(body, "issues", "the search")
        token = body.get("nextPageToken")
        return Listed(found, None if body.get("isLast") is True else token or None)

    # --------------------------------------------------------------------------------------- pulls

    def pull_issues(self, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        total = None
        for found, after in self._changed(cursor, _asked(fields)):
            if total is None and len(found) >= self._settings.page_size and not cursor:
                total = self._count()
            records = [issue_record(row, self._site) for row in found]
            yield Page(records, self._stored(after), total)

    def _count(self) -> int | None:
        """About how many issues there are; None where Jira does not tell, as it has to."""
        question = {"jql": jql.in_projects(self._settings.projects)}
        try:
            answer = self._client.send("POST", "/search/approximate-count", json=question)
        except (RejectedError, NotFoundError, TransientError, PayloadError):
            return None
        count = answer.get("count") if isinstance(answer, dict) else None
        return count if isinstance(count, int) else None

    def pull_comments(self, cursor: Cursor) -> Iterator[Page]:
        """The comments of issues that changed: a comment changes its issue's `updated`."""
        mark = self._mark(cursor)
        since = jql.earlier(mark.since, LONG_AGO) if mark.since else ""
        for found, after in self._changed(cursor, ["comment", *ALWAYS]):
            records = [record for row in found for record in self._comments(row, since)]
            records.sort(key=lambda record: record.version or "")
            yield Page(records, self._stored(after))

    def _changed(self, cursor: Cursor, fields: Sequence[str]) -> Iterator[tuple[list[Row], Mark]]:
        zone = self.zone()

        def ask(since: str, next: Any) -> Listed:
            return self._search(jql.changed(self._settings.projects, since, zone), fields, next)

        # a mark is a minute, as finer the search cannot be asked
        return walk(
            ask,
            self._mark(cursor),
            id=lambda row: str(row.get("id")),
            stamp=lambda row: _minute(fields_of(row).get("updated")),
            place="Jira's search",
            back=partial(jql.earlier, minutes=self._settings.overlap),
        )

    def _mark(self, cursor: Cursor) -> Mark:
        """From the beginning again where a project was added, whose past nobody has read."""
        known = cursor.get("projects")
        added = isinstance(known, list) and not set(self._settings.projects) <= set(known)
        mark = Mark.of(cursor)
        return Mark() if added or not jql.readable(mark.since) else mark

    def _stored(self, mark: Mark) -> Cursor:
        return {**mark.stored(), "projects": list(self._settings.projects)}

    def _comments(self, issue: Row, since: str) -> Iterator[Record]:
        fields, id, key = fields_of(issue), str(issue["id"]), str(issue.get("key", ""))
        inline = fields.get("comment")
        found = part(inline, "comments")
        total = part(inline, "total")
        # a search shows the first twenty or so of an issue's comments
        if not isinstance(found, list) or not isinstance(total, int) or len(found) < total:
            try:
                found = [row for page in self._comment_pages(id) for row in page]
            except NotFoundError:
                return  # deleted, or moved out of sight, since the search saw it
        for row in found:
            if _minute(row.get("updated") or row.get("created")) >= since:
                yield comment_record(row, self._site, id, key)

    def _comment_pages(self, issue: str, order: str = "created") -> Iterator[Sequence[Row]]:
        def ask(next: Any) -> Listed:
            body = self._client.get(
                f"/issue/{issue}/comment",
                {
                    "startAt": next or 0,
                    "maxResults": 100,
                    "orderBy": order,
                    "expand": "properties",
                },
            )
            found = rows(body, "comments", "the comments of an issue")
            after = (next or 0) + len(found)
            more = found and after < int(body.get("total") or 0)
            return Listed(found, after if more else None)

        for page in follow(ask, "an issue's list of comments"):
            yield page.rows

    def pull_people(self, cursor: Cursor) -> Iterator[Page]:
        """Everybody, each time: Jira does not say who changed. Only what is new is delivered."""
        stored = cursor.get("people")
        seen = dict(stored) if isinstance(stored, dict) else {}

        size = self._settings.page_size
        empty = 0

        def ask(next: Any) -> Listed:
            # Jira leaves people out of a page after it was cut: short ones are not the end, and it
            # goes on where the next one begins
            nonlocal empty
            params = {"startAt": next or 0, "maxResults": size}
            body = rows({"all": self._client.get("/users/search", params)}, "all", "people")
            empty = 0 if body else empty + 1
            return Listed(body, (next or 0) + size if empty < 2 else None)

        for page in follow(ask, "Jira's list of people", counted=True):
            fresh = []
            for row in page.rows:
                record, content = user_record(row, self._site), digest(dict(row))[:8]
                if seen.get(record.id) != content:
                    fresh.append(record)
                    seen[record.id] = content
            if fresh:
                seen = dict(list(seen.items())[-KNOWN_PEOPLE:])
                yield Page(fresh, {"people": dict(seen)})

    # -------------------------------------------------------------------------------------- by id

    def issue(self, id: str) -> Row:
        """As it is now, whatever the search says."""
        params = {"fields": ",".join(ALL), "properties": PROPERTY}
        row = one(self._client.get(f"/issue/{quote(id, safe='')}", params), "an issue")
        fields_of(row)
        return row

    def comment(self, issue: str, id: str) -> Row:
        path = f"/issue/{quote(issue, safe='')}/comment/{quote(id, safe='')}"
        return one(self._client.get(path, {"expand": "properties"}), "a comment")

    def fetch(self, object: str, ids: Sequence[str]) -> list[Record]:
        found: dict[str, Record] = {}
        for part_of in chunks(list(dict.fromkeys(ids)), 50):
            for record in self._fetched(object, part_of):
                found[record.id] = record
        return [found.get(id) or gone(object, id) for id in ids]

    def _fetched(self, object: str, ids: Sequence[str]) -> Iterator[Record]:
        if object == "user":
            query = "&".join(f"accountId={quote(id, safe='')}" for id in ids)
            body = self._client.get(f"/user/bulk?maxResults=200&{query}")
            yield from (user_record(row, self._site) for row in rows(body, "values", "people"))
            return
        numbers = [id for id in ids if id.isascii() and id.isdigit()]
        if object == "comment":
            asked: dict[str, Any] = {"ids": [int(id) for id in numbers]}
            body = self._client.send(
                "POST", "/comment/list", params={"expand": "properties"}, json=asked
            )
            for row in rows(body, "values", "comments"):
                yield comment_record(row, self._site)
            return
        asked = {"issueIdsOrKeys": numbers, "fields": ALL, "properties": [PROPERTY]}
        body = self._client.send("POST", "/issue/bulkfetch", json=asked)
        if body.get("issueErrors") if isinstance(body, dict) else False:
            raise TransientError("Jira could not read some of the issues just now.")
        for row in rows(body, "issues", "issues by id"):
            yield issue_record(row, self._site)

    # --------------------------------------------------------------------------------- lost creates

    def find_issues(
        self, changes: Sequence[Change], projects: Sequence[str]
    ) -> list[Record | None]:
        """By the property our create set. Only apps can have a property searched, so what our user
        created since is listed together with it. The search lags: not found proves nothing.
        """
        wanted = {change.key for change in changes}
        moments = [change.created_at for change in changes if change.created_at is not None]
        since = min(moments) - CLOCKS if len(moments) == len(changes) else None
        question = jql.ours_since(projects, since, self.zone())
        found: dict[str, Record] = {}
        for page in follow(partial(self._search, question, ALL), "Jira's search"):
            for row in page.rows:
                record = issue_record(row, self._site)
                if record.key in wanted and record.key not in found:
                    found[record.key] = record
            if wanted <= found.keys():
                break
        return [found.get(change.key) for change in changes]

    def find_comments(self, changes: Sequence[Change]) -> list[Record | None]:
        return [self._find_comment(change) for change in changes]

    def _find_comment(self, change: Change) -> Record | None:
        issue = change.parent or change.address.get("issue")
        if not issue:
            return None
        since = change.created_at - CLOCKS if change.created_at else None
        try:
            for page in self._comment_pages(quote(str(issue), safe=""), "-created"):
                for row in page:
                    if hub_key(row) == change.key:
                        return comment_record(row, self._site, str(issue))
                if since and page and moment(page[-1].get("created"), "comment.created") < since:
                    return None
        except NotFoundError:
            return None  # the issue is gone, and whatever we may have written with it
        return None


def _asked(fields: Collection[str]) -> list[str]:
    """Search gives ids alone unless told what else."""
    if not fields:
        return ALL
    return sorted({name for name in fields if name not in ("id", "key")} | set(ALWAYS))


def _minute(value: Any) -> str:
    at: datetime = moment(value, "updated")
    return at.astimezone(UTC).strftime(jql.MINUTE)
