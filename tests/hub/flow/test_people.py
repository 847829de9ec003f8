"""Users of tools: each is known for one of ours, or shown as unknown; never somebody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from connectors.github.sandbox import GithubSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.redmine.sandbox import RedmineSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from hub.flow import people
from hub.flow.pull import pull
from hub.process import exceptions as settling
from hub.store import accounts, work
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

Row = dict[str, Any]
ACTOR = {"kind": "system", "id": "test", "name": "test"}
EVERYBODY = {
    "dana": {"name": "Dana Meier", "email": "dana@acme.test"},
    "lee": {"name": "Lee Kim", "email": "lee@acme.test"},
    "ann": {"name": "Ann Example", "email": "ann@redmine.example"},
    "bob": {"name": "Bob Example", "email": "bob@redmine.example"},
}


@pytest.fixture
def redmine() -> Iterator[RedmineSandbox]:
    with RedmineSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def jira() -> Iterator[JiraSandbox]:
    with JiraSandbox() as sandbox:
        yield sandbox


def written(**sections: Any) -> dict[str, str]:
    """A people.yaml without any `identities`, unless they are given."""
    return {"people.yaml": yaml.safe_dump({"people": EVERYBODY, **sections})}


def account(world: World, connection: str, id: str | int) -> Row:
    [row] = world.all(
        t.accounts, t.accounts.c.connection == connection, t.accounts.c.external_id == str(id)
    )
    return row


def unmapped(world: World) -> list[Row]:
    return [row for row in world.exceptions() if row["type"] == "unmapped_value"]


# ------------------------------------------------------------------------------------ who is known


def test_an_id_that_a_tool_names_is_whom_its_user_list_says(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    redmine.create({"subject": "Wire it", "assigned_to_id": 2}, 2)
    world = make({"redmine": redmine}, written())
    world.settle(2)
    assert world.task["assignee"] == world.party("ann")
    assert account(world, "redmine", 2)["evidence"] == "email"
    assert unmapped(world) == []


def test_whom_we_assign_is_named_by_the_tools_own_id(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    number = redmine.create({"subject": "Wire it", "assigned_to_id": 2}, 2)["id"]
    world = make({"redmine": redmine}, written())
    world.settle(2)
    world.edit(world.task["id"], assignee=world.party("bob"))
    world.settle(2)
    assert redmine.issues[number]["assigned_to_id"] == 3
    assert world.exceptions() == []


def test_records_that_came_before_their_user_are_mended_by_themselves(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    redmine.create({"subject": "Wire it", "assigned_to_id": 2}, 2)
    redmine.create({"subject": "Test it", "assigned_to_id": 2}, 2)
    world = make({"redmine": redmine}, written())
    pull(world.hub, "redmine", "issue", force=True)
    world.work()
    assert [row["data"]["who"] for row in unmapped(world)] == ["2", "2"]
    pull(world.hub, "redmine", "user", force=True)
    world.work()
    assert {task["assignee"] for task in world.tasks()} == {world.party("ann")}
    assert unmapped(world) == []


def test_salesforce_owners_are_known_by_their_address(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    crm.create_task("Call Ann", owner="dana@acme.test")
    world = make({"crm": crm}, written())
    world.settle(2)
    assert world.task["assignee"] == world.party("dana")
    world.edit(world.task["id"], assignee=world.party("lee"))
    world.settle(2)
    [row] = crm.org.tables["Task"].rows.values()
    assert row["OwnerId"] == crm.user("lee@acme.test")


def test_jira_assignees_are_known_by_their_account(make: MakeWorld, jira: JiraSandbox) -> None:
    id = "5b10dana"
    jira.site.add_person(id, "Dana Meier", "dana@acme.test")
    jira.create_issue("Prepare", assignee={"accountId": id})
    world = make({"jira": jira}, written())
    world.settle(2)
    assert world.task["assignee"] == world.party("dana")
    assert account(world, "jira", id)["handle"] == id


def test_identities_hold_by_whatever_name_they_are_written(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    """The file has the login; the tool's records, and our writes, have the id."""
    number = redmine.create({"subject": "Wire it", "assigned_to_id": 3}, 3)["id"]
    world = make({"redmine": redmine}, written(identities={"redmine": {"dana": "bob"}}))
    world.settle(2)
    assert world.task["assignee"] == world.party("dana")
    assert account(world, "redmine", 3)["evidence"] == "identities"
    world.edit(world.task["id"], assignee=None)
    world.settle(2)
    world.edit(world.task["id"], assignee=world.party("dana"))
    world.settle(2)
    assert redmine.issues[number]["assigned_to_id"] == 3


