"""What a pull of everything saw, and which links it missed how often in a row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from hub.store import sightings, work
from hub.store import tables as t
from hub.store.database import Database
from hub.store.sightings import CHUNK

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)


def link(database: Database, ids: Iterable[str], **values: object) -> None:
    with database.write() as tx:
        new = [work.new_link("task", f"tsk_{id}", "sheet", "row", id, BEFORE) for id in ids]
        work.insert_links(tx, [{**one, **values} for one in new])


def pass_by(database: Database, seen: Iterable[str]) -> int:
    """A pull of everything that sees these, as of now; how many were missed."""
    with database.write() as tx:
        sightings.clear(tx, "sheet", "row")
        sightings.note(tx, "sheet", "row", list(seen))
        return sightings.count_misses(tx, "sheet", "row", NOW)


def misses(database: Database) -> dict[str, int]:
    with database.read() as tx:
        found = tx.execute(sa.select(t.links.c.external_id, t.links.c.misses))
        return {id: count for id, count in found if count}


def test_misses_are_counted_in_a_row_and_end_when_it_is_seen(database: Database) -> None:
    link(database, ["a", "b", "c"])
    assert pass_by(database, ["a"]) == 2
    assert misses(database) == {"b": 1, "c": 1}
    assert pass_by(database, ["a", "b"]) == 1
    assert misses(database) == {"c": 2}
    with database.read() as tx:
        assert [[one.external_id for one in some] for some in sightings.missed(tx, "sheet", "row")]
        assert list(sightings.missed(tx, "sheet", "row", 3)) == []
        assert list(sightings.missed(tx, "sheet", "other")) == []
        assert sightings.linked(tx, "sheet", "row") == 2
    assert pass_by(database, ["a", "b", "c"]) == 0
    assert misses(database) == {}


def test_what_is_deleted_or_was_heard_of_since_is_not_missed(database: Database) -> None:
    link(database, ["gone"], remote_deleted=True)
    with database.read() as tx:
        assert not sightings.any_living(tx, "sheet", "row")
    link(database, ["heard"], heard_at=NOW + timedelta(seconds=1))
    link(database, ["made"], created_at=NOW + timedelta(seconds=1))
    link(database, ["old"], heard_at=BEFORE)
    with database.read() as tx:
        assert sightings.any_living(tx, "sheet", "row")
    assert pass_by(database, []) == 1
    assert misses(database) == {"old": 1}


def test_many_are_missed_in_several_steps_each_once(database: Database) -> None:
    ids = [f"row-{number:05}" for number in range(2 * CHUNK + 5)]
    link(database, ids)
    kept = set(ids[::7])
    assert pass_by(database, kept) == len(ids) - len(kept)
    with database.read() as tx:
        steps = list(sightings.missed(tx, "sheet", "row"))
    assert [len(some) for some in steps] == [CHUNK, len(ids) - len(kept) - CHUNK]
    assert [one.external_id for some in steps for one in some] == [
        id for id in ids if id not in kept
    ]


def test_a_record_may_be_noted_twice_and_an_id_no_link_can_have_is_none(database: Database) -> None:
    link(database, ["a"])
    with database.write() as tx:
        sightings.note(tx, "sheet", "row", ["a", "a", "x" * 401])
        sightings.note(tx, "sheet", "row", ["a", "b"])
        sightings.note(tx, "sheet", "row", [])
        assert tx.scalar(sa.select(sa.func.count()).select_from(t.sightings)) == 2
        assert sightings.linked(tx, "sheet", "row") == 1
