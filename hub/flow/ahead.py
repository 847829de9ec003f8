"""Reading ahead: a thread asks a tool for pages while those before them are worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from connectors.sdk import Page

log = structlog.get_logger("hub.pull")

ENOUGH = 500
"""Records that wait at most to be worked on, where one page has no more."""

WHILE = 20.0
"""Seconds of waiting after which whoever waits says that they are still there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A page, and the moment before it was asked for."""

    page: Page
    at: datetime


@contextmanager
def ahead(
    pages: Iterator[Page],
    clock: Callable[[], datetime],
    enough: int = ENOUGH,
    patient: Callable[[], object] = lambda: None,
) -> Iterator[Iterator[list[Asked]]]:
    """The same pages in order, as many at once as there are when they are asked for. No more is
    read while `enough` records wait. Whatever the source raises is raised here, after the pages
    before it. Leaving the block ends the source, once it has finished the page that is under way.

    `patient` is called again and again while a slow page is waited for: whoever holds a lease keeps
    it so.
    """
    reader = _Reader(pages, clock, enough, patient)
    thread = threading.Thread(target=reader.run, name="pull", daemon=True)
    thread.start()
    try:
        yield reader.taken()
    finally:
        reader.stop()
        thread.join()


@contextmanager
def pages_ahead(pages: Iterator[Page]) -> Iterator[Iterator[Page]]:
    """The same, page by page, for who need not know when each was asked for."""
    with ahead(pages, lambda: datetime.now(UTC)) as read:
        yield (one.page for some in read for one in some)


class _Reader:
    def __init__(
        self,
        pages: Iterator[Page],
        clock: Callable[[], datetime],
        enough: int,
        patient: Callable[[], object],
    ) -> None:
        self._pages, self._clock, self._enough, self._patient = pages, clock, enough, patient
        self._changed = threading.Condition()
        self._waiting: list[Asked] = []
        self._ended = False
        self._error: BaseException | None = None

    def run(self) -> None:
        """Read until the end. A generator is closed by the thread that reads it: it may hold what
        belongs to that.
        """
        try:
            while self._has_room():
                at = self._clock()
                page = next(self._pages, None)
                if page is None:
                    break
                self._put(Asked(page, at))
                del page
        except BaseException as error:
            self._error = error
        try:
            if isinstance(self._pages, Generator):
                self._pages.close()
        except Exception as error:
            log.warning("a pull did not end cleanly", error=type(error).__name__)
        self.stop()

    def _has_room(self) -> bool:
        def room() -> bool:
            return self._ended or sum(len(one.page.records) for one in self._waiting) < self._enough

        with self._changed:
            self._changed.wait_for(room)
            return not self._ended

    def _put(self, one: Asked) -> None:
        with self._changed:
            self._waiting.append(one)
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def taken(self) -> Iterator[list[Asked]]:
        while not self._ready(WHILE):
            self._patient()
        while some := self._take():
            yield some
            del some
            while not self._ready(WHILE):
                self._patient()
        if self._error is not None:
            raise self._error

    def _ready(self, seconds: float) -> bool:
        """Whether there is something to take, or will never be."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._waiting or self._ended, seconds))

    def _take(self) -> list[Asked]:
        with self._changed:
            some, self._waiting = self._waiting, []
            self._changed.notify_all()
            return some
