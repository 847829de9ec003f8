"""How a process fares, from the times of its cases and steps: how long, how reliably, who held it.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Literal

from pydantic import BaseModel, Field

Row = Mapping[str, Any]
WEEKS = 12


class Spread(BaseModel):
    """Seconds: half of them took at most `p50`, nine of ten at most `p90`."""

    p50: float | None = None
    p90: float | None = None


class Held(BaseModel):
    """Seconds that steps lay with whom; steps that ran side by side each count."""

    internal: float = 0.0
    external: float = 0.0
    system: float = 0.0


class Week(BaseModel):
    """Cases that were completed in an ISO week."""

    week: str
    completed: int


class StepFigures(BaseModel):
    """One step of a process, over all its runs."""

    process: str
    key: str
    title: str
    count: int
    active: int
    cycle_time: Spread
    service_level: float | None = None
    held: Held


class ProcessFigures(BaseModel):
    """A process, or all of them where none was named."""

    process: str | None
    count: int = Field(description="Cases that were started.")
    active: int
    completed: int
    terminated: int
    cycle_time: Spread
    service_level: float | None = Field(
        None, description="Per cent on time, of what had a due and is completed or already late."
    )
    throughput_per_week: float = Field(description="Completed cases, averaged over `weeks`.")
    weeks: list[Week]
    held: Held
    steps: list[StepFigures]


def figures(
    process: str | None, cases: Sequence[Row], steps: Sequence[Row], now: datetime
) -> ProcessFigures:
    """The figures of cases and of the steps that began in them."""
    completed = [case for case in cases if case["status"] == "completed"]
    weeks = _weeks(completed, now)
    by_step: dict[tuple[str, str], list[Row]] = {}
    for step in steps:
        by_step.setdefault((step["process"], step["key"]), []).append(step)
    return ProcessFigures(
        process=process,
        count=len(cases),
        active=sum(case["status"] in ("active", "suspended") for case in cases),
        completed=len(completed),
        terminated=sum(case["status"] == "terminated" for case in cases),
        cycle_time=spread(_took(case) for case in completed),
        service_level=_service_level(cases, now),
        throughput_per_week=round(sum(week.completed for week in weeks) / len(weeks), 2),
        weeks=weeks,
        held=_held(steps, now),
        steps=[_step(key, runs, now) for key, runs in by_step.items()],
    )


def _step(key: tuple[str, str], runs: Sequence[Row], now: datetime) -> StepFigures:
    completed = [run for run in runs if run["status"] == "completed"]
    return StepFigures(
        process=key[0],
        key=key[1],
        title=runs[-1]["title"],
        count=len(runs),
        active=sum(run["status"] == "active" for run in runs),
        cycle_time=spread(_took(run) for run in completed),
        service_level=_service_level(runs, now),
        held=_held(runs, now),
    )


def spread(seconds: Iterable[float]) -> Spread:
    """Median and ninth decile, each a value that really occurred (nearest rank)."""
    ordered = sorted(seconds)
    if not ordered:
        return Spread()

    def rank(share: float) -> float:
        return ordered[max(0, ceil(share * len(ordered)) - 1)]

    return Spread(p50=rank(0.5), p90=rank(0.9))


def _took(row: Row) -> float:
    seconds: float = (row["completed_at"] - row["started_at"]).total_seconds()
    return round(seconds, 3)


def _service_level(rows: Iterable[Row], now: datetime) -> float | None:
    on_time = late = 0
    for row in rows:
        if row["due_by"] is None:
            continue
        if row["status"] == "completed":
            on_time += row["completed_at"] <= row["due_by"]
            late += row["completed_at"] > row["due_by"]
        elif row["status"] in ("active", "suspended"):
            late += now > row["due_by"]
    return round(100 * on_time / (on_time + late), 1) if on_time + late else None


def _held(runs: Iterable[Row], now: datetime) -> Held:
    seconds: dict[Literal["internal", "external", "system"], float] = {
        "internal": 0.0,
        "external": 0.0,
        "system": 0.0,
    }
    for run in runs:
        ended = run["completed_at"] or run["case_completed_at"] or now
        seconds[run["waiting_on"]] += max(0.0, (ended - run["started_at"]).total_seconds())
    return Held(**{who: round(value, 3) for who, value in seconds.items()})


def _weeks(completed: Iterable[Row], now: datetime) -> list[Week]:
    names = [_week(now - timedelta(weeks=back)) for back in reversed(range(WEEKS))]
    counts = dict.fromkeys(names, 0)
    for case in completed:
        week = _week(case["completed_at"])
        if week in counts:
            counts[week] += 1
    return [Week(week=name, completed=count) for name, count in counts.items()]


def _week(moment: datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02d}"
