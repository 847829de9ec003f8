"""An incident: an alert that comes twice, buttons in a chat, a loop back, a supplier by mail."""

from __future__ import annotations

from typing import Any

import pytest

from hub.demo.run import play
from hub.demo.world import World

Json = Any


@pytest.fixture(scope="module")
def played() -> Json:
    with World("incident") as world:
        return play(world, seed=7)


def test_the_story_reaches_its_end(played: Json) -> None:
    assert played["ok"], played["error"]
    assert [act["act"] for act in played["acts"]] == [
        "alert", "again", "severity", "fix", "cause", "not_yet", "fix_again", "over", "review",
    ]  # fmt: skip
    [case] = played["cases"]
    assert (case["status"], case["outcome"]) == ("completed", "completed")
    assert played["exceptions"] == []


def test_what_was_not_over_went_back_once_with_a_decision_and_an_issue_of_its_own(
    played: Json,
) -> None:
    [case] = played["cases"]
    runs = sorted((step["key"], step["run"]) for step in case["steps"] if step["run"] > 1)
    assert runs == [("fix", 2), ("over", 2)]
    titles = [issue["title"].split(" ")[0] for issue in played["tools"]["github"]]
    assert titles == ["Repair", "Repair", "Review:"]
    assert {issue["state"] for issue in played["tools"]["github"]} == {"closed"}


def test_people_were_asked_in_the_chat_and_the_supplier_by_mail(played: Json) -> None:
    asked = {(one["connection"], one["subject"].split(":")[0]) for one in played["asked"]}
    assert ("slack", "Your decision") in asked
    assert {one["connection"] for one in played["asked"]} == {"slack", "mail"}
    assert played["tools"]["mail"] == 1, "the supplier is asked once"
    assert {one["status"] for one in played["asked"]} == {"sent"}


def test_a_button_on_what_has_changed_asks_again_before_it_counts(played: Json) -> None:
    """The second alert came after Ben was asked; he sees it before he says how bad it is."""
    asked = [one for one in played["asked"] if "How bad is it" in one["subject"]]
    assert {one["connection"] for one in asked} == {"slack"}
    assert len(asked) >= 2
