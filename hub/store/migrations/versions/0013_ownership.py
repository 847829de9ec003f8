"""Absence, departure and handoffs: who is there, what was offered to whom and until when, and a
person who answers for every step.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Document, Moment

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SAYS = "a person answers for every step"


def upgrade() -> None:
    op.create_table(
        "absences",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("party", sa.String(40), nullable=False),
        sa.Column("from_day", sa.String(10), nullable=False),
        sa.Column("until_day", sa.String(10), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("told_by", Document(), nullable=False),
        sa.Column("told_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment()),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["party"], ["parties.id"], name=op.f("fk_absences_party")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
    )
    op.create_index(op.f("ix_absences_party"), "absences", ["party"])
    op.create_index(op.f("ix_absences_changed_at"), "absences", ["changed_at"])
    op.create_table(
        "standings",
        sa.Column("party", sa.String(40), nullable=False),
        sa.Column("standing", sa.String(8), nullable=False),
        sa.Column("acting", sa.String(40)),
        sa.Column("until_day", sa.String(10)),
        sa.Column("roles", Document(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["party"], ["parties.id"], name=op.f("fk_standings_party")),
        sa.PrimaryKeyConstraint("party", name=op.f("pk_standings")),
    )
    op.add_column("handoffs", sa.Column("role", sa.String(100)))
    op.add_column("handoffs", sa.Column("on_behalf_of", sa.String(40)))
    op.add_column("handoffs", sa.Column("answered_by", sa.String(40)))
    op.add_column("handoffs", sa.Column("due_by", Moment()))
    op.add_column("handoffs", sa.Column("chase_at", Moment()))
    op.add_column("handoffs", sa.Column("closed", sa.String(16)))
    # what waits for an answer already is given its time when it is looked at first
    op.execute("UPDATE handoffs SET chase_at = offered_at WHERE status = 'offered'")
    chased = sa.column("chase_at").is_not(None)
    op.create_index(
        "ix_handoffs_chase", "handoffs", ["chase_at"],
        sqlite_where=chased, postgresql_where=chased,
    )  # fmt: skip
    op.create_index(op.f("ix_handoffs_step_id"), "handoffs", ["step_id"])
    op.create_index(op.f("ix_handoffs_task_id"), "handoffs", ["task_id"])
    # who has what is asked whenever somebody leaves or goes away
    for table, name, among in (
        ("cases", "accountable", ("active", "suspended")),
        ("steps", "accountable", ("available", "active", "failed")),
        ("steps", "responsible", ("active",)),
    ):
        unfinished = sa.column("status").in_(among)
        op.create_index(
            f"ix_{table}_{name}", table, [name],
            sqlite_where=unfinished, postgresql_where=unfinished,
        )  # fmt: skip
    _only_a_person()


def _only_a_person() -> None:
    """Whatever the code does, no step is without a person who answers for it. Cases have a foreign
    key for this. SQLite adds none to a table that is there, so steps have a trigger, on both.
    """
    if op.get_bind().dialect.name == "sqlite":
        for when, what in (("insert", "INSERT"), ("update", "UPDATE OF accountable")):
            op.execute(
                f"CREATE TRIGGER steps_accountable_{when} BEFORE {what} ON steps"  # noqa: S608
                " WHEN NOT EXISTS (SELECT 1 FROM parties"
                " WHERE id = NEW.accountable AND kind = 'person')"
                f" BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION a_person_answers_for_a_step() RETURNS trigger LANGUAGE plpgsql AS $$"  # noqa: S608
        " BEGIN IF NOT EXISTS (SELECT 1 FROM parties"
        " WHERE id = NEW.accountable AND kind = 'person') THEN"
        f" RAISE EXCEPTION '{_SAYS}' USING ERRCODE = 'foreign_key_violation';"
        " END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER steps_accountable BEFORE INSERT OR UPDATE OF accountable ON steps"
        " FOR EACH ROW EXECUTE FUNCTION a_person_answers_for_a_step()"
    )
