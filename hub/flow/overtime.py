"""Overtime: code of others that takes too long is interrupted where it stands.

A thread cannot be ended from outside, but Python can have it raise. That reaches loops in Python, a
connector's among them; a single call into C that never returns is beyond it. Code that catches
whatever is raised is interrupted again and again, until it ends.
"""

from __future__ import annotations

import ctypes
import threading
import time
from dataclasses import dataclass
from types import TracebackType

LOOK = 0.25
"""Seconds between two looks at who takes too long."""


class TookTooLong(Exception):
    """Raised by a block that was interrupted."""


class _Interrupt(BaseException):
    """Raised inside the block: no `except Exception` takes it for an error of its own."""


@dataclass(slots=True)
class _Block:
    until: float
    interrupted: bool = False


class _Watch:
    """Who must be done by when, by thread, and the thread that looks."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, thread: int, seconds: float) -> None:
        self._blocks[thread] = _Block(time.monotonic() + seconds)
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="overtime", daemon=True)
                    self._thread.start()

    def end(self, thread: int) -> None:
        """Once this has returned, nothing is raised any more. May be called again."""
        with self._lock:
            block = self._blocks.pop(thread, None)
            if block is not None and block.interrupted:
                _raise_in(thread, None)  # what has not come out yet is taken back

    def _run(self) -> None:
        while True:
            time.sleep(LOOK)
            now = time.monotonic()
            with self._lock:
                for thread, block in list(self._blocks.items()):
                    if block.until < now:
                        block.interrupted = True
                        _raise_in(thread, _Interrupt)


def _raise_in(thread: int, what: type[BaseException] | None) -> None:
    # https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if what is None else ctypes.py_object(what)
    )


_watch = _Watch()


class Overtime:
    """A block that raises TookTooLong where it takes longer than so many seconds. Costs about a
    microsecond. Not to be nested.
    """

    __slots__ = ("_seconds", "_thread")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        _watch.begin(self._thread, self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        while True:
            try:
                _watch.end(self._thread)
                break
            except _Interrupt:  # on the way out
                continue
        if kind is _Interrupt:
            raise TookTooLong(f"It took longer than {self._seconds:g} s.") from None
