"""What intake answers without a row, kept for people: collected in memory, written at most once a
second by a thread of its own, which also says that intake is up.

A stranger decides how much of it there is: per connection and outcome the last few of a second are
kept and the rest is counted, so that a flood fills neither memory nor disk and intake never waits.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import structlog

from hub import heartbeat
from hub.hub import Hub
from hub.store import notices
from hub.store.notices import Count
from webhooks.noticed import Notice, Outcome

log = structlog.get_logger("hub.intake.noticing")

EVERY = 1.0
"""Seconds between two writes."""
STRANGERS = 5
"""Notices a second of addresses that name no connection."""
MOST = 1000
"""Notices in one write, over all connections."""


class Noticing:
    """The intake's `Notices`. `start` and `stop` it with the intake."""

    def __init__(self, hub: Hub, public_url: str) -> None:
        self.hub = hub
        self.public_url = public_url
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Outcome, str]] = Counter()
        self._room: Counter[tuple[str, Outcome]] = Counter()
        self._notices: deque[Notice] = deque(maxlen=MOST)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def wanted(self, connection: str, outcome: Outcome, code: str) -> bool:
        """Count one; its particulars are wanted while there is room for them this second."""
        with self._lock:
            self._counts[connection, outcome, code] += 1
            room = notices.KEPT if connection else STRANGERS
            if self._room[connection, outcome] >= room:
                return False
            self._room[connection, outcome] += 1
            return True

    def note(self, notice: Notice) -> None:
        """Keep it for the next write."""
        with self._lock:
            self._notices.append(notice)

    def flush(self) -> None:
        """Write what there is. Raises where the database cannot; what was to be written is then
        gone, as it is for people to look at and nothing else.
        """
        with self._lock:
            if not self._counts:
                return
            counted, batch = self._counts, list(self._notices)
            self._counts, self._room = Counter(), Counter()
            self._notices.clear()
        now = self.hub.clock()
        rows = [Count(*key, number, now, now) for key, number in counted.items()]
        with self.hub.database.write() as tx:
            notices.keep(tx, batch, rows)

    def start(self) -> None:
        self._stop.clear()
        self._tried(self._beat)
        self._thread = threading.Thread(target=self._run, name="noticing", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write the rest and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._tried(self.flush)
        self._tried(lambda: heartbeat.stop(self.hub, self.public_url))

    def _beat(self) -> None:
        heartbeat.beat(self.hub, self.public_url)

    def _run(self) -> None:
        beaten = time.monotonic()
        while not self._stop.wait(EVERY):
            self._tried(self.flush)
            if time.monotonic() - beaten >= heartbeat.EVERY:
                self._tried(self._beat)
                beaten = time.monotonic()

    def _tried(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            log.warning("refusals could not be noted", error=type(error).__name__)