def test_a_person_who_is_added_is_recognised_without_another_pull(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    redmine.add_user("eve")
    redmine.create({"subject": "Wire it", "assigned_to_id": 4}, 2)
    world = make({"redmine": redmine}, written())
    world.settle(2)
    assert account(world, "redmine", 4)["party"] is None
    assert world.task["assignee"] is None
    eve = {**EVERYBODY, "eve": {"name": "Eve", "email": "eve@redmine.example"}}
    world.apply({"people.yaml": yaml.safe_dump({"people": eve})})
    world.work()
    assert world.task["assignee"] == world.party("eve")
    assert unmapped(world) == []


def test_a_user_whom_nobody_knows_is_shown_and_makes_no_noise(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    redmine.add_user("eve")
    world = make({"redmine": redmine}, written())
    world.settle(2)
    with world.hub.database.read() as tx:
        unknown = accounts.listed(tx, unknown=True)
    assert [row["title"] for row in unknown] == ["Hub Example", "Eve Example"]
    assert world.exceptions() == []
    assert not [row for row in world.all(t.parties) if row["person"] is None]


def test_an_outsider_is_made_on_first_sight_and_followed(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    id = crm.create("Contact", LastName="Keller", FirstName="Ann", Email="ann@globex.test")
    world = make({"crm": crm}, written())
    world.settle(2)
    [ann] = [row for row in world.all(t.parties) if row["person"] is None]
    assert (ann["side"], ann["email"]) == ("external", "ann@globex.test")
    crm.update("Contact", id, Email="ann.keller@globex.test")
    world.settle(2)
    [ann] = [row for row in world.all(t.parties) if row["person"] is None]
    assert ann["email"] == "ann.keller@globex.test"
    assert account(world, "crm", id)["party"] == ann["id"]


# ------------------------------------------------------------------------------ what changes there


def test_a_changed_address_never_moves_an_account_to_somebody_else(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    redmine.create({"subject": "Wire it", "assigned_to_id": 2}, 2)
    world = make({"redmine": redmine}, written())
    world.settle(2)
    redmine.users[2] |= {"mail": "dana@acme.test", "updated_on": redmine.now()}
    world.settle(2)
    assert world.kinds() == ["identity"]
    held = account(world, "redmine", 2)
    assert (held["party"], held["disputed"]) == (world.party("ann"), "dana@acme.test")
    assert world.task["assignee"] == world.party("ann")
    snapshot = world.hub.live.current()
    assert snapshot.party_for("redmine", "dana@acme.test") is None
    world.settle(2)
    assert world.kinds() == ["identity"], "it is asked once"
    [question] = world.exceptions()
    with world.hub.unit() as unit:
        settling.resolve(unit, question["id"], ACTOR, person=world.party("dana"))
    world.settle(2)
    assert account(world, "redmine", 2)["party"] == world.party("dana")
    assert world.exceptions() == []


def test_a_user_with_a_new_address_of_nobody_stays_who_it_is(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    world = make({"redmine": redmine}, written())
    world.settle(2)
    redmine.users[2] |= {"mail": "ann@new.example", "updated_on": redmine.now()}
    world.settle(2)
    assert account(world, "redmine", 2)["party"] == world.party("ann")
    assert world.hub.live.current().party_for("redmine", "ann@new.example") == world.party("ann")
    assert world.exceptions() == []


def test_somebody_who_is_deactivated_is_shown_and_given_nothing(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    redmine.create({"subject": "Wire it", "assigned_to_id": 2}, 2)
    world = make({"redmine": redmine}, written())
    world.settle(2)
    redmine.users[2] |= {"status": 3, "updated_on": redmine.now()}
    world.settle(2)
    held = account(world, "redmine", 2)
    assert (held["active"], held["party"]) == (False, world.party("ann"))
    snapshot = world.hub.live.current()
    assert snapshot.party_for("redmine", "2") == world.party("ann")
    assert snapshot.handle_for("redmine", world.party("ann")) is None
    assert world.task["assignee"] == world.party("ann")


def test_nobody_becomes_another_by_taking_their_id_for_a_login(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    redmine.users[3]["login"] = "2"
    world = make({"redmine": redmine}, written())
    world.settle(2)
    assert world.hub.live.current().party_for("redmine", "2") == world.party("ann")


def test_a_name_of_two_people_is_nobodys(make: MakeWorld, redmine: RedmineSandbox) -> None:
    for number in (2, 3):
        redmine.users[number]["login"] = "shared"
    world = make({"redmine": redmine}, written())
    world.settle(2)
    snapshot = world.hub.live.current()
    assert snapshot.party_for("redmine", "shared") is None
    assert snapshot.party_for("redmine", "3") == world.party("bob")


# ------------------------------------------------------------------------------------ a person says


def test_saying_who_it_is_mends_every_record_that_waits(
    world: World, github: GithubSandbox
) -> None:
    world.apply(written())
    for title in ("One", "Two"):
        github.open_issue(title, assignees=["lkim"])
    world.settle(2)
    first, _ = unmapped(world)
    with world.hub.unit() as unit:
        settling.resolve(unit, first["id"], ACTOR, person=world.party("lee"))
    world.work()
    assert {task["assignee"] for task in world.tasks()} == {world.party("lee")}
    assert world.exceptions() == []
    [said] = world.events("party.identified")
    assert (said["subject"], said["data"]["name"]) == (world.party("lee"), "lkim")
    world.settle(2)
    assert not world.pushes(), "what the tool said is not said back"


def test_what_was_said_is_taken_back(world: World, github: GithubSandbox) -> None:
    world.apply(written())
    with world.hub.unit() as unit:
        lee = work.load(unit.tx, "party", [world.party("lee")])[world.party("lee")]
        people.identify(unit, "github", "LKim", lee)
    assert world.hub.live.current().party_for("github", "lkim") == world.party("lee")
    assert world.hub.live.current().handle_for("github", world.party("lee")) == "LKim"
    with world.hub.unit() as unit:
        people.unidentify(unit, "github", "lkim")
    assert world.hub.live.current().party_for("github", "lkim") is None


def test_tasks_that_went_to_the_wrong_person_go_to_the_right_one_once_it_is_said(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    """Corrected, taken back and denied; what was given to somebody by hand here stays theirs."""

    def say(party: str | None) -> None:
        with world.hub.unit() as unit:
            if party is None:
                people.unidentify(unit, "redmine", "2")
            else:
                who = work.load(unit.tx, "party", [world.party(party)])[world.party(party)]
                people.identify(unit, "redmine", "2", who)
        world.settle(2)

    def holders() -> list[str]:
        return [task["assignee"] for task in sorted(world.tasks(), key=lambda one: one["title"])]

    redmine.create({"subject": "A", "assigned_to_id": 2}, 2)
    redmine.create({"subject": "B", "assigned_to_id": 3}, 3)
    world = make({"redmine": redmine}, written())
    world.settle(2)
    ann, bob, lee = (world.party(name) for name in ("ann", "bob", "lee"))
    assert holders() == [ann, bob]
    say("lee")
    assert holders() == [lee, bob]
    say(None)
    assert holders() == [ann, bob], "its address speaks for her again"
    assert world.exceptions() == []
    say(None)
    [asked] = unmapped(world)
    assert (asked["data"]["who"], asked["data"]["field"]) == ("2", "assignee")
    say("lee")
    assert holders() == [lee, bob]
    assert world.exceptions() == []
    assert not world.pushes(), "what the tool said is not said back"


def test_a_mere_name_that_was_somebody_elses_is_set_right(
    world: World, github: GithubSandbox
) -> None:
    world.apply(written())
    github.open_issue("One", assignees=["lkim"])
    parties = [world.party("dana"), world.party("lee")]
    for party in parties:
        with world.hub.unit() as unit:
            people.identify(unit, "github", "lkim", work.load(unit.tx, "party", [party])[party])
        world.settle(2)
        assert world.task["assignee"] == party
    assert world.exceptions() == []
    assert not world.pushes()


def test_an_address_that_a_person_denies_speaks_for_nobody(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    world = make({"redmine": redmine}, written())
    world.settle(2)
    with world.hub.unit() as unit:
        people.unidentify(unit, "redmine", "2")
    world.settle(2)
    snapshot = world.hub.live.current()
    assert snapshot.party_for("redmine", "2") is None
    assert snapshot.party_for("redmine", "ann@redmine.example") is None
    assert account(world, "redmine", 2)["evidence"] == "person"


def test_whom_we_cannot_name_there_is_written_once_a_person_says(
    world: World, github: GithubSandbox
) -> None:
    world.apply(written())
    world.create("github", title="Ours", assignee=world.party("lee"))
    world.settle(2)
    [trouble] = unmapped(world)
    assert trouble["data"]["direction"] == "out"
    with world.hub.unit() as unit:
        settling.resolve(unit, trouble["id"], ACTOR, account="lkim")
    world.settle(2)
    assert github.issue(1)["assignee"]["login"] == "lkim"
    assert world.exceptions() == []


# ---------------------------------------------------------------------------------------- the queue


def test_a_queue_gets_what_belongs_to_somebody_without_an_account(
    world: World, github: GithubSandbox
) -> None:
    """Openly: the true assignee stays ours, and the queue's name comes back as nothing new."""
    world.apply(written(identities={"github": {"dana": "dmeier"}}, fallback={"github": "lkim"}))
    task = world.create("github", title="Ours", assignee=world.party("lee"))
    world.settle(3)
    assert github.issue(1)["assignee"]["login"] == "lkim"
    assert world.task["assignee"] == world.party("lee")
    assert world.exceptions() == []
    [sent] = world.events("push.sent")
    assert sent["data"]["queued"] == {"assignee": "lkim"}
    github.edit_issue(1, title="Theirs")
    world.settle(3)
    assert (world.task["title"], world.task["assignee"]) == ("Theirs", world.party("lee"))
    assert world.exceptions() == []
    world.edit(task, assignee=world.party("dana"))
    world.settle(3)
    assert github.issue(1)["assignee"]["login"] == "dmeier"
    assert world.exceptions() == []


def test_what_stood_in_the_queue_goes_to_them_once_they_are_known(
    world: World, github: GithubSandbox
) -> None:
    world.apply(written(fallback={"github": "lkim"}))
    world.create("github", title="Ours", assignee=world.party("dana"))
    world.settle(3)
    assert github.issue(1)["assignee"]["login"] == "lkim"
    with world.hub.unit() as unit:
        dana = work.load(unit.tx, "party", [world.party("dana")])[world.party("dana")]
        people.identify(unit, "github", "dmeier", dana)
    world.settle(3)
    assert github.issue(1)["assignee"]["login"] == "dmeier"
    assert world.task["assignee"] == world.party("dana")


def test_a_hand_that_moves_work_from_a_known_person_to_the_queue_is_asked_about(
    world: World, github: GithubSandbox
) -> None:
    world.apply(written(identities={"github": {"dana": "dmeier"}}, fallback={"github": "lkim"}))
    world.create("github", title="Ours", assignee=world.party("dana"))
    world.settle(3)
    github.edit_issue(1, assignees=["lkim"])
    world.settle(3)
    assert world.task["assignee"] == world.party("dana")
    assert [row["data"]["who"] for row in unmapped(world)] == ["lkim"]


# ---------------------------------------------------------------------------------------- thousands


def test_a_full_pull_of_people_writes_nothing_when_nothing_differs(
    make: MakeWorld, redmine: RedmineSandbox
) -> None:
    for number in range(30):
        redmine.add_user(f"user{number}")
    world = make({"redmine": redmine}, written())
    world.settle(2)
    before = world.all(t.accounts)
    assert len(before) == 33
    pull(world.hub, "redmine", "user", full=True)
    world.work()
    assert world.all(t.accounts) == before


def test_what_a_person_says_while_users_come_in_stands(
    make: MakeWorld, redmine: RedmineSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes accounts back has read them after anybody else wrote some."""
    nobody = {"people": {"dana": EVERYBODY["dana"]}}
    world = make({"redmine": redmine}, {"people.yaml": yaml.safe_dump(nobody)})
    world.pull("redmine")
    world.work()
    with world.hub.database.write() as tx:
        tx.execute(t.accounts.update().values(title="As it was"))
    [unknown, *_] = world.all(t.accounts, t.accounts.c.party.is_(None))
    dana = {"id": world.party("dana"), "name": "Dana"}

    def says() -> None:
        with world.hub.unit() as unit:
            people.identify(unit, "redmine", unknown["external_id"], dana)

    saying = threading.Thread(target=says)
    evidence = people._evidence

    def meanwhile(*args: Any) -> Any:
        if not saying.ident:
            saying.start()
            saying.join(1)  # as far as it gets before this transaction ends
        return evidence(*args)

    monkeypatch.setattr(people, "_evidence", meanwhile)
    pull(world.hub, "redmine", "user", full=True, restart=True, force=True)
    world.work()
    saying.join()
    found = account(world, "redmine", unknown["external_id"])
    assert (found["party"], found["evidence"]) == (dana["id"], "person")
    assert found["title"] != "As it was"
