"""Handoffs: offered, nudged, expired, accepted late, declined, and handed on at will."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from connectors.email.sandbox import EmailSandbox
from hub.flow import change
from hub.process import answers, cases, chasing, handoffs
from hub.store import tables as t
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

PROCESS = """
process: deal
accountable: dana
accept_within: 2h
steps:
  first: {title: Collect, responsible: dana}
  draft: {title: Draft, responsible: role:legal, delivers: A signed draft, due: 10d}
"""
PEOPLE = yaml.safe_dump(
    {
        "people": {
            key: {"name": key.title(), "email": f"{key}@acme.test"}
            for key in ("dana", "lee", "kim", "max")
        },
        "roles": {"legal": ["lee", "kim"]},
    }
)


@pytest.fixture
def mailed(make: MakeWorld, mail: EmailSandbox) -> World:
    world = make({"mail": mail}, {"people.yaml": PEOPLE, "processes/deal.yaml": PROCESS})
    with world.hub.unit() as unit:
        cases.start(unit, "deal", title="Acme")
    return world


def the(world: World, status: str = "offered") -> dict[str, Any]:
    [row] = world.all(t.handoffs, t.handoffs.c.status == status)
    return row


def draft(world: World) -> dict[str, Any]:
    [row] = world.all(t.steps, t.steps.c.key == "draft")
    return row


def answer(world: World, id: str, status: str, key: str, **more: Any) -> None:
    with world.hub.unit() as unit:
        handoffs.answer(unit, id, status, unit.snapshot.parties[key], **more)


def offer(world: World, to: str, by: str, **more: Any) -> str:
    with world.hub.unit() as unit:
        return handoffs.offer(
            unit, to=to, step=draft(world)["id"], party=unit.snapshot.parties[by], **more
        )


def chase(world: World, **ahead: int) -> None:
    world.clock.ahead += timedelta(**ahead)
    with world.hub.unit() as unit:
        chasing.chase(unit)


def told(world: World, purpose: str) -> list[str]:
    return [one["data"]["name"] for one in world.events("nudge.sent")
            if one["data"]["purpose"] == purpose]  # fmt: skip


def test_an_unaccepted_handoff_is_nudged_once_then_expires_and_can_still_be_accepted(
    mailed: World,
) -> None:
    handoff = the(mailed)
    chase(mailed, minutes=70)
    chase(mailed, minutes=5)
    assert told(mailed, "reminder") == ["Lee"]
    assert the(mailed)["status"] == "offered"
    chase(mailed, hours=2)
    expired = the(mailed, "expired")
    assert expired["answered_at"] is None, "nobody answered"
    assert told(mailed, "escalation") == ["Dana"]
    assert "handoff_unaccepted" in mailed.kinds()
    answer(mailed, handoff["id"], "accepted", "lee")
    assert the(mailed, "accepted")["answered_at"] is not None
    assert "handoff_unaccepted" not in mailed.kinds()


def test_another_member_of_the_role_may_take_it_and_has_it_then(mailed: World) -> None:
    answer(mailed, the(mailed)["id"], "accepted", "kim")
    assert draft(mailed)["responsible"] == the(mailed, "accepted")["answered_by"]
    [task] = mailed.all(t.tasks, t.tasks.c.step_id == draft(mailed)["id"])
    assert task["assignee"] == draft(mailed)["responsible"]
    with pytest.raises(answers.Refused) as refused:
        answer(mailed, the(mailed, "accepted")["id"], "accepted", "max")
    assert refused.value.code == "not_yours"


def test_what_is_offered_at_will_moves_when_it_is_accepted_and_stays_when_declined(
    mailed: World,
) -> None:
    answer(mailed, the(mailed)["id"], "accepted", "lee")
    lee = draft(mailed)["responsible"]
    first = offer(mailed, "max", "lee", note="I am full.")
    assert draft(mailed)["responsible"] == lee
    answer(mailed, first, "declined", "max", note="So am I.")
    assert draft(mailed)["responsible"] == lee
    second = offer(mailed, "max", "dana")
    answer(mailed, second, "accepted", "max")
    assert draft(mailed)["responsible"] != lee
    [event] = mailed.events("step.reassigned")
    assert event["changed"]["responsible"]["before"] == lee


def test_a_newer_handoff_takes_the_place_of_an_older_one(mailed: World) -> None:
    older = the(mailed)["id"]
    newer = offer(mailed, "max", "dana")
    assert the(mailed)["id"] == newer
    with pytest.raises(answers.Refused, match="Something newer"):
        answer(mailed, older, "accepted", "lee")
    [one] = mailed.events("handoff.expired")
    assert one["data"]["why"] == "superseded"


@pytest.mark.parametrize(
    ("to", "by", "code"),
    [
        ("lee", "dana", "same_person"),
        ("nobody", "dana", "nobody"),
        ("role:sales", "dana", "nobody"),
        ("external:somebody", "dana", "nobody"),
        ("max", "kim", "not_yours"),
    ],
)
def test_what_cannot_be_offered_is_refused_with_words(
    mailed: World, to: str, by: str, code: str
) -> None:
    with pytest.raises(answers.Refused) as refused:
        offer(mailed, to, by)
    assert refused.value.code == code


def test_a_step_that_ends_closes_what_was_offered_of_it(mailed: World) -> None:
    answer(mailed, the(mailed)["id"], "accepted", "lee")
    offer(mailed, "max", "lee")
    with mailed.hub.unit() as unit:
        task = work.load(unit.tx, "task", [draft(mailed)["task"]], lock=True)[draft(mailed)["task"]]
        change.change(unit, "task", task, {"status": "done"})
        work.save(unit.tx, "task", [task])
    assert the(mailed, "expired")["closed"] == "moot"
    chase(mailed, days=3)
    assert told(mailed, "escalation") == []


def test_somebody_outside_has_it_at_once_and_their_link_ends_when_it_moves_on(
    mailed: World,
) -> None:
    answer(mailed, the(mailed)["id"], "accepted", "lee")
    offer(mailed, "external:cleo@customer.test", "lee")
    assert draft(mailed)["waiting_on"] == "external"
    [link] = mailed.all(t.tokens, t.tokens.c.kind == "participant")
    assert link["expires_at"] > mailed.clock()
    answer(mailed, offer(mailed, "max", "dana"), "accepted", "max")
    assert draft(mailed)["waiting_on"] == "internal"
    [link] = mailed.all(t.tokens, t.tokens.c.kind == "participant")
    assert link["expires_at"] <= mailed.clock()
