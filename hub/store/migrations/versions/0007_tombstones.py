"""What tools said is deleted, for states from before it that come late."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("connection", sa.String(100), nullable=False),
        sa.Column("object", sa.String(100), nullable=False),
        sa.Column("external_id", sa.String(400), nullable=False),
        sa.Column("version", sa.String(100)),
        sa.Column("heard_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "object", "external_id", name=op.f("pk_tombstones")),
    )
    op.create_index(op.f("ix_tombstones_heard_at"), "tombstones", ["heard_at"])
