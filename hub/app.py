"""The composition root: settings to database to engine to one ASGI application."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, MutableMapping
from typing import Any, cast

from hub.hub import Hub
from hub.intake.intake import Intake
from hub.stream import Stream

Asgi = Callable[..., Any]


class Pages:
    """The API and the dashboard. They are made after intake answers, as they take longer to be
    ready than all that it needs; who asks before that waits.
    """

    def __init__(self, hub: Hub, stream: Stream) -> None:
        self._hub = hub
        self._stream = stream
        self._lock = threading.Lock()
        self._made: Asgi | None = None

    def make(self) -> Asgi:
        """Have them ready."""
        with self._lock:
            if self._made is None:
                # FastAPI and some sixty routes: half a second, which intake need not wait for
                from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

                from hub.api.app import create_api
                from hub.web import create_web

                pages = create_api(self._hub, self._stream)
                pages.include_router(create_web(self._hub))
                trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
                behind = ProxyHeadersMiddleware(cast("Any", pages), trusted)
                self._made = cast("Asgi", behind)
            return self._made

    async def __call__(self, scope: MutableMapping[str, Any], receive: Asgi, send: Asgi) -> None:
        made = self._made if self._made is not None else await asyncio.to_thread(self.make)
        await made(scope, receive, send)


class Application:
    """Everything that answers HTTP: intake on its own lean path, the API and the dashboard
    behind it.
    """

    def __init__(self, hub: Hub, public_url: str) -> None:
        self.hub = hub
        self.stream = Stream(hub.settings.redis_url)
        hub.announce = self.stream.publish
        self.intake = Intake(hub, public_url)
        self.pages = Pages(hub, self.stream)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Asgi, send: Asgi) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            await self.intake.app(scope, receive, send)
        else:
            await self.pages(scope, receive, send)

    def start(self) -> None:
        """Be ready to take deliveries."""
        self.intake.start()

    def stop(self) -> None:
        """Store what was taken in, then stop."""
        self.intake.stop()
        self.stream.close()
