"""Jira's way of answering: which address the API has, what its refusals mean."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from connectors.jira.config import JiraConfig
from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    HttpClient,
    HttpResponse,
    NotSentError,
    PayloadError,
    RejectedError,
)
from connectors.sdk.http import DEFAULT_WAIT, field_errors, retry_after

Row = Mapping[str, Any]

API = "/rest/api/3"
_HERE = ("127.0.0.1", "localhost", "::1")
_READING_POSTS = ("/search/jql", "/search/approximate-count", "/issue/bulkfetch", "/comment/list")


def bucket(method: str, path: str) -> str:
    """Searches and reads in bulk are POSTs."""
    reading = method == "GET" or path.endswith(_READING_POSTS)
    return "read" if reading else "write"


class JiraClient:
    """Requests below `/rest/api/3` of one site, through Atlassian's gateway where that is needed
    (OAuth, tokens with scopes).
    """

    def __init__(self, http: HttpClient, settings: JiraConfig) -> None:
        self._http = http
        self._settings = settings
        self._cloud = settings.auth.cloud_id
        address = urlsplit(http.base_url)
        self._open = address.scheme != "https" and address.hostname not in _HERE
        self._lock = threading.Lock()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        return self.send("GET", path, params=params)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        api: str = API,
        accept: Iterable[int] = (),
    ) -> Any:
        """The answer's JSON, None where it has no body. Raises the errors of the SDK."""
        if self._open:
            raise ConfigError("Jira's address must start with https:// (here only: http).")
        target = self._root(api) + path
        response = self._http.request(method, target, params=params, json=json, accept=accept)
        if "AUTHENTICATED_FAILED" in response.headers.get("x-seraph-loginreason", ""):
            # some places then answer as to a stranger: with success and nothing in it
            raise _signed_out(self._settings)
        empty = response.status == 204 or (method != "GET" and response.status == 202)
        return None if empty else response.json()

    def _root(self, api: str) -> str:
        if not self._settings.auth.oauth and self._cloud is None:
            return api
        with self._lock:
            if self._cloud is None:
                self._cloud = self._cloud_id()
            return f"/ex/jira/{self._cloud}{api}"

    def _cloud_id(self) -> str:
        """The id of our site among those the person agreed to."""
        path = "/oauth/token/accessible-resources"
        sites = self._http.request("GET", path).json()
        wanted = self._settings.base_url
        for site in sites if isinstance(sites, list) else []:
            if isinstance(site, dict) and str(site.get("url", "")).rstrip("/") == wanted:
                return str(site.get("id"))
        raise ConfigError(
            f"The agreement does not reach {wanted}: authorize the connection anew and choose that "
            "site, or correct `base_url`."
        )


def explained(settings: JiraConfig) -> Any:
    """What a refusal of this site means; None leaves it to the SDK."""

    def explain(response: HttpResponse) -> ConnectorError | None:
        reason = response.headers.get("x-seraph-loginreason", "")
        if response.status == 429:
            return _slower(response)
        if "AUTHENTICATION_DENIED" in reason:
            return AuthError(
                "Jira wants a CAPTCHA solved after too many failed sign-ins: sign in once in a "
                "browser as the connection's user, then renew the token under `auth`."
            )
        if response.status == 401:
            return _signed_out(settings)
        writing = bucket(response.method, response.path) == "write"
        if response.status == 403 and writing and "/issue" in response.path:
            # a permission of one project or issue, not of the whole connection
            return RejectedError(
                f"Jira does not let our user {response.method} {response.path}. Give it the "
                "permission in that project" + _told(response)
            )
        if response.status in (400, 422):
            reasons = _reasons(response)
            told = "".join(f" {name}: {why}" for name, why in reasons.items() if name != "*")
            general = f" {reasons['*']}" if "*" in reasons else ""
            where = f"{response.method} {response.path} ({response.status})"
            return RejectedError(f"Jira refused {where}.{general}{told}", reasons)
        return None

    return explain


def _slower(response: HttpResponse) -> ConnectorError | None:
    """A limit of one issue puts off that issue alone; every other limit is the connection's."""
    if response.headers.get("ratelimit-reason") != "jira-per-issue-on-write":
        return None
    wait = retry_after(response.headers)
    return NotSentError(
        "Jira takes no more writes to this one issue for the moment.",
        DEFAULT_WAIT if wait is None else wait,
    )


def _signed_out(settings: JiraConfig) -> AuthError:
    if settings.auth.oauth:
        return AuthError(
            "Jira does not accept the OAuth token for this request. Check that the app has the "
            "scopes of `auth.scopes`, then authorize the connection anew."
        )
    return AuthError(
        "Jira does not accept `auth`: check `email`, and renew `api_token` at id.atlassian.com, "
        "Security, API tokens (they end after a year at most)."
    )


def _reasons(response: HttpResponse) -> dict[str, str]:
    """Field to reason; what concerns no field stands under `*`."""
    try:
        return reasons_of(response.json())
    except PayloadError:
        return {}


def reasons_of(body: Any) -> dict[str, str]:
    """Field to reason; what concerns no field stands under `*`."""
    reasons = field_errors(body)
    messages = body.get("errorMessages") if isinstance(body, dict) else None
    if isinstance(messages, list) and messages:
        reasons["*"] = " ".join(str(message) for message in messages)[:300]
    return reasons


def _told(response: HttpResponse) -> str:
    general = _reasons(response).get("*", "")
    return f" ({general})." if general else "."


def rows(body: Any, name: str, place: str) -> list[Row]:
    """The list of objects under `name`. Raises PayloadError."""
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise PayloadError(f"Jira's answer has no list '{name}' in {place}.", place)
    return found


def one(body: Any, place: str) -> Row:
    """An object with an id. Raises PayloadError."""
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise PayloadError(f"Jira's answer has no id in {place}.", place)
    return body


def chunks(ids: Sequence[str], size: int) -> list[Sequence[str]]:
    return [ids[at : at + size] for at in range(0, len(ids), size)]
