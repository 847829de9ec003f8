"""POSTs that may be sent again: with an `Idempotency-Key` the effect happens once, and whoever
repeats the request within a day gets the same answer.

The answer is kept in the transaction of the effect, so a process that dies leaves both or neither.
A refusal has no effect and is not kept: sent again, it is judged anew.
https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from hub.api.errors import Problem
from hub.hub import Hub
from hub.identity import Caller
from hub.store import dialect, repeats
from hub.store.repeats import Kept

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_KEPT_HEADERS = ("location", "etag")
_MARK = "_repeatable"

PARAMETER: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "A text of your own making, such as a UUID. Sent again within 24 hours with the same body,"
        " the request has no second effect and gets the first answer, with"
        f" `{REPLAYED}: true`."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that its sender may repeat."""

    method: str
    path: str
    key: str
    body_hash: str


_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)
_running: set[str] = set()
_lock = threading.Lock()


def note(scope: MutableMapping[str, Any], headers: Mapping[bytes, bytes], body: bytes) -> None:
    """Remember for the endpoint how this request may be repeated. Raises Problem for a key that
    is none.
    """
    given = headers.get(HEADER.encode())
    if given is None or scope["method"] != "POST":
        _asked.set(None)
        return
    key = given.decode("latin-1")
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency_key_invalid",
            "Idempotency-Key takes 1 to 255 printable ASCII characters, such as a UUID.",
        )
    _asked.set(Asked(scope["method"], scope["path"], key, hashlib.sha256(body).hexdigest()))


class Repeatable(APIRoute):
    """The route class of families whose POSTs may be repeated; `asks_a_tool` leaves one out."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()) and not hasattr(endpoint, _MARK):
            endpoint = _once(endpoint, options.get("status_code") or HTTPStatus.OK)
            options["openapi_extra"] = {"parameters": [dict(PARAMETER)]}
        super().__init__(path, endpoint, **options)


def asks_a_tool(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint that waits for a vendor, which no transaction may do. Repeating it is harmless
    anyway, and it takes no key.
    """
    setattr(endpoint, _MARK, False)
    return endpoint


def _once(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    """The endpoint, which runs as it is where no key came along."""

    @wraps(endpoint)
    def keyed(**given: Any) -> Any:
        asked = _asked.get()
        if asked is None:
            return endpoint(**given)
        hub: Hub = given["hub"]
        caller: Caller = given["caller"]
        parts = (caller.token, asked.method, asked.path, asked.key)
        scope = hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()
        with _alone(scope), hub.database.together() as tx:
            if not dialect.enter_at_once(tx, f"repeat {scope}"):
                raise _under_way()
            kept = repeats.find(tx, scope, hub.clock())
            if kept is not None:
                return _again(asked, kept)
            answer = endpoint(**given)
            headed: Response | None = given.get("response")
            repeats.keep(tx, scope, _kept(asked, answer, headed, status), hub.clock())
        return answer

    setattr(keyed, _MARK, True)
    return keyed


@contextmanager
def _alone(scope: str) -> Iterator[None]:
    """Raises Problem where a thread of this process is at it."""
    with _lock:
        if scope in _running:
            raise _under_way()
        _running.add(scope)
    try:
        yield
    finally:
        with _lock:
            _running.discard(scope)


def _under_way() -> Problem:
    return Problem(
        409,
        "idempotency_key_in_use",
        "A request with this Idempotency-Key is being carried out just now. Ask again in a moment.",
        headers={"Retry-After": "1"},
    )


def _kept(asked: Asked, answer: Any, headed: Response | None, status: int) -> Kept:
    headers = headed.headers if headed is not None else {}
    return Kept(
        body_hash=asked.body_hash,
        status=(headed.status_code if headed is not None else None) or int(status),
        headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
        answer=TypeAdapter(type(answer)).dump_json(answer, by_alias=True).decode(),
    )


def _again(asked: Asked, kept: Kept) -> Response:
    if kept.body_hash != asked.body_hash:
        raise Problem(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body before. Take a new key for a new request.",
        )
    headers = {**kept.headers, REPLAYED: "true"}
    return Response(kept.answer, kept.status, headers, "application/json")
