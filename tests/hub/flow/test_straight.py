"""The straight way: whole records come in with their delivery; what must wait waits in order."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.github.records import issue_record
from connectors.github.sandbox import GithubSandbox
from hub.flow import bring_in as stage
from hub.flow import intake
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.flow.stage import AIM, Stride
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ARRIVE = stage.arrive


def titles(world: World) -> list[str]:
    return sorted(row["title"] for row in world.tasks())


def statuses(world: World, table: Any) -> list[str]:
    return [row["status"] for row in world.all(table)]


def refuse(monkeypatch: pytest.MonkeyPatch, title: str, error: BaseException) -> None:
    """Bringing in fails for the record with this title."""

    def broken(unit: Any, batch: Any, arrival: Any) -> bool:
        if arrival.record.data.get("title") == title:
            raise error
        return ARRIVE(unit, batch, arrival)

    monkeypatch.setattr(stage, "arrive", broken)


def test_a_whole_record_comes_in_with_its_delivery(world: World, github: GithubSandbox) -> None:
    """One transaction: no row of `records`, the delivery told of before what it caused."""
    github.open_issue("One")
    world.hear(github)
    assert parse_deliveries(world.hub) == 1
    assert titles(world) == ["One"]
    assert world.all(t.records) == []
    [delivery] = world.all(t.deliveries)
    assert (delivery["status"], delivery["records"]) == ("processed", 1)
    told = world.all(t.events, t.events.c.type.in_(("delivery.received", "task.created")))
    assert [row["type"] for row in told] == ["delivery.received", "task.created"]
    assert told[1]["cause"] == delivery["id"]
    assert told[1]["data"]["delivery"] == delivery["id"]


def test_what_comes_while_its_record_waits_comes_after_it(
    world: World, github: GithubSandbox
) -> None:
    """The lane has an open row; other lanes go straight."""
    number = github.open_issue("First")
    [issue] = github.issues()
    world.bring(issue_record(issue, "acme/ops"))
    github.edit_issue(number, title="Second")
    github.open_issue("Other")
    github.sent[:] = [
        one for one in github.sent if b'"opened"' not in one.body or b"Other" in one.body
    ]
    world.hear(github)
    parse_deliveries(world.hub)
    assert titles(world) == ["Other"]
    assert statuses(world, t.records) == ["pending", "pending"]
    bring_in(world.hub)
    assert titles(world) == ["Other", "Second"]
    first, second = world.events("task.created")[-1], world.events("task.updated")[-1]
    assert first["position"] < second["position"]


def test_a_record_that_fails_goes_the_long_way_alone(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its delivery is processed, its row fails and is tried again by itself."""
    for title in ("One", "Culprit", "Two", "Three"):
        github.open_issue(title)
    world.hear(github)
    with monkeypatch.context() as patch:
        refuse(patch, "Culprit", RuntimeError("a bug"))
        assert parse_deliveries(world.hub) == 4
        assert titles(world) == ["One", "Three", "Two"]
        assert set(statuses(world, t.deliveries)) == {"processed"}
        assert statuses(world, t.records) == ["pending"]
        bring_in(world.hub)
        [row] = world.all(t.records)
        assert (row["status"], row["attempts"]) == ("pending", 1)
        assert "a bug" in row["error"]
    world.hurry()
    bring_in(world.hub)
    assert titles(world) == ["Culprit", "One", "Three", "Two"]
    assert len(world.events("delivery.received")) == 4


