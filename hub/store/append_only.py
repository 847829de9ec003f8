"""Rules in the database itself that keep the event log append-only: whatever the code does, an
event is never rewritten and never taken away, and its seal is set once.

They stand between us and our own mistakes. Whoever owns the database can drop them; that is what
the chain of seals and a head kept elsewhere are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store.dialect import is_sqlite

REFUSAL = "the event log is append-only"
_SEAL = ("sequence", "hash")
_SEALED = "OLD.sequence IS NOT NULL OR OLD.hash IS NOT NULL"
_NAMES = ("events_keep_content", "events_keep_seal", "events_keep_all", "events_keep_together")

_SQLITE = tuple(
    f"CREATE TRIGGER {name} BEFORE {when} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    for name, when in (
        # one that names no column that it changes is never looked at: sealing stays cheap
        ("events_keep_content", "UPDATE OF {content} ON events"),
        ("events_keep_seal", f'UPDATE OF "sequence", "hash" ON events WHEN {_SEALED}'),
        ("events_keep_all", "DELETE ON events"),
    )
)
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$",
    "CREATE TRIGGER events_keep_content BEFORE UPDATE OF {content} ON events"
    " FOR EACH ROW EXECUTE FUNCTION events_refuse()",
    'CREATE TRIGGER events_keep_seal BEFORE UPDATE OF "sequence", "hash" ON events'
    f" FOR EACH ROW WHEN ({_SEALED}) EXECUTE FUNCTION events_refuse()",
    "CREATE TRIGGER events_keep_all BEFORE DELETE ON events"
    " FOR EACH ROW EXECUTE FUNCTION events_refuse()",
    "CREATE TRIGGER events_keep_together BEFORE TRUNCATE ON events"
    " FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()",
)


def guard(tx: Connection) -> None:
    """Put the rules in force, anew where they are already: a migration that adds a column to the
    table calls this again.
    """
    unguard(tx)
    names = [column["name"] for column in sa.inspect(tx).get_columns("events")]
    content = ", ".join(f'"{name}"' for name in names if name not in _SEAL)
    for statement in _SQLITE if is_sqlite(tx) else _POSTGRESQL:
        tx.exec_driver_sql(statement.replace("{content}", content))


def unguard(tx: Connection) -> None:
    """Take the rules away: for whoever must rebuild the table, and guards it again."""
    for name in _NAMES:
        tx.exec_driver_sql(
            f"DROP TRIGGER IF EXISTS {name}" + ("" if is_sqlite(tx) else " ON events")
        )


@contextmanager
def unguarded(tx: Connection) -> Iterator[None]:
    """Without the rules until the block ends: how tests tamper, and how a test's hub starts over.
    Nothing in the product does this.
    """
    unguard(tx)
    yield
    guard(tx)


def guarded(tx: Connection) -> bool:
    """Whether all the rules are in force here."""
    found = (
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'events_keep_%'"
        if is_sqlite(tx)
        else "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'events_keep_%'"
        " AND tgrelid = 'events'::regclass AND tgenabled <> 'D'"
    )
    wanted = len(_SQLITE) if is_sqlite(tx) else len(_POSTGRESQL) - 1
    return bool(tx.exec_driver_sql(found.replace("%", "%%")).scalar() == wanted)
