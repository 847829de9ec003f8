"""What intake answered without a row: the last of it, and counts; and connections that capture."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Document, Moment, Position

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("position", Position, autoincrement=True, nullable=False),
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("part", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("remote", sa.String(length=64), nullable=True),
        sa.Column("headers", Document, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_notices")),
    )
    op.create_index(
        "ix_notices_connection", "notices", ["connection", "outcome", "position"], unique=False
    )
    op.create_table(
        "notice_counts",
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", Moment, nullable=False),
        sa.Column("last_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("connection", "outcome", "code", name=op.f("pk_notice_counts")),
    )
    op.add_column("connections", sa.Column("capture_until", Moment, nullable=True))
