"""Redmine's REST API: lists by offset, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.redmine import shape
from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    NotFoundError,
    PayloadError,
    RejectedError,
)
from connectors.sdk.http import HttpClient, HttpResponse
from connectors.sdk.paging import Listed, Row, follow
from connectors.sdk.records import Json

PAGE = 100
"""Redmine gives no more at once, whatever it is asked for."""

_ONE = re.compile(r"/(issues|journals)/[0-9]+\.json$")
Params = Mapping[str, str | int]


class Api:
    """What is asked of Redmine again and again."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    def get(self, path: str, params: Params | None = None) -> Any:
        return self.http.request("GET", path, params=params).json()

    def one(self, object: str, id: str, params: Params | None = None) -> dict[str, Any] | None:
        """An issue or user, None where there is none (any more) for us."""
        try:
            return part(self.get(place(f"{object}s", id), params), object)
        except NotFoundError:
            return None

    def page(self, path: str, params: Params, offset: Json) -> Listed:
        """One page of a list; `offset` None is the first."""
        start = offset or 0
        answer = self.get(path, {**params, "limit": PAGE, "offset": start})
        found = rows(answer, path.rpartition("/")[2].removesuffix(".json"))
        total, limit = answer.get("total_count"), answer.get("limit")
        if not isinstance(total, int) or not isinstance(limit, int):
            raise PayloadError("Redmine sent a list without its total_count.", "total_count")
        end = start + (len(found) or limit)
        return Listed(found, end if start < end < total else None, total)

    def all(self, path: str, params: Params) -> Iterator[Row]:
        for page in follow(lambda next: self.page(path, params, next), path, counted=True):
            yield from page.rows


def place(kind: str, id: str | None) -> str:
    """Where one record is. Raises NotFoundError for what is no number of Redmine's: it must not
    lead to another path.
    """
    if id is None or not re.fullmatch("[0-9]{1,18}", id):
        raise NotFoundError(f"Redmine has nothing under this id in {kind}.")
    return f"/{kind}/{id}.json"


def part(answer: Json, name: str) -> dict[str, Any]:
    part = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(part, dict):
        raise PayloadError(f"Redmine answered without {name}.", name)
    return part


def rows(answer: Json, name: str) -> list[dict[str, Any]]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise PayloadError(f"Redmine answered without a list of {name}.", name)
    return found


def explain(response: HttpResponse) -> ConnectorError | None:
    """What Redmine means by a status. 403 for one issue says that this one is not for us."""
    status, one = response.status, _ONE.search(response.path)
    if status == 401:
        return AuthError(
            "Redmine does not accept the API key. Renew it under `auth`, and see that the REST API "
            "is switched on (Administration, Settings, API)."
        )
    if status == 404 and response.method == "POST":
        return ConfigError("Redmine has no such project, or hides it. Check `project`.")
    if status == 403 and one and response.method == "GET":
        return NotFoundError(f"Redmine does not show us {response.path}.")
    if status == 403 and one:
        return RejectedError(f"Redmine does not let the hub's user change {response.path}.")
    if status == 422:
        reasons = shape.refusals(response)
        told = "".join(f" {name}: {reason}." for name, reason in reasons.items())
        return RejectedError(f"Redmine refused the values.{told}", reasons)
    return None
