"""Clocks at work: whose calendar counts, when they stand, who held the ball, and what past runs
warn of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.process import ball, clocks, proposals
from hub.process import cases as moving
from hub.process.figures import measure
from hub.process.forecast import Forecaster, risk_of
from hub.store import cases, held, work
from hub.store import tables as t
from hub.workspace import load
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import CONNECTORS, World

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
HUB = """
name: acme-ops
timezone: UTC
calendar: {hours: "09:00-17:00"}
calendars:
  weekend: {workdays: [sat, sun], hours: "10:00-12:00"}
  nights: {workdays: [mon, tue, wed, thu, fri], hours: "00:00-08:00", timezone: Asia/Kathmandu}
"""
FOLK = """
people:
  dana: {name: Dana Meier, email: dana@acme.test}
  lee: {name: Lee Kim, email: lee@acme.test, timezone: America/New_York}
  noa: {name: Noa Levi, email: noa@acme.test, calendar: weekend}
roles:
  ops: [dana]
  legal: [lee]
  desk: {members: [lee, dana], calendar: nights}
"""
PROCESS = """
process: deal
accountable: role:ops
due: 5bd
pause: [external]
steps:
  contract:
    title: Sign the contract
    delivers: A contract
    responsible: dana
    due: 2bd
    pause: [external, system]
    remind: {before: [4bh], every: 1bd, max: 2}
    escalate: [{after: 1bd, to: accountable}]
  form:
    title: Send your number
    after: [contract]
    responsible: dana
  build: {title: Build it, after: [contract], responsible: dana, due: 3d}
"""


class Held:
    """A world whose clock is set, not added to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = MONDAY
        world.hub.clock = lambda: self.now

    def start(self, key: str | None = None) -> str:
        with self.world.hub.unit() as unit:
            return moving.start(unit, "deal", title="Onboard Ann", key=key)[0]

    def step(self, key: str = "contract", case: str | None = None) -> dict[str, Any]:
        rows = [
            row
            for row in self.world.all(t.steps)
            if row["key"] == key and case in (None, row["case_id"])
        ]
        return rows[-1]

    def set(self, key: str = "contract", case: str | None = None, **values: Any) -> None:
        self.world.edit(self.step(key, case)["task"], **values)

    def tick(self) -> None:
        with self.world.hub.unit() as unit:
            clocks.fire(unit)
            clocks.note_overdue(unit)

    def parts(self, subject: Mapping[str, Any], case: str) -> dict[str, Any]:
        with self.world.hub.database.read() as tx:
            stretches = held.of(tx, [case]).get(subject["id"], [])
        return ball.parts(stretches, subject["started_at"], subject["completed_at"] or self.now)


@pytest.fixture
def desk(make: MakeWorld) -> Held:
    world = make({}, {"hub.yaml": HUB, "people.yaml": FOLK, "processes/deal.yaml": PROCESS})
    return Held(world)


def process(**contract: Any) -> str:
    import yaml

    spec = yaml.safe_load(PROCESS)
    spec["steps"]["contract"] = {"title": "Sign", "due": "1bd", **contract}
    return yaml.safe_dump(spec, sort_keys=False)


# ------------------------------------------------------------------------------- whose calendar


@pytest.mark.parametrize(
    ("contract", "due"),
    [
        ({"responsible": "dana"}, "2026-03-03T09:00"),
        ({"responsible": "lee"}, "2026-03-03T14:00"),  # New York opens at 14:00 UTC
        ({"responsible": "role:legal"}, "2026-03-03T14:00"),
        ({"responsible": "noa"}, "2026-03-07T12:00"),  # a weekend's closing
        ({"responsible": "role:desk"}, "2026-03-03T02:15"),  # Kathmandu's nights end
        ({"responsible": "noa", "calendar": "nights"}, "2026-03-03T02:15"),
        ({"responsible": "external:ann@globex.test"}, "2026-03-03T09:00"),
    ],
)
def test_the_calendar_is_the_steps_or_that_of_whoever_is_responsible(
    desk: Held, contract: dict[str, Any], due: str
) -> None:
    desk.world.apply({"processes/deal.yaml": process(**contract)})
    desk.start()
    assert desk.step()["due_by"] == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_process_has_a_calendar_that_its_people_without_one_keep(desk: Held) -> None:
    desk.world.apply(
        {
            "processes/deal.yaml": process(responsible="lee").replace(
                "due: 5bd", "due: 1bd\ncalendar: weekend"
            )
        }
    )
    desk.start()
    saturday = datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert desk.step()["due_by"] == desk.world.case["due_by"] == saturday


