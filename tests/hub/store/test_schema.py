"""The schema: what the migrations build is what the code believes in, and the constraints hold."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from hub.store import database as database_module
from hub.store import dialect
from hub.store.database import Database
from hub.store.tables import cases, connections, decisions, metadata, parties, steps

MIGRATIONS = Path(database_module.__file__).parent / "migrations"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_the_migrations_build_what_the_code_believes_in(empty_database_url: str) -> None:
    """A column that is only in tables.py would work in no installation."""
    database = Database(empty_database_url)
    database.migrate()
    with database.read() as tx, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLite cannot reflect an index over an expression
        context = MigrationContext.configure(tx, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()
    newest = max(file.name for file in (MIGRATIONS / "versions").glob("0*.py"))[:4]
    with database.read() as tx:
        assert tx.scalar(sa.text("SELECT version_num FROM alembic_version")) == newest


def test_a_database_of_the_first_schema_is_brought_up_to_date(empty_database_url: str) -> None:
    """With what it holds."""
    database = Database(empty_database_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO connections (name) VALUES ('crm')")
    database.migrate()
    with database.read() as tx:
        assert tx.execute(sa.select(connections.c.name, connections.c.limited_until)).all() == [
            ("crm", None)
        ]
    database.close()


def test_the_database_is_durable(database: Database) -> None:
    """WAL with synchronous FULL, or a PostgreSQL that flushes."""
    with database.read() as tx:
        if dialect.is_sqlite(tx):
            assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        else:
            assert dialect.durability_problems(tx) == []


def _case_with_decision(database: Database) -> None:
    with database.write() as tx:
        for id, kind in (("p1", "person"), ("a1", "assistant"), ("s1", "system")):
            tx.execute(
                sa.insert(parties).values(
                    id=id, kind=kind, side="internal", name=id, active=True, created_at=NOW
                )
            )
        tx.execute(
            sa.insert(cases).values(
                id="c1", version=1, process="p", process_version="v", title="t", status="active",
                health="on_track", accountable="p1", data={}, started_by={}, started_at=NOW,
                updated_at=NOW,
            )
        )  # fmt: skip
        tx.execute(
            sa.insert(steps).values(
                id="s1", case_id="c1", key="k", run=1, type="decision", title="t", status="active",
                accountable="p1", waiting_on="internal",
            )
        )  # fmt: skip
        tx.execute(
            sa.insert(decisions).values(
                id="d1", case_id="c1", step_id="s1", run=1, question="q", options=["yes"],
                exclude=[], evidence={}, evidence_hash="0", created_at=NOW,
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("by", "kind"),
    [
        (None, None),
        ("a1", "assistant"),
        ("s1", "system"),
        ("crm", "connector"),
        ("a1", "person"),  # an assistant that calls itself a person
        ("nobody", "person"),
        ("p1", None),
        (None, "person"),
    ],
)
def test_the_database_refuses_a_decision_by_anybody_but_a_person(
    database: Database, by: str | None, kind: str | None
) -> None:
    """Whatever the code does: a CHECK and a foreign key stand behind it."""
    _case_with_decision(database)
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.execute(sa.update(decisions).values(outcome="yes", decided_by=by, decided_by_kind=kind))
    with database.read() as tx:
        assert tx.scalar(sa.select(decisions.c.outcome)) is None


def test_the_database_takes_a_decision_by_a_person(database: Database) -> None:
    """And silence may end it without one."""
    _case_with_decision(database)
    with database.write() as tx:
        tx.execute(
            sa.update(decisions).values(outcome="yes", decided_by="p1", decided_by_kind="person")
        )
    with database.write() as tx:
        tx.execute(
            sa.update(decisions).values(outcome="expired", decided_by=None, decided_by_kind=None)
        )


def test_only_a_person_can_answer_for_a_case(database: Database) -> None:
    _case_with_decision(database)
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.execute(sa.update(cases).values(accountable="a1", accountable_kind="assistant"))


def test_a_key_has_one_running_case(database: Database) -> None:
    """A finished one does not stand in the way of the next."""
    _case_with_decision(database)
    again = {
        "version": 1, "process": "p", "process_version": "v", "title": "t", "health": "on_track",
        "accountable": "p1", "data": {}, "started_by": {}, "started_at": NOW, "updated_at": NOW,
        "key": "A1",
    }  # fmt: skip
    with database.write() as tx:
        tx.execute(sa.insert(cases).values(id="c2", status="completed", **again))
        tx.execute(sa.insert(cases).values(id="c3", status="active", **again))
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.execute(sa.insert(cases).values(id="c4", status="active", **again))
