"""What a vendor can do wrong, done on purpose to any sandbox that speaks HTTP: the faults stand
between the socket and the sandbox, so that each of them exists once.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

Asgi = Callable[..., Awaitable[None]]
Kind = Literal["read", "write", "sign-in"]
Message = MutableMapping[str, Any]

DRIP = 0.05
"""Seconds between two bytes of a slow answer."""
PATIENCE = 300
"""Answers in a circle, after which it is enough."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as the sandbox was given it, and its own answer, before any fault spoiled it.
    Header names are lower case, `path` is percent-encoded as it came.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    status: int
    answer_headers: Mapping[str, str] = field(repr=False)
    answer: bytes = field(repr=False)


@dataclass(slots=True)
class Faults:
    """What to do wrong. Lists and counts are used up by the requests that `on` names."""

    on: Literal["read", "write", "any"] = "write"
    status: list[int] = field(default_factory=list)
    """Answer the next requests with these statuses and do nothing."""
    retry_after: str | None = None
    """Retry-After header to send with 403, 429 and 503."""
    cut_before_effect: int = 0
    """Close the connection of this many requests unanswered, and do nothing."""
    cut_after_effect: int = 0
    """Carry out this many requests, then close the connection without an answer."""
    slow: int = 0
    """Carry out this many requests, then answer a byte at a time, for ever."""
    body: list[Literal["html", "truncated", "surprise", "nested", "empty"]] = field(
        default_factory=list
    )
    """Carry out the next requests, then spoil the body of the answer, status and headers kept."""
    redirect: str | None = None
    """Send every request there with 302, until it is set back."""
    repeat: bool = False
    """Answer every read of a path with what it was first answered with: pages in a circle. After
    `PATIENCE` of them reads are answered with 404, so that nothing goes round for ever.
    """
    hollow: int = 0
    """Take the records out of the next list that has further pages; those links stay."""
    flaky: float = 0.0
    """Share of requests that end in 503 with nothing done, until it is set back."""
    per_minute: int | None = None
    """Requests per minute above which 429 is answered, until it is set back."""
    read_only: bool = False
    """Refuse every write with 500 and note it under `forbidden`: proof that nothing writes."""
    cookie: str | None = None
    """Send this as Set-Cookie with every answer, until it is set back."""
    lag: float = 0.0
    """Seconds until a write shows in searches and lists, at vendors whose lists lag. The sandbox
    keeps this one by itself.
    """
    silent: int = 0
    """Accept this many writes, answer as if they were done, and change nothing. The sandbox keeps
    this one by itself.
    """
    forbidden: list[str] = field(default_factory=list)
    """The writes that `read_only` refused, as "POST /path"."""
    requests: list[str] = field(default_factory=list)
    """Every request so far, as "POST /path?query"."""
    keep: int = 0
    """Keep the latest exchanges whole, this many at most; see `connectors.sdk.specs`."""
    exchanges: list[Exchange] = field(default_factory=list)
    """What `keep` kept, oldest first. Requests that a fault kept from the sandbox are none."""


