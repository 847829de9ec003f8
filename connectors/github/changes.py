"""Reading everything that changed in one repository, oldest first, and next to nothing when nothing
did: an answer of one page is remembered by its ETag, and GitHub does not count a 304.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connectors.github.client import PAGE, GithubClient, rows
from connectors.github.records import Row
from connectors.sdk import ConnectorError, PayloadError
from connectors.sdk.paging import Listed, Mark, next_link, walk
from connectors.sdk.records import Json

COUNTED = 10
"""Of so many repositories at most the records are counted: it takes two requests each."""


def changes(client: GithubClient, path: str, stored: Any) -> Iterator[tuple[list[Row], Json]]:
    """New and changed rows page by page, each with what to store for the next time; `stored` is
    what the last time left. Raises PayloadError for a list that makes no sense.
    """
    known = stored if isinstance(stored, dict) else {}
    window = _Window(client, path, known.get("etag"))
    mark = Mark.of(known)
    for found, following in walk(
        window.ask, mark, id=_id, stamp=_updated, place=f"GitHub's {path}"
    ):
        mark = following
        known = {**mark.stored(), "etag": window.etag(mark.since)}
        yield [dict(row) for row in found], known
    etag = window.etag(mark.since)
    if etag != known.get("etag"):
        yield [], {**mark.stored(), "etag": etag}


def count(client: GithubClient, object: str, repositories: Sequence[str]) -> int | None:
    """How many there are in all repositories; None where that is not cheap, or not told."""
    if len(repositories) > COUNTED:
        return None
    try:
        return sum(client.count(object, one) for one in repositories)
    except ConnectorError:
        return None  # whatever it is, the pull itself is told of it too


def order(path: str, by: str) -> dict[str, str]:
    """The parameters that sort a list, oldest first, and leave nothing out. One issue's comments
    know none; they come in the order of their ids.
    """
    if path.endswith("/issues"):
        return {"state": "all", "sort": by, "direction": "asc"}
    return {"sort": by, "direction": "asc"} if path.endswith("/issues/comments") else {}


class _Window:
    """Asks for what changed from a time on, and keeps the ETag of the latest whole answer."""

    def __init__(self, client: GithubClient, path: str, etag: str | None) -> None:
        self._client = client
        self._path = path
        self._known = etag
        self._whole: tuple[str, str | None] | None = None

    def etag(self, since: str) -> str | None:
        """The ETag of everything from `since` on, if one page held it."""
        return self._whole[1] if self._whole and self._whole[0] == since else None

    def ask(self, since: str, link: Json) -> Listed:
        known, self._known = self._known, None
        if link:
            response = self._client.get(link)
        else:
            params: dict[str, str | int] = {**order(self._path, "updated"), "per_page": PAGE}
            if since:
                params["since"] = since
            response = self._client.get(self._path, params, known)
        if response.status == 304:
            self._whole = since, known
            return Listed(())
        following = next_link(response.headers)
        alone = link is None and following is None
        self._whole = (since, response.headers.get("etag")) if alone else None
        return Listed(rows(response), following)


def _id(row: Any) -> str:
    return str(row.get("id"))


def _updated(row: Any) -> str:
    value = row.get("updated_at")
    if not isinstance(value, str) or "id" not in row:
        raise PayloadError("A record without id or updated_at.", "updated_at")
    return value