def test_a_promised_date_stays_when_somebody_else_gets_the_work(desk: Held) -> None:
    desk.start()
    before = desk.step()["due_by"]
    desk.set(assignee=desk.world.party("noa"))
    assert desk.step()["due_by"] == before


# ---------------------------------------------------------------------------- clocks that stand


def test_a_clock_stands_while_it_waits_for_whom_its_file_names(desk: Held) -> None:
    case = desk.start()
    promised = desk.step()["due_by"]
    assert promised == datetime(2026, 3, 4, 9, tzinfo=UTC)
    desk.now = MONDAY + timedelta(hours=2)
    desk.set(waiting_on="external")
    stands = desk.step()
    assert (stands["paused_at"], stands["paused_why"]) == (desk.now, "external")
    assert stands["waiting_on"] == "external"
    assert desk.world.case["paused_at"] == desk.now
    desk.now = datetime(2026, 3, 13, 9, tzinfo=UTC)  # long past its due, nobody hears of it
    desk.tick()
    assert desk.world.exceptions() == []
    assert desk.world.events("nudge.sent") == []
    assert desk.world.case["health"] == "on_track"
    desk.now = datetime(2026, 3, 13, 11, tzinfo=UTC)
    desk.set(waiting_on="internal")
    goes = desk.step()
    # it stood for nine working days to the minute: Monday 11:00 to Friday 11:00 a week later
    assert goes["paused_at"] is None
    assert goes["paused_for"] == 9 * 8 * 3600
    assert goes["due_by"] == datetime(2026, 3, 16, 17, tzinfo=UTC)
    task = desk.world.all(t.tasks, t.tasks.c.id == goes["task"])[0]
    assert task["due"] == goes["due"]
    assert [row["type"] for row in desk.world.events() if row["type"].startswith("clock.")] == [
        "clock.paused", "clock.paused", "clock.resumed", "clock.resumed",
    ]  # fmt: skip
    calendar = desk.world.hub.live.current().workspace.calendar
    left = calendar.working_time(MONDAY + timedelta(hours=2), promised)
    assert calendar.working_time(desk.now, goes["due_by"]) == left
    assert desk.parts(goes, case)["external"] == 11 * 86400
    assert desk.world.chain() is None


def test_its_timers_move_with_it_and_each_fires_once(desk: Held) -> None:
    desk.start()
    desk.now = MONDAY + timedelta(hours=2)
    desk.set(waiting_on="system")
    desk.now += timedelta(days=7)
    desk.set(waiting_on="internal")
    due = desk.step()["due_by"]
    fired: list[datetime] = []
    for _ in range(24 * 30):
        desk.now += timedelta(hours=1)
        with desk.world.hub.unit() as unit:
            fired += [desk.now] * clocks.fire(unit)
    calendar = desk.world.hub.live.current().workspace.calendar
    assert len(fired) == 4
    assert calendar.working_time(fired[0], due) == timedelta(hours=4)
    assert fired[1:] == sorted(fired[1:])
    assert fired[1] > due


def test_a_task_on_hold_stops_the_clock_of_its_step(desk: Held) -> None:
    desk.start()
    desk.set(status="in_progress")
    desk.set(status="on_hold")
    assert desk.step()["paused_why"] == "on_hold"
    desk.now += timedelta(hours=3)
    desk.set(status="in_progress")
    assert desk.step()["due_by"] == datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_a_suspended_case_stops_every_clock_and_time_is_still_accounted_for(desk: Held) -> None:
    case = desk.start()
    with desk.world.hub.unit() as unit:
        suspend(unit, case, "suspended")
    assert desk.step()["paused_why"] == "suspended"
    assert desk.world.case["paused_why"] == "suspended"
    desk.now += timedelta(days=1)
    with desk.world.hub.unit() as unit:
        suspend(unit, case, "active")
    step = desk.step()
    assert step["due_by"] == datetime(2026, 3, 4, 17, tzinfo=UTC)
    assert desk.world.case["due_by"] == datetime(2026, 3, 9, 17, tzinfo=UTC)
    desk.now += timedelta(hours=1)
    parts = desk.parts(step, case)
    assert parts["internal"] == 25 * 3600
    assert parts["suspended"] == 24 * 3600


def suspend(unit: Any, case: str, status: str) -> None:
    row = cases.load(unit.tx, [case], lock=True)[case]
    row["status"] = status
    cases.save(unit.tx, row)
    unit.emit("case.suspended" if status == "suspended" else "case.resumed", case, case=case)