class Faulty:
    """An ASGI application in front of a sandbox's own that does wrong what `faults` asks for.

    `kind` tells what a request is, `wording` how this vendor words a refusal (headers and body),
    `goes_on` whether an answer has further pages.
    """

    def __init__(
        self,
        app: Asgi,
        faults: Callable[[], Faults],
        kind: Callable[[str, str], Kind],
        wording: Callable[[int], tuple[dict[str, str], bytes]],
        seed: int,
        goes_on: Callable[[Any], bool] = lambda answer: True,
    ) -> None:
        self._app = app
        self._goes_on = goes_on
        self._faults = faults
        self._kind = kind
        self._wording = wording
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._recent: deque[float] = deque()
        self._first: dict[str, list[Message]] = {}
        self._repeated = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        faults, path, method = self._faults(), scope["path"], scope["method"]
        kind = self._kind(method, path)
        query = scope["query_string"].decode("latin-1")
        faults.requests.append(f"{method} {path}{'?' if query else ''}{query}")
        meant = kind != "sign-in" and faults.on in (kind, "any")
        if faults.cookie is not None:
            send = _Baking(send, faults.cookie)
        status = self._status(faults, kind, meant)
        if kind == "write" and faults.read_only:
            faults.forbidden.append(f"{method} {path}")
        if faults.redirect is not None and kind != "sign-in":
            await _answer(send, 302, {"location": faults.redirect}, b"")
        elif meant and faults.cut_before_effect:
            faults.cut_before_effect -= 1
            _hang_up(send)
        elif status is not None:
            headers, body = self._wording(status)
            if status in (403, 429, 503) and faults.retry_after is not None:
                headers["retry-after"] = faults.retry_after
            await _answer(send, status, headers, body)
        elif kind == "read" and faults.repeat:
            await self._repeat(path, scope, receive, send)
        else:
            self._first.clear()
            self._repeated = 0
            await self._carry_out(faults, meant, kind, scope, receive, send)

    def _status(self, faults: Faults, kind: Kind, meant: bool) -> int | None:
        if kind == "sign-in":
            return None
        if faults.read_only and kind == "write":
            return 500
        if meant and faults.status:
            return faults.status.pop(0)
        if faults.flaky and self._random.random() < faults.flaky:
            return 503
        if faults.per_minute is not None:
            now = time.monotonic()
            while self._recent and self._recent[0] < now - 60:
                self._recent.popleft()
            if len(self._recent) >= faults.per_minute:
                faults.retry_after = str(max(1, round(self._recent[0] + 60 - now)))
                return 429
            self._recent.append(now)
        return None

    async def _repeat(self, path: str, scope: Any, receive: Any, send: Any) -> None:
        self._repeated += 1
        if self._repeated > PATIENCE:
            await _answer(send, 404, *self._wording(404))
            return
        if path not in self._first:
            self._first[path] = await self._collect(scope, receive)
        for message in self._first[path]:
            await send(dict(message))

    async def _carry_out(
        self, faults: Faults, meant: bool, kind: Kind, scope: Any, receive: Any, send: Any
    ) -> None:
        if not (meant and (faults.cut_after_effect or faults.slow or faults.body)) and not (
            kind == "read" and faults.hollow
        ):
            await self._pass_on(scope, receive, send)
            return
        start, *rest = await self._collect(scope, receive)
        body = b"".join(message.get("body", b"") for message in rest)
        if meant and faults.cut_after_effect:
            faults.cut_after_effect -= 1
            _hang_up(send)
            return
        if meant and faults.slow:
            faults.slow -= 1
            await _drip(start, receive, send)
            return
        if meant and faults.body:
            body, cut = _spoil(faults.body.pop(0), body)
            if cut:  # the length is announced, the end never comes
                await send(start)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                _hang_up(send)
                return
        elif hollow := _hollow(body, self._goes_on):
            faults.hollow -= 1
            body = hollow
        kept = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        await send({**start, "headers": [*kept, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def _collect(self, scope: Any, receive: Any) -> list[Message]:
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self._pass_on(scope, receive, keep)
        return sent

    async def _pass_on(self, scope: Any, receive: Any, send: Any) -> None:
        faults = self._faults()
        if not faults.keep:
            await self._app(scope, receive, send)
            return
        start: Message = {}
        sent, answered = bytearray(), bytearray()

        async def hear() -> Message:
            message: Message = await receive()
            sent.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            start.update(message if message["type"] == "http.response.start" else {})
            answered.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, hear, tell)
        faults.exchanges.append(
            Exchange(
                scope["method"],
                scope["raw_path"].decode("latin-1"),
                scope["query_string"].decode("latin-1"),
                _named(scope["headers"]),
                bytes(sent),
                start.get("status", 0),
                _named(start.get("headers", ())),
                bytes(answered),
            )
        )
        del faults.exchanges[: -faults.keep]


class _Baking:
    """Sends on, with a cookie. A class, so that `_hang_up` finds the connection behind it."""

    def __init__(self, send: Any, cookie: str) -> None:
        self._send = send
        self._cookie = cookie.encode()
        self.__self__ = getattr(send, "__self__", None)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"set-cookie", self._cookie)]
            message = {**message, "headers": headers}
        await self._send(message)


def _named(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


async def _answer(send: Any, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _hang_up(send: Any) -> None:
    # ASGI has no way to hang up; uvicorn's `send` belongs to the object that has
    send.__self__.transport.abort()


async def _drip(start: Message, receive: Any, send: Any) -> None:
    headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
    await send({**start, "headers": headers})
    while True:
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        try:
            gone = await asyncio.wait_for(receive(), DRIP)
        except TimeoutError:
            continue
        if gone["type"] == "http.disconnect":
            return


def _spoil(how: str, body: bytes) -> tuple[bytes, bool]:
    if how == "html":
        return b"<!doctype html><title>Sign in</title><p>Please sign in to continue.", False
    if how == "truncated":
        return body[: max(1, len(body) // 2)], True
    if how == "nested":
        return b"[" * 5000 + b"]" * 5000, False
    if how == "empty":
        return b"", False
    return b'"surprise"', False


def _hollow(body: bytes, goes_on: Callable[[Any], bool]) -> bytes | None:
    """The same list without its records; None for what is no list with records and more pages."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    if isinstance(value, list):
        return b"[]" if value and goes_on(value) else None
    if not isinstance(value, dict) or not goes_on(value):
        return None
    lists = [name for name, part in value.items() if isinstance(part, list) and part]
    return json.dumps({**value, **{name: [] for name in lists}}).encode() if lists else None
