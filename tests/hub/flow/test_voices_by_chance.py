"""Whatever people do in whatever order: an outcome has its voices, of different people who may
decide, on the same evidence; and nothing but a person's act makes one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from hub.apply import NotValid
from hub.process import answers, clocks, questions
from hub.process.answers import Refused
from hub.store import cases, work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.panel import NAMES, Panel, people, process
from tests.hub.flow.world import World

WHO = st.sampled_from(NAMES)
OPTIONS = st.sampled_from(["approved", "rejected", "later"])
SHAPES: list[dict[str, Any]] = [
    {"quorum": 2},
    {"quorum": 3, "veto": ["rejected"]},
    {"quorum": 2, "exclude": ["kim"], "decider": ["role:finance", "bob"]},
    {"decider": ["lee", "role:finance", "bob"], "sequence": True, "veto": ["rejected"]},
    {"exclude": ["lee"]},
]
STAFF = people(dana="bob", lee="ann", kim="dana")


class Deciding(RuleBasedStateMachine):
    """One decision, and everything that can happen around it."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.clock.ahead = timedelta(0)
        self.was: str | None = None
        self.spoke = False
        self.hashes: list[str] = []

    @initialize(shape=st.sampled_from(SHAPES))
    def ask(self, shape: dict[str, Any]) -> None:
        self.shape = shape
        text = process(due="1d", remind={"every": "1d", "max": 2}, **shape)
        self.world.apply({"people.yaml": STAFF, "processes/credit.yaml": text})
        self.it = Panel(self.world)
        self.hashes = [self.it.hash()]

    @rule(who=WHO, outcome=OPTIONS, seen=st.integers(0, 3))
    def say(self, who: str, outcome: str, seen: int) -> None:
        hash = self.hashes[-1 - seen % len(self.hashes)] if seen == 3 else self.it.hash()
        stale = hash != self.it.hash()
        self.spoke = True
        with contextlib.suppress(Refused):
            self.it.say(who, outcome, hash)
            assert not stale

    @rule(who=WHO)
    def take_back(self, who: str) -> None:
        with contextlib.suppress(Refused):
            self.it.take_back(who)

    @rule(who=WHO, to=WHO)
    def delegate(self, who: str, to: str) -> None:
        with contextlib.suppress(Refused):
            self.it.delegate(who, to)

    @rule(who=WHO)
    def revoke(self, who: str) -> None:
        with contextlib.suppress(Refused):
            self.it.revoke(who)

    @rule(amount=st.integers(0, 2))
    def change_evidence(self, amount: int) -> None:
        self.it.change_evidence(amount=amount)
        self.hashes.append(self.it.hash())

    @rule(finance=st.sets(st.sampled_from(NAMES), min_size=1), gone=st.sampled_from(NAMES[:3]))
    def change_people(self, finance: set[str], gone: str) -> None:
        if gone in str(self.shape):  # whom the process names, no revision leaves out
            gone = "dana"
        there = tuple(name for name in NAMES if name != gone)
        keep = tuple(sorted(finance - {gone})) or ("bob",)
        with contextlib.suppress(NotValid):  # with so few, no quorum: the check refuses that
            self.it.change_people(people(keep, there))

    @rule()
    def all_come_back(self) -> None:
        self.it.change_people(STAFF)

    @rule(days=st.integers(1, 400))
    def time_passes(self, days: int) -> None:
        self.world.clock.ahead += timedelta(days=days)
        with self.world.hub.unit() as unit:
            questions.tend(unit)
            clocks.fire(unit)
            clocks.note_overdue(unit)

    @rule(outcome=OPTIONS, kind=st.sampled_from(["assistant", "system", "group", None]))
    def a_machine_tries(self, outcome: str, kind: str | None) -> None:
        seen = self.it.hash()
        with self.world.hub.unit() as unit:
            dana = next(iter(work.people(unit.tx).values()))
            party = {**dana, "kind": kind} if kind else None
            with pytest.raises(Refused):
                answers.decide(unit, self.it.id, outcome, party, evidence_hash=seen)

    @invariant()
    def an_outcome_is_what_people_said(self) -> None:
        if not hasattr(self, "it"):
            return
        row = self.it.row
        now = row["outcome"] if row["outcome"] not in (None, "expired") else None
        if self.was is not None:
            assert now == self.was, "a decision is taken once"
        elif now is not None:
            assert self.spoke, "only somebody's act makes an outcome"
            self.holds(row)
        self.was, self.spoke = now, False

    def holds(self, row: dict[str, Any]) -> None:
        """What must be true of an outcome at the moment it is made."""
        assert row["decided_by_kind"] == "person"
        assert row["evidence_hash"] == cases.evidence_hash(row["evidence"])
        seats = self.it.seats()
        given = [seat["given_by"] for seat in seats if seat["outcome"]]
        assert len(given) == len(set(given))
        assert not set(given) & set(row["exclude"])
        counting = [seat for seat in seats if seat["evidence_hash"] == row["evidence_hash"]]
        alike = [seat for seat in counting if seat["outcome"] == row["outcome"]]
        assert row["decided_by"] in given
        if row["outcome"] in row["veto"]:
            assert alike
        elif row["sequence"]:
            assert len(counting) == len(seats) >= row["quorum"]
            assert seats[-1]["outcome"] == row["outcome"]
        else:
            assert len(alike) >= row["quorum"]


def test_an_outcome_always_has_its_voices(make: MakeWorld) -> None:
    world = make({}, {"people.yaml": STAFF, "processes/credit.yaml": process()})

    class Here(Deciding):
        pass

    Here.world = world
    machine: Callable[[], RuleBasedStateMachine] = Here
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=15,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),  # each step is a transaction: not shrunk
            suppress_health_check=list(HealthCheck),
        ),
    )
