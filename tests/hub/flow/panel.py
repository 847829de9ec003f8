"""A hub with people and one decision, for what several decide together."""

from __future__ import annotations

from typing import Any

import yaml

from hub.process import answers, delegation, evidence, questions
from hub.process import cases as moving
from hub.process import exceptions as settling
from hub.process.answers import Refused
from hub.store import cases, work
from hub.store import seats as seat_store
from hub.unit import person_actor
from tests.hub.flow.world import World

Row = dict[str, Any]

NAMES = ("dana", "lee", "kim", "ann", "bob")


def people(
    finance: tuple[str, ...] = ("dana", "lee", "kim"),
    names: tuple[str, ...] = NAMES,
    **deputies: str,
) -> str:
    """People, the role `finance`, and deputies by whom they stand in for: `dana="bob"`."""
    known = {
        name: {"name": name.title(), "email": f"{name}@acme.test"}
        | ({"deputies": [deputies[name]]} if name in deputies else {})
        for name in names
    }
    return yaml.safe_dump({"people": known, "roles": {"finance": list(finance), "ops": ["ann"]}})


def process(**decision: Any) -> str:
    """A process whose only question is this one."""
    step = {
        "type": "decision", "title": "Grant credit", "decider": "role:finance",
        "options": ["approved", "rejected", "later"], **decision,
    }  # fmt: skip
    return yaml.safe_dump(
        {"process": "credit", "accountable": "role:ops", "steps": {"grant": step}}
    )


class Panel:
    """One decision of a case, and its people by their keys."""

    def __init__(self, world: World, **data: Any) -> None:
        self.world = world
        with world.hub.unit() as unit:
            self.case, _ = moving.start(unit, "credit", title="Acme", data=data)
        self.id = str(world.decision()["id"])

    @property
    def row(self) -> Row:
        with self.world.hub.database.read() as tx:
            return cases.decision(tx, self.id) or {}

    @property
    def outcome(self) -> str | None:
        return self.row["outcome"]

    def seats(self) -> list[Row]:
        with self.world.hub.database.read() as tx:
            return seat_store.of(tx, [self.id])[self.id]

    def names(self, column: str = "party") -> list[str]:
        """Who sits there, in the order of the seats; nobody is left out."""
        with self.world.hub.database.read() as tx:
            keys = {row["id"]: key for key, row in work.people(tx).items()}
        return [keys[seat[column]] for seat in self.seats() if seat[column]]

    def asked(self) -> list[str]:
        with self.world.hub.database.read() as tx:
            keys = {row["id"]: key for key, row in work.people(tx).items()}
        return [keys[s["party"]] for s in self.seats() if s["asked_at"] and not s["outcome"]]

    def hash(self) -> str:
        with self.world.hub.database.read() as tx:
            case = cases.load(tx, [self.case])[self.case]
            return cases.evidence_hash(evidence.gather(tx, case))

    def say(self, who: str, outcome: str = "approved", hash: str | None = None) -> None:
        """Raises Refused."""
        seen = hash or self.hash()
        with self.world.hub.unit() as unit:
            party = work.people(unit.tx)[who]
            answers.decide(unit, self.id, outcome, party, evidence_hash=seen)

    def refused(self, who: str, outcome: str = "approved", hash: str | None = None) -> str:
        """The code with which an answer is refused; empty if it is taken."""
        try:
            self.say(who, outcome, hash)
        except Refused as refused:
            return refused.code
        return ""

    def take_back(self, who: str) -> None:
        with self.world.hub.unit() as unit:
            answers.take_back(unit, self.id, work.people(unit.tx)[who])

    def delegate(self, who: str, to: str, note: str = "") -> None:
        with self.world.hub.unit() as unit:
            known = work.people(unit.tx)
            delegation.delegate(unit, self.id, known[who], known.get(to), note=note)

    def revoke(self, who: str) -> None:
        with self.world.hub.unit() as unit:
            delegation.revoke(unit, self.id, work.people(unit.tx)[who])

    def change_evidence(self, **data: Any) -> None:
        with self.world.hub.database.write() as tx:
            row = cases.load(tx, [self.case], lock=True)[self.case]
            cases.save(tx, row | {"data": {**row["data"], **data}})

    def change_people(self, text: str) -> None:
        """Another revision; the scheduler seats anew."""
        self.world.apply({"people.yaml": text})
        self.world.hub.live.current()
        self.tend()

    def tend(self) -> None:
        """The scheduler seats anew where people changed."""
        with self.world.hub.unit() as unit:
            questions.tend(unit)

    def settle(self, how: str, who: str = "ann", **more: Any) -> None:
        """Resolve or waive the only open exception."""
        [row] = self.world.exceptions()
        with self.world.hub.unit() as unit:
            actor = person_actor(work.people(unit.tx)[who])
            if how == "waive":
                settling.waive(unit, row["id"], actor, "We know.")
            else:
                settling.resolve(unit, row["id"], actor, **more)
