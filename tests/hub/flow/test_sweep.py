"""What has been kept long enough goes, all of it, in short transactions; what waits for a person
stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub.jobs import sweep
from hub.jobs.sweep import Sweep
from hub.store import inbox, records, repeats, tombstones
from hub.store import tables as t
from hub.store.records import NewRecord
from hub.store.repeats import Kept
from hub.store.tombstones import Tombstone
from hub.workspace import load
from tests.hub.flow.world import CONNECTORS, World
from tests.hub.store.test_inbox import incoming

HUB = "name: acme\nretention: {deliveries: %s}\n"


def take(world: World, id: str, status: str, age: timedelta) -> str:
    """A delivery that came so long ago, in this status."""
    with world.hub.database.write() as tx:
        (stored,) = inbox.store(tx, [incoming(id, received_at=world.clock() - age)])
        tx.execute(
            sa.update(t.deliveries).where(t.deliveries.c.id == stored.id).values(status=status)
        )
    return stored.id


def swept(world: World) -> int:
    one = Sweep(world.hub)
    one.begin()
    gone = one.go_on(600.0)
    assert one.go_on() == 0
    return gone


def test_everything_old_goes_and_never_much_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "CHUNK", 10)
    now = world.clock()
    old = now - timedelta(days=100)
    record = NewRecord("github", "issue", "1", "state", {}, "webhook", received_at=old)
    with world.hub.database.write() as tx:
        records.enqueue(tx, [record] * 35, old)
        tx.execute(sa.update(t.records).values(status="done"))
        records.enqueue(tx, [record], old)
        tombstones.put(tx, [Tombstone("github", "issue", f"{at}", None, old) for at in range(35)])
        tombstones.put(tx, [Tombstone("github", "issue", "new", None, now)])
        for at in range(35):
            repeats.keep(tx, f"{at}", Kept("", 200, {}, ""), old)
        repeats.keep(tx, "new", Kept("", 200, {}, ""), now)
    for at in range(35):
        take(world, f"{at}", "processed", timedelta(days=100))
    take(world, "new", "processed", timedelta(days=1))
    write, transactions = world.hub.database.write, []

    @contextmanager
    def watched() -> Iterator[Any]:
        with write() as tx:
            transactions.append(1)
            yield tx

    monkeypatch.setattr(world.hub.database, "write", watched)
    assert swept(world) == 4 * 35
    assert len(transactions) == 4 * 4 + 1  # and nudges, of which there are none
    left = [len(world.all(table)) for table in (t.records, t.tombstones, t.repeats, t.deliveries)]
    assert left == [1, 1, 1, 1]


def test_deliveries_that_wait_for_a_person_stay(world: World) -> None:
    long = timedelta(days=400)
    for status in ("quarantined", "captured", "accepted", "processed", "ignored"):
        take(world, status, status, long)
    waiting = take(world, "waiting", "processed", long)
    record = NewRecord("github", "issue", "1", "state", {}, "webhook", delivery=waiting)
    with world.hub.database.write() as tx:
        records.enqueue(tx, [record], world.clock())
    assert swept(world) == 2
    left = {row["delivery_id"] for row in world.all(t.deliveries)}
    assert left == {"quarantined", "captured", "accepted", "waiting"}


def test_the_workspace_says_how_long(world: World) -> None:
    take(world, "1", "processed", timedelta(days=80))
    assert swept(world) == 0
    world.apply({"hub.yaml": world.files["hub.yaml"] + "\nretention: {deliveries: 30d}\n"})
    assert swept(world) == 1


@pytest.mark.parametrize("said", ["90", "3 months", "0d", "2h", "-1d"])
def test_what_is_no_number_of_days_is_told(said: str) -> None:
    (found,) = load({"hub.yaml": HUB % f"'{said}'"}, CONNECTORS, None).findings
    assert f"hub.yaml:2:25 error: '{said}' is no number of days. Write 90d, or 365d." in str(found)


def test_a_typing_mistake_in_retention_is_told() -> None:
    loaded = load({"hub.yaml": "name: acme\nretention: {delivery: 90d}\n"}, CONNECTORS, None)
    assert "did you mean 'deliveries'" in str(loaded.findings[0]).lower()