def test_after_a_crash_every_record_counts_for_itself(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the first attempt is left; then the record is poison, not the delivery."""

    class Died(BaseException):
        pass

    for title in ("One", "Deadly", "Two"):
        github.open_issue(title)
    world.hear(github)
    refuse(monkeypatch, "Deadly", Died())
    with pytest.raises(Died):
        parse_deliveries(world.hub)
    world.die()
    assert world.tasks() == []
    for _ in range(3):
        parse_deliveries(world.hub)
    assert set(statuses(world, t.deliveries)) == {"processed"}
    for _ in range(12):
        try:
            if not bring_in(world.hub):
                break
        except Died:
            world.die()
    assert titles(world) == ["One", "Two"]
    assert sorted(statuses(world, t.records)) == ["done", "done", "quarantined"]
    assert world.kinds() == ["mapping_error"]


def test_a_record_that_is_bad_as_a_whole_is_kept_and_comes_in_once_it_is_mended(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """As a row set aside with what came, which another revision takes in again."""
    head = "mapping: issue\nextends: github-issue\nconnection: github\n"
    filtered = f"{head}filter: record.milestone.number > 0\n"
    world = make({"github": github}, {"mappings/issue.yaml": filtered})
    github.open_issue("One")
    world.hear(github)
    parse_deliveries(world.hub)
    [row] = world.all(t.records)
    assert (row["status"], row["kind"], row["attempts"]) == ("quarantined", "state", 1)
    assert row["payload"]["data"]["title"] == "One"
    assert world.kinds() == ["mapping_error"]
    world.apply({"mappings/issue.yaml": head})
    world.work()
    assert titles(world) == ["One"]
    assert statuses(world, t.records) == ["done"]


def test_a_comment_whose_issue_is_kept_out_waits_in_a_row(
    make: MakeWorld, github: GithubSandbox
) -> None:
    head = "mapping: issue\nextends: github-issue\nconnection: github\n"
    world = make(
        {"github": github}, {"mappings/issue.yaml": f"{head}filter: record.state == 'closed'\n"}
    )
    number = github.open_issue("One")
    github.comment(number, "Anybody?")
    world.hear(github)
    parse_deliveries(world.hub)
    [row] = world.all(t.records)
    assert (row["object"], row["status"]) == ("comment", "pending")
    bring_in(world.hub)
    [row] = world.all(t.records)
    assert "is not here" in row["error"]


def test_a_stride_is_as_long_as_its_time() -> None:
    """It doubles at most, shrinks by halves where the last few were slow, and learns nothing good
    from a batch that was not full.
    """
    stride = Stride(most=500, begin=50)
    stride.took(50, AIM / 100)
    assert stride.size == 100
    stride.took(3, AIM / 100)
    stride.took(0, AIM * 2)
    assert stride.size == 100
    stride.took(100, AIM / 1.5)
    assert stride.size == 150
    for _ in range(Stride.LAST - 1):
        stride.took(150, AIM * 2)
        assert stride.size == 150
    stride.took(150, AIM * 2)
    assert stride.size == 112
    for _ in range(10):
        stride.took(stride.size, AIM * 100)
    assert stride.size == Stride.LEAST
    for _ in range(10):
        stride.took(stride.size, 0.0)
    assert stride.size == 500


def test_a_batch_is_claimed_by_the_transaction_that_ends_the_one_before(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One commit for each; a claim that was undone with its transaction is not worked on."""
    monkeypatch.setattr(intake, "STRIDE", Stride(most=2))
    write, begun = world.hub.database.write, []

    def counted() -> Any:
        begun.append(1)
        return write()

    for number in range(6):
        github.open_issue(f"Issue {number}")
    world.hear(github)
    monkeypatch.setattr(world.hub.database, "write", counted)
    assert parse_deliveries(world.hub) == 6
    assert len(begun) == 1 + 3
    for number in range(6, 12):
        github.open_issue(f"Issue {number}")
    github.sent[:] = github.sent[-6:]
    refuse(monkeypatch, "Issue 8", ValueError("not this one"))
    world.hear(github)
    while parse_deliveries(world.hub):
        pass
    assert statuses(world, t.deliveries) == ["processed"] * 12
    assert statuses(world, t.records) == ["pending"]
    assert len(titles(world)) == 11
    assert {row["attempts"] for row in world.all(t.deliveries)} == {1}
