"""A vendor that sends: signed, from several threads, again after no answer or a 5xx, and with a
list of every 2xx it was given.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence

from connectors.github.sandbox import Sent
from connectors.github.sandbox_hooks import headers

AGAIN = 0.1
"""Seconds until something unanswered is sent again."""
PATIENCE = 20.0


class Sender:
    """Sends to the hubs that listen on these ports. `hold` says that it should wait a little, so
    that the backlog keeps within bounds.
    """

    def __init__(
        self, ports: Sequence[int], path: str, sent: Sequence[Sent], hold: Callable[[], bool]
    ) -> None:
        self.ports = ports
        self.path = path
        self.hold = hold
        self.answered: dict[str, set[str]] = defaultdict(set)
        """Per delivery id: the ids of the rows that 2xx answers named."""
        self.count: Counter[str] = Counter()
        """Answers by status; `none` are those that never came."""
        self.accepted = 0
        self.refused: list[str] = []
        self._waiting = deque(sent)
        self._late: deque[tuple[float, Sent]] = deque()
        self._left = len(sent)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, threads: int) -> None:
        for number in range(threads):
            port = self.ports[number % len(self.ports)]
            thread = threading.Thread(target=self._run, args=(port,), daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def done(self) -> bool:
        """Whether everything was answered 2xx."""
        return self._left == 0

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=PATIENCE)

    def _next(self) -> Sent | None:
        with self._lock:
            if self._late and self._late[0][0] <= time.monotonic():
                return self._late.popleft()[1]
            if self._waiting and not self.hold():
                return self._waiting.popleft()
        return None

    def _run(self, port: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        while not self._stop.is_set() and not self.done:
            one = self._next()
            if one is None:
                self._stop.wait(0.01)
                continue
            try:
                line.request("POST", self.path, one.body, headers(one.event, one.guid, one.body))
                answer = line.getresponse()
                status, body = str(answer.status), answer.read()
            except (OSError, http.client.HTTPException):
                line.close()
                status, body = "none", b""
            self._note(one, status, body)
            if status == "none":
                self._stop.wait(AGAIN)
        line.close()

    def _note(self, one: Sent, status: str, body: bytes) -> None:
        with self._lock:
            self.count[status] += 1
            if status.startswith("2"):
                self._left -= 1
                self.accepted += one.guid not in self.answered
                self.answered[one.guid].add(json.loads(body)["id"])
                return
            if status != "none" and not status.startswith("5"):
                self.refused.append(f"{status} {body[:200]!r}")
                self._left -= 1
                return
            self._late.append((time.monotonic() + AGAIN, one))
