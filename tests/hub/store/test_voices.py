"""People decide: the database itself takes no decision and no voice but a person's, however it is
written; and what was asked before there were seats lives on.
"""

# ruff: noqa: S608 - the statements are this test's own, written by hand past the code

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import IntegrityError

from hub.store import database as database_module
from hub.store.database import Database

MIGRATIONS = Path(database_module.__file__).parent / "migrations"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC).isoformat(sep=" ", timespec="microseconds")

NOBODIES = [
    pytest.param(None, None, id="token-without-person"),
    pytest.param("a1", "assistant", id="assistant"),
    pytest.param("a1", "person", id="assistant-calls-itself-a-person"),
    pytest.param("s1", "system", id="system"),
    pytest.param("s1", "person", id="system-calls-itself-a-person"),
    pytest.param("crm", "connector", id="connector"),
    pytest.param("crm", "person", id="nobody-known"),
    pytest.param("p1", None, id="kind-left-out"),
    pytest.param(None, "person", id="person-left-out"),
]


@pytest.fixture
def asked(database: Database) -> Database:
    """A decision with one seat, written by hand."""
    fill(database)
    run(
        database,
        "INSERT INTO seats (id, decision_id, position, party) VALUES ('v1', 'd1', 1, 'p1')",
    )
    return database


def fill(database: Database) -> None:
    for id, kind in (("p1", "person"), ("a1", "assistant"), ("s1", "system")):
        run(
            database,
            "INSERT INTO parties (id, kind, side, name, created_at)"
            f" VALUES ('{id}', '{kind}', 'internal', '{id}', '{NOW}')",
        )
    run(
        database,
        "INSERT INTO cases (id, version, process, process_version, title, status, health,"
        " accountable, data, started_by, started_at, updated_at) VALUES ('c1', 1, 'p', 'v', 't',"
        f" 'active', 'on_track', 'p1', '{{}}', '{{}}', '{NOW}', '{NOW}')",
    )
    run(
        database,
        "INSERT INTO steps (id, case_id, key, run, type, title, status, accountable, waiting_on)"
        " VALUES ('s1', 'c1', 'k', 1, 'decision', 't', 'active', 'p1', 'internal')",
    )
    run(database, decision("d1"))


def run(database: Database, statement: str) -> None:
    with database.write() as tx:
        tx.exec_driver_sql(statement)


def text(value: Any) -> str:
    return "NULL" if value is None else f"'{value}'"


def decision(id: str, **more: Any) -> str:
    values = {
        "id": id, "case_id": "c1", "step_id": "s1", "run": 1, "question": "q", "decider": "p1",
        "options": '["yes"]', "exclude": "[]", "evidence": "{}", "evidence_hash": "0",
        "created_at": NOW, **more,
    }  # fmt: skip
    return (
        f"INSERT INTO decisions ({', '.join(values)})"
        f" VALUES ({', '.join(text(value) for value in values.values())})"
    )


@pytest.mark.parametrize(("by", "kind"), NOBODIES)
def test_no_decision_but_a_persons_is_taken(
    asked: Database, by: str | None, kind: str | None
) -> None:
    forged = {"outcome": "yes", "decided_by": by, "decided_by_kind": kind}
    for statement in (
        f"UPDATE decisions SET outcome = 'yes', decided_by = {text(by)},"
        f" decided_by_kind = {text(kind)}",
        decision("d2", **forged),
    ):
        with pytest.raises(IntegrityError):
            run(asked, statement)


@pytest.mark.parametrize(("by", "kind"), NOBODIES)
def test_no_voice_but_a_persons_is_taken(asked: Database, by: str | None, kind: str | None) -> None:
    for statement in (
        f"UPDATE seats SET outcome = 'yes', evidence_hash = '0', given_by = {text(by)},"
        f" given_by_kind = {text(kind)}",
        "INSERT INTO seats (id, decision_id, position, party, outcome, evidence_hash, given_by,"
        f" given_by_kind) VALUES ('v2', 'd1', 2, 'p1', 'yes', '0', {text(by)}, {text(kind)})",
    ):
        with pytest.raises(IntegrityError):
            run(asked, statement)


def test_a_person_who_decided_does_not_become_something_else(asked: Database) -> None:
    run(
        asked,
        "UPDATE seats SET outcome = 'yes', evidence_hash = '0', given_by = 'p1',"
        " given_by_kind = 'person'",
    )
    with pytest.raises(IntegrityError):
        run(asked, "UPDATE parties SET kind = 'assistant' WHERE id = 'p1'")


def test_a_voice_says_on_which_evidence_and_one_person_has_one(asked: Database) -> None:
    given = "outcome = 'yes', given_by = 'p1', given_by_kind = 'person'"
    with pytest.raises(IntegrityError):
        run(asked, f"UPDATE seats SET {given}")
    run(asked, f"UPDATE seats SET {given}, evidence_hash = '0'")
    with pytest.raises(IntegrityError):
        run(
            asked,
            "INSERT INTO seats (id, decision_id, position, party, outcome, evidence_hash, given_by,"
            " given_by_kind) VALUES ('v2', 'd1', 2, 'p1', 'yes', '0', 'p1', 'person')",
        )


def test_decisions_from_before_there_were_seats_have_one(empty_database_url: str) -> None:
    """One that waits is asked of its decider; one that was taken has the voice that took it."""
    database = Database(empty_database_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0010")
    fill(database)
    person = {"decided_by": "p1", "decided_by_kind": "person", "channel": "web", "decided_at": NOW}
    run(database, decision("dec_taken", outcome="yes", comment="Fine.", **person))
    run(database, decision("dec_late", outcome="expired"))
    run(database, decision("dec_gone", outcome="withdrawn"))
    database.migrate()
    with database.read() as tx:
        rows = {
            row.decision_id: row
            for row in tx.execute(sa.text("SELECT * FROM seats ORDER BY decision_id"))
        }
        quorums = set(tx.scalars(sa.text("SELECT quorum FROM decisions")))
    assert set(rows) == {"d1", "dec_taken", "dec_late", "dec_gone"}
    assert quorums == {1}
    assert [rows[id].outcome for id in ("d1", "dec_taken", "dec_late", "dec_gone")] == [
        None, "yes", None, None,
    ]  # fmt: skip
    taken = rows["dec_taken"]
    assert (taken.party, taken.given_by, taken.given_by_kind) == ("p1", "p1", "person")
    assert (taken.channel, taken.comment, taken.evidence_hash) == ("web", "Fine.", "0")
    assert all(row.asked_at is not None for row in rows.values())
    database.close()
