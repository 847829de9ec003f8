"""What is to be undone when a case is ended before its time: a task for each completed step that
says how, the last completed first.
"""

from __future__ import annotations

from typing import Any

from hub.flow import change
from hub.process.running_case import Running, view
from hub.store import work
from hub.store.exceptions import Trouble
from hub.unit import Unit
from mappings.expressions import ExpressionError

Row = dict[str, Any]


def ask_back(unit: Unit, held: Running) -> None:
    """Make the tasks. Of a step that was done again, what was done last is undone; they belong to
    the case, and to none of its steps.
    """
    for step in _to_undo(held):
        _ask(unit, held, step)


def _to_undo(held: Running) -> list[Row]:
    newest: dict[tuple[str, int | None], Row] = {}
    for step in held.steps:
        wanted = held.definition.steps.get(step["key"])
        if wanted is None or wanted.compensation is None or step["status"] != "completed":
            continue
        kept = newest.setdefault((step["key"], step["each_index"]), step)
        if step["round"] > kept["round"]:
            newest[step["key"], step["each_index"]] = step
    return sorted(newest.values(), key=lambda one: (one["completed_at"], one["id"]), reverse=True)


def _ask(unit: Unit, held: Running, step: Row) -> None:
    case, wanted = held.case, held.definition.steps[step["key"]]
    assert wanted.compensation is not None  # noqa: S101 - `_to_undo` gives no other
    try:
        text = str(wanted.compensation.render(view(unit, case, step)))
    except ExpressionError as error:
        text = f"{wanted.compensation.text}\n\nThis could not be worked out: {error}"
    who = work.load(unit.tx, "party", [step["responsible"]]).get(step["responsible"] or "")
    # whoever is outside was asked to do it, and is not asked to undo it
    assignee = who["id"] if who and who["side"] == "internal" else step["accountable"]
    task = change.new_entity(
        "task",
        {
            "title": f"Undo: {step['title']}",
            "description": f"{text}\n\n'{case['title']}' ended: {case['outcome']}.",
            "assignee": assignee,
            "accountable": step["accountable"],
            "case_id": case["id"],
        },
        unit,
    )
    work.insert(unit.tx, "task", [task])
    change.announce_new(unit, "task", task, {"undoes": step["key"]})
    if wanted.connection and not change.mirror(
        unit, "task", task, wanted.connection, wanted.object
    ):
        unit.trouble(
            Trouble(
                "push_failed",
                f"'{task['title']}' cannot be created in {wanted.connection}",
                f"The connection '{wanted.connection}' has no mapping that writes tasks."
                " Add one under mappings/.",
                severity="high",
                subject=task["id"],
                owner=step["accountable"],
                data={"case": case["id"]},
            )
        )
