"""Forgetting what has been kept long enough: in transactions so short that whoever takes webhooks
in hardly waits, and for as many ticks as it takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from hub.hub import Hub
from hub.live import NoWorkspace
from hub.store import delivered, nudges, records, repeats, tombstones

CHUNK = 500
"""Rows of one transaction."""
SECONDS = 1.0
"""How long one tick sweeps."""
KEEP_RECORDS = timedelta(days=7)


class Sweep:
    """One sweep after the other; each ends when nothing is left that is old enough."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._left: Iterator[int] | None = None

    def begin(self) -> None:
        """Start a sweep, unless one is still under way."""
        if self._left is None:
            self._left = self._steps()

    def go_on(self, seconds: float = SECONDS) -> int:
        """Sweep for about so many seconds; how many rows went."""
        gone = 0
        until = time.monotonic() + seconds
        while self._left is not None and time.monotonic() < until:
            try:
                gone += next(self._left)
            except StopIteration:
                self._left = None
            except BaseException:
                self._left = None  # the next one begins anew
                raise
        return gone

    def _steps(self) -> Iterator[int]:
        """How many rows each transaction dropped."""
        hub = self._hub
        now = hub.clock()
        for forget, older_than in (
            (records.forget_done, now - KEEP_RECORDS),
            (tombstones.forget, now - tombstones.KEEP),
            (repeats.forget, now - repeats.KEPT),
            (nudges.forget, now - nudges.KEEP),
        ):
            gone = CHUNK
            while gone == CHUNK:
                with hub.database.write() as tx:
                    gone = forget(tx, older_than, CHUNK)
                yield gone
        try:
            keep = hub.live.current().workspace.retention.deliveries
        except NoWorkspace:
            return
        after: int | None = 0
        while after is not None:
            with hub.database.write() as tx:
                gone, after = delivered.forget(tx, now - keep, after, CHUNK)
            yield gone
