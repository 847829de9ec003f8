"""Answers that a repeated request with the same Idempotency-Key gets again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Document, Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repeats",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", Document(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_repeats")),
    )
    op.create_index(op.f("ix_repeats_answered_at"), "repeats", ["answered_at"])
