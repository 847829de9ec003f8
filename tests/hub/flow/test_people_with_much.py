"""Somebody who stands in a great many records is set right some records at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.redmine.sandbox import RedmineSandbox
from hub.flow import people
from hub.store import accounts, work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.test_people import unmapped, written
from tests.hub.flow.world import World

MANY = 5


@pytest.fixture
def redmine() -> Iterator[RedmineSandbox]:
    with RedmineSandbox() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "PAGE", 2)


def identify(world: World, connection: str, name: str, party: str) -> None:
    with world.hub.unit() as unit:
        who = work.load(unit.tx, "party", [world.party(party)])[world.party(party)]
        people.identify(unit, connection, name, who)
    world.settle(2)


def test_what_went_to_the_wrong_person_goes_to_the_right_one(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    for number in range(MANY):
        redmine.create({"subject": f"Issue {number}", "assigned_to_id": 2}, 2)
    world = make({"redmine": redmine}, written())
    world.settle(2)
    ann, lee = world.party("ann"), world.party("lee")
    assert [task["assignee"] for task in world.tasks()] == [ann] * MANY
    with world.hub.database.read() as tx:
        pages = list(accounts.links_held_by(tx, "task", ["assignee", "requester"], ann, "redmine"))
    assert list(map(len, pages)) == [2, 2, 1]
    order = [link["entity_id"] for page in pages for link in page]
    assert order == sorted(task["id"] for task in world.tasks()), "as entities are locked"
    identify(world, "redmine", "2", "lee")
    assert [task["assignee"] for task in world.tasks()] == [lee] * MANY
    assert not world.pushes(), "what the tool said is not said back"


def test_what_stood_in_the_queue_goes_to_them(world: World, github: GithubSandbox) -> None:
    world.apply(written(fallback={"github": "lkim"}))
    for number in range(MANY):
        world.create("github", title=f"Ours {number}", assignee=world.party("dana"))
    world.settle(3)
    assert {row["assignee"]["login"] for row in github.issues()} == {"lkim"}
    identify(world, "github", "dmeier", "dana")
    world.settle(2)
    assert {row["assignee"]["login"] for row in github.issues()} == {"dmeier"}


def test_what_waited_for_a_name_goes_on(world: World, github: GithubSandbox) -> None:
    world.apply(written())
    for number in range(MANY):
        github.open_issue(f"Issue {number}", assignees=["lkim"])
    world.settle(2)
    assert len(unmapped(world)) == MANY
    pages, after = [], ""
    with world.hub.database.read() as tx:
        while not pages or after:
            found, after = accounts.waiting(tx, {"github"}, after)
            pages.append(len(found))
    assert pages == [2, 2, 1]
    identify(world, "github", "lkim", "lee")
    assert {task["assignee"] for task in world.tasks()} == {world.party("lee")}
    assert world.exceptions() == []
