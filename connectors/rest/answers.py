"""Requests of a description: gaps filled, sent, and their failures told in the sdk's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

from connectors.rest.service import ErrorWords, Means
from connectors.rest.templates import Scope, compile_template
from connectors.sdk import (
    AuthError,
    ConfigError,
    ConflictError,
    ConnectorError,
    HttpClient,
    HttpResponse,
    NotFoundError,
    PayloadError,
    RateLimitError,
    RejectedError,
    TransientError,
)
from connectors.sdk.http import DEFAULT_WAIT, retry_after
from connectors.sdk.paths import MISSING, compile_condition, compile_path
from connectors.sdk.records import Json

LONGEST = 200
"""Letters of a vendor's sentence that are shown."""
REFUSED = frozenset(range(400, 500)) - {401, 403, 404, 407, 408, 409, 410, 412, 425, 429}
"""Statuses that mean a refusal of what was sent unless the description says otherwise."""


class CursorExpired(NotFoundError):
    """A cursor that was kept is no longer known to the vendor."""


class Api:
    """The service behind a connection. `values` are the connection's own."""

    def __init__(
        self, client: HttpClient, errors: ErrorWords, title: str, values: Mapping[str, str | int]
    ) -> None:
        self.client = client
        self.title = title
        self.scope: Scope = {"values": dict(values), "base_url": client.base_url}
        self._errors = errors

    def send(
        self,
        method: str,
        path: str,
        scope: Scope,
        *,
        query: Mapping[str, Json] | None = None,
        json: Json = None,
        form: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
        expired: Sequence[int] = (),
    ) -> HttpResponse:
        """The answer where it means success. `path` is a template; query and bodies are filled.
        A status among `expired` raises CursorExpired.
        """
        known = {**self.scope, **scope}
        target = compile_template(path).path(known)
        sent = {name: compile_template(text).fill(known) for name, text in (headers or {}).items()}
        if form is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
        response = self.client.request(
            method,
            target,
            params=parameters(query or {}),
            json=json,
            content=urlencode(parameters(form)).encode() if form is not None else None,
            headers=sent,
            accept=expired,
        )
        if response.status in expired:
            raise CursorExpired(f"{self.title} has forgotten where the last pull stood.")
        return self._checked(response)

    def follow(self, method: str, url: str, json: Json = None) -> HttpResponse:
        """The answer at an address that the service itself named."""
        return self._checked(self.client.request(method, url, json=json))

    def url_of(self, path: str, scope: Scope, link: str) -> str:
        """A link in the answer to `path`, absolute."""
        asked = self.client.base_url + compile_template(path).path({**self.scope, **scope})
        try:
            return str(httpx.URL(asked).join(link))
        except httpx.InvalidURL:
            raise PayloadError(
                f"The link to the next page of {path} is no address.", path
            ) from None

    def _checked(self, response: HttpResponse) -> HttpResponse:
        if self._errors.when and response.body.strip():
            body = response.json()
            if compile_condition(self._errors.when).holds(body):
                means = self._means(response, body) or "rejected"
                raise self._error(means, response, body)
        return response

    def explain(self, response: HttpResponse) -> ConnectorError | None:
        """What a failed answer means by the description; None where it says nothing of it."""
        try:
            body = response.json()
        except PayloadError:
            body = None
        means = self._means(response, body)
        if means is None and response.status in REFUSED:
            words = self._errors
            means = "rejected" if words.message or words.fields else None
        return self._error(means, response, body) if means else None

    def _means(self, response: HttpResponse, body: Json) -> Means | None:
        code = compile_path(self._errors.code).get(body) if self._errors.code else None
        by_code = self._errors.codes.get(str(code)) if code is not None else None
        return by_code or self._errors.status.get(response.status)

    def _error(self, means: Means, response: HttpResponse, body: Json) -> ConnectorError:
        where = f"{response.method} {response.path}"
        said = self._said(body)
        wait = retry_after(response.headers)
        if means == "auth":
            return AuthError(f"{self.title} does not accept the credentials. Renew them at `auth`.")
        if means == "config":
            return ConfigError(f"{self.title} refused {where}: change the configuration.{said}")
        if means == "rate_limit":
            return RateLimitError(
                f"{self.title} asks us to slow down.", DEFAULT_WAIT if wait is None else wait
            )
        if means == "retry":
            return TransientError(f"{self.title} could not do {where} now.{said}", wait)
        if means == "missing":
            return NotFoundError(f"{self.title} has nothing at {response.path}.{said}")
        if means == "conflict":
            return ConflictError(
                f"{self.title} says the record changed since we read it ({where}).{said}"
            )
        reasons = self._reasons(body)
        told = "".join(f" {name}: {reason}." for name, reason in reasons.items())
        return RejectedError(
            f"{self.title} refused {where} ({response.status}).{said}{told}", reasons
        )

    def _said(self, body: Json) -> str:
        if not self._errors.message:
            return ""
        found = compile_path(self._errors.message).get(body)
        return f" It says: {_short(found)}" if isinstance(found, str) and found else ""

    def _reasons(self, body: Json) -> dict[str, str]:
        words = self._errors
        found = compile_path(words.fields).get(body) if words.fields else None
        reasons: dict[str, str] = {}
        if isinstance(found, dict):
            for name, reason in found.items():
                reasons[str(name)] = _reason(reason, words.reason)
        elif isinstance(found, list):
            for entry in found[:50]:
                name = "*"
                if isinstance(entry, dict):
                    name = str(entry.get(words.field) or "*")
                told = _reason(entry, words.reason)
                reasons[name] = f"{reasons[name]}; {told}" if name in reasons else told
        return reasons


def _reason(value: Json, member: str) -> str:
    if isinstance(value, dict):
        value = value.get(member) or "refused"
    if isinstance(value, list):
        return "; ".join(_reason(one, member) for one in value[:5])
    return _short(str(value))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def parameters(values: Mapping[str, Json]) -> dict[str, str | int]:
    """Values as a query or a form takes them: true and false in small letters, lists and mappings
    as JSON, nothing for null.
    """
    found: dict[str, str | int] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, str | int):
            found[name] = value
        elif value is not None:
            found[name] = orjson.dumps(value).decode()
    return found


def member(answer: Json, path: str | None, place: str) -> dict[str, Any]:
    """The mapping at a path of an answer. Raises PayloadError."""
    found = compile_path(path or "$").read(answer)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise PayloadError(f"There is no record at `{path or '$'}` of {place}.", place)
    return found


def members(answer: Json, path: str, place: str) -> list[dict[str, Any]]:
    """The list of mappings at a path of an answer. Raises PayloadError."""
    found = compile_path(path).read(answer)
    if found is None:
        return []
    if found is MISSING or not isinstance(found, list):
        raise PayloadError(f"There is no list at `{path}` of {place}: correct `records`.", place)
    if not all(isinstance(row, dict) for row in found):
        raise PayloadError(f"The list at `{path}` of {place} holds more than records.", place)
    return found


__all__ = ["Api", "CursorExpired", "member", "members", "parameters"]
