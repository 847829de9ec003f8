"""A case with what its clocks tell: who held it and each of its steps for how long, how long steps
like those that are open take, and in words why a clock stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from hub.process import ball
from hub.process.forecast import forecast_of, length
from hub.store import held
from mappings.canonical import Case, Forecast, HeldTimes, Step

WHY = {
    "internal": "it waits for one of us",
    "external": "it waits for somebody outside",
    "system": "it waits for a system",
    "on_hold": "its task is on hold",
    "suspended": "the case is suspended",
}
"""Why a clock stands, in words."""


def with_clocks(tx: Connection, case: Case, now: datetime) -> Case:
    """The same case, its steps and itself with `held`, and open steps with their `forecast`."""
    stretches = held.of(tx, [case.id])
    known: dict[str, Forecast | None] = {}

    def told(one: Case | Step) -> HeldTimes | None:
        if one.started_at is None:
            return None
        return held_times(stretches.get(one.id, ()), one.started_at, one.completed_at or now)

    def of(step: Step) -> Step:
        forecast = None
        if step.status == "active":
            if step.key not in known:
                known[step.key] = forecast_of(tx, case.process, step.key)
            forecast = known[step.key]
        return step.model_copy(update={"held": told(step), "forecast": forecast})

    return case.model_copy(update={"held": told(case), "steps": [of(one) for one in case.steps]})


def held_times(
    stretches: Sequence[Mapping[Any, Any]], started: datetime, ended: datetime
) -> HeldTimes:
    """Who held something from its start until a moment."""
    return HeldTimes(**ball.parts(stretches, started, ended))


def stands(row: Mapping[str, Any]) -> str:
    """Why the clock of a step or case stands, as a sentence; empty where it runs."""
    if row["paused_at"] is None:
        return ""
    why = WHY.get(row["paused_why"] or "", "it waits")
    return f"The clock stands, as {why}; the due moves by as long as that takes."


def takes(forecast: Forecast | None) -> str:
    """How long others like it took, as a sentence; empty where too little is known."""
    if forecast is None:
        return ""
    half, most = (length(one, forecast.clock) for one in (forecast.p50, forecast.p80))
    return f"Half of the last {forecast.count} took at most {half}, four of five at most {most}."
