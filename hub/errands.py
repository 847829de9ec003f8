"""Telling others, by a thread of its own: whoever has just committed neither waits for a broker nor
fails because of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger("hub.errands")

Errand = TypeVar("Errand", bound=Hashable)


class Errands(Generic[Errand]):
    """Runs errands that may be dropped, one after the other; one that is asked for twice before it
    has begun is run once. Safe from many threads.

    Where one fails the others that wait are dropped as well, as each of them would fail at the same
    broker and take its time to. That is logged once, until something goes well again.
    """

    def __init__(self, name: str, run: Callable[[Errand], object]) -> None:
        """`name` is for the log: what is told, and by what."""
        self._name = name
        self._run = run
        self._waiting: dict[Errand, None] = {}
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._closed = False
        self._failing = False

    def ask(self, errand: Errand) -> None:
        """Have it run soon. Never waits, never raises."""
        with self._change:
            if self._closed:
                return
            self._waiting[errand] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._change.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait until nothing waits or runs; False if that takes longer."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self, seconds: float = 5.0) -> None:
        """Run what waits, within so many seconds, and take no more."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                errand = next(iter(self._waiting))
                del self._waiting[errand]
                self._busy = True
            self._do(errand)

    def _do(self, errand: Errand) -> None:
        try:
            self._run(errand)
        except Exception as error:
            if not self._failing:
                line = str(error).partition("\n")[0][:200]
                log.warning(f"{self._name} fails", error=f"{type(error).__name__}: {line}")
            self._failing = True
            with self._change:
                self._waiting.clear()
            return
        if self._failing:
            self._failing = False
            log.info(f"{self._name} works again")
