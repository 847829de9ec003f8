"""Somebody always answers: through absence, departure and changes of roles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.exc import IntegrityError

from hub.apply import NotValid
from hub.flow import change
from hub.process import absence, cases, ownership
from hub.store import tables as t
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

PROCESS = """
process: deal
accountable: role:ops
steps:
  draft: {title: Draft, responsible: role:legal, delivers: A draft}
  sign: {title: Sign, after: [draft], responsible: role:legal, accountable: role:legal}
  file: {title: File it, after: [draft], responsible: accountable}
"""


def people(roles: dict[str, list[str]], **more: dict[str, Any]) -> str:
    return yaml.safe_dump(
        {
            "people": {
                key: {"name": key.title(), "email": f"{key}@acme.test", **values}
                for key, values in more.items()
            },
            "roles": roles,
        }
    )


def began(make: MakeWorld, written: str) -> World:
    world = make({}, {"people.yaml": written, "processes/deal.yaml": PROCESS})
    settle(world)
    with world.hub.unit() as unit:
        cases.start(unit, "deal", title="Acme")
    return world


def settle(world: World) -> None:
    with world.hub.unit() as unit:
        ownership.settle(unit)


def party(world: World, key: str) -> str:
    [row] = world.all(t.parties, t.parties.c.person == key)
    return str(row["id"])


def days(world: World, first: int, last: int) -> list[dict[str, str]]:
    today = world.clock().date()
    return [
        {
            "from": (today + timedelta(days=first)).isoformat(),
            "until": (today + timedelta(days=last)).isoformat(),
        }
    ]


def away(world: World, key: str, last: int = 5) -> None:
    with world.hub.unit() as unit:
        row = dict(unit.snapshot.parties[key])
        today = unit.now.date()
        absence.tell(
            unit, row, today - timedelta(days=1), today + timedelta(days=last), by=row,
            operator=False,
        )  # fmt: skip
    settle(world)


def people_named(*those: Any) -> list[str]:
    return [one.name for one in those if one is not None]


ROLES = {"ops": ["dana", "kim"], "legal": ["lee", "max"]}


def test_whoever_is_away_and_covered_goes_on_answering_and_who_acts_is_shown(
    make: MakeWorld,
) -> None:
    world = began(make, people(ROLES, dana={"deputies": ["lee"]}, kim={}, lee={}, max={}))
    away(world, "dana")
    [case] = world.all(t.cases)
    assert case["accountable"] == party(world, "dana")
    [standing] = world.all(t.standings, t.standings.c.party == case["accountable"])
    assert (standing["standing"], standing["acting"]) == ("away", party(world, "lee"))
    with world.hub.database.read() as tx:
        from hub import present

        shown = present.cases(tx, [case])[0]
    lee = people_named(shown.acting, shown.steps[0].acting)
    assert lee == ["Lee", "Lee"]


def test_whoever_is_away_with_nobody_to_cover_passes_it_on_to_the_next_with_the_role(
    make: MakeWorld,
) -> None:
    world = began(make, people(ROLES, dana={}, kim={}, lee={}, max={}))
    away(world, "dana")
    [case] = world.all(t.cases)
    assert case["accountable"] == party(world, "kim")
    moved = world.events("case.reassigned")
    assert moved[0]["changed"]["accountable"]["after"] == party(world, "kim")
    [handoff] = world.all(t.handoffs, t.handoffs.c.step_id.is_(None))
    assert handoff["reason"] == "deputy"


def test_what_somebody_has_who_left_goes_to_the_next_with_the_role(make: MakeWorld) -> None:
    world = began(make, people(ROLES, dana={}, kim={}, lee={}, max={}))
    [step] = world.all(t.steps, t.steps.c.status == "active")
    assert step["responsible"] == party(world, "lee")
    world.apply({"people.yaml": people({"ops": ["kim"], "legal": ["max"]}, kim={}, max={})})
    settle(world)
    [case] = world.all(t.cases)
    assert case["accountable"] == party(world, "kim")
    [step] = world.all(t.steps, t.steps.c.status == "active")
    assert (step["responsible"], step["accountable"]) == (
        party(world, "max"), party(world, "kim"),
    )  # fmt: skip
    [task] = world.all(t.tasks)
    assert task["assignee"] == party(world, "max")
    [offered] = world.all(t.handoffs, t.handoffs.c.step_id == step["id"],
                          t.handoffs.c.status == "offered")  # fmt: skip
    assert (offered["to_party"], offered["reason"]) == (party(world, "max"), "release")
    settle(world)
    assert len(world.events("case.reassigned")) == 1, "it is done once"


def test_work_given_by_a_role_follows_the_role_and_work_given_by_hand_does_not(
    make: MakeWorld,
) -> None:
    world = began(make, people(ROLES, dana={}, kim={}, lee={}, max={}))
    world.apply(
        {"people.yaml": people({"ops": ["kim"], "legal": ["max"]}, dana={}, kim={}, lee={}, max={})}
    )
    settle(world)
    [case] = world.all(t.cases)
    [step] = world.all(t.steps, t.steps.c.status == "active")
    assert case["accountable"] == party(world, "kim")
    assert step["responsible"] == party(world, "max")


def test_a_new_step_of_somebody_away_goes_to_who_stands_in(make: MakeWorld) -> None:
    world = make(
        {},
        {
            "people.yaml": people(
                {"ops": ["dana"], "legal": ["lee"]}, dana={}, lee={"deputies": ["max"]}, max={}
            ),
            "processes/deal.yaml": PROCESS,
        },
    )
    settle(world)
    away(world, "lee")
    with world.hub.unit() as unit:
        cases.start(unit, "deal", title="Acme")
    [step] = world.all(t.steps, t.steps.c.status == "active")
    assert step["responsible"] == party(world, "max")
    [handoff] = world.all(t.handoffs)
    assert (handoff["reason"], handoff["on_behalf_of"]) == ("deputy", party(world, "lee"))


def test_an_exception_says_so_when_nobody_is_there_and_ends_when_somebody_is(
    make: MakeWorld,
) -> None:
    world = began(make, people({"ops": ["dana"], "legal": ["dana"]}, dana={}))
    away(world, "dana", last=2)
    [one] = [row for row in world.all(t.exceptions) if row["status"] == "open"]
    assert "Nobody is there for Dana" in one["title"]
    world.clock.ahead += timedelta(days=4)
    settle(world)
    assert not [row for row in world.all(t.exceptions) if row["status"] == "open"]


def test_open_exceptions_and_tasks_of_whoever_left_have_an_owner_who_is_there(
    make: MakeWorld,
) -> None:
    world = began(make, people(ROLES, dana={}, kim={}, lee={}, max={}))
    from hub.store.exceptions import Trouble

    with world.hub.unit() as unit:
        dana = unit.snapshot.parties["dana"]["id"]
        unit.trouble(Trouble("stalled", "Look at this", subject="x", owner=dana))
        task = change.new_entity("task", {"title": "Loose", "accountable": dana}, unit)
        work.insert(unit.tx, "task", [task])
    world.apply({"people.yaml": people({"ops": ["kim"], "legal": ["max"]}, kim={}, max={}, lee={})})
    settle(world)
    [one] = world.all(t.exceptions, t.exceptions.c.title == "Look at this")
    [task] = world.all(t.tasks, t.tasks.c.title == "Loose")
    assert one["owner"] == task["accountable"] == party(world, "kim")


def test_the_last_person_is_not_removed_while_a_case_runs(make: MakeWorld) -> None:
    world = began(make, people(ROLES, dana={}, kim={}, lee={}, max={}))
    empty = {"hub.yaml": world.files["hub.yaml"], "people.yaml": "people: {}\n"}
    world.files = {}
    with pytest.raises(NotValid) as refused:
        world.apply(empty)
    assert any("nobody would be left" in str(one) for one in refused.value.findings)


def test_the_database_takes_no_step_without_a_person_who_answers(make: MakeWorld) -> None:
    world = began(make, people(ROLES, dana={}, kim={}, lee={}, max={}))
    [step] = world.all(t.steps, t.steps.c.status == "active")
    robot = {"id": "pty_robot", "kind": "assistant", "side": "internal", "name": "Robot",
             "active": True, "created_at": world.clock()}  # fmt: skip
    with world.hub.database.write() as tx:
        tx.execute(sa.insert(t.parties).values(**robot))
    for nobody in ("pty_robot", "pty_of_nobody"):
        with pytest.raises(IntegrityError), world.hub.database.write() as tx:
            tx.execute(
                sa.update(t.steps).where(t.steps.c.id == step["id"]).values(accountable=nobody)
            )
        fresh = {**step, "id": "stp_x", "run": 9, "accountable": nobody}
        with pytest.raises(IntegrityError), world.hub.database.write() as tx:
            tx.execute(sa.insert(t.steps).values(**fresh))


# ----------------------------------------------------------------------------------- whatever comes
