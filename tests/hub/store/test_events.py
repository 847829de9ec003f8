"""The chain of events: what was sealed cannot be changed unseen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from hub.store import events, heads
from hub.store.append_only import REFUSAL, guarded, unguarded
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


@contextmanager
def tampering(database: Database) -> Iterator[Connection]:
    """As whoever owns the database could write."""
    with database.write() as tx, unguarded(tx):
        yield tx


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
        {"id": "evt_other"},
        {"source": "elsewhere"},
        {"correlation": "evt_1"},
        {"origin": "crm"},
        {"hash": "0" * 64},
    ],
)
def test_every_changed_column_is_found(sealed: Database, change: dict[str, Any]) -> None:
    with tampering(sealed) as tx:
        tx.execute(sa.update(table).where(table.c.sequence == 5).values(**change))
    number, _, broken = verified(sealed)
    assert number == 4
    assert "event 5" in str(broken)


def test_a_document_that_is_none_any_more_is_found(sealed: Database) -> None:
    """It breaks the chain, not whoever looks."""
    with tampering(sealed) as tx:
        tx.exec_driver_sql("UPDATE events SET data = '{\"n\": 1234567890123456' WHERE sequence = 5")
    assert "event 5" in str(verified(sealed)[2])


@pytest.mark.parametrize("gone", [1, 5])
def test_a_deleted_event_is_found(sealed: Database, gone: int) -> None:
    with tampering(sealed) as tx:
        tx.execute(sa.delete(table).where(table.c.sequence == gone))
    number, _, broken = verified(sealed)
    assert number == gone - 1
    assert broken


def test_a_deleted_event_is_found_although_the_rest_is_renumbered(sealed: Database) -> None:
    with tampering(sealed) as tx:
        tx.execute(sa.delete(table).where(table.c.sequence == 5))
        for number in range(6, 11):
            tx.execute(
                sa.update(table).where(table.c.sequence == number).values(sequence=number - 1)
            )
    assert verified(sealed)[2]


def test_reordered_events_are_found(sealed: Database) -> None:
    with tampering(sealed) as tx:
        for before, after in ((3, 100), (4, 3), (100, 4)):
            tx.execute(sa.update(table).where(table.c.sequence == before).values(sequence=after))
    assert "event 3" in str(verified(sealed)[2])


def test_an_event_slipped_in_is_found(sealed: Database) -> None:
    with tampering(sealed) as tx:
        events.append(tx, [EventDraft("task.deleted", "tsk_1", SYSTEM)], NOW)
        tx.execute(
            sa.update(table).where(table.c.sequence.is_(None)).values(sequence=11, hash="f" * 64)
        )
    assert "event 11" in str(verified(sealed)[2])


def test_a_cut_tail_shows_against_a_head_kept_elsewhere(sealed: Database) -> None:
    """A bare chain cannot see that its end is missing; the head that was written down can."""
    kept = verified(sealed)
    with tampering(sealed) as tx:
        tx.execute(sa.delete(table).where(table.c.sequence > 8))
    number, head, broken = verified(sealed)
    assert broken is None
    assert (number, head) != kept[:2]
    assert f"its head was at {kept[0]}" in str(passes(sealed, {kept[0]: kept[1]})[2])


def passes(database: Database, kept: dict[int, str]) -> tuple[int, str, str | None]:
    with database.read() as tx:
        return events.verify(tx, kept)


def test_a_chain_that_goes_on_passes_through_every_head_kept(sealed: Database) -> None:
    number, head, _ = verified(sealed)
    with sealed.write() as tx:
        events.append(tx, [EventDraft("task.deleted", "tsk_1", SYSTEM)], NOW)
        events.seal(tx)
    assert passes(sealed, {0: events.GENESIS, number: head})[2] is None


def test_a_log_that_was_written_anew_is_found_only_by_a_head(sealed: Database) -> None:
    """Whoever owns the database can change an event and seal everything again."""
    number, head, _ = verified(sealed)
    with tampering(sealed) as tx:
        tx.execute(sa.update(table).where(table.c.sequence == 3).values(subject="tsk_9"))
        tx.execute(sa.update(table).values(sequence=None, hash=None))
        events.seal(tx)
    assert verified(sealed)[2] is None
    assert "was written anew" in str(passes(sealed, {number: head})[2])


def test_an_event_that_lost_its_number_is_found(sealed: Database) -> None:
    """A tail that is cut off by unsealing it."""
    with tampering(sealed) as tx:
        tx.execute(sa.update(table).where(table.c.sequence == 10).values(sequence=None))
    assert "has lost its number" in str(verified(sealed)[2])


# ------------------------------------------------------------------------------ append-only rules


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(table).values(type="task.created"),
        sa.update(table).where(table.c.sequence == 5).values(data={"n": 5}),
        sa.update(table).where(table.c.sequence == 5).values(sequence=99),
        sa.update(table).where(table.c.sequence == 5).values(hash="0" * 64),
        sa.update(table).where(table.c.sequence == 10).values(sequence=None, hash=None),
        sa.delete(table).where(table.c.sequence == 10),
        sa.delete(table),
    ],
)
def test_the_database_refuses_to_rewrite_what_happened(sealed: Database, statement: Any) -> None:
    with pytest.raises(DBAPIError, match=REFUSAL), sealed.write() as tx:
        tx.execute(statement)
    assert verified(sealed)[::2] == (10, None)


def test_an_event_that_is_not_sealed_yet_is_not_rewritten_either(database: Database) -> None:
    with database.write() as tx:
        events.append(tx, [EventDraft("task.deleted", "tsk_1", SYSTEM)], NOW)
    for statement in (sa.update(table).values(subject="tsk_2"), sa.delete(table)):
        with pytest.raises(DBAPIError, match=REFUSAL), database.write() as tx:
            tx.execute(statement)
    with database.write() as tx:
        assert events.seal(tx) == 1


def test_no_way_round_the_rules_leads_past_them(sealed: Database) -> None:
    """Each database has a statement of its own that takes rows away."""
    postgres = sealed.engine.dialect.name == "postgresql"
    statement = "TRUNCATE events" if postgres else (
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE sequence = 5"
    )  # fmt: skip
    with pytest.raises(DBAPIError, match=REFUSAL), sealed.write() as tx:
        tx.exec_driver_sql(statement)
    with sealed.read() as tx:
        assert guarded(tx)


# ------------------------------------------------------------------------------------------ heads

KEY = b"k" * 32


def test_a_head_is_checked_with_nothing_but_the_public_key(sealed: Database) -> None:
    with sealed.read() as tx:
        head = heads.export(tx, KEY, NOW)
    assert head == heads.read(head.text())
    heads.check_signature(head, heads.public_key(KEY))
    assert KEY.decode() not in head.text()
    with pytest.raises(heads.BadHead, match="another key"):
        heads.check_signature(head, heads.public_key(b"x" * 32))


@pytest.mark.parametrize(
    ("name", "value"),
    [("sequence", 9), ("hash", "0" * 64), ("time", "2027-01-01T00:00:00Z"), ("signature", "AAAA")],
)
def test_a_head_that_somebody_changed_is_refused(sealed: Database, name: str, value: Any) -> None:
    with sealed.read() as tx:
        head = heads.export(tx, KEY, NOW)
    with pytest.raises(heads.BadHead, match="signature"):
        heads.check_signature(replace(head, **{name: value}), heads.public_key(KEY))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}'])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(heads.BadHead):
        heads.read(text)


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
