"""What holds for every request of the API and the pages, before anything looks at it: a body
arrives in time, HEAD and OPTIONS are answered, a wrong method hears of the right ones, and browsers
are told to be careful.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from fastapi import Response
from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Match

from hub.api.errors import Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 20.0
"""From the end of the headers to the end of the body, however slowly it drips."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CAREFUL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # a page brings its own; whatever else a browser is led to open runs and loads nothing
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Headers of every answer that does not say otherwise."""


class Doors:
    """ASGI middleware. `routes` tells which methods an address has."""

    def __init__(self, app: App, routes: Callable[[], Iterable[BaseRoute]]) -> None:
        self.app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        careful = self._careful(scope, send)
        names = [name.lower() for name, _ in scope["headers"]]
        if b"content-length" in names and b"transfer-encoding" in names:
            malformed = Problem(
                400,
                "request_malformed",
                "The request says contradictory things about its length. Send either"
                " Content-Length or chunks.",
                headers={"Connection": "close"},
            )
            await malformed.response()(scope, receive, careful)
            return
        if scope["method"] == "OPTIONS" and (allowed := self._methods(scope)):
            await Response(status_code=204, headers={"Allow": allowed})(scope, receive, careful)
            return
        if scope["method"] == "HEAD":
            await self._head(scope, receive, careful)
            return
        await self.app(scope, in_time(receive, BODY_SECONDS), careful)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What a GET would answer, without its body. One that never ends is left."""
        ended = False

        async def headers_only(message: Message) -> None:
            nonlocal ended
            if ended:
                raise _Enough
            if message["type"] == "http.response.body":
                ended = True
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        try:
            await self.app({**scope, "method": "GET"}, receive, headers_only)
        except _Enough:
            return

    def _careful(self, scope: Scope, send: Send) -> Send:
        async def carefully(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in CAREFUL.items():
                    headers.setdefault(name, value)
                if message["status"] == 405:
                    headers["Allow"] = self._methods(scope)
            await send(message)

        return carefully

    def _methods(self, scope: Scope) -> str:
        """The methods of all routes at this address; empty where there is none."""
        found = {
            method
            for method in METHODS
            if any(
                route.matches({**scope, "method": method})[0] is Match.FULL
                for route in self._routes()
            )
        }
        if "GET" in found:
            found.add("HEAD")
        return ", ".join(sorted(found | {"OPTIONS"})) if found else ""


class _Enough(Exception):
    """The headers are all that was asked for."""


def in_time(receive: Receive, seconds: float) -> Receive:
    """Receive that raises Problem `body_timeout` when the body takes longer in total."""
    until = time.monotonic() + seconds
    complete = False

    async def limited() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                message = await receive()
        except TimeoutError:
            complete = True
            raise Problem(
                408,
                "body_timeout",
                "The body did not arrive in time. Send it again.",
                headers={"Connection": "close"},
            ) from None
        complete = message["type"] != "http.request" or not message.get("more_body")
        return message

    return limited
