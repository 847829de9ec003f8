"""How a pull shows itself: a bar on a terminal, and elsewhere plain lines, not too many."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from hub.cli.output import note

if TYPE_CHECKING:
    from hub.flow.progress import Meter

EVERY = 3.0
"""Seconds between two plain lines about one object."""


ROOMY = 120
"""Columns of a terminal in which the bar leaves room for the vendor's limit."""


class Show(Protocol):
    """Where a pull says how far it is."""

    def __call__(self, object: str, seen: int, meter: Meter | None = None) -> None:
        """So many records of an object came."""

    def pause(self, object: str, seconds: float, why: str) -> None:
        """Nothing will come for so long."""


@contextmanager
def pull_progress(connection: str) -> Iterator[Show]:
    """On standard error."""
    if not sys.stderr.isatty():
        yield _Lines(connection)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[said]}"),
        console=Console(stderr=True),
    )
    with bar:
        yield _Bars(connection, bar)


def said(seen: int, meter: Meter | None, *, brief: bool = False) -> str:
    """`1,200 of 12,000 records, 350/s, about 31 s left at GitHub's 5,000 requests an hour`;
    without the limit where there is no room for it.
    """
    from hub.flow.progress import span

    if meter is None:
        return f"{seen:,} records"
    known = meter.everything and meter.total is not None and meter.total >= seen
    parts = [f"{seen:,} of {meter.total:,} records" if known else f"{seen:,} records"]
    if meter.speed:
        parts.append(f"{meter.speed:,.0f}/s")
    estimate = meter.estimate()
    if estimate is not None and meter.left:
        parts.append(
            f"about {span(estimate.seconds)} left {'' if brief else estimate.because}".rstrip()
        )
    return ", ".join(parts)


def paused(seconds: float, why: str) -> str:
    """`waits 5 min, until 14:05: GitHub asks us to slow down.`"""
    from hub.flow.progress import span

    until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
    return f"waits {span(seconds)}, until {until}: {why}"


class _Bars:
    def __init__(self, connection: str, bar: Any) -> None:
        self._connection = connection
        self._bar = bar
        self._lines: dict[str, Any] = {}

    def _line(self, object: str) -> Any:
        if object not in self._lines:
            about = f"{self._connection} {object}"
            self._lines[object] = self._bar.add_task(about, total=None, said="")
        return self._lines[object]

    def __call__(self, object: str, seen: int, meter: Meter | None = None) -> None:
        total = meter.total if meter is not None and meter.everything else None
        if total is not None and total < seen:
            total = None
        words = said(seen, meter, brief=self._bar.console.width < ROOMY)
        self._bar.update(self._line(object), completed=seen, total=total, said=words)

    def pause(self, object: str, seconds: float, why: str) -> None:
        self._bar.update(self._line(object), said=paused(seconds, why))


class _Lines:
    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._told: dict[str, tuple[int, float]] = {}

    def __call__(self, object: str, seen: int, meter: Meter | None = None) -> None:
        before, when = self._told.get(object, (-1, 0.0))
        if seen != before and (before < 0 or time.monotonic() - when > EVERY):
            self._told[object] = (seen, time.monotonic())
            note(f"{self._connection} {object}: {said(seen, meter)}")

    def pause(self, object: str, seconds: float, why: str) -> None:
        note(f"{self._connection} {object}: {paused(seconds, why)}")
