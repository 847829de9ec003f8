"""Full processes: fan-out, waits for events, and cases that are a part of others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Document

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cases", sa.Column("parent_case", sa.String(40)))
    op.add_column("cases", sa.Column("parent_step", sa.String(40)))
    op.add_column(
        "definitions",
        sa.Column("listens", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    listens = sa.column("listens", sa.Boolean())
    op.create_index(
        op.f("ix_definitions_listens"),
        "definitions",
        ["version"],
        sqlite_where=listens,
        postgresql_where=listens,
    )
    op.add_column("steps", sa.Column("round", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("steps", sa.Column("element", Document()))
    op.add_column("steps", sa.Column("each_index", sa.Integer()))
    op.add_column("steps", sa.Column("heard", Document()))
    op.add_column("steps", sa.Column("subcase", sa.String(40)))
    # until now a step had another run only because it was begun anew
    steps = sa.table("steps", sa.column("run"), sa.column("round"))
    op.execute(sa.update(steps).values(round=steps.c.run))
    there = sa.column("subcase").is_not(None)
    op.create_index(
        op.f("ix_steps_subcase"), "steps", ["subcase"], sqlite_where=there, postgresql_where=there
    )
    op.create_table(
        "waits",
        sa.Column("step_id", sa.String(40), nullable=False),
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("correlation", sa.String(300)),
        sa.PrimaryKeyConstraint("step_id", name=op.f("pk_waits")),
    )
    op.create_index(op.f("ix_waits_case_id"), "waits", ["case_id"])
    op.create_index(op.f("ix_waits_for"), "waits", ["version", "key", "correlation"])
