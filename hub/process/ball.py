"""Who holds the ball: for each running step, and for each case as a whole, one party at a time, so
that the parts always add up to the time that passed.

`follow` looks at every case that something happened to in a transaction, whoever did it, and notes
in the same transaction where the ball lies now; clocks that pause stand or go on by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.process import pausing
from hub.process.model import ProcessDefinition
from hub.process.running_case import Running, definition_of, judge_health
from hub.store import cases, held
from hub.unit import Unit

Row = dict[str, Any]
SIDES = ("internal", "external", "system")
_BESIDE = ("comment.", "push.", "nudge.", "proposal.", "link.", "item.", "delivery.")
"""Events of a case that never move the ball."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the ball. `suspended`: they have it while nobody is to move it."""

    side: str
    party: str | None
    suspended: bool = False


def of_step(
    case: Mapping[str, Any], step: Mapping[str, Any], offered: Mapping[Any, Any] | None
) -> Holder | None:
    """Who holds an active step; None once it is over. Work that is offered inside the house stays
    with whoever offers it until it is accepted.
    """
    if step["status"] != "active" or case["status"] not in cases.RUNNING:
        return None
    side = str(step["waiting_on"])
    suspended = case["status"] == "suspended" or bool(step["suspended"])
    party = step["responsible"] or step["accountable"]
    if side == "system":
        party = None
    elif side == "internal" and offered is not None and offered["to_party"] == party:
        party = offered["from_party"] or party
    return Holder(side, party, suspended)


def of_case(
    case: Mapping[str, Any], holders: Iterable[tuple[Mapping[str, Any], Holder]]
) -> Holder | None:
    """Who holds a case; None once it is over. As long as one of its open steps lies with us, the
    case does; else with outsiders, if one lies there; else with systems. With no open step it is
    up to whoever answers for the case. Of several holders the one who has had it longest counts.
    """
    if case["status"] not in cases.RUNNING:
        return None
    suspended = case["status"] == "suspended"
    among = sorted(holders, key=lambda one: (one[0]["started_at"], one[0]["id"]))
    for side in SIDES:
        for _, holder in among:
            if holder.side == side:
                return Holder(side, holder.party, suspended)
    return Holder("internal", case["accountable"], suspended)


def follow(unit: Unit) -> bool:
    """Note where the ball lies after what happened in this unit since this was last asked; True if
    that has consequences of its own.
    """
    noted = unit.noted()[unit.followed :]
    unit.followed = len(unit.noted())
    about = {draft.case for draft in noted if draft.case and not draft.type.startswith(_BESIDE)} - {
        None
    }
    if not about:
        return False
    turned = {
        draft.subject: draft.changed["waiting_on"]["after"]
        for draft in noted
        if draft.type.startswith("task.") and "waiting_on" in draft.changed
    }
    _Following(unit, sorted(id for id in about if id), turned).go()
    return unit.open_troubles() or len(unit.noted()) > unit.followed


