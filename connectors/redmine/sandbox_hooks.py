"""Where the sandbox's webhooks go: a thread that posts each of them once, as Redmine does."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress

import httpx

from connectors.sdk import Delivery

PATIENCE = 10.0
"""Seconds that Redmine waits for an answer."""


class Hooks:
    """`send` queues a delivery; nobody hears of one that did not get through."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Delivery | None] = queue.Queue()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="redmine-hooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join(timeout=15)

    def send(self, delivery: Delivery) -> None:
        self._queue.put(delivery)

    def drain(self) -> None:
        """Return once every webhook so far was posted."""
        self._queue.join()

    def _run(self) -> None:
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            while (one := self._queue.get()) is not None:
                with suppress(httpx.HTTPError):
                    client.post(one.url, content=one.body, headers=dict(one.headers))
                self._queue.task_done()
