"""Slack's Web API: one method per path, `ok` in the body, cursors, and a limit per method.

https://docs.slack.dev/apis/web-api
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sdk import HttpClient, HttpResponse, OAuth2, PayloadError
from connectors.sdk.paging import Listed, follow
from connectors.sdk.records import Json
from connectors.slack.errors import TokenError, error_of

TIER_2, TIER_3, TIER_4 = "20/minute", "50/minute", "100/minute"
RATES: Mapping[str, str] = {
    # one a second in a channel, and short bursts are taken: ten within ten seconds keep to both
    "chat.postMessage": "10/10second",
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "conversations.history": TIER_3,
    "conversations.replies": TIER_3,
    "conversations.open": TIER_3,
    "users.conversations": TIER_3,
    "users.list": TIER_2,
    "users.info": TIER_4,
    "users.lookupByEmail": TIER_3,
}
"""https://docs.slack.dev/apis/web-api/rate-limits: per method, app and workspace; posting is
counted in each channel.
"""


def bucket_of(method: str, path: str) -> str:
    """The limit of a request is that of the Web API method it calls."""
    return path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in this workspace. `scopes` is empty where Slack did not say."""

    team: str
    user: str
    bot: str | None
    app: str | None
    url: str
    scopes: frozenset[str]


class SlackClient:
    """Calls methods. Safe in threads. `rotating` is the auth of an app that rotates its tokens:
    Slack says with HTTP 200 that one has ended.
    """

    def __init__(self, http: HttpClient, rotating: OAuth2 | None = None) -> None:
        self._http = http
        self._rotating = rotating
        self._identity: Identity | None = None
        self._lock = threading.Lock()

    def get(self, method: str, **params: Json) -> Mapping[str, Any]:
        """A method that reads. Parameters that are None are left out."""
        asked = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in params.items()
            if value is not None
        }
        return self._call(method, lambda: self._http.request("GET", method, params=asked))

    def post(self, method: str, body: Mapping[str, Json], share: str = "") -> Mapping[str, Any]:
        """A method that writes. `share` is the channel where each has a limit of its own."""
        headers = {"content-type": "application/json; charset=utf-8"}
        return self._call(
            method,
            lambda: self._http.request(
                "POST", method, json=dict(body), headers=headers, share=share
            ),
        )

    def pages(self, method: str, list_name: str, **params: Json) -> Iterator[Listed]:
        """Every page of a list. Raises PayloadError for a circle."""

        def ask(next: Json) -> Listed:
            answer = self.get(method, cursor=next, **params)
            return listed(answer, method, list_name)

        return follow(ask, f"Slack's {method}")

    def _call(self, method: str, send: Callable[[], HttpResponse]) -> Mapping[str, Any]:
        try:
            return self._checked(method, send())
        except TokenError:
            if self._rotating is None:
                raise
        # refused before anything was done, so the same request may go once more
        self._rotating.renew(self._rotating.token())
        return self._checked(method, send())

    def _checked(self, method: str, response: HttpResponse) -> Mapping[str, Any]:
        answer = response.json()
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            raise PayloadError(f"Slack's answer to {method} does not say whether it is ok.", method)
        if not answer["ok"]:
            raise error_of(method, answer, response.headers)
        return answer

    def identity(self, fresh: bool = False) -> Identity:
        """Asked once, then remembered. Raises what any method raises."""
        with self._lock:
            if self._identity is not None and not fresh:
                return self._identity
        headers: Mapping[str, str] = {}

        def send() -> HttpResponse:
            nonlocal headers
            response = self._http.request("GET", "auth.test")
            headers = response.headers
            return response

        answer = self._call("auth.test", send)
        if not isinstance(answer.get("team_id"), str) or not isinstance(answer.get("user_id"), str):
            raise PayloadError("Slack's auth.test does not say who we are.", "auth.test")
        told = headers.get("x-oauth-scopes", "")
        identity = Identity(
            team=answer["team_id"],
            user=answer["user_id"],
            bot=_text(answer.get("bot_id")),
            app=_text(answer.get("app_id")),
            url=_text(answer.get("url")) or "",
            scopes=frozenset(one.strip() for one in told.split(",") if one.strip()),
        )
        with self._lock:
            self._identity = identity
        return identity


def listed(answer: Mapping[str, Any], method: str, list_name: str) -> Listed:
    """One page of an answer: its rows, and the cursor where there are more."""
    rows = answer.get(list_name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PayloadError(f"Slack's answer to {method} has no list '{list_name}'.", method)
    more = answer.get("response_metadata")
    next = more.get("next_cursor") if isinstance(more, dict) else None
    return Listed(rows, next if isinstance(next, str) and next else None)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
