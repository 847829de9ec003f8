"""Whose calendar counts: of all those of a workspace, the one that a step's clock goes by.

The step's own comes first, then that of whoever is responsible (their own, else that of the role
it was given through), then the process's, then the workspace's: lived in the zone of whoever is
responsible, if they said one. Outsiders have the calendar of the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hub.process.calendar import Calendar
from hub.process.model import ProcessDefinition, StepDefinition


class Works(Protocol):
    """What a person says of when they work."""

    @property
    def timezone(self) -> str | None: ...

    @property
    def calendar(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Calendars:
    """The workspace's calendar, the named ones, and who says which. Keeps what it made, so that a
    zone is read once.
    """

    default: Calendar = field(default_factory=Calendar)
    named: Mapping[str, Calendar] = field(default_factory=dict)
    people: Mapping[str, Works] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    """Names of calendars, by role."""
    _moved: dict[str, Calendar] = field(default_factory=dict, compare=False)

    def of_case(self, process: ProcessDefinition | None) -> Calendar:
        """What a case's own clock goes by."""
        name = process.calendar if process else None
        return self.named.get(name or "", self.default)

    def of_step(
        self, process: ProcessDefinition | None, step: StepDefinition, person: str | None
    ) -> Calendar:
        """What a step's clock goes by; `person` is the key of whoever is responsible, None for an
        outsider or nobody. A name that the workspace no longer has is passed over.
        """
        pointer = step.decider or step.responsible
        who = self.people.get(person) if person else None
        names = [step.calendar]
        if who is not None:
            names.append(who.calendar)
            names.append(self.roles.get(pointer.name) if pointer and pointer.kind == "role" else "")
        names.append(process.calendar if process else None)
        for name in names:
            if name and name in self.named:
                return self.named[name]
        if who is not None and who.timezone and who.timezone != self.default.timezone:
            if who.timezone not in self._moved:
                self._moved[who.timezone] = self.default.in_zone(who.timezone)
            return self._moved[who.timezone]
        return self.default
