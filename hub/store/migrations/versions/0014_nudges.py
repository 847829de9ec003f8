"""Nudges that wait, count for a day's budget, and are snoozed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Document, Moment

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "nudges",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("party", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("case_id", sa.String(40)),
        sa.Column("purpose", sa.String(24), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("message", Document()),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("why", sa.String(100)),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("sent_at", Moment()),
        sa.Column("sent_as", sa.String(60)),
        sa.Column("day", sa.String(10)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nudges")),
    )
    op.create_index(op.f("ix_nudges_subject"), "nudges", ["subject"])
    op.create_index("ix_nudges_party", "nudges", ["party", "status", "sent_at"])
    waiting = sa.column("status") == "waiting"
    op.create_index(
        "ix_nudges_waiting",
        "nudges",
        ["due_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_table(
        "snoozes",
        sa.Column("party", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("party", "subject", name=op.f("pk_snoozes")),
    )
