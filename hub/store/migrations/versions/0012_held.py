"""Who held the ball, and clocks that pause. What began before is taken over as it stands: a step
was held by whoever has it, a case from within.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from hub.store.types import Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("steps", "cases"):
        op.add_column(table, sa.Column("paused_at", Moment()))
        op.add_column(
            table, sa.Column("paused_for", sa.Float(), nullable=False, server_default="0")
        )
        op.add_column(table, sa.Column("paused_why", sa.String(16)))
    op.add_column(
        "steps", sa.Column("at_risk", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "held",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("party", sa.String(40)),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("until", Moment()),
        sa.Column("micros", sa.BigInteger()),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_held")),
    )
    op.create_index(op.f("ix_held_case_id"), "held", ["case_id"])
    is_open = sa.text("until IS NULL")
    op.create_index(
        "uq_held_open",
        "held",
        ["subject"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "durations",
        sa.Column("step_id", sa.String(40), nullable=False),
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("process", sa.String(100), nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("clock", sa.String(10), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("step_id", name=op.f("pk_durations")),
    )
    op.create_index("ix_durations_of", "durations", ["process", "key", "ended_at"])
    _take_over(op.get_bind())


def _take_over(tx: sa.Connection) -> None:
    cases = sa.table(
        "cases",
        *(sa.column(name) for name in ("id", "accountable", "status")),
        sa.column("started_at", Moment()),
        sa.column("completed_at", Moment()),
    )
    steps = sa.table(
        "steps",
        *(sa.column(name) for name in ("id", "case_id", "responsible", "waiting_on", "status")),
        sa.column("started_at", Moment()),
        sa.column("completed_at", Moment()),
    )
    of_steps = (
        sa.select(
            steps.c.case_id,
            steps.c.id.label("subject"),
            steps.c.responsible.label("party"),
            steps.c.waiting_on.label("side"),
            sa.false().label("suspended"),
            steps.c.started_at.label("since"),
            sa.func.coalesce(steps.c.completed_at, cases.c.completed_at, type_=Moment()).label(
                "until"
            ),
        )
        .join(cases, cases.c.id == steps.c.case_id)
        .where(steps.c.started_at.is_not(None))
    )
    of_cases = sa.select(
        cases.c.id.label("case_id"),
        cases.c.id.label("subject"),
        cases.c.accountable.label("party"),
        sa.literal("internal").label("side"),
        (cases.c.status == "suspended").label("suspended"),
        cases.c.started_at.label("since"),
        cases.c.completed_at.label("until"),
    )
    held = sa.table(
        "held",
        *(sa.column(name) for name in ("case_id", "subject", "party", "side")),
        sa.column("suspended", sa.Boolean()),
        sa.column("since", Moment()),
        sa.column("until", Moment()),
        sa.column("micros"),
    )
    for statement in (of_steps, of_cases):
        for batch in tx.execute(statement).mappings().partitions(1000):
            rows: list[dict[str, Any]] = []
            for row in batch:
                until = max(row["since"], row["until"]) if row["until"] else None
                took = until - row["since"] if until else None
                micros = _micros(took) if took is not None else None
                rows.append({**row, "until": until, "micros": micros})
            tx.execute(sa.insert(held), rows)


def _micros(took: Any) -> int:
    return int((took.days * 86400 + took.seconds) * 1_000_000 + took.microseconds)
