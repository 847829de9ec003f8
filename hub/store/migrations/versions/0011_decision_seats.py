"""Who is asked for a decision, and the voice of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Document, Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("quorum", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("sequence", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("veto", Document(), nullable=False, server_default="[]"),
        sa.Column("held", sa.Text()),
        sa.Column("seated_under", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("decisions", column)
    waits = sa.text("outcome IS NULL OR outcome = 'expired'")
    op.create_index(
        op.f("ix_decisions_seated_under"),
        "decisions",
        ["seated_under"],
        sqlite_where=waits,
        postgresql_where=waits,
    )
    op.create_table(
        "seats",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("decision_id", sa.String(40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("party", sa.String(40), nullable=False),
        sa.Column("on_behalf_of", sa.String(40)),
        sa.Column("role", sa.String(100)),
        sa.Column("note", sa.Text()),
        sa.Column("named_by", sa.String(40)),
        sa.Column("asked_at", Moment()),
        sa.Column("asked_on", sa.String(64)),
        sa.Column("outcome", sa.String(100)),
        sa.Column("given_by", sa.String(40)),
        sa.Column("given_by_kind", sa.String(16)),
        sa.Column("channel", sa.String(20)),
        sa.Column("comment", sa.Text()),
        sa.Column("evidence_hash", sa.String(64)),
        sa.Column("given_at", Moment()),
        sa.CheckConstraint(
            "outcome IS NULL OR (given_by IS NOT NULL AND given_by_kind IS NOT NULL"
            " AND given_by_kind = 'person' AND evidence_hash IS NOT NULL)",
            name=op.f("ck_seats_only_a_person_has_a_voice"),
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_seats_decision_id")
        ),
        sa.ForeignKeyConstraint(
            ["given_by", "given_by_kind"],
            ["parties.id", "parties.kind"],
            name=op.f("fk_seats_given_by_given_by_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seats")),
    )
    op.create_index("ix_seats_decision_id", "seats", ["decision_id", "position"])
    for name in ("party", "on_behalf_of", "role"):
        op.create_index(op.f(f"ix_seats_{name}"), "seats", [name])
    given = sa.text("given_by IS NOT NULL")
    op.create_index(
        "uq_seats_one_voice_each",
        "seats",
        ["decision_id", "given_by"],
        unique=True,
        sqlite_where=given,
        postgresql_where=given,
    )
    # what was asked before had one seat: whoever was asked, with the voice that decided
    voice = "outcome IS NOT NULL AND outcome NOT IN ('expired', 'withdrawn')"
    columns = ", ".join(
        f"CASE WHEN {voice} THEN {name} END"
        for name in (
            "outcome", "decided_by", "decided_by_kind", "channel", "comment", "evidence_hash",
            "decided_at",
        )
    )  # fmt: skip
    op.execute(
        "INSERT INTO seats (id, decision_id, position, party, asked_at, asked_on, outcome,"  # noqa: S608 - names of our columns
        " given_by, given_by_kind, channel, comment, evidence_hash, given_at)"
        " SELECT 'sea_' || substr(id, 5), id, 1, decider, created_at, evidence_hash,"
        f" {columns} FROM decisions WHERE decider IS NOT NULL"
    )
