"""Looking again and again until somebody has seen enough: Ctrl-C, a closed pipe, a time is up."""

from __future__ import annotations

import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EVERY = 0.25
"""Seconds between two looks."""


class Watch:
    """Says when to stop. Use it as `with watching() as watch: while watch.wait(): …`."""

    def __init__(self, seconds: float | None = None) -> None:
        self._told = threading.Event()
        self._end = None if seconds is None else time.monotonic() + seconds
        self._pipe = _pipe_of_stdout()

    def stop(self) -> None:
        """End the loop at its next look."""
        self._told.set()

    @property
    def stopped(self) -> bool:
        """Whether somebody told us to stop."""
        return self._told.is_set()

    def wait(self) -> bool:
        """Rest a moment. False: it is time to stop."""
        if self._told.is_set() or (self._end is not None and time.monotonic() >= self._end):
            return False
        if self._pipe is not None and self._pipe.poll(0):
            return False  # whoever read along is gone: no need to wait for the next line
        return not self._told.wait(EVERY)


@contextmanager
def watching(seconds: float | None = None) -> Iterator[Watch]:
    """A watch that Ctrl-C and a polite kill stop, instead of tearing us out of what we do."""
    watch = Watch(seconds)
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return

    def told(_: int, __: FrameType | None) -> None:
        watch.stop()

    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, told) for number in wanted}
    try:
        yield watch
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pipe_of_stdout() -> select.poll | None:
    """Reports when nobody reads our output any more."""
    try:
        found = select.poll()
        found.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError, AttributeError):  # no real file: a test, another system
        return None
    return found
