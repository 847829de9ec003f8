"""What people hear from the hub: at once, unless they sleep or hear too much; not what is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from connectors.email.sandbox import EmailSandbox
from hub.participants import messages, nudges
from hub.participants.messages import Message
from hub.process import cases as moving
from hub.process import clocks
from hub.store import nudges as stored
from hub.store import tables as t
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import PEOPLE, World

PROCESS = """
process: check
accountable: dana
steps:
  look:
    title: Look at ${case.title}
    delivers: A verdict
    responsible: lee
    due: 3d
    remind: {before: [2d, 1d]}
  tell:
    title: Tell us about ${case.title}
    after: [look]
    responsible: "external:ann@globex.test"
    due: 3d
"""
TOMORROW = datetime.now(UTC) + timedelta(days=1)
MIDNIGHT = TOMORROW.replace(hour=0, minute=0, second=0, microsecond=0)
HUB = {"per_day": 6, "at_once": 2}


@pytest.fixture
def world(make: MakeWorld, mail: EmailSandbox) -> World:
    """Lee sleeps from seven in the evening until seven in the morning."""
    people = {**PEOPLE, "people": {**PEOPLE["people"]}}
    people["people"]["lee"] = {**people["people"]["lee"], "quiet_hours": "19:00-07:00"}
    files = {"processes/check.yaml": PROCESS, "people.yaml": yaml.safe_dump(people)}
    made = make({"mail": mail}, files)
    hub = yaml.safe_load(made.files["hub.yaml"])
    made.apply({"hub.yaml": yaml.safe_dump({**hub, "nudges": HUB, "timezone": "UTC"})})
    at(made, 12)
    return made


def at(world: World, hour: float, day: int = 0) -> None:
    """Set the hub's clock: hours of a day from tomorrow on."""
    world.clock.ahead = MIDNIGHT + timedelta(days=day, hours=hour) - datetime.now(UTC)


def start(world: World, *titles: str) -> None:
    for title in titles:
        with world.hub.unit() as unit:
            moving.start(unit, "check", title=title)
    world.work()


def tick(world: World) -> None:
    with world.hub.unit() as unit:
        clocks.fire(unit)
        nudges.flush(unit)
    world.work()


def heard(mail: EmailSandbox, address: str = "lee@acme.test") -> list[str]:
    return [str(one["Subject"]) for one in mail.inbox(address)]


def text(mail: EmailSandbox, address: str = "lee@acme.test") -> str:
    part = mail.inbox(address)[-1].get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def waiting(world: World) -> list[dict[str, Any]]:
    return world.all(t.nudges, t.nudges.c.status == "waiting")


def test_what_comes_at_night_is_told_in_the_morning(world: World, mail: EmailSandbox) -> None:
    at(world, 22)
    start(world, "A", "B")
    assert heard(mail) == []
    assert {row["why"] for row in waiting(world)} == {"quiet hours", "with others"}
    at(world, 6.9, day=1)
    tick(world)
    assert heard(mail) == []
    at(world, 7.01, day=1)
    tick(world)
    assert heard(mail) == ["2 things for you"]
    assert "Look at A" in text(mail)
    assert "Look at B" in text(mail)
    assert waiting(world) == []


def test_what_was_over_by_the_morning_is_not_told(world: World, mail: EmailSandbox) -> None:
    at(world, 22)
    start(world, "A", "B")
    with world.hub.unit() as unit:
        moving.terminate(unit, world.all(t.cases)[0]["id"], "not needed")
    at(world, 8, day=1)
    tick(world)
    assert len(heard(mail)) == 1
    assert "Look at B" in heard(mail)[0]
    dropped = world.all(t.nudges, t.nudges.c.status == "dropped")
    assert [row["why"] for row in dropped] == ["it is done"]


def test_many_at_once_are_one_digest_and_the_history_names_each(
    world: World, mail: EmailSandbox
) -> None:
    start(world, *"ABCDEFG")
    assert len(heard(mail)) == 2
    at(world, 12.2)
    tick(world)
    assert heard(mail)[2:] == ["5 things for you"]
    told = [one for one in world.events("nudge.sent") if one["data"]["to"] == world.party("lee")]
    assert len(told) == 7
    assert len({one["data"].get("digest") for one in told}) == 2
    tick(world)
    assert len(heard(mail)) == 3


def test_beyond_the_budget_of_a_day_comes_one_digest_an_hour(
    world: World, mail: EmailSandbox
) -> None:
    for hour in range(8, 14):
        at(world, hour)
        start(world, f"At {hour}")
    assert len(heard(mail)) == 6
    at(world, 13.2)
    start(world, "X")
    at(world, 13.4)
    start(world, "Y")
    tick(world)
    assert len(heard(mail)) == 6
    at(world, 14.1)
    tick(world)
    assert heard(mail)[6:] == ["2 things for you"]
    at(world, 9, day=1)
    start(world, "A new day")
    assert len(heard(mail)) == 8


def test_a_snoozed_reminder_comes_later_and_others_come(world: World, mail: EmailSandbox) -> None:
    start(world, "A", "B")
    steps = [row for row in world.all(t.steps) if row["key"] == "look"]
    at(world, 11, day=1)
    with world.hub.unit() as unit:
        until = unit.now + timedelta(hours=3)
        stored.snooze(unit.tx, world.party("lee"), steps[0]["id"], until, unit.now)
    at(world, 12.1, day=1)
    tick(world)
    assert heard(mail)[2:] == ["Reminder: Look at B (B)"]
    at(world, 14.1, day=1)
    tick(world)
    assert heard(mail)[3:] == ["Reminder: Look at A (A)"]


def test_those_outside_are_asked_at_once_each_by_a_mail_of_its_own(
    world: World, mail: EmailSandbox
) -> None:
    at(world, 22)
    with world.hub.unit() as unit:
        ann = work.ensure_external(unit.tx, "ann@globex.test", unit.now)
        for number in range(5):
            asked = Message(to=ann, subject=f"Ask {number}", opening="Please.", purpose="request")
            assert messages.send(unit, asked, "stp_none")
    world.work()
    assert len(heard(mail, "ann@globex.test")) == 5


def test_a_digest_answers_what_an_entry_asks(world: World, mail: EmailSandbox) -> None:
    """Each thing in it says what, by when, and where to answer."""
    at(world, 22)
    start(world, "A", "B")
    at(world, 8, day=1)
    tick(world)
    body = text(mail)
    assert body.count("/cases/cas_") == 2
    assert body.count("By:") == 2
    assert body.count("What is delivered: A verdict") == 2


def test_two_who_flush_at_once_tell_once(world: World, mail: EmailSandbox) -> None:
    at(world, 22)
    start(world, "A", "B")
    at(world, 8, day=1)
    with world.hub.unit() as one:
        assert nudges.flush(one) == 2
    with world.hub.unit() as two:
        assert nudges.flush(two) == 0
    world.work()
    assert heard(mail) == ["2 things for you"]


def test_whoever_left_meanwhile_is_told_nothing(world: World, mail: EmailSandbox) -> None:
    at(world, 22)
    start(world, "A")
    with world.hub.database.write() as tx:
        tx.execute(
            t.parties.update().where(t.parties.c.id == world.party("lee")).values(active=False)
        )
    at(world, 8, day=1)
    tick(world)
    assert heard(mail) == []
    assert [row["why"] for row in world.all(t.nudges, t.nudges.c.status == "dropped")] == [
        "nobody to tell"
    ]
