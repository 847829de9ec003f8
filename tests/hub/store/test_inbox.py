"""The inbox: every delivery once, and none dropped."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.sdk import Record
from hub.store import bulk, dialect, inbox, queue, records
from hub.store.database import Database
from hub.store.records import NewRecord
from hub.store.tables import deliveries
from hub.store.tables import records as arriving
from webhooks.inbox import Incoming, Stored

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def incoming(id: str | None, body: str = "{}", connection: str = "github", **more: Any) -> Incoming:
    raw = body.encode()
    values: dict[str, Any] = {
        "connection": connection,
        "delivery_id": id,
        "received_at": NOW,
        "method": "POST",
        "url": "http://hub/webhooks/github",
        "headers": {"x-github-event": "issues"},
        "body": raw,
        "body_hash": hashlib.sha256(raw).hexdigest(),
        "verdict": "genuine",
        "capture": False,
    }
    return Incoming(**(values | more))


def store(database: Database, *batch: Incoming) -> list[Stored]:
    with database.write() as tx:
        return inbox.store(tx, batch)


def stored(database: Database) -> list[Any]:
    with database.read() as tx:
        return list(tx.execute(sa.select(deliveries).order_by(deliveries.c.position)).mappings())


def test_a_duplicate_is_answered_with_the_first(database: Database) -> None:
    """Within a batch and across batches."""
    first, twin = store(database, incoming("1"), incoming("1"))
    [again] = store(database, incoming("1"))
    assert (first.duplicate, twin.duplicate, again.duplicate) == (False, True, True)
    assert first.id == twin.id == again.id
    assert len(stored(database)) == 1


def test_the_same_id_of_another_connection_is_another_delivery(database: Database) -> None:
    answers = store(database, incoming("1"), incoming("1", connection="other"))
    assert [one.duplicate for one in answers] == [False, False]


def test_the_same_id_with_another_body_is_kept_beside_the_first(database: Database) -> None:
    """As `altered`, once per body, in one batch or many."""
    batch = [incoming("1", "a"), incoming("1", "b"), incoming("1", "b"), incoming("1", "c")]
    answers = store(database, *batch)
    assert [one.duplicate for one in answers] == [False, False, True, False]
    assert [one.duplicate for one in store(database, *reversed(batch))] == [True] * 4
    rows = stored(database)
    assert [row["verdict"] for row in rows] == ["genuine", "altered", "altered"]
    assert [bytes(row["body"]) for row in rows] == [b"a", b"b", b"c"]
    assert {row["delivery_id"] for row in rows} == {"1"}


def test_deliveries_without_an_id_are_never_duplicates(database: Database) -> None:
    answers = store(database, incoming(None), incoming(None))
    assert [one.duplicate for one in answers] == [False, False]


def test_a_captured_delivery_is_not_worked_on(database: Database) -> None:
    store(database, incoming("1", capture=True))
    with database.write() as tx:
        assert not queue.claim(tx, inbox.DELIVERIES, 10)
    assert stored(database)[0]["status"] == "captured"


@pytest.mark.parametrize("bodies", [("a", "a"), ("a", "b")])
def test_whoever_is_overtaken_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, bodies: tuple[str, str]
) -> None:
    """Another process stores the same id in the moment of our insert, in a batch with others."""
    insert = bulk.insert_new
    ours, theirs = bodies

    def overtaken(tx: Any, *what: Any) -> int:
        monkeypatch.setattr(bulk, "insert_new", insert)
        inbox.store(tx, [incoming("1", theirs)])
        return insert(tx, *what)

    monkeypatch.setattr(bulk, "insert_new", overtaken)
    before, answer, after = store(
        database, incoming("0"), incoming("1", ours), incoming("2", "third")
    )
    rows = {row["id"]: row for row in stored(database)}
    held = [bytes(row["body"]).decode() for row in rows.values() if row["delivery_id"] == "1"]
    assert held == list(dict.fromkeys((theirs, ours)))
    assert bytes(rows[answer.id]["body"]).decode() == ours
    assert answer.duplicate == (ours == theirs)
    assert rows[answer.id]["verdict"] == ("genuine" if ours == theirs else "altered")
    assert not before.duplicate
    assert not after.duplicate
    assert {before.id, after.id} < set(rows)


def test_many_bodies_under_one_id_are_each_kept_once(database: Database) -> None:
    """Twins, bodies that are there already and new ones, mixed in one batch of a hundred."""
    store(database, incoming("1", "3"))
    batch = [incoming("1", str(at % 7)) for at in range(100)]
    answers = store(database, *batch, incoming("2"))
    rows = {row["id"]: row for row in stored(database)}
    assert len(rows) == 8
    assert [bytes(rows[one.id]["body"]).decode() for one in answers[:-1]] == [
        str(at % 7) for at in range(100)
    ]
    assert sum(not one.duplicate for one in answers) == 7
    kept = [row["verdict"] for row in rows.values() if row["delivery_id"] == "1"]
    assert kept == ["genuine", *["altered"] * 6]


def test_a_row_says_what_came(database: Database) -> None:
    """Past SQLAlchemy's types the columns read as through them."""
    headers = {"x-github-event": "issues", "x-odd": "\ud83d\x00ü"}
    came = incoming("1", "\0body", headers=headers, url="http://hub/webhooks/github?a=ü")
    [answer] = store(database, came)
    [row] = stored(database)
    assert row["id"] == answer.id
    assert (row["connection"], row["delivery_id"], row["method"]) == ("github", "1", "POST")
    assert (row["headers"], bytes(row["body"]), row["size"]) == (headers, b"\0body", 5)
    assert (row["received_at"], row["url"], row["body_hash"]) == (NOW, came.url, came.body_hash)
    assert (row["status"], row["claims"], row["attempts"], row["records"]) == ("accepted", 0, 0, 0)
    with database.write() as tx:
        assert len(queue.claim(tx, inbox.DELIVERIES, 10).rows) == 1  # it may begin at once


