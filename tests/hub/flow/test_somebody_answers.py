"""Somebody answers for every case and step, whatever comes: people come, go, and stand in for each
other while cases with parts, rounds and decisions go on, stand still, change version, and end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.flow import change
from hub.process import (
    absence,
    answers,
    by_hand,
    cases,
    chasing,
    delegation,
    evidence,
    handoffs,
    migrating,
    ownership,
    questions,
)
from hub.store import cases as case_store
from hub.store import tables as t
from hub.store import work
from tests.hub.flow.test_ownership import days, people
from tests.hub.flow.world import make_world

RUNS, ACTS = int(os.environ.get("HUB_FUZZ_RUNS", "10")), int(os.environ.get("HUB_FUZZ_ACTS", "14"))
PROCESSES = {
    "processes/deal.yaml": """
process: deal
accountable: role:ops
steps:
  draft: {title: Draft, responsible: role:legal, delivers: A draft}
  agree:
    type: decision
    title: Agree to it
    after: [draft]
    decider: role:legal
    options: [yes, no, again]
    exclude: ["${steps.draft.by}"]
    outcomes: {no: {terminate: refused}, again: {reopen: draft}}
  sign: {title: Sign, after: [draft], responsible: role:legal, accountable: role:legal}
  place: {title: "Place ${each}", after: [sign], each: "${case.data.places}", responsible: role:ops}
  bill: {type: process, title: Bill it, after: [sign], process: bill, accountable: role:legal}
  paid: {type: wait, title: Paid, after: [bill], event: item.updated}
  file: {title: File it, after: [draft], responsible: accountable}
  ask: {title: Send papers, responsible: "external:joe@customer.test", after: [draft]}
""",
    "processes/bill.yaml": """
process: bill
accountable: role:legal
steps:
  write: {title: Write the bill, responsible: role:ops}
  send: {title: Send it, after: [write], responsible: accountable}
""",
}
OTHER = PROCESSES["processes/deal.yaml"].replace(
    "  file: {title: File it, after: [draft], responsible: accountable}\n",
    "  keep: {title: Keep it, after: [draft], responsible: role:ops, accountable: role:ops}\n",
)


KEYS = ("ann", "bob", "cyd", "dee", "eve")
keys = st.sampled_from(KEYS)
windows = st.tuples(st.integers(-3, 3), st.integers(0, 6))

ACTOR = {"kind": "system", "id": "test", "name": "test"}


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
            Path(self.folder.name), f"sqlite:///{file}", {}, {"people.yaml": first, **PROCESSES}
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

    @rule(places=st.integers(0, 3))
    def start(self, places: int) -> None:
        with self.world.hub.unit() as unit:
            cases.start(unit, "deal", title="A deal", data={"places": list("abc")[:places]})

    @rule(other=st.booleans())
    def another_version(self, other: bool) -> None:
        text = OTHER if other else PROCESSES["processes/deal.yaml"]
        self.world.apply({"processes/deal.yaml": text})

    def running(self) -> list[dict[str, Any]]:
        return self.world.all(t.cases, t.cases.c.status.in_(case_store.RUNNING))

    @precondition(lambda self: self.running())
    @rule(nth=st.integers(0, 20), how=st.sampled_from(("suspend", "resume", "migrate", "end")))
    def steer(self, nth: int, how: str) -> None:
        some = self.running()
        case = some[nth % len(some)]
        # refused: it stands already, goes on already
        with contextlib.suppress(answers.Refused), self.world.hub.unit() as unit:
            if how == "suspend":
                by_hand.suspend(unit, case["id"], ACTOR, "a pause")
            elif how == "resume":
                by_hand.resume(unit, case["id"], ACTOR)
            elif how == "migrate":
                migrating.migrate(unit, case["id"])
            elif nth % 3 == 0:
                by_hand.terminate(unit, case["id"], ACTOR, "over")

    @rule(nth=st.integers(0, 20), key=keys, outcome=st.sampled_from(("yes", "no", "again")))
    def decide(self, nth: int, key: str, outcome: str) -> None:
        open_ = self.world.all(t.decisions, t.decisions.c.outcome.is_(None))
        if not open_:
            return
        one = open_[nth % len(open_)]
        # refused: no seat, excluded, the case stands
        with contextlib.suppress(answers.Refused), self.world.hub.unit() as unit:
            known = unit.snapshot.parties.get(key)
            if known is None:
                return
            case = case_store.load(unit.tx, [one["case_id"]])[one["case_id"]]
            shown = case_store.evidence_hash(evidence.gather(unit.tx, case))
            answers.decide(unit, one["id"], outcome, known, evidence_hash=shown)

    @rule(nth=st.integers(0, 20), key=keys, to=keys)
    def delegate(self, nth: int, key: str, to: str) -> None:
        open_ = self.world.all(t.decisions, t.decisions.c.outcome.is_(None))
        if not open_:
            return
        with contextlib.suppress(answers.Refused), self.world.hub.unit() as unit:
            parties = unit.snapshot.parties
            if key in parties and to in parties:
                one = open_[nth % len(open_)]
                delegation.delegate(unit, one["id"], parties[key], parties[to])

    def active(self) -> list[dict[str, Any]]:
        return self.world.all(t.steps, t.steps.c.status == "active")

    @precondition(lambda self: self.active())
    @rule(nth=st.integers(0, 20))
    def finish(self, nth: int) -> None:
        steps = self.active()
        step = steps[nth % len(steps)]
        if step["type"] in ("wait", "process"):
            with contextlib.suppress(answers.Refused), self.world.hub.unit() as unit:
                by_hand.complete(unit, step["case_id"], step["id"], ACTOR, "seen")
        if step["task"] is None:
            return
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
            questions.ask_who_saw_less(unit)
            questions.tend(unit)
        snapshot, now = world.hub.live.current(), world.clock()
        presence = snapshot.presence
        nobody = not any(presence.here(id, now) for id in snapshot.people_by_id)
        told = {
            row["subject"]
            for row in world.all(t.exceptions, t.exceptions.c.status == "open")
            if row["title"].startswith("Nobody is there")
        }
        running = {case["id"]: case for case in self.running()}
        steps = [
            step
            for step in world.all(t.steps)
            if step["case_id"] in running and step["status"] in ("available", "active")
        ]
        kinds = {row["id"]: row["kind"] for row in world.all(t.parties)}
        ours = {row["id"] for row in world.all(t.parties) if row["person"]}
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
            has = step["responsible"]
            if step["status"] == "active" and has in ours:
                assert presence.works_here(has, now) or nobody, step["title"]


def test_whatever_comes_somebody_answers_for_every_case_and_step(migrated_file: Path) -> None:
    Whatever.migrated = migrated_file
    machine = type("Machine", (Whatever,), {})
    case = machine.TestCase  # type: ignore[attr-defined]
    case.settings = settings(
        max_examples=RUNS,
        stateful_step_count=ACTS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()
