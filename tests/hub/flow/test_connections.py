"""Connections in trouble: paused, resumed, damaged, interrupted, and nothing lost meanwhile."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox, Sent
from connectors.sdk import Record, TransientError
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import connections
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.intake import parse_deliveries
from hub.flow.pull import count_outcome, pull
from hub.process import exceptions as settling
from hub.store import access, cursors, records, running
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ACTOR = {"kind": "system", "id": "test", "name": "test"}


def paused(world: World) -> set[str]:
    with world.hub.database.read() as tx:
        return running.paused(tx)


def test_a_wrong_token_pauses_and_the_right_one_goes_on(
    make: MakeWorld, github: GithubSandbox
) -> None:
    """Pushes wait without using up their attempts; the new secret counts without a restart."""
    world = make({"github": github}, github={"auth": {"token": "secret:GH"}})
    key = world.hub.settings.secret_key
    with world.hub.database.write() as tx:
        access.put_secret(tx, key, "GH", "wrong", world.clock())
    world.create("github", title="Waits")
    world.work()
    assert paused(world) == {"github"}
    assert world.kinds() == ["connection"]
    for _ in range(15):
        world.hurry()
        world.work()
    [push] = world.pushes()
    assert (push["status"], push["attempts"]) == ("pending", 0)
    with world.hub.database.write() as tx:
        access.put_secret(tx, key, "GH", github.env()["HUB_SANDBOX_GITHUB_TOKEN"], world.clock())
    with world.hub.unit() as unit:
        connections.resume(unit, "github")
    world.work()
    assert [issue["title"] for issue in github.issues()] == ["Waits"]
    assert world.exceptions() == []
    assert paused(world) == set()


def test_success_elsewhere_does_not_hide_that_a_connection_is_paused(
    world: World, github: GithubSandbox
) -> None:
    """A pull that was under way when it was paused ends well: it stays paused, and shown."""
    github.open_issue("One")
    with world.hub.unit() as unit:
        connections.pause(unit, "github", "Somebody asked for it.")
    pull(world.hub, "github", "issue", force=True)
    assert paused(world) == {"github"}
    assert world.kinds() == ["connection"]


def test_a_connection_paused_during_a_pull_loses_nothing(
    world: World, github: GithubSandbox
) -> None:
    """The page that was read is stored; after resuming the rest follows."""
    github.open_issue("One")

    def pause(_: int) -> None:
        with world.hub.unit() as unit:
            connections.pause(unit, "github", "Somebody asked for it.")

    pull(world.hub, "github", "issue", force=True, progress=pause)
    assert pull(world.hub, "github", "issue").busy
    github.open_issue("Two")
    world.create("github", title="Three")
    world.work()
    assert [row["title"] for row in world.tasks()] == ["One", "Three"] or len(world.tasks()) == 2
    with world.hub.unit() as unit:
        connections.resume(unit, "github")
    world.settle()
    assert sorted(row["title"] for row in world.tasks()) == ["One", "Three", "Two"]
    assert sorted(issue["title"] for issue in github.issues()) == ["One", "Three", "Two"]


def test_transient_trouble_is_shown_after_a_while_and_closes_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five failures in a row are a person's to see; the next answer ends it."""
    connector = type(world.hub.live.current().connector("github"))

    def down(*_: Any) -> Any:
        raise TransientError("GitHub does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(connector, "pull", down)
        for _ in range(4):
            assert pull(world.hub, "github", "issue", force=True).error
        assert world.exceptions() == []
        assert pull(world.hub, "github", "issue", force=True).error
    assert world.kinds() == ["connection"]
    assert paused(world) == set()
    assert pull(world.hub, "github", "issue", force=True).error is None
    assert world.exceptions() == []


def test_a_damaged_spreadsheet_is_shown_and_nothing_is_lost(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """Cut short by a full disk: after a good copy is back, both directions catch up."""
    world = make({"tracker": tracker})
    tracker.edit("R1", Title="One", Status="Open")
    world.settle()
    content = tracker.damage()
    for _ in range(6):
        world.pull()
    world.create("tracker", title="Two")
    world.edit(world.tasks()[0]["id"], status="done")
    world.work()
    assert "connection" in world.kinds()
    assert len(world.tasks()) == 2
    assert not any(link["remote_deleted"] for link in world.links())
    tracker.restore(content)
    with world.hub.unit() as unit:
        connections.resume(unit, "tracker")
    world.settle()
    assert sorted((row["Title"], row["Status"]) for row in tracker.rows()) == [
        ("One", "Done"), ("Two", "Open"),
    ]  # fmt: skip
    assert world.exceptions() == []


def test_an_open_workbook_makes_pushes_wait(make: MakeWorld, tracker: SpreadsheetSandbox) -> None:
    """Somebody has it open in Excel: nothing is written over them, nothing fails."""
    world = make({"tracker": tracker})
    world.create("tracker", title="One")
    tracker.open_in_excel()
    for _ in range(14):
        world.hurry()
        world.work()
    assert tracker.rows() == []
    [push] = world.pushes()
    tracker.close_excel()
    assert push["status"] == "pending", push["error"]
    world.settle()
    assert [row["Title"] for row in tracker.rows()] == ["One"]
    assert world.exceptions() == []


def test_an_unreadable_delivery_is_kept_shown_and_replayed(
    world: World, github: GithubSandbox
) -> None:
    """Genuine, but not what GitHub sends: quarantined, beside healthy ones that go through."""
    github.open_issue("One")
    world.receive("github", [Sent("issues", "bad", b'{"action": "opened"}'), github.sent[0]])
    world.work()
    rows = {row["delivery_id"]: row for row in world.all(t.deliveries)}
    assert rows["bad"]["status"] == "quarantined"
    assert rows[github.sent[0].guid]["status"] == "processed"
    assert world.kinds() == ["unparseable"]
    assert [row["title"] for row in world.tasks()] == ["One"]
    with world.hub.unit() as unit:
        copy = settling.replay_delivery(unit, rows["bad"]["id"], ACTOR)
    again = {row["id"]: row for row in world.all(t.deliveries)}
    assert again[rows["bad"]["id"]] == rows["bad"]
    assert again[str(copy)]["replay_of"] == rows["bad"]["id"]
    assert bytes(again[str(copy)]["body"]) == b'{"action": "opened"}'


def test_a_bug_in_a_connector_quarantines_one_delivery_only(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KeyError from `parse`: after three tries it is set aside, the others go on."""
    connector = type(world.hub.live.current().connector("github"))
    parse = connector.parse

    def broken(self: Any, delivery: Any) -> Any:
        if b"Culprit" in delivery.body:
            raise KeyError("bug")
        return parse(self, delivery)

    monkeypatch.setattr(connector, "parse", broken)
    for title in ("One", "Culprit", "Two"):
        github.open_issue(title)
    world.hear(github)
    for _ in range(4):
        world.hurry()
        world.work()
    assert sorted(row["title"] for row in world.tasks()) == ["One", "Two"]
    assert world.kinds() == ["unparseable"]


def test_a_poison_record_is_set_aside_and_the_others_go_on(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes the stage fail, not only the mapping; a retry after the fix brings it in."""
    from hub.flow import bring_in as stage

    arrive = stage.arrive

    def broken(unit: Any, batch: Any, arrival: Any) -> bool:
        if arrival.record.data.get("title") == "Culprit":
            raise RuntimeError("poison")
        return arrive(unit, batch, arrival)

    for title in ("One", "Culprit", "Two"):
        github.open_issue(title)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "arrive", broken)
        world.hear(github)
        for _ in range(5):
            world.hurry()
            world.work()
    assert sorted(row["title"] for row in world.tasks()) == ["One", "Two"]
    [row] = world.exceptions()
    assert row["type"] == "mapping_error"
    with world.hub.unit() as unit:
        settling.retry(unit, row["id"], ACTOR)
    world.work()
    assert sorted(row["title"] for row in world.tasks()) == ["Culprit", "One", "Two"]


def test_the_watermark_moves_with_its_page_or_not_at_all(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dying between the rows and the cursor leaves neither."""
    github.open_issue("One")
    with monkeypatch.context() as patch:

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("hub.flow.pull.cursors.move_cursor", die)
        with pytest.raises(KeyboardInterrupt):
            pull(world.hub, "github", "issue")
    assert world.all(t.records) == []
    [cursor] = world.all(t.cursors)
    assert cursor["cursor"] == {}
    with world.hub.database.write() as tx:
        cursors.recover_pulls(tx)
    result = pull(world.hub, "github", "issue")
    world.work()
    assert count_outcome(world.hub, result)
    assert (result.seen, result.created) == (1, 1)


def test_a_pull_that_was_overtaken_stores_nothing_more(world: World, github: GithubSandbox) -> None:
    """Its lease ran out and another one pulls: fenced off, without harm."""
    github.open_issue("One")
    connector: Any = world.hub.live.current().connector("github")
    read = type(connector).pull

    def overtaken(self: Any, *args: Any) -> Any:
        for page in read(self, *args):
            with world.hub.database.write() as tx:
                tx.execute(t.cursors.update().values(fence=7))
            yield page

    type(connector).pull = overtaken
    try:
        result = pull(world.hub, "github", "issue")
    finally:
        type(connector).pull = read
    assert result.busy
    assert world.all(t.records) == []


def test_a_bug_in_a_pull_is_shown_on_the_connection(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A KeyError in a connector is not a silent 90 seconds."""
    connector = type(world.hub.live.current().connector("github"))

    def broken(*_: Any) -> Any:
        raise KeyError("bug")

    monkeypatch.setattr(connector, "pull", broken)
    for _ in range(5):
        result = pull(world.hub, "github", "issue", force=True)
    assert "KeyError" in str(result.error)
    assert world.kinds() == ["connection"]


def test_records_to_fetch_wait_while_their_connection_is_paused(
    world: World, github: GithubSandbox
) -> None:
    """A delivery named an issue without its content."""
    from hub.store.records import NewRecord

    github.open_issue("One")
    id = str(github.issue(1)["id"])
    with world.hub.unit() as unit:
        connections.pause(unit, "github", "Somebody asked for it.")
        records.enqueue(
            unit.tx, [NewRecord("github", "comment", id, "fetch", {}, "webhook", "x")], unit.now
        )
    for _ in range(5):
        world.hurry()
        bring_in(world.hub)
    [row] = world.all(t.records)
    assert (row["status"], row["attempts"]) == ("pending", 0)
    [shown] = world.exceptions()
    assert shown["count"] == 1


def test_a_bug_in_a_fetch_sets_its_records_aside_only(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.store.records import NewRecord

    connector = type(world.hub.live.current().connector("github"))

    def broken(*_: Any) -> Any:
        raise KeyError("bug")

    monkeypatch.setattr(connector, "fetch", broken)
    github.open_issue("One")
    world.hear(github)
    parse_deliveries(world.hub)
    with world.hub.unit() as unit:
        records.enqueue(
            unit.tx, [NewRecord("github", "issue", "5", "fetch", {}, "webhook", "x")], unit.now
        )
    for _ in range(4):
        world.hurry()
        world.work()
    assert [row["title"] for row in world.tasks()] == ["One"]
    assert "mapping_error" in world.kinds()


def test_a_bug_in_a_push_is_unknown_and_looked_up(
    world: World, github: GithubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails after the effect: found by its key, once."""
    connector = type(world.hub.live.current().connector("github"))
    push = connector.push

    def broken(self: Any, changes: Any) -> Any:
        push(self, changes)
        raise KeyError("bug")

    world.create("github", title="One")
    with monkeypatch.context() as patch:
        patch.setattr(connector, "push", broken)
        deliver(world.hub)
    world.settle()
    assert len(github.ledger) == 1
    assert [row["status"] for row in world.pushes()] == ["sent"]


def test_a_rate_limit_makes_pushes_wait_without_counting(
    world: World, github: GithubSandbox
) -> None:
    github.faults.status = [429] * 3
    github.faults.retry_after = "60"
    world.create("github", title="One")
    world.work()
    [push] = world.pushes()
    assert (push["status"], push["attempts"]) == ("pending", 0)
    github.faults.status = []
    world.settle()
    assert len(github.issues()) == 1


def test_the_chain_of_events_holds_after_all_of_it(world: World, github: GithubSandbox) -> None:
    github.open_issue("One")
    world.create("github", title="Two")
    world.settle()
    assert world.chain() is None


def test_the_same_delivery_id_with_another_body_is_processed_too(
    world: World, github: GithubSandbox
) -> None:
    github.open_issue("One")
    github.edit_issue(1, title="Two")
    first, second = github.sent
    second.guid = first.guid
    stored = world.receive("github", [first, second, first])
    assert [one.duplicate for one in stored] == [False, False, True]
    assert stored[0].id == stored[2].id != stored[1].id
    world.work()
    assert world.task["title"] == "Two"
    assert [row["verdict"] for row in world.all(t.deliveries)] == ["genuine", "altered"]
    assert hashlib.sha256(second.body).hexdigest() == world.all(t.deliveries)[1]["body_hash"]


def test_a_record_deleted_and_seen_again_is_back(
    make: MakeWorld, tracker: SpreadsheetSandbox
) -> None:
    """A row that was cut and pasted back after the hub had missed it."""
    world = make({"tracker": tracker})
    tracker.edit("R1", Title="One", Status="Open")
    world.settle()
    tracker.delete("R1")
    world.settle()
    assert world.links()[0]["remote_deleted"]
    tracker.edit("R1", Title="One", Status="Done")
    world.settle()
    assert not world.links()[0]["remote_deleted"]
    assert world.task["status"] == "done"


def test_a_record_without_a_mapping_is_left_alone(world: World) -> None:
    world.bring(Record("unheard-of", uuid.uuid4().hex, {"a": 1}))
    world.work()
    assert [row["status"] for row in world.all(t.records)] == ["done"]
    assert world.exceptions() == []
