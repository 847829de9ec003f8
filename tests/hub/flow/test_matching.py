"""A record that nobody knows is told to be something that is here, by what its mapping says."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.sdk import Record
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import linking
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.process import exceptions as settling
from hub.process.answers import Refused
from hub.store import sameness, work
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.order_numbers import FILES, ROW
from tests.hub.flow.test_merging import during_push
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}


@pytest.fixture
def both(make: MakeWorld, github: GithubSandbox, tracker: SpreadsheetSandbox) -> World:
    return make({"github": github, "tracker": tracker}, FILES)


def settled(world: World, id: str, choose: Any) -> None:
    with world.hub.unit() as unit:
        settling.resolve(unit, id, ACTOR, choice=settling.Choice(choose))


def test_what_agrees_by_key_is_linked_and_differences_follow_the_policy(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    """One task in two tools; the title differs: a person is asked, and nothing is overwritten."""
    github.open_issue("Wire the tenant", body="Order A-17")
    both.pull("github")
    both.work()
    tracker.edit("R1", Title="Wire tenant", Status="Open", Notes=" a-17 ")
    both.settle()
    assert {link["connection"] for link in both.links()} == {"github", "tracker"}
    assert len({link["entity_id"] for link in both.links()}) == 1
    assert both.task["title"] == "Wire the tenant"
    conflicts = {row["data"]["field"] for row in both.exceptions()}
    assert both.kinds() == ["sync_conflict"] * len(conflicts)
    assert "title" in conflicts
    assert github.issue(1)["title"] == "Wire the tenant"
    [added] = both.events("link.added")
    assert added["data"]["matched"] == {"custom.order_no": " a-17 "}
    assert "mappings/row.yaml" in added["data"]["mapping"]["match"]


def test_what_the_other_side_leaves_empty_is_filled_and_is_no_conflict(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    github.open_issue("Wire the tenant", body="Order A-17", assignees=["dmeier"])
    both.pull("github")
    both.work()
    tracker.edit("R1", Title="Wire the tenant", Status="Open", Notes="A-17", Owner="")
    both.settle()
    assert both.exceptions() == []
    [row] = tracker.rows()
    assert row["Owner"] == "dana@acme.test"
    both.settle()
    before = len(github.ledger)
    both.settle()
    assert len(github.ledger) == before


@pytest.mark.parametrize("first", ["github", "tracker"])
@pytest.mark.parametrize("batches", [1, 2])
def test_any_order_and_any_batch_gives_the_same(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox, first: str, batches: int
) -> None:
    github.open_issue("One", body="Order A-1")
    github.open_issue("Two", body="Order A-2")
    github.open_issue("Three")
    github.open_issue("Open to doubt")
    for id, title, number in (
        ("R1", "Two", "A-2"), ("R2", "One", "A-1"), ("R3", "Four", ""), ("R4", "Open to Doubt", ""),
    ):  # fmt: skip
        tracker.edit(id, Title=title, Status="Open", Notes=number)
    second = {"github": "tracker", "tracker": "github"}[first]
    for name in (first, second):
        both.pull(name)
        if batches == 2:
            both.work()
    both.work()
    both.settle()
    groups: dict[str, set[str]] = {}
    for link in both.links():
        groups.setdefault(link["entity_id"], set()).add(link["external_id"])
    linked = sorted(sorted(group) for group in groups.values() if len(group) > 1)
    assert sorted(group[-1] for group in linked) == ["R1", "R2"]
    assert len(groups) == 6
    assert both.kinds() == ["duplicate"]
    [asked] = both.exceptions()
    assert asked["data"]["agree"]["title"].casefold() == "open to doubt"


def test_several_that_agree_are_never_linked_silently(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    for title in ("One", "Another"):
        both.create(title=title, **{"custom.order_no": "A-1"})
    github.open_issue("A third", body="Order A-1")
    both.settle()
    assert len(both.tasks()) == 3
    [asked] = both.exceptions()
    assert asked["type"] == "duplicate"
    assert {one["title"] for one in asked["data"]["candidates"]} == {"One", "Another"}
    with pytest.raises(Refused, match="separate"):
        settled(both, asked["id"], "ours")
    one = next(row["id"] for row in both.tasks() if row["title"] == "One")
    settled(both, asked["id"], one)
    assert len(both.tasks()) == 2
    [link] = both.links()
    assert link["entity_id"] == one
    both.settle()
    assert github.issue(1)["title"] == "One"
    assert both.exceptions() == []


def test_two_records_of_one_tool_are_shown_once_and_each_stays_a_task(
    both: World, tracker: SpreadsheetSandbox
) -> None:
    for id in ("R1", "R2", "R3"):
        tracker.edit(id, Title=f"Row {id}", Status="Open", Notes="A-1")
    both.settle()
    assert len(both.tasks()) == 3
    [asked] = both.exceptions()
    assert asked["type"] == "duplicate"
    assert "tracker has two records" in asked["title"]
    with pytest.raises(Refused, match="tracker"):
        settled(both, asked["id"], asked["data"]["candidates"][0]["id"])
    settled(both, asked["id"], "separate")
    both.settle()
    assert both.exceptions() == []


def test_who_was_kept_apart_is_not_asked_about_again(
    both: World, github: GithubSandbox, tracker: SpreadsheetSandbox
) -> None:
    github.open_issue("Same title")
    both.settle()
    tracker.edit("R1", Title="Same title", Status="Open")
    both.settle()
    [asked] = both.exceptions()
    settled(both, asked["id"], "separate")
    [row] = [link for link in both.links() if link["connection"] == "tracker"]
    with both.hub.unit() as unit:
        task = work.load(unit.tx, "task", [row["entity_id"]], lock=True)[row["entity_id"]]
        linking.unlink(unit, "task", task, "tracker", "new")
    both.settle()
    assert both.exceptions() == []
    assert len(both.tasks()) == 3


def test_an_unlinked_record_is_left_alone_until_somebody_asks(
    both: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.edit("R1", Title="One", Status="Open")
    both.settle()
    task = both.task
    with both.hub.unit() as unit:
        linking.unlink(unit, "task", task, "tracker", "leave")
    tracker.edit("R1", Title="One, edited")
    both.settle()
    assert both.task["title"] == "One"
    assert both.links() == []
    with both.hub.unit() as unit:
        linking.ask_for(unit, "tracker", "row", "R1")
    both.settle()
    assert sorted(row["title"] for row in both.tasks()) == ["One", "One, edited"]


def test_relinking_takes_another_record_and_leaves_the_former_one_alone(
    both: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.edit("R1", Title="One", Status="Open")
    both.settle()
    tracker.edit("R2", Title="Two", Status="Open")
    with both.hub.unit() as unit:
        task = work.load(unit.tx, "task", [both.task["id"]], lock=True)[both.task["id"]]
        linking.relink(unit, "task", task, "tracker", None, "R2")
    tracker.edit("R1", Title="One, edited")
    both.settle()
    assert [link["external_id"] for link in both.links()] == ["R2"]
    assert both.task["title"] == "One"
    assert both.kinds() == ["sync_conflict"]


def test_finished_tasks_are_recognised_by_key_alone(both: World, github: GithubSandbox) -> None:
    both.create(title="Monthly report", status="done")
    both.create(title="Other", status="done", **{"custom.order_no": "A-1"})
    github.open_issue("Monthly report")
    github.open_issue("Other again", body="Order A-1")
    both.pull()
    both.work()
    assert "duplicate" not in both.kinds()
    assert len(both.tasks()) == 3


def test_empty_values_match_nothing(both: World, tracker: SpreadsheetSandbox) -> None:
    both.create(title="One", **{"custom.order_no": ""})
    tracker.edit("R1", Title="Two", Status="Open", Notes="  ")
    both.settle()
    assert len(both.tasks()) == 2
    assert both.exceptions() == []


def test_what_was_there_before_the_mapping_is_recognised(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """Applying indexes what there is, and drops what no mapping speaks of any more."""
    world = make({"tracker": tracker})
    mine = world.create(title="One", **{"custom.order_no": "A-1"})
    assert world.all(t.match_keys) == []
    world.apply({"mappings/row.yaml": ROW})
    assert {row["entity_id"] for row in world.all(t.match_keys)} == {mine}
    tracker.edit("R1", Title="One", Status="Open", Notes="A-1")
    world.settle()
    assert world.task["id"] == mine
    plain = "mapping: row\nextends: spreadsheet-row\nconnection: tracker\n"
    world.apply({"mappings/row.yaml": plain})
    assert world.all(t.match_keys) == world.all(t.match_heads) == []


def test_keys_follow_the_values(both: World, tracker: SpreadsheetSandbox) -> None:
    mine = both.create(title="One", **{"custom.order_no": "A-1"})
    both.edit(mine, **{"custom.order_no": "A-2"})
    tracker.edit("R1", Title="Uno", Status="Open", Notes="A-1")
    tracker.edit("R2", Title="Due", Status="Open", Notes="A-2")
    both.pull()
    both.work()
    assert sorted(link["entity_id"] == mine for link in both.links()) == [False, True]


def test_mappings_without_match_keep_no_keys(make: MakeWorld, github: GithubSandbox) -> None:
    world = make({"github": github})
    github.open_issue("One")
    world.settle()
    assert world.all(t.match_keys) == []


def test_recognising_is_one_query_however_many_records(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    having = sameness.having
    monkeypatch.setattr(
        sameness, "having", lambda tx, keys: asked.append(len(keys)) or having(tx, keys)
    )
    for number in range(40):
        both.create(title=f"Task {number}", **{"custom.order_no": f"N-{number}"})
    records = [
        Record("row", f"R{number}", {"ID": f"R{number}", "Title": "T", "Notes": f"n-{number}"})
        for number in range(40)
    ]
    both.bring(*records, connection="tracker", source="pull")
    both.work()
    assert asked == [41]  # forty numbers and one title
    assert len(both.tasks()) == 40
    assert len(both.links()) == 40


@pytest.mark.parametrize("seed", range(4))
def test_permutations_of_three_tools_records_end_alike(both: World, seed: int) -> None:
    """Four records of two things come in every order, in batches of every size."""
    mapping = {
        "github": lambda id, n: Record("issue", id, {"title": f"T {n}", "state": "open",
                                                      "body": f"Order {n}"}),
        "tracker": lambda id, n: Record("row", id, {"ID": id, "Title": f"T {n}", "Status": "Open",
                                                    "Notes": n}),
    }  # fmt: skip
    four = [("github", "1", "A"), ("tracker", "R1", "A"), ("github", "2", "B"),
            ("tracker", "R2", "B")]  # fmt: skip
    orders = list(itertools.permutations(four))
    for order in orders[seed::12]:
        for connection, id, number in order:
            made = mapping[connection](f"{id}{seed}{orders.index(order)}",
                                       f"{number}{seed}{orders.index(order)}")  # fmt: skip
            both.bring(made, connection=connection, source="pull")
            if (orders.index(order) + seed) % 2:
                both.work()
        both.work()
    groups: dict[str, set[str]] = {}
    for link in both.links():
        groups.setdefault(link["entity_id"], set()).add(link["connection"])
    assert set(map(frozenset, groups.values())) == {frozenset({"github", "tracker"})}
    assert both.exceptions() == []


def test_what_is_just_being_created_there_is_not_linked_to_a_second_record(
    both: World, github: GithubSandbox
) -> None:
    """Somebody has made it there by hand, and it comes in before the answer to our create."""
    ours = both.create("github", title="Wire the tenant", custom={"order_no": "A-17"})

    def comes_in() -> None:
        github.open_issue("By hand", body="Order A-17")
        both.receive("github", [one for one in github.sent if b"By hand" in one.body])
        while parse_deliveries(both.hub) + bring_in(both.hub):
            both.hurry()

    during_push(both, "github", comes_in)
    both.work()
    assert len([link for link in both.links() if link["entity_id"] == ours]) == 1
    assert both.kinds() == ["duplicate"]
