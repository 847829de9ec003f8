"""What somebody outside sees of how a case stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hub.participants.standing import own_steps

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def step(key: str, status: str, responsible: str | None = "ines", **more: Any) -> dict[str, Any]:
    row = {"id": f"{key}{more.get('run', 1)}", "key": key, "run": 1, "each_index": None}
    row |= {"title": key, "status": status, "responsible": responsible}
    return row | {"due_by": NOON, "completed_at": None} | more


def seen(*steps: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.id, one.state) for one in own_steps(steps, "ines")]


def test_only_their_own_steps_are_seen() -> None:
    assert seen(
        step("papers", "completed"),
        step("credit", "active", "lee"),
        step("form", "active"),
        step("ship", "available", None),
        step("visit", "terminated"),
        step("broken", "failed"),
    ) == [("papers1", "done"), ("form1", "now"), ("visit1", "ended")]


def test_of_several_runs_the_newest_counts() -> None:
    again = step("form", "active", run=2)
    assert seen(step("form", "completed"), again) == [("form2", "now")]
    assert seen(again, step("form", "completed")) == [("form2", "now")]


def test_a_step_that_went_to_somebody_else_is_not_theirs_any_more() -> None:
    assert seen(step("form", "completed"), step("form", "active", "lee", run=2)) == []


def test_each_element_of_a_list_is_a_step_of_its_own() -> None:
    first = step("form", "completed", each_index=0, id="a")
    second = step("form", "active", run=2, each_index=1, id="b")
    assert seen(first, second) == [("a", "done"), ("b", "now")]
