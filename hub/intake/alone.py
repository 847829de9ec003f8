"""The intake by itself, for as long as somebody tries out a connection: deliveries are checked and
stored, and nothing is processed, pulled or written.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from hub.hub import Hub
from hub.intake.intake import Intake
from webhooks.server import server_config

PATIENCE = 20.0
"""Seconds that the server may take to start, and to answer what is under way at the end."""


@contextmanager
def taking_deliveries(hub: Hub, sock: socket.socket, public_url: str) -> Iterator[Intake]:
    """Take deliveries on this socket while the block runs. Raises RuntimeError where that does not
    begin.
    """
    intake = Intake(hub, public_url)
    intake.start()
    server = uvicorn.Server(server_config(intake.app))
    thread = threading.Thread(target=server.run, args=([sock],), name="intake", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The intake did not start.")
            threading.Event().wait(0.01)
        yield intake
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        intake.stop()
        sock.close()
