"""The intake by itself, for as long as somebody tries out a connection: deliveries are checked and
stored, and nothing is processed, pulled or written.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from hub.app import LiveEndpoints, StoreInbox
from hub.hub import Hub
from hub.noticing import Noticing
from webhooks import DeadlineHttpProtocol, WebhookApp

PATIENCE = 20.0
"""Seconds that the server may take to start, and to answer what is under way at the end."""


@dataclass(frozen=True, slots=True)
class Intake:
    """An intake that runs."""

    endpoints: LiveEndpoints
    noticing: Noticing

    def settle(self) -> None:
        """Do now what is else done within a second: take over what was changed about connections,
        and write down what was refused.
        """
        self.endpoints.refresh()
        self.noticing.flush()


@contextmanager
def taking_deliveries(hub: Hub, sock: socket.socket, public_url: str) -> Iterator[Intake]:
    """Take deliveries on this socket while the block runs. Raises RuntimeError where that does not
    begin.
    """
    endpoints, noticing, inbox = LiveEndpoints(hub), Noticing(hub, public_url), StoreInbox(hub)
    app = WebhookApp(endpoints, inbox, public_url=public_url, now=hub.clock, notices=noticing)
    endpoints.start()
    noticing.start()
    app.start()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=DeadlineHttpProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    thread = threading.Thread(target=server.run, args=([sock],), name="intake", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The intake did not start.")
            threading.Event().wait(0.01)
        yield Intake(endpoints, noticing)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        if app.stop():
            inbox.close()
        noticing.stop()
        endpoints.stop()
        sock.close()
