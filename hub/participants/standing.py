"""What somebody outside may see of how a case stands: their own steps, and nothing of anybody
else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

_STATES: Mapping[str, Literal["done", "now", "ended"]] = {
    "completed": "done",
    "active": "now",
    "skipped": "ended",
    "terminated": "ended",
}


@dataclass(frozen=True, slots=True)
class OwnStep:
    """A step that somebody outside has or had: `now` is theirs to do, `ended` is needed no more."""

    id: str
    title: str
    state: Literal["done", "now", "ended"]
    due_by: datetime | None
    completed_at: datetime | None


def own_steps(steps: Iterable[Mapping[str, Any]], party: str) -> list[OwnStep]:
    """The steps of a party among those of its case, in their order; of several runs of a step the
    newest. What was never theirs, or is somebody else's now, is left out.
    """
    newest: dict[tuple[str, int | None], Mapping[str, Any]] = {}
    for step in steps:
        place = (step["key"], step["each_index"])
        if place not in newest or newest[place]["run"] < step["run"]:
            newest[place] = step
    return [
        OwnStep(
            step["id"],
            step["title"],
            _STATES[step["status"]],
            step["due_by"],
            step["completed_at"],
        )
        for step in newest.values()
        if step["responsible"] == party and step["status"] in _STATES
    ]
