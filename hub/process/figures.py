"""How a process fares, from the times of its cases and steps: how long, how reliably, who held it,
what had to be done again. Pure, but for `measure`, which reads what it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy.engine import Connection

from hub.store import process_figures as store
from hub.store import work
from hub.store.held import micros

Row = Mapping[str, Any]
WEEKS = 12
HOLDERS = 20
"""Holders that are shown of a step or process, those who had it longest."""
_ANSWERED = ("accepted", "edited", "rejected")


class Spread(BaseModel):
    """Seconds: half of them took at most `p50`, nine of ten at most `p90`."""

    p50: float | None = None
    p90: float | None = None


class Held(BaseModel):
    """Seconds that something lay with whom. The three add up to the time that passed."""

    internal: float = 0.0
    external: float = 0.0
    system: float = 0.0


class Holder(BaseModel):
    """How long one party had it, on one side."""

    party: str
    name: str
    side: str
    seconds: float


class Week(BaseModel):
    """Cases that were completed in an ISO week."""

    week: str
    completed: int


class Rework(BaseModel):
    """What was begun anew."""

    runs: int = Field(0, description="Runs of steps that were not the first round.")
    rate: float | None = Field(None, description="Per cent of all runs.")


class Delay(Spread):
    """From the offer of a handoff until it was accepted, in seconds."""

    count: int = Field(0, description="Handoffs that were accepted.")


class TypeRate(BaseModel):
    """Exceptions of one type."""

    type: str
    count: int
    per_100_cases: float | None


class Exceptions(BaseModel):
    """How much went wrong, over all cases there ever were."""

    count: int = 0
    per_100_cases: float | None = None
    by_type: list[TypeRate] = Field(default_factory=list)


class Overrides(BaseModel):
    """What people made of proposals; overridden are those they edited or rejected."""

    answered: int = 0
    overridden: int = 0
    rate: float | None = Field(None, description="Per cent overridden, of those answered.")
    open: int = 0
    expired: int = 0


class KindOverrides(Overrides):
    """The same of one kind of proposals."""

    kind: str


class Proposals(Overrides):
    """What people made of proposals, in all and by kind."""

    by_kind: list[KindOverrides] = Field(default_factory=list)


class StepFigures(BaseModel):
    """One step of a process, over all its runs."""

    process: str
    key: str
    title: str
    count: int
    active: int
    cycle_time: Spread
    service_level: float | None = None
    elapsed: float = Field(description="Seconds that its runs took in all, open ones until now.")
    held: Held
    holders: list[Holder]
    rework: Rework
    handoff_delay: Delay


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
    elapsed: float = Field(description="Seconds that its cases took in all, open ones until now.")
    held: Held = Field(description="Of cases as a whole: each moment of a case lies on one side.")
    holders: list[Holder]
    rework: Rework
    handoff_delay: Delay
    exceptions: Exceptions
    proposals: Proposals
    steps: list[StepFigures]


def measure(tx: Connection, process: str | None, now: datetime) -> ProcessFigures:
    """The figures of a process, or of all, as of `now`."""
    cases = store.case_times(tx, process)
    steps = store.step_times(tx, process)
    of_cases = list(store.held_cases(tx, process))
    of_steps = list(store.held_steps(tx, process))
    parties = {row["party"] for row in (*of_cases, *of_steps) if row["party"]}
    names = {id: row["name"] for id, row in work.load(tx, "party", sorted(parties)).items()}
    delays = store.accepted_handoffs(tx, process)
    raised = store.exceptions_by_type(tx, process)
    proposed = store.proposals_by_status(tx, process)
    completed = [case for case in cases if case["status"] == "completed"]
    weeks = _weeks(completed, now)
    runs = _by_step(steps)
    held, offers = _by_step(of_steps), _by_step(delays)
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
        elapsed=_elapsed(cases, now),
        held=_held(of_cases, now),
        holders=_holders(of_cases, names, now),
        rework=_rework(steps),
        handoff_delay=_delay(delays),
        exceptions=_exceptions(raised, len(cases)),
        proposals=_proposals(proposed),
        steps=[
            _step(key, mine, held.get(key, []), offers.get(key, []), names, now)
            for key, mine in runs.items()
        ],
    )


def _by_step(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["process"], row["key"]), []).append(row)
    return found


def _step(
    key: tuple[str, str],
    runs: Sequence[Row],
    held: Sequence[Row],
    delays: Sequence[Row],
    names: Mapping[str, str],
    now: datetime,
) -> StepFigures:
    return StepFigures(
        process=key[0],
        key=key[1],
        title=max(runs, key=lambda run: run["started_at"])["title"],
        count=len(runs),
        active=sum(run["status"] == "active" for run in runs),
        cycle_time=spread(_took(run) for run in runs if run["status"] == "completed"),
        service_level=_service_level(runs, now),
        elapsed=_elapsed(runs, now),
        held=_held(held, now),
        holders=_holders(held, names, now),
        rework=_rework(runs),
        handoff_delay=_delay(delays),
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


def _elapsed(rows: Iterable[Row], now: datetime) -> float:
    total = 0
    for row in rows:
        ended = row["completed_at"] or row.get("case_completed_at") or now
        total += max(0, micros(ended - row["started_at"]))
    return total / 1_000_000


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


def _micros(row: Row, now: datetime) -> int:
    if row.get("since") is not None:
        return max(0, micros(now - row["since"]))
    return int(row["micros"] or 0)


def _held(rows: Iterable[Row], now: datetime) -> Held:
    total = {"internal": 0, "external": 0, "system": 0}
    for row in rows:
        total[row["side"]] += _micros(row, now)
    return Held(**{side: value / 1_000_000 for side, value in total.items()})


def _holders(rows: Iterable[Row], names: Mapping[str, str], now: datetime) -> list[Holder]:
    total: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["party"]:
            about = (row["party"], row["side"])
            total[about] = total.get(about, 0) + _micros(row, now)
    longest = sorted(total.items(), key=lambda one: (-one[1], one[0]))[:HOLDERS]
    return [
        Holder(party=party, name=names.get(party, party), side=side, seconds=value / 1_000_000)
        for (party, side), value in longest
    ]


def _rework(runs: Sequence[Row]) -> Rework:
    again = sum(run["round"] > 1 for run in runs)
    return Rework(runs=again, rate=round(100 * again / len(runs), 1) if runs else None)


def _delay(rows: Sequence[Row]) -> Delay:
    found = spread(
        round((row["answered_at"] - row["offered_at"]).total_seconds(), 3) for row in rows
    )
    return Delay(p50=found.p50, p90=found.p90, count=len(rows))


def _exceptions(raised: Sequence[tuple[str, int]], cases: int) -> Exceptions:
    def per_100(count: int) -> float | None:
        return round(100 * count / cases, 2) if cases else None

    count = sum(number for _, number in raised)
    return Exceptions(
        count=count,
        per_100_cases=per_100(count),
        by_type=[
            TypeRate(type=kind, count=number, per_100_cases=per_100(number))
            for kind, number in raised
        ],
    )


def _overrides(rows: Iterable[tuple[str, str, int]]) -> dict[str, Any]:
    by: dict[str, int] = {}
    for _, status, count in rows:
        by[status] = by.get(status, 0) + count
    answered = sum(by.get(status, 0) for status in _ANSWERED)
    overridden = by.get("edited", 0) + by.get("rejected", 0)
    return {
        "answered": answered,
        "overridden": overridden,
        "rate": round(100 * overridden / answered, 1) if answered else None,
        "open": by.get("proposed", 0),
        "expired": by.get("expired", 0),
    }


def _proposals(rows: Sequence[tuple[str, str, int]]) -> Proposals:
    kinds = sorted({kind for kind, _, _ in rows})
    return Proposals(
        **_overrides(rows),
        by_kind=[
            KindOverrides(kind=kind, **_overrides(row for row in rows if row[0] == kind))
            for kind in kinds
        ],
    )


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
