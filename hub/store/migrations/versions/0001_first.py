"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_items",
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("item_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "item_id", name=op.f("pk_case_items")),
    )
    op.create_index(op.f("ix_case_items_item_id"), "case_items", ["item_id"], unique=False)
    op.create_table(
        "comments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("task", sa.String(length=40), nullable=False),
        sa.Column("author", sa.String(length=40), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("visibility", sa.String(length=10), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("updated_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index(op.f("ix_comments_task"), "comments", ["task"], unique=False)
    op.create_table(
        "connections",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=10), server_default="active", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_ok_at", types.Moment(length=27), nullable=True),
        sa.Column("changed_at", types.Moment(length=27), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connections")),
    )
    op.create_table(
        "cursors",
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("object", sa.String(length=100), nullable=False),
        sa.Column("cursor", types.Document(), nullable=False),
        sa.Column("pulled_at", types.Moment(length=27), nullable=True),
        sa.Column("next_pull_at", types.Moment(length=27), nullable=False),
        sa.Column("lease_until", types.Moment(length=27), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("connection", "object", name=op.f("pk_cursors")),
    )
    op.create_table(
        "definitions",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("process", sa.String(length=100), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_definitions")),
    )
    op.create_table(
        "deliveries",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("delivery_id", sa.String(length=300), nullable=True),
        sa.Column("dedupe", sa.String(length=500), nullable=True),
        sa.Column("received_at", types.Moment(length=27), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("headers", types.Document(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("records", sa.Integer(), server_default="0", nullable=False),
        sa.Column("replay_of", sa.String(length=40), nullable=True),
        sa.Column("lane", sa.String(length=600), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", types.Moment(length=27), nullable=True),
        sa.Column("next_attempt_at", types.Moment(length=27), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("dedupe", name=op.f("uq_deliveries_dedupe")),
        sa.UniqueConstraint("id", name=op.f("uq_deliveries_id")),
    )
    op.create_index(
        "ix_deliveries_connection", "deliveries", ["connection", "position"], unique=False
    )
    op.create_index("ix_deliveries_ready", "deliveries", ["status", "position"], unique=False)
    op.create_index(
        "ix_deliveries_taken",
        "deliveries",
        ["status", "lane"],
        unique=False,
        sqlite_where=sa.text("claims > 0"),
        postgresql_where=sa.text("claims > 0"),
    )
    op.create_index(
        "ix_deliveries_waiting", "deliveries", ["status", "next_attempt_at"], unique=False
    )
    op.create_table(
        "events",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("time", types.Moment(length=27), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=True),
        sa.Column("case_id", sa.String(length=40), nullable=True),
        sa.Column("actor", types.Document(), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=40), nullable=True),
        sa.Column("cause", sa.String(length=40), nullable=True),
        sa.Column("correlation", sa.String(length=40), nullable=True),
        sa.Column("origin", sa.String(length=100), nullable=True),
        sa.Column("changed", types.Document(), nullable=False),
        sa.Column("data", types.Document(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
        sa.UniqueConstraint("sequence", name=op.f("uq_events_sequence")),
    )
    op.create_index("ix_events_case", "events", ["case_id", "position"], unique=False)
    op.create_index("ix_events_subject", "events", ["subject", "position"], unique=False)
    op.create_index(
        "ix_events_unsealed",
        "events",
        ["position"],
        unique=False,
        sqlite_where=sa.text("sequence IS NULL"),
        postgresql_where=sa.text("sequence IS NULL"),
    )
    op.create_table(
        "exceptions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=True),
        sa.Column("fingerprint", sa.String(length=300), nullable=False),
        sa.Column("data", types.Document(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("opened_at", types.Moment(length=27), nullable=False),
        sa.Column("seen_at", types.Moment(length=27), nullable=False),
        sa.Column("resolved_at", types.Moment(length=27), nullable=True),
        sa.Column("resolved_by", sa.String(length=40), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exceptions")),
    )
    op.create_index(op.f("ix_exceptions_status"), "exceptions", ["status"], unique=False)
    op.create_index(op.f("ix_exceptions_subject"), "exceptions", ["subject"], unique=False)
    op.create_index(op.f("ix_exceptions_type"), "exceptions", ["type"], unique=False)
    op.create_index(
        "uq_exceptions_open_fingerprint",
        "exceptions",
        ["fingerprint"],
        unique=True,
        sqlite_where=sa.text("status IN ('open', 'acknowledged')"),
        postgresql_where=sa.text("status IN ('open', 'acknowledged')"),
    )
    op.create_table(
        "handoffs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=True),
        sa.Column("step_id", sa.String(length=40), nullable=True),
        sa.Column("task_id", sa.String(length=40), nullable=True),
        sa.Column("from_party", sa.String(length=40), nullable=True),
        sa.Column("to_party", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("offered_at", types.Moment(length=27), nullable=False),
        sa.Column("answered_at", types.Moment(length=27), nullable=True),
        sa.Column("due", types.Document(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handoffs")),
    )
    op.create_index(op.f("ix_handoffs_case_id"), "handoffs", ["case_id"], unique=False)
    op.create_index(op.f("ix_handoffs_status"), "handoffs", ["status"], unique=False)
    op.create_table(
        "items",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("amount", types.Document(), nullable=True),
        sa.Column("date", sa.String(length=10), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("custom", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("updated_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
    )
    op.create_index(op.f("ix_items_kind"), "items", ["kind"], unique=False)
    op.create_index(op.f("ix_items_updated_at"), "items", ["updated_at"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("holder", sa.String(length=60), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("until", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "links",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("entity_type", sa.String(length=10), nullable=False),
        sa.Column("entity_id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("object", sa.String(length=100), nullable=False),
        sa.Column("external_id", sa.String(length=400), nullable=False),
        sa.Column("address", types.Document(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("remote_version", sa.String(length=100), nullable=True),
        sa.Column("remote_deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("remote_base", types.Document(), nullable=False),
        sa.Column("hub_base", types.Document(), nullable=False),
        sa.Column("data", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("updated_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint(
            "connection",
            "object",
            "external_id",
            name=op.f("uq_links_connection_object_external_id"),
        ),
    )
    op.create_index("ix_links_entity", "links", ["entity_id"], unique=False)
    op.create_table(
        "parties",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("person", sa.String(length=100), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parties")),
        sa.UniqueConstraint("id", "kind", name=op.f("uq_parties_id_kind")),
        sa.UniqueConstraint("person", name=op.f("uq_parties_person")),
    )
    op.create_table(
        "pushes",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("object", sa.String(length=100), nullable=False),
        sa.Column("op", sa.String(length=10), nullable=False),
        sa.Column("entity_type", sa.String(length=10), nullable=False),
        sa.Column("entity_id", sa.String(length=40), nullable=True),
        sa.Column("external_id", sa.String(length=400), nullable=True),
        sa.Column("fields", types.Document(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("cause", sa.String(length=40), nullable=True),
        sa.Column("correlation", sa.String(length=40), nullable=True),
        sa.Column("result", types.Document(), nullable=True),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("sent_at", types.Moment(length=27), nullable=True),
        sa.Column("lane", sa.String(length=600), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", types.Moment(length=27), nullable=True),
        sa.Column("next_attempt_at", types.Moment(length=27), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_pushes")),
        sa.UniqueConstraint("id", name=op.f("uq_pushes_id")),
        sa.UniqueConstraint("key", name=op.f("uq_pushes_key")),
    )
    op.create_index("ix_pushes_entity", "pushes", ["entity_id"], unique=False)
    op.create_index("ix_pushes_ready", "pushes", ["status", "position"], unique=False)
    op.create_index(
        "ix_pushes_taken",
        "pushes",
        ["status", "lane"],
        unique=False,
        sqlite_where=sa.text("claims > 0"),
        postgresql_where=sa.text("claims > 0"),
    )
    op.create_index("ix_pushes_waiting", "pushes", ["status", "next_attempt_at"], unique=False)
    op.create_table(
        "records",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("connection", sa.String(length=100), nullable=False),
        sa.Column("object", sa.String(length=100), nullable=False),
        sa.Column("external_id", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("payload", types.Document(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("delivery", sa.String(length=40), nullable=True),
        sa.Column("received_at", types.Moment(length=27), nullable=False),
        sa.Column("lane", sa.String(length=600), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", types.Moment(length=27), nullable=True),
        sa.Column("next_attempt_at", types.Moment(length=27), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_records")),
    )
    op.create_index("ix_records_delivery", "records", ["delivery"], unique=False)
    op.create_index("ix_records_ready", "records", ["status", "position"], unique=False)
    op.create_index(
        "ix_records_taken",
        "records",
        ["status", "lane"],
        unique=False,
        sqlite_where=sa.text("claims > 0"),
        postgresql_where=sa.text("claims > 0"),
    )
    op.create_index("ix_records_waiting", "records", ["status", "next_attempt_at"], unique=False)
    op.create_table(
        "revisions",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("files", types.Document(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_revisions")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("changed_at", types.Moment(length=27), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("assignee", sa.String(length=40), nullable=True),
        sa.Column("accountable", sa.String(length=40), nullable=True),
        sa.Column("requester", sa.String(length=40), nullable=True),
        sa.Column("waiting_on", sa.String(length=10), nullable=False),
        sa.Column("due", types.Document(), nullable=True),
        sa.Column("due_by", types.Moment(length=27), nullable=True),
        sa.Column("start_by", types.Document(), nullable=True),
        sa.Column("priority", sa.String(length=10), nullable=True),
        sa.Column("labels", types.Document(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("case_id", sa.String(length=40), nullable=True),
        sa.Column("step_id", sa.String(length=40), nullable=True),
        sa.Column("custom", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("updated_at", types.Moment(length=27), nullable=False),
        sa.Column("completed_at", types.Moment(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_accountable"), "tasks", ["accountable"], unique=False)
    op.create_index(op.f("ix_tasks_assignee"), "tasks", ["assignee"], unique=False)
    op.create_index(op.f("ix_tasks_case_id"), "tasks", ["case_id"], unique=False)
    op.create_index(op.f("ix_tasks_due_by"), "tasks", ["due_by"], unique=False)
    op.create_index(op.f("ix_tasks_status"), "tasks", ["status"], unique=False)
    op.create_index(op.f("ix_tasks_step_id"), "tasks", ["step_id"], unique=False)
    op.create_index(op.f("ix_tasks_updated_at"), "tasks", ["updated_at"], unique=False)
    op.create_table(
        "timers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("due_at", types.Moment(length=27), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("data", types.Document(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timers")),
        sa.UniqueConstraint(
            "kind", "subject", "occurrence", name=op.f("uq_timers_kind_subject_occurrence")
        ),
    )
    op.create_index("ix_timers_due", "timers", ["status", "due_at"], unique=False)
    op.create_index(op.f("ix_timers_subject"), "timers", ["subject"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("party", sa.String(length=40), nullable=True),
        sa.Column("subject", sa.String(length=40), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("expires_at", types.Moment(length=27), nullable=True),
        sa.Column("used_at", types.Moment(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_index("ix_tokens_subject", "tokens", ["subject"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("process", sa.String(length=100), nullable=False),
        sa.Column("process_version", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("health", sa.String(length=16), nullable=False),
        sa.Column("accountable", sa.String(length=40), nullable=False),
        sa.Column(
            "accountable_kind", sa.String(length=16), server_default="person", nullable=False
        ),
        sa.Column("data", types.Document(), nullable=False),
        sa.Column("started_by", types.Document(), nullable=False),
        sa.Column("started_at", types.Moment(length=27), nullable=False),
        sa.Column("updated_at", types.Moment(length=27), nullable=False),
        sa.Column("due", types.Document(), nullable=True),
        sa.Column("due_by", types.Moment(length=27), nullable=True),
        sa.Column("completed_at", types.Moment(length=27), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "accountable_kind = 'person'", name=op.f("ck_cases_accountable_is_a_person")
        ),
        sa.ForeignKeyConstraint(
            ["accountable", "accountable_kind"],
            ["parties.id", "parties.kind"],
            name=op.f("fk_cases_accountable_accountable_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(op.f("ix_cases_status"), "cases", ["status"], unique=False)
    op.create_index(
        "uq_cases_running_key",
        "cases",
        ["process", "key"],
        unique=True,
        sqlite_where=sa.text("status IN ('active', 'suspended')"),
        postgresql_where=sa.text("status IN ('active', 'suspended')"),
    )
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("by", types.Document(), nullable=False),
        sa.Column("target", sa.String(length=100), nullable=False),
        sa.Column("patch", types.Document(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("citations", types.Document(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("answered_by", sa.String(length=40), nullable=True),
        sa.Column("answered_by_kind", sa.String(length=16), nullable=True),
        sa.Column("answered_at", types.Moment(length=27), nullable=True),
        sa.CheckConstraint(
            "status IN ('proposed', 'expired') OR (answered_by IS NOT NULL AND answered_by_kind IS NOT NULL AND answered_by_kind = 'person')",
            name=op.f("ck_proposals_only_a_person_answers"),
        ),
        sa.ForeignKeyConstraint(
            ["answered_by", "answered_by_kind"],
            ["parties.id", "parties.kind"],
            name=op.f("fk_proposals_answered_by_answered_by_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index(op.f("ix_proposals_target"), "proposals", ["target"], unique=False)
    op.create_table(
        "steps",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("parent", sa.String(length=40), nullable=True),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("delivers", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("suspended", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("responsible", sa.String(length=40), nullable=True),
        sa.Column("accountable", sa.String(length=40), nullable=False),
        sa.Column("due", types.Document(), nullable=True),
        sa.Column("due_by", types.Moment(length=27), nullable=True),
        sa.Column("task", sa.String(length=40), nullable=True),
        sa.Column("decision", sa.String(length=40), nullable=True),
        sa.Column("handoff", sa.String(length=40), nullable=True),
        sa.Column("form", types.Document(), nullable=True),
        sa.Column("waiting_on", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("started_at", types.Moment(length=27), nullable=True),
        sa.Column("completed_at", types.Moment(length=27), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_steps_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steps")),
        sa.UniqueConstraint("case_id", "key", "run", name=op.f("uq_steps_case_id_key_run")),
    )
    op.create_index("ix_steps_due", "steps", ["status", "due_by"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("step_id", sa.String(length=40), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("options", types.Document(), nullable=False),
        sa.Column("decider", sa.String(length=40), nullable=True),
        sa.Column("exclude", types.Document(), nullable=False),
        sa.Column("outcome", sa.String(length=100), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided_by_kind", sa.String(length=16), nullable=True),
        sa.Column("on_behalf_of", sa.String(length=40), nullable=True),
        sa.Column("channel", sa.String(length=20), nullable=True),
        sa.Column("evidence", types.Document(), nullable=False),
        sa.Column("evidence_hash", sa.String(length=64), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("due", types.Document(), nullable=True),
        sa.Column("created_at", types.Moment(length=27), nullable=False),
        sa.Column("decided_at", types.Moment(length=27), nullable=True),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('expired', 'withdrawn') OR (decided_by IS NOT NULL AND decided_by_kind IS NOT NULL AND decided_by_kind = 'person')",
            name=op.f("ck_decisions_only_a_person_decides"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_decisions_case_id")),
        sa.ForeignKeyConstraint(
            ["decided_by", "decided_by_kind"],
            ["parties.id", "parties.kind"],
            name=op.f("fk_decisions_decided_by_decided_by_kind"),
        ),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_decisions_step_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_case_id"), "decisions", ["case_id"], unique=False)
    op.create_index("ix_parties_email", "parties", [sa.text("lower(email)")])
