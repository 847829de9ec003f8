"""Who is there: absences, last days, and the chain of deputies that covers them.

Pure: the moment is passed in. A day begins and ends where the person is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Standing = Literal["present", "away", "gone"]
Days = tuple[tuple[date, date], ...]


@dataclass(frozen=True, slots=True)
class Stands:
    """How somebody stands at a moment. `acting`: who acts for them (a party), if they are away or
    gone and somebody is there; `until`: the last day of their absence.
    """

    standing: Standing
    acting: str | None = None
    until: date | None = None

    @property
    def covered(self) -> bool:
        """Whether they, or somebody for them, can be turned to, and they still work here."""
        return self.standing == "present" or (self.standing == "away" and self.acting is not None)


@dataclass(frozen=True, slots=True)
class Person:
    """What counts of a person, by party: `away` are first and last days."""

    party: str
    active: bool
    zone: str
    deputies: tuple[str, ...] = ()
    """Parties, the first to be asked first."""
    away: Days = ()
    last_day: date | None = None


class Presence:
    """Everybody of one workspace."""

    __slots__ = ("people",)

    def __init__(self, people: Mapping[str, Person]) -> None:
        """`people` by party id."""
        self.people = people

    def stands(self, party: str, now: datetime) -> Stands:
        """How a party stands; one that is nobody of ours is always there."""
        person = self.people.get(party)
        if person is None:
            return Stands("present")
        if not self._works_here(person, now):
            return Stands("gone", self.acting(party, now))
        until = self._away_until(person, now)
        if until is None:
            return Stands("present")
        return Stands("away", self.acting(party, now), until)

    def here(self, party: str, now: datetime) -> bool:
        """Whether somebody of ours works here and is not away."""
        person = self.people.get(party)
        return (
            person is not None
            and self._works_here(person, now)
            and self._away_until(person, now) is None
        )

    def works_here(self, party: str, now: datetime) -> bool:
        """Whether this is one of our people, away or not."""
        person = self.people.get(party)
        return person is not None and self._works_here(person, now)

    def acting(self, party: str, now: datetime) -> str | None:
        """The first present one of the chain of deputies; None: nobody is there."""
        return next((one for one in self.chain(party) if self.here(one, now)), None)

    def chain(self, party: str) -> Iterator[str]:
        """Deputies in the order in which they are asked: a person's own before the deputies of
        those. Each once, whatever circles there are.
        """
        seen, row = {party}, [party]
        while row:
            following = []
            for one in row:
                person = self.people.get(one)
                for deputy in person.deputies if person else ():
                    if deputy not in seen:
                        seen.add(deputy)
                        following.append(deputy)
                        yield deputy
            row = following

    def stands_in(self, party: str, deputy: str, now: datetime | None = None) -> bool:
        """Whether one of our people may act for another: a deputy of theirs always; a deputy's
        deputy while those between are away (or at any time, where no moment is given).
        """
        seen, row = {party}, [party]
        while row:
            following = []
            for one in row:
                person = self.people.get(one)
                for other in person.deputies if person else ():
                    if other == deputy:
                        return deputy != party
                    if other not in seen and (now is None or not self.here(other, now)):
                        following.append(other)
                    seen.add(other)
            row = following
        return False

    @staticmethod
    def _works_here(person: Person, now: datetime) -> bool:
        if not person.active:
            return False
        return person.last_day is None or _today(person, now) <= person.last_day

    @staticmethod
    def _away_until(person: Person, now: datetime) -> date | None:
        """The last day of the absence that today is in, with others that follow on without a day
        between.
        """
        today = _today(person, now)
        until: date | None = None
        day = today
        for first, last in sorted(person.away):
            if first <= day <= last:
                until = last
                day = last + timedelta(days=1)
        return until


def _today(person: Person, now: datetime) -> date:
    return now.astimezone(ZoneInfo(person.zone)).date()