def test_concurrent_inserts_of_the_same_deliveries_store_each_once(database: Database) -> None:
    """Four web processes get the same twenty, each with two different bodies."""
    gate = threading.Barrier(4)
    answers: list[list[Stored]] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            gate.wait()
            batch = [incoming(str(at % 20), "ab"[at // 20]) for at in range(40)]
            for start in range(0, 40, 8):
                answers.append(store(database, *batch[start : start + 8]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    rows = stored(database)
    assert len(rows) == 40
    assert len({(row["delivery_id"], row["body_hash"]) for row in rows}) == 40
    fresh = [one for batch in answers for one in batch if not one.duplicate]
    assert len(fresh) == 40
    assert {one.id for batch in answers for one in batch} == {row["id"] for row in rows}


def test_a_replay_keeps_the_original(database: Database) -> None:
    """A replay of a replay points to the first one; the copy is claimed like any other."""
    [first] = store(database, incoming("1", "body"))
    with database.write() as tx:
        claim = queue.claim(tx, inbox.DELIVERIES, 10)
        queue.finish(tx, claim, [row["position"] for row in claim.rows], "quarantined", error="?")
    [before] = stored(database)
    with database.write() as tx:
        copy = inbox.replay(tx, first.id)
        again = inbox.replay(tx, str(copy))
        assert inbox.replay(tx, "dlv_unknown") is None
    rows = {row["id"]: row for row in stored(database)}
    assert rows[first.id] == before
    assert rows[str(copy)]["replay_of"] == rows[str(again)]["replay_of"] == first.id
    assert bytes(rows[str(again)]["body"]) == b"body"
    assert rows[str(again)]["headers"] == before["headers"]
    with database.write() as tx:
        assert len(queue.claim(tx, inbox.DELIVERIES, 10).rows) == 2


def test_a_record_comes_back_from_the_store_as_it_was(database: Database) -> None:
    record = Record(
        "issue", "1", {"title": "a\0b", "big": 10**30, "deep": [{"x": None}], "half": "\ud83d"},
        address={"number": 1}, version="v1", updated_at=NOW, url="http://x", parent="p",
        actor="octocat", key="hub-1",
    )  # fmt: skip
    with database.write() as tx:
        records.enqueue(
            tx,
            [NewRecord("github", "issue", "1", "state", records.state_of(record), "webhook")],
            NOW,
        )
        [row] = queue.claim(tx, records.RECORDS, 1).rows
    assert records.record_of(row["payload"]) == record


def test_records_set_aside_come_again_when_asked(database: Database) -> None:
    with database.write() as tx:
        records.enqueue(tx, [NewRecord("github", "issue", "1", "state", {}, "webhook")], NOW)
        claim = queue.claim(tx, records.RECORDS, 1)
        queue.finish(tx, claim, [1], "quarantined", error="?")
        assert records.retry_records(tx, "github", "1") == 1
        assert records.retry_records(tx, "github", "1") == 0
        assert len(queue.claim(tx, records.RECORDS, 1).rows) == 1


def test_only_old_and_finished_records_are_forgotten(database: Database) -> None:
    with database.write() as tx:
        for id, age in (("1", 10), ("2", 10), ("3", 1)):
            records.enqueue(
                tx,
                [NewRecord("github", "issue", id, "state", {}, "pull")],
                NOW - timedelta(days=age),
            )
        claim = queue.claim(tx, records.RECORDS, 10)
        queue.finish(tx, claim, [1, 3], "done")
        assert records.forget_done(tx, NOW - timedelta(days=7), 100) == 1
        left = tx.scalars(sa.select(arriving.c.external_id).order_by(arriving.c.position))
        assert list(left) == ["2", "3"]


def test_a_host_whose_clock_is_wrong_stores_the_databases_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States without a version go by when they came: it must mean the same on every host."""
    came = datetime.now(UTC)
    for id, off in (("fast", timedelta(minutes=-5)), ("slow", timedelta(hours=2))):
        theirs = datetime.now(UTC) + off
        monkeypatch.setattr(dialect, "recent_now", lambda _, now=theirs: now)
        with database.write() as tx:
            inbox.store(tx, [incoming(id, received_at=came)])
            row = tx.execute(sa.select(deliveries).where(deliveries.c.delivery_id == id)).one()
        assert abs(row.received_at - came - off) < timedelta(minutes=1)


def test_a_clock_that_is_right_is_taken_as_it_is(database: Database) -> None:
    came = datetime(2026, 3, 1, 9, tzinfo=UTC)
    with database.write() as tx:
        inbox.store(tx, [incoming("1", received_at=came)])
        assert tx.scalar(sa.select(deliveries.c.received_at)) == came
