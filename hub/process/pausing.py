"""Clocks that stand still: while a step waits for somebody whom its file names, while its task is
on hold, or while its case is suspended.

When a clock goes on, its due moves by the time that it stood, measured as the clock measures: a due
in business time by working time in its calendar, any other by all of it; its timers move with it.
A due that had passed before stays: late is late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hub.flow import change
from hub.live import Snapshot
from hub.process.calendar import Calendar, Duration
from hub.process.model import ProcessDefinition, StepDefinition
from hub.store import cases, held, work
from hub.unit import Unit

Row = dict[str, Any]

TIMERS = ("remind_before", "remind_late", "escalate")
"""The kinds of timers that belong to a step's clock."""
RISK = "at_risk"
"""The kind of proposal that warns of a step."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How the time of one due is measured."""

    calendar: Calendar
    kind: Literal["working", "elapsed"]

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much of its time lies between two moments."""
        if self.kind == "working":
            return self.calendar.working_time(start, end)
        return max(end - start, timedelta())

    def later(self, moment: datetime, by: timedelta) -> datetime:
        """The moment at which so much more of its time has passed."""
        if self.kind == "working":
            return self.calendar.after_working(moment, by)
        return moment + by

    def ran(self, row: Mapping[str, Any], until: datetime) -> float:
        """Seconds that it ran from the start of a step or case until a moment."""
        seconds: float = self.between(row["started_at"], until).total_seconds() - row["paused_for"]
        if row.get("paused_at"):
            seconds -= self.between(row["paused_at"], until).total_seconds()
        return max(0.0, seconds)


def clock_for(calendar: Calendar, due: Duration | None) -> Clock:
    """The clock of something that is due within a duration."""
    working = due is not None and due.unit in ("bd", "bh")
    return Clock(calendar, "working" if working else "elapsed")


def clock_of_step(
    snapshot: Snapshot,
    process: ProcessDefinition | None,
    wanted: StepDefinition,
    step: Mapping[str, Any],
) -> Clock:
    """The clock of a step, in the calendar of whoever is responsible for it now."""
    person = snapshot.person_key(step["responsible"]) if step["responsible"] else None
    calendars = snapshot.workspace.calendars
    return clock_for(calendars.of_step(process, wanted, person), wanted.due)


def clock_of_case(unit: Unit, process: ProcessDefinition) -> Clock:
    """The clock of a case as a whole."""
    return clock_for(unit.snapshot.workspace.calendars.of_case(process), process.due)


def judge(unit: Unit, case: Row, row: Row, clock: Clock, why: str | None) -> bool:
    """Let the clock of a step, or of the case itself, stand (`why`) or go on (None). True if that
    is new.
    """
    if row["due_by"] is None:
        return False
    if why is not None:
        if row["paused_at"] is None:
            row["paused_at"], row["paused_why"] = unit.now, why
            held.stop_the_clock(unit.tx, row["id"], TIMERS)
            unit.emit(
                "clock.paused", row["id"], case=case["id"], data={"why": why, "due": row["due"]}
            )
            return True
        if row["paused_why"] != why:
            row["paused_why"] = why
            return True
        return False
    if row["paused_at"] is None:
        return False
    _go_on(unit, case, row, clock)
    return True


def _go_on(unit: Unit, case: Row, row: Row, clock: Clock) -> None:
    since, why = row["paused_at"], row["paused_why"]
    stood = clock.between(since, max(unit.now, since))
    before = row["due"]
    timers = held.timers_of(unit.tx, row["id"], TIMERS, "paused")
    held.set_again(unit.tx, [(one["id"], clock.later(one["due_at"], stood)) for one in timers])
    row["paused_for"] += stood.total_seconds()
    row["paused_at"] = row["paused_why"] = None
    if row["due_by"] > since and stood:
        row["due_by"] = clock.later(row["due_by"], stood)
        row["due"] = change.at(row["due_by"])
        if row is not case:
            _promise_anew(unit, row, before)
            forget_risk(unit, case, row)
    unit.emit(
        "clock.resumed",
        row["id"],
        case=case["id"],
        changed={"due": {"before": before, "after": row["due"]}} if before != row["due"] else None,
        data={"why": why, "stood": stood.total_seconds(), "clock": clock.kind},
    )


def _promise_anew(unit: Unit, step: Row, before: Any) -> None:
    """The task and the question of a step are due with it, unless somebody gave them another."""
    task = work.load(unit.tx, "task", [step["task"]], lock=True).get(step["task"] or "")
    if task is not None and task["due"] == before and task["status"] not in work.FINISHED:
        change.change(unit, "task", task, {"due": step["due"]}, data={"clock": "resumed"})
        work.save(unit.tx, "task", [task])
    decision = cases.decision(unit.tx, step["decision"], lock=True) if step["decision"] else None
    if decision is not None and decision["due"] == before:
        decision["due"] = step["due"]
        cases.save_decision(unit.tx, decision)


def over(unit: Unit, row: Row, clock: Clock) -> bool:
    """A step or case has ended: so has the time that its clock stood. True if it stood."""
    if row["paused_at"] is None:
        return False
    end = max(row["completed_at"] or unit.now, row["paused_at"])
    row["paused_for"] += clock.between(row["paused_at"], end).total_seconds()
    row["paused_at"] = row["paused_why"] = None
    return True


# --------------------------------------------------------------------------------------- warnings


def moot_risk(unit: Unit, case: Row, step: Row) -> bool:
    """A warning is moot once the step is over, or late. True if there was one."""
    if not step["at_risk"]:
        return False
    if step["status"] == "active" and step["due_by"] and step["due_by"] > unit.now:
        return False
    return forget_risk(unit, case, step)


def forget_risk(unit: Unit, case: Row, step: Row) -> bool:
    """Take the warning about a step back. True if there was one."""
    if not step["at_risk"]:
        return False
    step["at_risk"] = False
    moot = held.warnings(unit.tx, [step["id"]], RISK)
    held.expire(unit.tx, [row["id"] for row in moot])
    for row in moot:
        unit.emit("proposal.expired", row["id"], case=case["id"], data={"target": step["id"]})
    return True
