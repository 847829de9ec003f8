"""Request bodies of the API, read strictly before anything else looks at them: capped, JSON only,
and without what different parsers would read differently.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from hub.api import repeating
from hub.api.errors import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 1024 * 1024
MAX_DEPTH = 100
_BIGGEST = 2**63


class Rejected(ValueError):
    """JSON that is valid to somebody, but not to us; the message says what is wrong with it."""


def check_json(body: bytes) -> None:
    """Raise Rejected unless this is JSON that means the same to every parser and fits the store."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected("It is not UTF-8.") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise Rejected(f"{error.msg} at line {error.lineno} column {error.colno}.") from None
    except RecursionError:
        raise Rejected(f"It is nested deeper than {MAX_DEPTH} levels.") from None
    _walk(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Rejected(f"The key {json.dumps(twice[:100])} stands in one object twice.")
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not -_BIGGEST <= (value := int(text)) < _BIGGEST:
        raise Rejected(f"The number {text[:24]}… does not fit 64 bits; write it as text.")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Rejected(f"The number {text[:24]} is too big; write it as text.")
    return value


def _constant(text: str) -> float:
    raise Rejected(f"{text} is not JSON; use null.")


def _walk(value: Any) -> None:
    waiting = [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, str):
            _check_text(one)
        elif isinstance(one, dict | list):
            if depth > MAX_DEPTH:
                raise Rejected(f"It is nested deeper than {MAX_DEPTH} levels.")
            if isinstance(one, dict):
                for key in one:
                    _check_text(key)
            inside = one.values() if isinstance(one, dict) else one
            waiting.extend((child, depth + 1) for child in inside)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise Rejected("A text contains the character U+0000.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Rejected("A text contains half of a surrogate pair.") from None


class StrictBodies:
    """ASGI middleware for everything under `/api/`; the rest passes untouched."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        try:
            if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
                raise Problem(400, "bad_request", "The address contains the character U+0000.")
            if scope["method"] in ("GET", "HEAD", "OPTIONS"):
                await self.app(scope, receive, send)
                return
            headers = {name.lower(): value for name, value in scope["headers"]}
            body = await _read(headers, receive)
            repeating.note(scope, headers, body)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        given = False

        async def again() -> MutableMapping[str, Any]:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, send)


async def _read(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:12]) > MAX_BODY:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "bad_request", "The request ended before its body.")
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise _too_large()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"".join(parts)
    if not body:
        return body
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind not in (b"application/json", b"application/merge-patch+json"):
        raise Problem(
            415, "unsupported_media_type", "Send JSON, with Content-Type: application/json."
        )
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Problem(415, "unsupported_media_type", "Send the body without Content-Encoding.")
    try:
        check_json(body)
    except Rejected as error:
        raise Problem(400, "json_rejected", f"This body is not accepted: {error}") from None
    return body


def _too_large() -> Problem:
    return Problem(
        413,
        "body_too_large",
        f"The body is larger than {MAX_BODY // 1024} KiB.",
        headers={"Connection": "close"},
    )
