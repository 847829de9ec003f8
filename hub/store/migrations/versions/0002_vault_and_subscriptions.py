"""Tokens that change while the hub runs, agreements under way, webhook registrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("limited_until", types.Moment(length=27), nullable=True))
    op.add_column("links", sa.Column("heard_at", types.Moment(length=27), nullable=True))
    op.create_table(
        "vault",
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("changed_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_vault")),
    )
    op.create_table(
        "consents",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("expires_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_consents")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("url_hash", sa.String(length=64), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("secret_at", types.Moment(length=27), nullable=True),
        sa.Column("since", types.Moment(length=27), nullable=True),
        sa.Column("expires_at", types.Moment(length=27), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", types.Moment(length=27), nullable=False),
        sa.Column("lease_until", types.Moment(length=27), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_subscriptions")),
    )
