"""Silence never decides: a thousand questions, years without an answer, and not one outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from hub.ids import new_ids
from hub.process import answers, clocks, questions
from hub.store import tables as t
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.panel import Panel, people, process
from tests.hub.flow.world import World

MANY = 1000
JUMPS = (
    timedelta(hours=1), timedelta(hours=30), timedelta(days=3), timedelta(days=40),
    timedelta(days=400), timedelta(days=4000),
)  # fmt: skip


def multiply(world: World, it: Panel, many: int) -> None:
    """More cases like this one, with all that belongs to it."""
    of_case = (t.steps, t.decisions)
    prefixes = {"cases": "cas", "steps": "stp", "decisions": "dec", "seats": "sea", "timers": "tmr"}
    [case] = world.all(t.cases)
    rows = {table.name: world.all(table) for table in of_case}
    rows |= {"cases": [case], "seats": it.seats(), "timers": world.all(t.timers)}
    ids: dict[str, list[str]] = {}
    for name, found in rows.items():
        for row in found:
            ids[row["id"]] = new_ids(prefixes[name], many)
    with world.hub.database.write() as tx:
        for name in ("cases", "steps", "decisions", "seats", "timers"):
            made = [
                {
                    column: ids[value][number] if isinstance(value, str) and value in ids else value
                    for column, value in row.items()
                }
                for row in rows[name]
                for number in range(many)
            ]
            tx.execute(sa.insert(t.metadata.tables[name]), made)


def run_timers(world: World) -> int:
    """Everything that is due by itself, until nothing more is; how many times that took."""
    for count in range(1, 200):
        with world.hub.unit() as unit:
            busy = questions.tend(unit) + clocks.fire(unit) + clocks.note_overdue(unit)
        if not busy:
            return count
    raise AssertionError("the timers do not come to rest")


def outcomes(world: World) -> dict[str | None, int]:
    statement = sa.select(t.decisions.c.outcome, sa.func.count()).group_by(t.decisions.c.outcome)
    with world.hub.database.read() as tx:
        return {row[0]: row[1] for row in tx.execute(statement)}


def voices(world: World) -> int:
    with world.hub.database.read() as tx:
        given = sa.select(sa.func.count()).where(t.seats.c.outcome.is_not(None))
        return int(tx.scalar(given) or 0)


def test_a_thousand_questions_nobody_answers_have_no_outcome(make: MakeWorld) -> None:
    """Over hours, days and years; each can still be decided then, and late timers undo nothing."""
    world = make({}, {
        "people.yaml": people(dana="bob"),
        "processes/credit.yaml": process(
            due="1d", remind={"before": ["2h"], "every": "1d", "max": 2},
            escalate=[{"after": "1d", "to": "accountable"}],
        ),
    })  # fmt: skip
    it = Panel(world)
    multiply(world, it, MANY - 1)
    assert outcomes(world) == {None: MANY}
    for ahead in JUMPS:
        world.clock.ahead = ahead
        run_timers(world)
        assert set(outcomes(world)) <= {None, "expired"}
        assert voices(world) == 0
    assert outcomes(world) == {"expired": MANY}
    assert world.all(t.cases, t.cases.c.status != "active") == []

    seen = it.hash()
    rows: list[dict[str, Any]] = world.all(t.decisions)
    with world.hub.unit() as unit:
        known = work.people(unit.tx)
        for number, row in enumerate(rows):
            who = known[("dana", "bob", "kim")[number % 3]]  # hers, her deputy, another member
            answers.decide(
                unit, row["id"], ("approved", "rejected")[number % 2], who, evidence_hash=seen
            )
    decided = outcomes(world)
    assert decided == {"approved": MANY // 2, "rejected": MANY // 2}

    with world.hub.database.write() as tx:  # timers that nobody stopped in time
        tx.execute(sa.update(t.timers).values(status="set"))
    world.clock.ahead = JUMPS[-1] * 2
    run_timers(world)
    assert outcomes(world) == decided
    assert world.all(t.steps, t.steps.c.status != "completed") == []
    assert world.all(t.cases, t.cases.c.status != "completed") == []
