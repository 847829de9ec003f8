"""Pulls of everything that go on where they stopped, what they saw, records that moved or were
merged, what accounts look like, who is who in tools, and circuits that open.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.types import Document, Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("open_until", Moment()))
    op.add_column(
        "connections", sa.Column("trips", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("pushes", sa.Column("hops", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("pushes", sa.Column("trouble", sa.String(64)))
    troubled = sa.column("trouble").is_not(None)
    op.create_index(
        "ix_pushes_trouble",
        "pushes",
        ["trouble"],
        sqlite_where=troubled,
        postgresql_where=troubled,
    )
    op.add_column("cursors", sa.Column("full_cursor", Document()))
    op.add_column("cursors", sa.Column("full_since", Moment()))
    op.add_column(
        "cursors", sa.Column("full_seen", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("cursors", sa.Column("full_at", Moment()))
    op.add_column("cursors", sa.Column("total", sa.Integer()))
    op.add_column("cursors", sa.Column("scope", sa.String(64)))
    op.add_column("links", sa.Column("misses", sa.Integer(), nullable=False, server_default="0"))
    missed = sa.text("misses != 0")
    op.create_index(
        op.f("ix_links_missed"),
        "links",
        ["connection", "object", "external_id"],
        sqlite_where=missed,
        postgresql_where=missed,
    )
    op.create_table(
        "sightings",
        sa.Column("connection", sa.String(100), nullable=False),
        sa.Column("object", sa.String(100), nullable=False),
        sa.Column("external_id", sa.String(400), nullable=False),
        sa.PrimaryKeyConstraint("connection", "object", "external_id", name=op.f("pk_sightings")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "schemas",
        sa.Column("connection", sa.String(100), nullable=False),
        sa.Column("object", sa.String(100), nullable=False),
        sa.Column("fields", Document(), nullable=False),
        sa.Column("drift", Document(), nullable=False),
        sa.Column("seen_at", Moment()),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("lease_until", Moment()),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("connection", "object", name=op.f("pk_schemas")),
    )
    op.create_table(
        "accounts",
        sa.Column("connection", sa.String(100), nullable=False),
        sa.Column("object", sa.String(100), nullable=False),
        sa.Column("external_id", sa.String(400), nullable=False),
        sa.Column("party", sa.String(40)),
        sa.Column("evidence", sa.String(12)),
        sa.Column("handle", sa.String(400), nullable=False),
        sa.Column("names", Document(), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("email", sa.String(320)),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("disputed", sa.String(320)),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "object", "external_id", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_party"), "accounts", ["party"])
    op.create_index(op.f("ix_accounts_changed_at"), "accounts", ["changed_at"])
    op.create_table(
        "aliases",
        sa.Column("connection", sa.String(100), nullable=False),
        sa.Column("object", sa.String(100), nullable=False),
        sa.Column("former_id", sa.String(400), nullable=False),
        sa.Column("external_id", sa.String(400), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "object", "former_id", name=op.f("pk_aliases")),
    )
    op.create_table(
        "merged",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("entity_type", sa.String(10), nullable=False),
        sa.Column("into", sa.String(40), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merged")),
    )
    op.create_index(op.f("ix_merged_into"), "merged", ["into"])
    op.create_table(
        "match_keys",
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("entity_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("key", "entity_id", name=op.f("pk_match_keys")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_match_keys_entity_id"), "match_keys", ["entity_id"])
    op.create_table(
        "match_heads",
        sa.Column("head", sa.String(8), nullable=False),
        sa.Column("entity_type", sa.String(10), nullable=False),
        sa.Column("indexed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("head", name=op.f("pk_match_heads")),
    )
    op.create_table(
        "parted",
        sa.Column("connection", sa.String(100), nullable=False),
        sa.Column("object", sa.String(100), nullable=False),
        sa.Column("external_id", sa.String(400), nullable=False),
        sa.Column("entity_id", sa.String(40), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint(
            "connection", "object", "external_id", "entity_id", name=op.f("pk_parted")
        ),
    )
    op.create_index(op.f("ix_parted_entity_id"), "parted", ["entity_id"])
    # most tasks and events belong to no case: what is not there needs no entry in an index
    for name in ("accountable", "case_id", "step_id"):
        there = sa.column(name).is_not(None)
        op.drop_index(op.f(f"ix_tasks_{name}"), table_name="tasks")
        op.create_index(
            op.f(f"ix_tasks_{name}"), "tasks", [name], sqlite_where=there, postgresql_where=there
        )
    of_a_case = sa.column("case_id").is_not(None)
    op.drop_index("ix_events_case", table_name="events")
    op.create_index(
        "ix_events_case",
        "events",
        ["case_id", "position"],
        sqlite_where=of_a_case,
        postgresql_where=of_a_case,
    )
