"""Lists by their description: one page asked for, and what leads to the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.rest.answers import Api, members
from connectors.rest.objects import Listing, Paging, Since
from connectors.rest.shapes import Row
from connectors.rest.templates import Scope, compile_template, filled
from connectors.rest.times import STEP, unstamp, written
from connectors.sdk import PayloadError
from connectors.sdk.paging import Listed, next_link
from connectors.sdk.paths import compile_condition, compile_path
from connectors.sdk.records import Json

CAPS = frozenset({10, 20, 25, 30, 50, 100, 200, 250, 500, 1000})
"""Page sizes that vendors cap at. A page of just so many records, though more were asked for, may
not be the last.
"""


@dataclass(frozen=True, slots=True)
class Found(Listed):
    """A page of a feed that keeps its cursor says it on its last page too."""

    token: Json = None


class Lists:
    """One list of a service. `scope` holds the parent for lists below a record."""

    def __init__(self, api: Api, words: Listing, place: str, scope: Scope | None = None) -> None:
        self._api = api
        self._words = words
        self._scope = dict(scope or {})
        self.place = place
        self.counted = words.paging.kind in ("page", "offset")
        self.total: int | None = None
        """How many records there are in all, as the list said when it was asked for all of them."""

    def ask(self, since: str, next: Json) -> Found:
        """The page at `next` (None: the first) of what changed at `since` or later. With the place
        of the next page as JSON: a number, a token or an address.
        """
        words, paging = self._words, self._words.paging
        scope = {**self._api.scope, **self._scope, **_since_scope(words.since, since)}
        query: dict[str, Json] = filled(words.query, scope)
        body: Json = filled(words.body, scope) if words.body is not None else None
        added = _since_parameter(words.since, scope)
        if paging.size and paging.size_parameter:
            added[paging.size_parameter] = paging.size
        if self.counted:
            added[paging.parameter or paging.kind] = (
                next["at"] if next else (paging.first if paging.kind == "page" else 0)
            )
        elif paging.kind == "cursor" and next is not None:
            added[paging.parameter or "cursor"] = next
        if next is None:
            added.update(words.start)
        if words.send == "body":
            body = {**(body or {}), **added}
        else:
            query.update(added)
        if paging.kind in ("link", "next_url") and next is not None:
            response = self._api.follow(words.method, str(next), body)
        else:
            expired = paging.expired if next is not None else ()
            response = self._api.send(
                words.method, words.path, scope, query=query, json=body, expired=expired
            )
        answer = response.json()
        rows = members(answer, words.records, self.place)
        following = self._next(paging, answer, rows, next)
        if next is None and not since:
            self.total = _count(paging, answer)
        if paging.kind == "link":
            following = next_link(response.headers)
        if paging.kind in ("link", "next_url") and following is not None:
            following = self._api.url_of(words.path, scope, str(following))
        token = self._token(answer) if paging.keep else None
        return Found(rows, following, token=token)

    def _next(self, paging: Paging, answer: Json, rows: list[Any], next: Json) -> Json:
        if paging.kind == "none" or paging.kind == "link":
            return None
        if paging.more and not compile_condition(paging.more).holds(answer):
            return None
        if paging.kind == "next_url":
            return compile_path(paging.next or "$").get(answer) or None
        if paging.kind == "cursor":
            return self._cursor(paging, answer, rows)
        seen = (next["seen"] if next else 0) + len(rows)
        if paging.total:
            total = compile_path(paging.total).get(answer)
            if isinstance(total, bool) or not isinstance(total, int):
                raise PayloadError(f"There is no number at `{paging.total}`.", self.place)
            further = seen < total
        else:
            further = bool(paging.more) or _full(rows, paging.size)
        if not further:
            return None
        if paging.kind == "page":
            return {"at": (next["at"] if next else paging.first) + 1, "seen": seen}
        step = len(rows) or paging.size or 0
        return {"at": (next["at"] if next else 0) + step, "seen": seen}

    def _cursor(self, paging: Paging, answer: Json, rows: list[Row]) -> Json:
        if paging.last:
            if not rows or not (paging.more or _full(rows, paging.size)):
                return None
            return compile_path(paging.last).get(rows[-1])
        return self._token(answer)

    def _token(self, answer: Json) -> Json:
        path = self._words.paging.next or "$"
        found = compile_path(path).get(answer)
        if found is not None and not isinstance(found, str | int):
            raise PayloadError(f"There is no cursor at `{path}`.", self.place)
        return found if found not in ("", False) else None


def _count(paging: Paging, answer: Json) -> int | None:
    found = compile_path(paging.total).get(answer) if paging.total else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _full(rows: list[Any], size: int | None) -> bool:
    """Whether there may be a further page, judged by the number of records alone."""
    return bool(rows) and (size is None or len(rows) >= size or len(rows) in CAPS)


def _since_scope(words: Since | None, since: str) -> dict[str, Json]:
    """{since} as the vendor wants it; without an entry before the first pull."""
    if words is None:
        return {}
    if since:
        moment = unstamp(since)
        if words.exclusive:
            moment -= STEP.get(words.format, timedelta(seconds=1))
    elif words.start:
        moment = datetime.fromisoformat(words.start.replace("Z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    else:
        return {}
    return {"since": written(moment, words.format, words.zone)}


def _since_parameter(words: Since | None, scope: Scope) -> dict[str, Json]:
    if words is None or words.parameter is None or "since" not in scope:
        return {}
    return {words.parameter: compile_template(words.template).value(scope)}
