"""How far a pull of everything is and when it will be over: by its speed so far, and by what the
vendor's limits leave, whichever takes longer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from limits import parse

from connectors.sdk import Connector, ConnectorError
from connectors.sdk.quota import DAY, Quota, Usage
from hub.flow.pull import Pulled
from hub.live import Snapshot

HOUR = 3600.0
LATELY = 60.0
"""Seconds whose speed counts for the estimate."""
READING = ("read", "all")
"""The buckets that the requests of a pull count in."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds until the end, and the limit that makes it so long ("" if none does)."""

    seconds: float
    because: str = ""


def by_limits(requests: float, usage: Usage, rates: Mapping[str, str], title: str) -> Estimate:
    """How long the vendor's limits let so many requests take at least."""
    found = [Estimate(0.0)]
    for bucket in READING:
        if rate := rates.get(bucket):
            item = parse(rate)
            window = float(item.get_expiry())
            said = f"at {title}'s {item.amount:,} requests {_per(window)}"
            found.append(Estimate(requests * window / item.amount, said))
    if usage.quota is not None:
        found.append(_by_quota(requests, usage.quota, title))
    return max(found, key=lambda one: one.seconds)


def _by_quota(requests: float, quota: Quota, title: str) -> Estimate:
    """Nothing while what is left will do; then so many windows, the first of them begun already."""
    if requests <= quota.remaining:
        return Estimate(0.0)
    more = requests - quota.remaining
    if quota.resets_at is None:  # the window rolls on: what was used comes back little by little
        window = quota.window or HOUR
        return Estimate(more * window / quota.limit, _of(quota, title, window))
    first = max(0.0, quota.resets_at - time.time())
    window = quota.window or (HOUR if quota.resets_at - quota.at <= HOUR else DAY)
    whole = math.ceil(more / quota.limit) - 1
    return Estimate(first + whole * window, _of(quota, title, window))


def _of(quota: Quota, title: str, window: float) -> str:
    return f"at {title}'s {quota.limit:,} requests {_per(window)}"


def _per(window: float) -> str:
    known = {1.0: "a second", 60.0: "a minute", HOUR: "an hour", DAY: "a day"}
    return known.get(window) or f"in {span(window)}"


def span(seconds: float) -> str:
    """`40 s`, `3 min`, `3 h 20 min`, `2 d 4 h`: as coarse as such an estimate is."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


@dataclass(slots=True)
class Meter:
    """Measures one object's pull as its pages come. Waiting for the vendor is not its speed."""

    connector: Connector | None
    seen: int = 0
    total: int | None = None
    everything: bool = False
    _records: int = 0
    _asked: int = 0
    _marks: list[tuple[float, int]] = field(default_factory=list)

    @classmethod
    def of(cls, snapshot: Snapshot, connection: str) -> Meter:
        try:
            connector = snapshot.connector(connection)
        except ConnectorError:
            return cls(None)
        return cls(connector, _asked=connector.usage().requests)

    def restart(self) -> None:
        """A new turn begins, after a pause."""
        self._marks = []

    def tell(self, so_far: Pulled, came: int) -> None:
        """A page came in, of so many records."""
        now = time.monotonic()
        self._records += came
        self._marks.append((now, self._records))
        while len(self._marks) > 2 and self._marks[1][0] < now - LATELY:
            del self._marks[0]
        self.everything = so_far.everything
        self.seen = so_far.through if so_far.everything else so_far.seen
        self.total = so_far.total or self.total

    @property
    def speed(self) -> float | None:
        """Records a second lately; None until two pages came."""
        if len(self._marks) < 2:
            return None
        (began, first), (now, last) = self._marks[0], self._marks[-1]
        return (last - first) / (now - began) if now > began and last > first else None

    @property
    def left(self) -> int | None:
        """Records still to come; None where that is not known."""
        if not self.everything or self.total is None or self.total < self.seen:
            return None
        return self.total - self.seen

    def estimate(self) -> Estimate | None:
        """None where there is nothing to go by."""
        left, speed = self.left, self.speed
        if left is None:
            return None
        found = [Estimate(left / speed)] if speed else []
        if self.connector is not None and self._records:
            usage = self.connector.usage()
            requests = left * (usage.requests - self._asked) / self._records
            limit = by_limits(requests, usage, self.connector.rates, self.connector.title)
            found += [limit] if limit.seconds > 1 else []
        return max(found, key=lambda one: one.seconds, default=None)


@dataclass(frozen=True, slots=True)
class Backfill:
    """A pull of everything as the store knows it, whoever does it."""

    seen: int
    total: int | None
    since: datetime
    ends_at: datetime | None
    """By its speed since it began, pauses and all."""

    @property
    def part(self) -> float | None:
        """How much of it is done, from 0 to 1."""
        return min(1.0, self.seen / self.total) if self.total else None


def backfill(
    row: Mapping[str, Any], now: datetime, limited_until: datetime | None = None
) -> Backfill | None:
    """What a row of `cursors` says of the pull of everything that is under way; None if none is.
    `limited_until`: when the vendor wants to be asked again.
    """
    since = row["full_since"]
    if row["full_cursor"] is None or since is None:
        return None
    seen, total = row["full_seen"], row["total"]
    if total is not None and total < seen:
        total = None  # more came than the vendor counted: how many more, nobody knows
    ends_at, elapsed = None, (now - since).total_seconds()
    if total is not None and seen and elapsed > 0:
        wait = max(0.0, (limited_until - now).total_seconds()) if limited_until else 0.0
        seconds = (total - seen) * elapsed / seen + wait
        ends_at = now + timedelta(seconds=min(seconds, 3650 * DAY))
    return Backfill(seen, total, since, ends_at)


def in_words(one: Backfill, now: datetime) -> str:
    """`1,200 of 12,000 records since 2026-03-01 10:00 UTC, about 31 s left`."""
    of = f" of {one.total:,}" if one.total is not None else ""
    left = f", about {span((one.ends_at - now).total_seconds())} left" if one.ends_at else ""
    return f"{one.seen:,}{of} records since {one.since:%Y-%m-%d %H:%M} UTC{left}"


def backfills(
    rows: Sequence[Mapping[str, Any]], now: datetime, limited_until: datetime | None = None
) -> list[tuple[str, Backfill]]:
    """(object, how far) of every pull of everything that is under way."""
    found = [(str(row["object"]), backfill(row, now, limited_until)) for row in rows]
    return [(object, one) for object, one in found if one is not None]
