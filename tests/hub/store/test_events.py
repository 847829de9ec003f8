"""The chain of events: what was sealed cannot be changed unseen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from hub.store import events
from hub.store.database import Database
from hub.store.events import EventDraft
from hub.store.tables import events as table

NOW = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)
SYSTEM = {"kind": "system", "id": "hub", "name": "Hub"}


@pytest.fixture
def sealed(database: Database) -> Database:
    """Ten events in the chain."""
    drafts = [
        EventDraft(
            "task.updated", f"tsk_{number}", SYSTEM, data={"n": number, "text": "ü\0"},
            changed={"title": {"before": None, "after": number}}, case="cas_1",
        )
        for number in range(10)
    ]  # fmt: skip
    with database.write() as tx:
        events.append(tx, drafts, NOW)
        assert events.seal(tx, limit=4) == 4
        assert events.seal(tx) == 6
        assert events.seal(tx) == 0
    return database


def verified(database: Database) -> tuple[int, str, str | None]:
    with database.read() as tx:
        return events.verify(tx)


def test_an_untouched_chain_verifies(sealed: Database) -> None:
    number, head, broken = verified(sealed)
    assert (number, broken) == (10, None)
    with sealed.read() as tx:
        assert events.head(tx) == (10, head)


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"n": 99}},
        {"actor": {"kind": "person", "id": "pty_1", "name": "Mallory"}},
        {"type": "task.completed"},
        {"subject": "tsk_9"},
        {"changed": {}},
        {"time": datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)},
        {"cause": "evt_1"},
        {"case_id": None},
        {"on_behalf_of": "pty_1"},
        {"hash": "0" * 64},
    ],
)
def test_every_changed_column_is_found(sealed: Database, change: dict[str, Any]) -> None:
    with sealed.write() as tx:
        tx.execute(sa.update(table).where(table.c.sequence == 5).values(**change))
    number, _, broken = verified(sealed)
    assert number == 4
    assert "event 5" in str(broken)


@pytest.mark.parametrize("gone", [1, 5])
def test_a_deleted_event_is_found(sealed: Database, gone: int) -> None:
    with sealed.write() as tx:
        tx.execute(sa.delete(table).where(table.c.sequence == gone))
    number, _, broken = verified(sealed)
    assert number == gone - 1
    assert broken


def test_a_deleted_event_is_found_although_the_rest_is_renumbered(sealed: Database) -> None:
    with sealed.write() as tx:
        tx.execute(sa.delete(table).where(table.c.sequence == 5))
        for number in range(6, 11):
            tx.execute(
                sa.update(table).where(table.c.sequence == number).values(sequence=number - 1)
            )
    assert verified(sealed)[2]


def test_reordered_events_are_found(sealed: Database) -> None:
    with sealed.write() as tx:
        for before, after in ((3, 100), (4, 3), (100, 4)):
            tx.execute(sa.update(table).where(table.c.sequence == before).values(sequence=after))
    assert "event 3" in str(verified(sealed)[2])


def test_an_event_slipped_in_is_found(sealed: Database) -> None:
    with sealed.write() as tx:
        events.append(tx, [EventDraft("task.deleted", "tsk_1", SYSTEM)], NOW)
        tx.execute(
            sa.update(table).where(table.c.sequence.is_(None)).values(sequence=11, hash="f" * 64)
        )
    assert "event 11" in str(verified(sealed)[2])


def test_a_cut_tail_shows_against_a_head_kept_elsewhere(sealed: Database) -> None:
    """A bare chain cannot see that its end is missing; the head that was written down can."""
    kept = verified(sealed)
    with sealed.write() as tx:
        tx.execute(sa.delete(table).where(table.c.sequence > 8))
    number, head, broken = verified(sealed)
    assert broken is None
    assert (number, head) != kept[:2]


def test_an_unknown_type_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="not an event type"), database.write() as tx:
        events.append(tx, [EventDraft("task.exploded", None, SYSTEM)], NOW)


def test_events_keep_their_causes_and_begin_their_own_story(database: Database) -> None:
    first = EventDraft("task.created", "tsk_1", SYSTEM)
    second = EventDraft("task.updated", "tsk_1", SYSTEM, cause=first.id, correlation=first.id)
    with database.write() as tx:
        events.append(tx, [first, second], NOW)
        rows = list(events.of(tx, subject="tsk_1", newest_first=False))
    assert [row["correlation"] for row in rows] == [first.id, first.id]
    assert rows[1]["cause"] == first.id
