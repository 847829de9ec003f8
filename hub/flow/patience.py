"""Patience with code of others: whoever takes too long is interrupted where it stands.

A thread cannot be ended from outside, but Python can have it raise. That reaches loops in Python, a
connector's among them; a single call into C that never returns is beyond it.
"""

from __future__ import annotations

import ctypes
import threading
import time

LOOK = 0.25
"""Seconds between two looks at who takes too long."""


class TookTooLong(Exception):
    """Raised inside whatever used up its time."""


class _Watch:
    """Who must be done by when, by thread, and the thread that looks. Whoever takes an entry out
    decides: the one who is done, or the one who raises.
    """

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, thread: int, seconds: float) -> None:
        self._until[thread] = time.monotonic() + seconds
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="patience", daemon=True)
                    self._thread.start()

    def end(self, thread: int) -> None:
        """Once this has returned, nothing is raised any more."""
        if self._until.pop(thread, None) is None:
            with self._lock:  # let whoever raises come to an end
                pass
            for _ in range(100):  # what is raised and did not come out yet comes out here
                pass

    def _run(self) -> None:
        while True:
            time.sleep(LOOK)
            now = time.monotonic()
            with self._lock:
                for thread, until in list(self._until.items()):
                    if until < now and self._until.pop(thread, None) is not None:
                        _raise_in(thread)


def _raise_in(thread: int) -> None:
    # https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(TookTooLong)
    )


_watch = _Watch()


class Patience:
    """A block that raises TookTooLong where it takes longer than so many seconds. Costs about a
    microsecond. Not to be nested.
    """

    __slots__ = ("_seconds", "_thread")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        _watch.begin(self._thread, self._seconds)

    def __exit__(self, *_: object) -> None:
        _watch.end(self._thread)
