"""Somebody always answers: through absence, departure and changes of roles."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy.exc import IntegrityError

from hub.apply import NotValid
from hub.flow import change
from hub.process import absence, answers, cases, chasing, handoffs, ownership
from hub.store import tables as t
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World, make_world

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

KEYS = ("ann", "bob", "cyd", "dee", "eve")
keys = st.sampled_from(KEYS)
windows = st.tuples(st.integers(-3, 3), st.integers(0, 6))


class Whatever(RuleBasedStateMachine):
    """People come, go, and stand in for each other, while work goes on."""

    migrated: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "hub.db"
        shutil.copyfile(self.migrated, file)
        first = people({"ops": ["ann"], "legal": ["ann"]}, ann={})
        self.world = make_world(
            Path(self.folder.name), f"sqlite:///{file}", {},
            {"people.yaml": first, "processes/deal.yaml": PROCESS},
        )  # fmt: skip

    def teardown(self) -> None:
        self.world.hub.live.close()
        self.world.hub.database.close()
        self.folder.cleanup()

    @rule(
        there=st.sets(keys, min_size=1),
        roles=st.tuples(st.lists(keys, unique=True), st.lists(keys, unique=True)),
        deputies=st.dictionaries(keys, st.lists(keys, unique=True, max_size=2)),
        absent=st.dictionaries(keys, windows, max_size=3),
        leaving=st.dictionaries(keys, st.integers(-2, 4), max_size=2),
    )
    def apply(
        self,
        there: set[str],
        roles: tuple[list[str], list[str]],
        deputies: dict[str, list[str]],
        absent: dict[str, tuple[int, int]],
        leaving: dict[str, int],
    ) -> None:
        some = sorted(there)
        members = [[key for key in role if key in there] or some[:1] for role in roles]
        today = self.world.clock().date()
        written: dict[str, dict[str, Any]] = {}
        for key in some:
            written[key] = {
                "deputies": [one for one in deputies.get(key, ()) if one in there and one != key]
            }
            if key in absent:
                first, length = absent[key]
                written[key]["away"] = days(self.world, first, first + length)
            if key in leaving and key != some[0]:
                written[key]["left"] = (today + timedelta(days=leaving[key])).isoformat()
        self.world.apply(
            {"people.yaml": people({"ops": members[0], "legal": members[1]}, **written)}
        )

    @rule(ahead=st.integers(1, 5))
    def later(self, ahead: int) -> None:
        self.world.clock.ahead += timedelta(days=ahead)

    @rule(key=keys, window=windows)
    def tell(self, key: str, window: tuple[int, int]) -> None:
        with self.world.hub.unit() as unit:
            known = unit.snapshot.parties.get(key)
            if known is not None and key in unit.snapshot.workspace.people:
                first = unit.now.date() + timedelta(days=window[0])
                last = first + timedelta(days=window[1])
                absence.tell(unit, known, first, last, by=None, operator=True)

    @rule()
    def start(self) -> None:
        with self.world.hub.unit() as unit:
            cases.start(unit, "deal", title="A deal")

    def active(self) -> list[dict[str, Any]]:
        return self.world.all(t.steps, t.steps.c.status == "active")

    @precondition(lambda self: self.active())
    @rule(nth=st.integers(0, 20))
    def finish(self, nth: int) -> None:
        steps = self.active()
        step = steps[nth % len(steps)]
        with self.world.hub.unit() as unit:
            task = work.load(unit.tx, "task", [step["task"]], lock=True)[step["task"]]
            change.change(unit, "task", task, {"status": "done"})
            work.save(unit.tx, "task", [task])

    @precondition(lambda self: self.active())
    @rule(nth=st.integers(0, 20), to=st.one_of(keys, st.sampled_from(("role:ops", "role:legal"))))
    def offer(self, nth: int, to: str) -> None:
        steps = self.active()
        # refused: who is gone, or has it
        with contextlib.suppress(answers.Refused), self.world.hub.unit() as unit:
            handoffs.offer(
                unit, to=to, step=steps[nth % len(steps)]["id"], party=None, operator=True
            )

    @rule(nth=st.integers(0, 20), status=st.sampled_from(("accepted", "declined")))
    def answer(self, nth: int, status: str) -> None:
        open_ = self.world.all(t.handoffs, t.handoffs.c.status == "offered")
        if open_:
            one = open_[nth % len(open_)]
            with self.world.hub.unit() as unit:
                to = work.load(unit.tx, "party", [one["to_party"]])[one["to_party"]]
                handoffs.answer(unit, one["id"], status, to)

    @invariant()
    def somebody_answers_for_everything(self) -> None:
        world = self.world
        with world.hub.unit() as unit:
            chasing.chase(unit)
            ownership.settle(unit)
        snapshot, now = world.hub.live.current(), world.clock()
        presence = snapshot.presence
        nobody = not any(presence.here(id, now) for id in snapshot.people_by_id)
        told = {
            row["subject"]
            for row in world.all(t.exceptions, t.exceptions.c.status == "open")
            if row["title"].startswith("Nobody is there")
        }
        running = {c["id"]: c for c in world.all(t.cases, t.cases.c.status == "active")}
        steps = [
            step
            for step in world.all(t.steps)
            if step["case_id"] in running and step["status"] in ("available", "active")
        ]
        kinds = {row["id"]: row["kind"] for row in world.all(t.parties)}
        for row in (*running.values(), *steps):
            holder = row["accountable"]
            assert kinds[holder] == "person"
            covered = presence.stands(holder, now).covered
            assert covered or (nobody and holder in told), (row["title"], holder)
        for id in told:
            assert nobody or presence.stands(id, now).covered is False
        for step in steps:
            open_ = [
                one
                for one in world.all(t.handoffs, t.handoffs.c.step_id == step["id"])
                if one["status"] in ("offered", "expired") and not one["closed"]
            ]
            assert len(open_) <= 1, "one handoff of a step is open at a time"
            if step["status"] == "active":
                has = step["responsible"]
                assert presence.works_here(has, now) or nobody, step["title"]


def test_whatever_comes_somebody_answers_for_every_case_and_step(migrated_file: Path) -> None:
    Whatever.migrated = migrated_file
    machine = type("Machine", (Whatever,), {})
    case = machine.TestCase  # type: ignore[attr-defined]
    case.settings = settings(
        max_examples=10,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()
