"""What past runs of a step say about one that is open: how long they took, and whether this one is
likely to be late. A forecast only warns; it decides and moves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from sqlalchemy.engine import Connection

from hub.hub import Hub
from hub.live import NoWorkspace
from hub.process import proposals
from hub.process.pausing import RISK, clock_of_step
from hub.process.running_case import definition_of, hold, judge_health
from hub.store import cases, held
from hub.unit import Unit
from mappings.canonical import Forecast

Row = Mapping[str, Any]

LEAST = 8
"""Completed runs without which there is no forecast."""
SLICE = 500
"""Steps that are looked at in one read."""
SECONDS = 0.3
"""CPU time that one look may take; the next one goes on where it stopped."""
AT_ONCE = 25
"""Warnings in one transaction."""
CITED = 5
ACTOR: Mapping[str, Any] = {"kind": "system", "id": "forecast", "name": "Forecast"}


@dataclass(frozen=True, slots=True)
class Risk:
    """`late` of the `open` runs that were still open after as long took longer than there is."""

    late: int
    open: int
    count: int
    needed: float
    """Seconds within which four of five of them were completed."""
    cited: tuple[str, ...]

    @property
    def confidence(self) -> float:
        """The share of them that would have been late."""
        return round(self.late / self.open, 2) if self.open else 1.0


def rank(ordered: Sequence[float], share: float) -> float:
    """A quantile that really occurred (nearest rank) of values in order."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def risk_of(runs: Sequence[tuple[float, str]], ran: float, has: float) -> Risk | None:
    """Whether a run that has taken `ran` seconds and `has` so many in all is likely to be late, by
    completed runs (seconds and case): if one in five, or more, of those that were still open by
    then took longer than it has. A run that took longer than any is.
    """
    if len(runs) < LEAST or ran >= has:
        return None
    longer = [run for run in runs if run[0] > ran]
    late = [run for run in longer if run[0] > has]
    if not longer:
        return Risk(0, 0, len(runs), ran, tuple(case for _, case in runs[:CITED]))
    needed = rank(sorted(seconds for seconds, _ in longer), 0.8)
    if needed <= has:
        return None
    cited = tuple(dict.fromkeys(case for _, case in late))[:CITED]
    return Risk(len(late), len(longer), len(runs), needed, cited)


def forecast_of(tx: Connection, process: str, key: str) -> Forecast | None:
    """How long runs of a step take; None where too few are completed."""
    clock, runs = held.recent(tx, process, key)
    if len(runs) < LEAST:
        return None
    ordered = sorted(seconds for seconds, _ in runs)
    p50, p80, p90 = (rank(ordered, share) for share in (0.5, 0.8, 0.9))
    return Forecast(
        p50=p50,
        p80=p80,
        p90=p90,
        count=len(runs),
        clock="working" if clock == "working" else "elapsed",
    )


def length(seconds: float, clock: str) -> str:
    """Seconds in words: `40 min`, `5 h`, `12 working hours`, `3 days`."""
    if seconds < 5400:
        text = f"{max(1, round(seconds / 60))} min"
        return f"{text} of working time" if clock == "working" else text
    hours = round(seconds / 3600, 1)
    if clock == "working":
        return f"{hours:g} working hours"
    return f"{hours:g} h" if hours < 48 else f"{round(hours / 24, 1):g} days"


class Forecaster:
    """Looks at what is promised, a part at a time, and warns of what is likely to be late."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._after: tuple[Any, str] | None = None

    def look(self, seconds: float = SECONDS) -> int:
        """Look for so many seconds of CPU time, or until all was seen; how many warnings."""
        try:
            snapshot = self._hub.live.current()
        except NoWorkspace:
            return 0
        began, now = time.thread_time(), self._hub.clock()
        history: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
        definitions: dict[str, Any] = {}
        risky: list[tuple[str, str, Risk]] = []
        while time.thread_time() - began < seconds:
            with self._hub.database.read() as tx:
                rows = held.promised(tx, now, self._after, SLICE)
                for row in rows:
                    version = row["process_version"]
                    if version not in definitions:
                        definitions[version] = definition_of(tx, version)
                    definition = definitions[version]
                    wanted = definition.steps.get(row["key"])
                    if wanted is None:
                        continue
                    clock = clock_of_step(snapshot, definition, wanted, row)
                    about = (row["process"], row["key"], clock.kind)
                    if about not in history:
                        history[about] = held.recent(tx, *about)[1]
                    runs = history[about]
                    if len(runs) < LEAST:
                        continue
                    ran = clock.ran(row, now)
                    has = ran + clock.between(now, row["due_by"]).total_seconds()
                    risk = risk_of(runs, ran, has)
                    if risk is not None:
                        risky.append((row["case_id"], row["id"], risk))
            if len(rows) < SLICE:
                self._after = None
                break
            self._after = (rows[-1]["due_by"], rows[-1]["id"])
        warned = 0
        for begin in range(0, len(risky), AT_ONCE):
            with self._hub.unit() as unit:
                warned += sum(_warn(unit, *one) for one in sorted(risky[begin : begin + AT_ONCE]))
        return warned


def _warn(unit: Unit, case_id: str, step_id: str, risk: Risk) -> bool:
    """Say that a step is likely to be late, once. False if that is moot by now."""
    running = hold(unit, case_id)
    case = running.case
    step = next((one for one in running.steps if one["id"] == step_id), None)
    if step is None or case["status"] != "active" or step["status"] != "active":
        return False
    if step["at_risk"] or step["paused_at"] or not step["due_by"] or step["due_by"] <= unit.now:
        return False
    clock = clock_of_step(
        unit.snapshot, running.definition, running.definition.steps[step["key"]], step
    )
    ran = clock.ran(step, unit.now)
    has = ran + clock.between(unit.now, step["due_by"]).total_seconds()
    step["at_risk"] = True
    held.set_clock(unit.tx, "steps", [step])
    unit.emit(
        "clock.at_risk",
        step["id"],
        case=case["id"],
        data={
            "title": step["title"],
            "due": step["due"],
            "ran": ran,
            "has": has,
            "needed": risk.needed,
            "late": risk.late,
            "of": risk.open,
            "count": risk.count,
            "clock": clock.kind,
        },
    )
    left = length(has - ran, clock.kind)
    if risk.open:
        why = (
            f"{risk.late} of {risk.open} like it that were still open after"
            f" {length(ran, clock.kind)} took longer than the {length(has, clock.kind)} it has."
        )
    else:
        why = f"It has taken {length(ran, clock.kind)}, longer than all {risk.count} before it."
    proposals.propose(
        unit,
        ACTOR,
        kind=RISK,
        target=step["id"],
        text=f"'{step['title']}' may be late: {left} are left. {why}",
        citations=risk.cited,
        confidence=risk.confidence,
    )
    judge_health(unit, running)
    case["version"] += 1
    case["updated_at"] = unit.now
    cases.save(unit.tx, case)
    return True