def test_what_was_late_before_stays_late(desk: Held) -> None:
    desk.start()
    desk.now = datetime(2026, 3, 5, 9, tzinfo=UTC)
    desk.tick()
    late = desk.step()["due_by"]
    desk.set(waiting_on="external")
    assert desk.world.case["health"] == "overdue"
    desk.now += timedelta(days=1)
    desk.set(waiting_on="internal")
    assert desk.step()["due_by"] == late
    assert desk.world.kinds() == ["overdue"]


def test_a_step_that_ends_while_its_clock_stands_stops_its_timers(desk: Held) -> None:
    desk.start()
    desk.set(waiting_on="external")
    desk.now += timedelta(hours=1)
    desk.set(status="done")
    step = desk.step()
    assert (step["status"], step["paused_at"], step["paused_for"]) == ("completed", None, 3600)
    assert {row["status"] for row in desk.world.all(t.timers)} == {"stopped"}


# ------------------------------------------------------------------------------- who had the ball


def test_work_that_is_offered_lies_with_whoever_offers_it_until_it_is_accepted(
    desk: Held,
) -> None:
    desk.world.apply({"processes/deal.yaml": process(responsible="noa")})
    case = desk.start()
    desk.now += timedelta(hours=1)
    desk.set(status="in_progress")
    desk.now += timedelta(hours=2)
    parties = desk.parts(desk.step(), case)["parties"]
    assert parties == {desk.world.party("dana"): 3600, desk.world.party("noa"): 7200}


def test_a_case_lies_with_us_as_long_as_one_of_its_steps_does(desk: Held) -> None:
    case = desk.start()
    desk.set(status="done")
    desk.now += timedelta(hours=1)
    desk.set("form", waiting_on="external")
    desk.now += timedelta(hours=1)
    desk.set("build", waiting_on="system")
    desk.now += timedelta(hours=1)
    desk.set("form", status="done")
    desk.now += timedelta(hours=1)
    desk.set("build", status="done")
    ended = desk.world.case
    assert ended["status"] == "completed"
    found = desk.parts(ended, case)
    assert (found["internal"], found["external"], found["system"]) == (7200, 3600, 3600)
    assert desk.parts(desk.step("form"), case)["external"] == 7200


moves = st.lists(
    st.tuples(
        st.sampled_from(["contract", "form", "build"]),
        st.sampled_from(
            [
                {"waiting_on": "external"},
                {"waiting_on": "internal"},
                {"waiting_on": "system"},
                {"status": "on_hold"},
                {"status": "in_progress"},
                {"status": "done"},
                "suspend",
                "resume",
                "tick",
            ]
        ),
        st.integers(0, 5 * 86400 * 10**6),
    ),
    max_size=12,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves)
def test_the_parts_add_up_to_the_time_that_passed_whatever_happens(
    desk: Held, history: list[tuple[str, Any, int]]
) -> None:
    case = desk.start()
    for key, move, after in history:
        desk.now += timedelta(microseconds=after)
        row = next(one for one in desk.world.all(t.cases) if one["id"] == case)
        if isinstance(move, str):
            if move == "tick":
                desk.tick()
            elif row["status"] == ("active" if move == "suspend" else "suspended"):
                with desk.world.hub.unit() as unit:
                    suspend(unit, case, "suspended" if move == "suspend" else "active")
            continue
        step = desk.step(key, case)
        if step["status"] != "active" or row["status"] != "active":
            continue
        if work_status(desk, step) == "on_hold" and move.get("status") == "done":
            desk.set(key, case, status="in_progress")
        if move.get("status") != work_status(desk, step):
            desk.set(key, case, **move)
    rows = [one for one in desk.world.all(t.cases) if one["id"] == case]
    rows += [
        one
        for one in desk.world.all(t.steps)
        if one["case_id"] == case and one["started_at"] is not None
    ]
    with desk.world.hub.database.read() as tx:
        stretches = held.of(tx, [case])
    for row in rows:
        ended = row["completed_at"] or desk.now
        took = held.micros(ended - row["started_at"])
        mine = stretches.get(row["id"], [])
        assert all(a["until"] == b["since"] for a, b in pairwise(mine))
        assert sum(held.micros((one["until"] or desk.now) - one["since"]) for one in mine) == took
        found = ball.parts(mine, row["started_at"], ended)
        assert sum(round(found[side] * 10**6) for side in ball.SIDES) == took
        if row["completed_at"]:
            assert sum(one["micros"] for one in mine) == took


def work_status(desk: Held, step: dict[str, Any]) -> str:
    with desk.world.hub.database.read() as tx:
        return str(work.load(tx, "task", [step["task"]])[step["task"]]["status"])


# ------------------------------------------------------------------------------------- forecasts


