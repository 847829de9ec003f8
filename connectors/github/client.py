"""GitHub's REST API as the connector uses it: headers, pages, and what its refusals mean.

https://docs.github.com/en/rest/using-the-rest-api
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.github.records import Row
from connectors.sdk import (
    AuthError,
    ConnectorError,
    NotFoundError,
    PayloadError,
    RateLimitError,
    RejectedError,
)
from connectors.sdk.http import DEFAULT_WAIT, HttpClient, HttpResponse, retry_after
from connectors.sdk.paging import Listed, follow, last_page, next_link
from connectors.sdk.records import Json

API = "https://api.github.com"
HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
PAGE = 100
"""The largest page GitHub gives."""
KINDS = ("issue", "pull-request")
"""What a list of issues holds, as the search names it."""
_NOT_OURS = {
    "locked": "The conversation is locked; a maintainer can unlock it.",
    "archived": "The repository is archived; a maintainer can unarchive it.",
    "blocked": "The owner has blocked the token's user.",
}


class GithubClient:
    """Requests with the connection's credentials. Raises the errors of connectors.sdk."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def get(
        self, target: str, params: Mapping[str, str | int] | None = None, etag: str | None = None
    ) -> HttpResponse:
        """One GET; with `etag`, status 304 means that nothing changed."""
        headers = {"if-none-match": etag} if etag else {}
        return self._http.request("GET", target, params=params, headers=headers)

    def write(self, method: str, path: str, body: Mapping[str, Any]) -> Row:
        """POST or PATCH; what GitHub then holds."""
        return one(self._http.request(method, path, json=dict(body)))

    def delete(self, path: str) -> None:
        self._http.request("DELETE", path)

    def count(self, object: str, repository: str) -> int:
        """How many issues (pull requests among them, as in the list) or comments there are.

        Lists of issues no longer say which page is their last, and the search wants to be told
        which of the two kinds it shall count. Raises PayloadError where GitHub does not tell.
        """
        if object == "comment":
            response = self.get(f"/repos/{repository}/issues/comments", {"per_page": 1})
            return last_page(response.headers) or len(rows(response))
        return sum(self._search(f"repo:{repository} is:{kind}") for kind in KINDS)

    def _search(self, question: str) -> int:
        answer = one(self.get("/search/issues", {"q": question, "per_page": 1}))
        count = answer.get("total_count")
        if not isinstance(count, int) or answer.get("incomplete_results"):
            raise PayloadError("GitHub does not say how many issues there are.", "total_count")
        return count

    def pages(self, path: str, params: Mapping[str, str | int]) -> Iterator[list[Row]]:
        """All pages of a list whose order does not change while we read it."""

        def ask(link: Json) -> Listed:
            response = self.get(link) if link else self.get(path, {"per_page": PAGE, **params})
            return Listed(rows(response), next_link(response.headers))

        for page in follow(ask, f"GitHub's {path}"):
            yield [dict(row) for row in page.rows]


def one(response: HttpResponse) -> Row:
    """The object in an answer. Raises PayloadError."""
    value = response.json()
    if not isinstance(value, dict):
        raise PayloadError(f"GitHub's answer to {response.path} is not an object.", response.path)
    return value


def rows(response: HttpResponse) -> list[Row]:
    """The list of objects in an answer. Raises PayloadError."""
    value = response.json()
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise PayloadError(f"GitHub's answer to {response.path} is not a list.", response.path)
    return value


def explain(response: HttpResponse) -> ConnectorError | None:
    """GitHub's own meanings; the rest is read in the general way.

    https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
    """
    status, path = response.status, response.path
    if status == 401:
        return AuthError(
            "GitHub does not accept the token. Create a new one with the permission "
            "Issues: read and write and put it in `auth.token`; with an app, check that it is "
            "still installed."
        )
    if status in (301, 302, 307, 308):
        return NotFoundError(
            f"GitHub has moved {path}: the issue was transferred, or the repository renamed. "
            "If it was renamed, write its new name under `repositories`."
        )
    if status == 410:
        return NotFoundError(f"GitHub says {path} was deleted, or issues are switched off there.")
    if status == 404:
        return NotFoundError(f"GitHub has no {path}, or the token may not see it.")
    if status not in (403, 429):
        return None
    told = _message(response)
    if "rate limit" in told or "abuse detection" in told or status == 429:
        wait = retry_after(response.headers)
        return RateLimitError(
            "GitHub asks us to slow down.", DEFAULT_WAIT if wait is None else wait
        )
    if "retry-after" in response.headers or response.headers.get("x-ratelimit-remaining") == "0":
        return None
    if "x-github-sso" in response.headers:
        return AuthError("The organisation wants the token to be authorised for single sign-on.")
    for word, reason in _NOT_OURS.items():
        if word in told:
            return RejectedError(f"GitHub refused {response.method} {path}. {reason}")
    wanted = response.headers.get("x-accepted-github-permissions", "Issues: read and write")
    return AuthError(
        f"The token may not {response.method} {path}. Give it this permission: {wanted[:100]}."
    )


def _message(response: HttpResponse) -> str:
    try:
        value = response.json()
    except PayloadError:
        return ""
    return str(value.get("message", "")).casefold() if isinstance(value, dict) else ""
