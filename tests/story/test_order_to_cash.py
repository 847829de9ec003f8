"""From order to cash: five tools, two voices, a reply by mail, and a process within the process."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hub.demo.run import play
from hub.demo.world import World

Json = Any


@pytest.fixture(scope="module")
def played() -> Json:
    with World("order-to-cash") as world:
        return play(world, seed=7)


def test_the_story_reaches_its_end(played: Json) -> None:
    assert played["ok"], played["error"]
    assert [act["act"] for act in played["acts"]] == [
        "order", "first_voice", "second_voice", "pick", "delivered", "invoice", "payment", "paid",
    ]  # fmt: skip
    [case] = played["cases"]
    assert (case["status"], case["outcome"]) == ("completed", "completed")
    assert {step["status"] for step in case["steps"]} == {"completed"}
    assert played["exceptions"] == []


def test_one_voice_of_two_decided_nothing(played: Json) -> None:
    then = {act["act"]: act["then"] for act in played["acts"]}
    assert then["first_voice"].startswith("step 'credit' is active")


def test_each_line_of_the_order_was_a_ticket_of_its_own(played: Json) -> None:
    [case] = played["cases"]
    picked = [step for step in case["steps"] if step["key"] == "pick"]
    assert len(picked) == 2
    assert {step["responsible"] for step in picked} == {"Sam Rossi"}
    tickets = played["tools"]["warehouse"]
    titles = sorted(ticket["summary"].split(" for ")[0] for ticket in tickets)
    assert titles == ["Pick 2 x Pump P7", "Pick 8 x Valve V3"]
    assert all(ticket["done"] for ticket in tickets)


def test_each_tool_got_what_it_should_once(played: Json) -> None:
    created = Counter(
        (push["connection"], push["object"]) for push in played["pushes"] if push["op"] == "create"
    )
    assert created == {("warehouse", "issue"): 2, ("ledger", "row"): 1}
    assert {push["status"] for push in played["pushes"]} <= {"sent", "superseded"}
    [row] = played["tools"]["ledger"]
    assert row["Status"] == "Done"
    assert played["tools"]["mail"] == 1, "the customer is asked once"
