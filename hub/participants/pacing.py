"""When a message may go to a person: after their quiet hours, and gathered with others where they
come too fast or too many in a day. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

LATELY = timedelta(minutes=10)
"""The time in which `at_once` messages are a flood; what comes then is gathered as long."""
ONE_DIGEST = timedelta(hours=1)
"""Between two digests, once the budget of a day is used up."""

Why = Literal["quiet hours", "many at once", "budget of the day", "with others", "snoozed"]


@dataclass(frozen=True, slots=True)
class Pace:
    """`nudges` in hub.yaml: messages to one person, digests counting as one."""

    per_day: int = 20
    at_once: int = 5


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of a person's day, by their own clock; they may pass midnight."""

    begins: time
    ends: time
    zone: ZoneInfo

    def over(self, now: datetime) -> datetime:
        """When a person can be written to: `now`, or the end of their quiet hours (UTC)."""
        local = now.astimezone(self.zone)
        clock = local.time()
        if self.begins < self.ends:
            quiet, later = self.begins <= clock < self.ends, False
        else:
            quiet, later = clock >= self.begins or clock < self.ends, clock >= self.begins
        if not quiet:
            return now
        day = local.date() + timedelta(days=1 if later else 0)
        ends = datetime.combine(day, self.ends, self.zone).astimezone(UTC)
        # a clock that was set back lives an hour of its quiet twice: the second end is the one
        return ends if ends > now else datetime.combine(day, self.ends.replace(fold=1), self.zone)


def quiet_of(hours: str | None, zone: str) -> Quiet | None:
    """`19:00-07:00` of somebody in a zone."""
    if hours is None:
        return None
    begins, _, ends = hours.partition("-")
    return Quiet(time.fromisoformat(begins), time.fromisoformat(ends), ZoneInfo(zone))


def release(
    now: datetime,
    pace: Pace,
    quiet: Quiet | None,
    sent: Sequence[datetime],
    gathering: datetime | None,
) -> tuple[datetime, Why | None]:
    """The moment at which a message may go, and why not now; None: now.

    `sent` are the moments at which this person was written to today, oldest first; `gathering` is
    when what is gathered for them already will go, if anything is.
    """
    why: Why | None = None
    moment = now
    if gathering is not None and gathering > now:
        moment, why = gathering, "with others"
    elif sum(one > now - LATELY for one in sent) >= pace.at_once:
        moment, why = now + LATELY, "many at once"
    elif len(sent) >= pace.per_day and sent[-1] + ONE_DIGEST > now:
        moment, why = sent[-1] + ONE_DIGEST, "budget of the day"
    if quiet is not None:
        over = quiet.over(moment)
        if over > moment:
            moment, why = over, "quiet hours"
    return moment, why
