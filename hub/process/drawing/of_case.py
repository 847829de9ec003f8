"""How far each step of a case is, for its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.process.drawing.lettering import label
from hub.process.drawing.sketch import State
from hub.process.model import ProcessDefinition

Row = Mapping[str, Any]
_TEXTS = {
    "available": "Not yet",
    "active": "Now",
    "completed": "Done",
    "skipped": "Skipped",
    "terminated": "Not needed any more",
    "failed": "Failed",
    "blocked": "Blocked",
    "overdue": "Overdue",
}


def states_of(
    definition: ProcessDefinition, steps: Sequence[Row], now: datetime, *, running: bool = True
) -> dict[str, State]:
    """By step key. Of several runs the last one tells; of one run per element, all of them do."""
    runs: dict[str, list[Row]] = {key: [] for key in definition.steps}
    for row in sorted(steps, key=lambda row: row["run"]):
        if row["key"] in runs:
            runs[row["key"]].append(row)
    return {
        key: _state(rows, definition.steps[key].each is not None, now, running)
        for key, rows in runs.items()
    }


def titles_of(steps: Sequence[Row]) -> dict[str, str]:
    """What steps that have begun are called in this case; of one run per element, nothing."""
    found: dict[str, str] = {}
    seen: dict[str, int] = {}
    for row in sorted(steps, key=lambda row: row["run"]):
        if row["status"] != "available" and row.get("parent") is None:
            found[row["key"]] = row["title"]
            seen[row["key"]] = seen.get(row["key"], 0) + 1
    return found


def _state(rows: Sequence[Row], many: bool, now: datetime, running: bool) -> State:
    if not rows:
        return State("available", _TEXTS["available"])
    word = _word(rows[-1], now, running)
    each = [row for row in rows if row.get("parent") is not None] if many else []
    if each:
        counting = [row for row in each if row["status"] != "terminated"]
        done = sum(row["status"] in ("completed", "skipped") for row in counting)
        words = [_word(row, now, running) for row in counting]
        for worse in ("failed", "blocked", "overdue", "active", "available"):
            if worse in words:
                word = worse
                break
        said = _TEXTS.get(word) or label(word)
        return State(word, f"{said}: {done} of {len(counting)} done")
    text = _TEXTS.get(word) or label(word)
    outcome = rows[-1].get("outcome")
    if word == "completed" and outcome:
        text = f"{text}: {label(str(outcome))}"
    run = rows[-1]["run"]
    return State(word, f"{text} (run {run})" if run > 1 and not many else text)


def _word(row: Row, now: datetime, running: bool) -> str:
    if row["blocked"]:
        return "blocked"
    late = row["status"] == "active" and row["due_by"] is not None and row["due_by"] < now
    return "overdue" if late and running else str(row["status"])