class _Following:
    """One look at a number of cases, with a few queries for all of them."""

    def __init__(self, unit: Unit, ids: Sequence[str], turned: Mapping[Any, str]) -> None:
        tx = unit.tx
        self.unit, self.turned = unit, turned
        self.cases = cases.load(tx, ids, lock=True)
        self.steps = cases.steps_of(tx, list(self.cases))
        self.open = held.open_of(tx, list(self.cases))
        active = [
            step for rows in self.steps.values() for step in rows if step["status"] == "active"
        ]
        tasks = [step["task"] for step in active if step["task"]]
        self.statuses = held.task_statuses(tx, tasks)
        self.offers = held.offers(tx, [step["handoff"] for step in active if step["handoff"]])
        self.definitions: dict[str, ProcessDefinition] = {}
        self.ended: list[tuple[Row, datetime]] = []
        self.began: list[Row] = []
        self.took: list[Row] = []

    def go(self) -> None:
        unit = self.unit
        clocks: list[Row] = []
        moved: list[Row] = []
        for id, case in sorted(self.cases.items()):
            moves = False
            holders = []
            for step in self.steps[id]:
                over = step["status"] != "active" and step["id"] not in self.open
                if over and not (step["paused_at"] or step["at_risk"]):
                    continue
                changed = self._turn(step)
                holder = of_step(case, step, self.offers.get(step["handoff"] or ""))
                if holder is not None:
                    holders.append((step, holder))
                self._pass(case, step, holder)
                changed |= self._clock(case, step, holder)
                if changed:
                    clocks.append(step)
                    moves = True
            holder = of_case(case, holders)
            self._pass(case, case, holder)
            if self._case_clock(case, holder) or moves:
                before = case["health"]
                judge_health(unit, Running(case, self.steps[id], self.definition(case)))
                if case["health"] != before or case["_clock"]:
                    case["version"] += 1
                    case["updated_at"] = unit.now
                moved.append(case)
        held.close(unit.tx, self.ended)
        held.begin(unit.tx, self.began)
        held.note_duration(unit.tx, self.took)
        held.set_clock(unit.tx, "steps", clocks)
        held.set_clock(unit.tx, "cases", moved)

    def definition(self, case: Row) -> ProcessDefinition:
        version = case["process_version"]
        if version not in self.definitions:
            self.definitions[version] = definition_of(self.unit.tx, version)
        return self.definitions[version]

    def _turn(self, step: Row) -> bool:
        """A task whose turn changed, here or in a tool, turns its step."""
        after = self.turned.get(step["task"])
        if after is None or after == step["waiting_on"] or step["status"] != "active":
            return False
        step["waiting_on"] = after
        return True

    def _pass(self, case: Row, subject: Row, holder: Holder | None) -> None:
        """Where the ball was goes on, or ends with the next one beginning at the same moment."""
        now = self.unit.now
        last = self.open.get(subject["id"])
        if last is not None:
            was = Holder(last["side"], last["party"], bool(last["suspended"]))
            if was == holder:
                return
            now = max(now, last["since"])
            self.ended.append((last, now))
        elif subject["started_at"] is not None:
            now = subject["started_at"]
        if holder is not None:
            self.began.append(
                {
                    "case_id": case["id"],
                    "subject": subject["id"],
                    "party": holder.party,
                    "side": holder.side,
                    "suspended": holder.suspended,
                    "since": now,
                }
            )

    # -------------------------------------------------------------------------------- the clocks

    def _clock(self, case: Row, step: Row, holder: Holder | None) -> bool:
        """Whether the clock of a step changed: it stands, goes on, or is over."""
        unit = self.unit
        definition = self.definition(case)
        wanted = definition.steps.get(step["key"])
        if wanted is None:
            return False
        clock = pausing.clock_of_step(unit.snapshot, definition, wanted, step)
        risk = pausing.moot_risk(unit, case, step)
        if holder is None:
            changed = pausing.over(unit, step, clock)
            if step["status"] == "completed" and step["started_at"] and step["completed_at"]:
                self.took.append(
                    {
                        "step_id": step["id"],
                        "case_id": case["id"],
                        "process": case["process"],
                        "key": step["key"],
                        "clock": clock.kind,
                        "seconds": clock.ran(step, step["completed_at"]),
                        "ended_at": step["completed_at"],
                    }
                )
            return changed or risk
        why = None
        if holder.suspended:
            why = "suspended"
        elif self.statuses.get(step["task"] or "") == "on_hold":
            why = "on_hold"
        elif holder.side in wanted.pause:
            why = holder.side
        return pausing.judge(unit, case, step, clock, why) or risk

    def _case_clock(self, case: Row, holder: Holder | None) -> bool:
        definition = self.definition(case)
        clock = pausing.clock_of_case(self.unit, definition)
        if holder is None:
            case["_clock"] = pausing.over(self.unit, case, clock)
        else:
            why = None
            if holder.suspended:
                why = "suspended"
            elif holder.side in definition.pause:
                why = holder.side
            case["_clock"] = pausing.judge(self.unit, case, case, clock, why)
        return bool(case["_clock"])


def parts(
    stretches: Sequence[Mapping[Any, Any]], started: datetime, ended: datetime
) -> dict[str, Any]:
    """Seconds that each side and each party held something between two moments, and for how many
    of these it was suspended. The sides add up to the whole.
    """
    sides = dict.fromkeys(SIDES, 0)
    parties: dict[str, int] = {}
    suspended = 0
    for one in stretches:
        since, until = max(one["since"], started), min(one["until"] or ended, ended)
        took = max(0, held.micros(until - since))
        sides[one["side"]] += took
        suspended += took if one["suspended"] else 0
        if one["party"]:
            parties[one["party"]] = parties.get(one["party"], 0) + took
    return {
        **{side: value / 1_000_000 for side, value in sides.items()},
        "suspended": suspended / 1_000_000,
        "parties": {party: value / 1_000_000 for party, value in parties.items()},
    }
