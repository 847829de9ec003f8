"""The tables of processes: cases and their steps, what people were asked and said, what is open."""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.metadata import id_, metadata
from hub.store.types import Document, Moment

cases = sa.Table(
    "cases",
    metadata,
    id_(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("process", sa.String(100), nullable=False),
    sa.Column("process_version", sa.String(64), nullable=False),
    sa.Column("key", sa.String(300)),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("health", sa.String(16), nullable=False),
    sa.Column("accountable", sa.String(40), nullable=False),
    sa.Column("accountable_kind", sa.String(16), nullable=False, server_default="person"),
    sa.Column("data", Document, nullable=False),
    sa.Column("started_by", Document, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("due", Document),
    sa.Column("due_by", Moment),
    sa.Column("completed_at", Moment),
    sa.Column("outcome", sa.Text),
    sa.CheckConstraint("accountable_kind = 'person'", name="accountable_is_a_person"),
    sa.ForeignKeyConstraint(["accountable", "accountable_kind"], ["parties.id", "parties.kind"]),
)
# a running case per (process, key): a second event with the same key joins it
sa.Index(
    "uq_cases_running_key",
    cases.c.process,
    cases.c.key,
    unique=True,
    sqlite_where=cases.c.status.in_(("active", "suspended")),
    postgresql_where=cases.c.status.in_(("active", "suspended")),
)

definitions = sa.Table(
    "definitions",
    metadata,
    sa.Column("version", sa.String(64), primary_key=True),
    sa.Column("process", sa.String(100), nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

case_items = sa.Table(
    "case_items",
    metadata,
    sa.Column("case_id", sa.String(40), primary_key=True),
    sa.Column("item_id", sa.String(40), primary_key=True, index=True),
)

steps = sa.Table(
    "steps",
    metadata,
    id_(),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("key", sa.String(100), nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("parent", sa.String(40)),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("delivers", sa.Text),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("suspended", sa.Boolean, nullable=False, server_default=sa.false()),
    # its `if` could not be evaluated: it waits, and an exception says why
    sa.Column("blocked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("responsible", sa.String(40)),
    sa.Column("accountable", sa.String(40), nullable=False),
    sa.Column("due", Document),
    sa.Column("due_by", Moment),
    sa.Column("task", sa.String(40)),
    sa.Column("decision", sa.String(40)),
    sa.Column("handoff", sa.String(40)),
    sa.Column("form", Document),
    sa.Column("waiting_on", sa.String(10), nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("started_at", Moment),
    sa.Column("completed_at", Moment),
    sa.UniqueConstraint("case_id", "key", "run"),
)
sa.Index("ix_steps_due", steps.c.status, steps.c.due_by)

handoffs = sa.Table(
    "handoffs",
    metadata,
    id_(),
    sa.Column("case_id", sa.String(40), index=True),
    sa.Column("step_id", sa.String(40)),
    sa.Column("task_id", sa.String(40)),
    sa.Column("from_party", sa.String(40)),
    sa.Column("to_party", sa.String(40), nullable=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("offered_at", Moment, nullable=False),
    sa.Column("answered_at", Moment),
    sa.Column("due", Document),
)

decisions = sa.Table(
    "decisions",
    metadata,
    id_(),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=False, index=True),
    sa.Column("step_id", sa.String(40), sa.ForeignKey("steps.id"), nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("options", Document, nullable=False),
    sa.Column("decider", sa.String(40)),
    sa.Column("exclude", Document, nullable=False),
    sa.Column("outcome", sa.String(100)),
    sa.Column("decided_by", sa.String(40)),
    sa.Column("decided_by_kind", sa.String(16)),
    sa.Column("on_behalf_of", sa.String(40)),
    sa.Column("channel", sa.String(20)),
    sa.Column("evidence", Document, nullable=False),
    sa.Column("evidence_hash", sa.String(64), nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("due", Document),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("decided_at", Moment),
    # people decide: whatever the code does, the database takes no outcome but from a person
    sa.CheckConstraint(
        "outcome IS NULL OR outcome IN ('expired', 'withdrawn')"
        " OR (decided_by IS NOT NULL AND decided_by_kind IS NOT NULL"
        " AND decided_by_kind = 'person')",
        name="only_a_person_decides",
    ),
    sa.ForeignKeyConstraint(["decided_by", "decided_by_kind"], ["parties.id", "parties.kind"]),
)

exceptions = sa.Table(
    "exceptions",
    metadata,
    id_(),
    sa.Column("type", sa.String(24), nullable=False, index=True),
    sa.Column("severity", sa.String(10), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("owner", sa.String(40)),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("subject", sa.String(100), index=True),
    sa.Column("fingerprint", sa.String(300), nullable=False),
    sa.Column("data", Document, nullable=False),
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("resolved_at", Moment),
    sa.Column("resolved_by", sa.String(40)),
    sa.Column("resolution", sa.Text),
    # the revision under which it last failed, while it is open and another one may mend it
    sa.Column("failed_under", sa.Integer),
)
sa.Index(
    "ix_exceptions_failed_under",
    exceptions.c.failed_under,
    sqlite_where=exceptions.c.failed_under.is_not(None),
    postgresql_where=exceptions.c.failed_under.is_not(None),
)
# the same trouble twice is one exception with a count
sa.Index(
    "uq_exceptions_open_fingerprint",
    exceptions.c.fingerprint,
    unique=True,
    sqlite_where=exceptions.c.status.in_(("open", "acknowledged")),
    postgresql_where=exceptions.c.status.in_(("open", "acknowledged")),
)

proposals = sa.Table(
    "proposals",
    metadata,
    id_(),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("by", Document, nullable=False),
    sa.Column("target", sa.String(100), nullable=False, index=True),
    sa.Column("patch", Document, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("citations", Document, nullable=False),
    sa.Column("confidence", sa.Float),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("answered_by", sa.String(40)),
    sa.Column("answered_by_kind", sa.String(16)),
    sa.Column("answered_at", Moment),
    sa.CheckConstraint(
        "status IN ('proposed', 'expired')"
        " OR (answered_by IS NOT NULL AND answered_by_kind IS NOT NULL"
        " AND answered_by_kind = 'person')",
        name="only_a_person_answers",
    ),
    sa.ForeignKeyConstraint(["answered_by", "answered_by_kind"], ["parties.id", "parties.kind"]),
)

timers = sa.Table(
    "timers",
    metadata,
    id_(),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("subject", sa.String(40), nullable=False, index=True),
    sa.Column("occurrence", sa.Integer, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("data", Document, nullable=False),
    sa.UniqueConstraint("kind", "subject", "occurrence"),
)
sa.Index("ix_timers_due", timers.c.status, timers.c.due_at)