def past(desk: Held, *days: int) -> list[str]:
    """Cases whose contract took so many days of working time."""
    made = []
    for day in days:
        desk.now = MONDAY
        made.append(desk.start())
        desk.now = desk.world.hub.live.current().workspace.calendar.after_working(
            MONDAY, timedelta(hours=8 * day)
        )
        desk.set("contract", made[-1], status="done")
    return made


def test_a_step_like_those_that_were_late_is_told_of_once(desk: Held) -> None:
    before = past(desk, 1, 1, 1, 3, 3, 3, 4, 4, 5)
    desk.now = MONDAY + timedelta(days=21)
    case = desk.start()
    look = Forecaster(desk.world.hub).look
    desk.now += timedelta(hours=1)
    assert look() == 1
    assert look() == 0
    step = desk.step("contract", case)
    assert step["at_risk"]
    [told] = desk.world.events("clock.at_risk")
    assert (told["subject"], told["data"]["late"], told["data"]["of"]) == (step["id"], 6, 9)
    [proposal] = desk.world.all(t.proposals)
    assert (proposal["kind"], proposal["target"]) == ("at_risk", step["id"])
    assert "6 of 9 like it" in proposal["text"]
    assert set(proposal["citations"]) <= set(before)
    health = {row["id"]: row["health"] for row in desk.world.all(t.cases)}
    assert health[case] == "at_risk"
    desk.now += timedelta(hours=1)
    desk.set("contract", case, status="done")
    assert [row["status"] for row in desk.world.all(t.proposals)] == ["expired"]
    assert len(desk.world.events("proposal.expired")) == 1
    assert not desk.step("contract", case)["at_risk"]


def test_a_forecast_is_silent_where_little_is_known_or_all_went_well(desk: Held) -> None:
    past(desk, 3, 3, 3, 3, 3, 3, 3)
    desk.now = MONDAY + timedelta(days=21)
    desk.start()
    assert Forecaster(desk.world.hub).look() == 0
    assert risk_of([(8.0, "c")] * 7 + [(20.0, "c")], 1, 10) is None
    assert risk_of([(8.0, "c")] * 7 + [(20.0, "c")], 9, 10) is not None


def test_a_warned_step_whose_due_moves_is_judged_anew(desk: Held) -> None:
    past(desk, 3, 3, 3, 3, 3, 3, 3, 3)
    desk.now = MONDAY + timedelta(days=21)
    case = desk.start()
    look = Forecaster(desk.world.hub).look
    assert look() == 1
    desk.set("contract", case, waiting_on="external")
    desk.now += timedelta(days=7)
    assert look() == 0
    desk.set("contract", case, waiting_on="internal")
    assert [row["status"] for row in desk.world.all(t.proposals)] == ["expired"]
    assert look() == 1


def test_a_person_who_rejects_a_warning_hears_no_more_of_it(desk: Held) -> None:
    past(desk, 3, 3, 3, 3, 3, 3, 3, 3)
    desk.now = MONDAY + timedelta(days=21)
    desk.start()
    look = Forecaster(desk.world.hub).look
    assert look() == 1
    with desk.world.hub.unit() as unit:
        [row] = desk.world.all(t.proposals)
        proposals.reject(unit, row["id"], work.people(unit.tx)["dana"])
    assert look() == 0


# --------------------------------------------------------------------------------------- figures


def test_the_figures_tell_who_held_what_and_what_went_otherwise(desk: Held) -> None:
    past(desk, 1, 2)
    with desk.world.hub.database.read() as tx:
        found = measure(tx, "deal", desk.now)
    contract = next(one for one in found.steps if one.key == "contract")
    assert contract.held.internal == contract.elapsed
    assert [(one.name, one.side) for one in contract.holders] == [("Dana Meier", "internal")]
    assert found.held.internal + found.held.external + found.held.system == found.elapsed
    assert found.rework.runs == 0
    assert found.handoff_delay.count == 0
    assert found.exceptions.per_100_cases == 0
    assert found.proposals.answered == 0


def test_people_yaml_names_calendars_that_are_there() -> None:
    wrong = load(
        {
            "hub.yaml": HUB.replace("nights:", "nihgts:"),
            "people.yaml": FOLK,
            "processes/deal.yaml": PROCESS.replace("due: 5bd", "due: 5bd\ncalendar: weekned")
            .replace("[external, system]", "[outside]")
            .replace("due: 3d", "pause: [external]"),
        },
        CONNECTORS,
    )
    said = [str(one) for one in wrong.errors]
    assert any(one.startswith("people.yaml:9:") and "nihgts" in one for one in said), said
    assert any("weekned" in one and "weekend" in one for one in said), said
    assert any("nothing waits on 'outside'" in one for one in said), said
    assert any("no clock that could stand still" in one for one in said), said
