"""The schema. Moments are UTC; documents are JSON text; `version` columns count edits for
optimistic locking.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.store import connection_tables
from hub.store.metadata import id_ as _id
from hub.store.metadata import metadata as metadata
from hub.store.metadata import position as _position
from hub.store.types import Document, Moment, Position

connections = connection_tables.connections
consents = connection_tables.consents
cursors = connection_tables.cursors
notice_counts = connection_tables.notice_counts
notices = connection_tables.notices
subscriptions = connection_tables.subscriptions
vault = connection_tables.vault


def _work_columns() -> list[sa.Column[Any]]:
    """What every queue row carries: see `queue` for the meaning."""
    return [
        sa.Column("lane", sa.String(600), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("lease_until", Moment),
        sa.Column("next_attempt_at", Moment, nullable=False),
        sa.Column("error", sa.Text),
    ]


# ------------------------------------------------------------------------------------------ intake

deliveries = sa.Table(
    "deliveries",
    metadata,
    _position(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("connection", sa.String(100), nullable=False),
    sa.Column("delivery_id", sa.String(300)),
    # (connection, delivery id) of the first arrival; another body under the same id gets its hash
    # appended
    sa.Column("dedupe", sa.String(500), unique=True),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("method", sa.String(10), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("headers", Document, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("verdict", sa.String(40), nullable=False),
    sa.Column("records", sa.Integer, nullable=False, server_default="0"),
    sa.Column("replay_of", sa.String(40)),
    *_work_columns(),
)
sa.Index("ix_deliveries_connection", deliveries.c.connection, deliveries.c.position)

records = sa.Table(
    "records",
    metadata,
    _position(),
    sa.Column("connection", sa.String(100), nullable=False),
    sa.Column("object", sa.String(100), nullable=False),
    sa.Column("external_id", sa.String(400), nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("payload", Document, nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("delivery", sa.String(40)),
    sa.Column("received_at", Moment, nullable=False),
    *_work_columns(),
)
sa.Index("ix_records_delivery", records.c.delivery)
_open = records.c.status != sa.literal_column("'done'")
sa.Index("ix_records_open", records.c.lane, sqlite_where=_open, postgresql_where=_open)

# what tools said is deleted: a state from before it may still come
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("object", sa.String(100), primary_key=True),
    sa.Column("external_id", sa.String(400), primary_key=True),
    sa.Column("version", sa.String(100)),
    sa.Column("heard_at", Moment, nullable=False, index=True),
)

# ------------------------------------------------------------------------------------------ work

parties = sa.Table(
    "parties",
    metadata,
    _id(),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("side", sa.String(10), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.String(320)),
    sa.Column("person", sa.String(100), unique=True),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("id", "kind"),
)
sa.Index("ix_parties_email", sa.func.lower(parties.c.email))

tasks = sa.Table(
    "tasks",
    metadata,
    _id(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("assignee", sa.String(40), index=True),
    sa.Column("accountable", sa.String(40), index=True),
    sa.Column("requester", sa.String(40)),
    sa.Column("waiting_on", sa.String(10), nullable=False),
    sa.Column("due", Document),
    sa.Column("due_by", Moment, index=True),
    sa.Column("start_by", Document),
    sa.Column("priority", sa.String(10)),
    sa.Column("labels", Document, nullable=False),
    sa.Column("url", sa.Text),
    sa.Column("case_id", sa.String(40), index=True),
    sa.Column("step_id", sa.String(40), index=True),
    sa.Column("custom", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False, index=True),
    sa.Column("completed_at", Moment),
)

items = sa.Table(
    "items",
    metadata,
    _id(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(100), index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("stage", sa.Text),
    sa.Column("owner", sa.String(40)),
    sa.Column("amount", Document),
    sa.Column("date", sa.String(10)),
    sa.Column("url", sa.Text),
    sa.Column("custom", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False, index=True),
)

comments = sa.Table(
    "comments",
    metadata,
    _id(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("task", sa.String(40), nullable=False, index=True),
    sa.Column("author", sa.String(40)),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("visibility", sa.String(10), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)

links = sa.Table(
    "links",
    metadata,
    _id(),
    sa.Column("entity_type", sa.String(10), nullable=False),
    sa.Column("entity_id", sa.String(40), nullable=False),
    sa.Column("connection", sa.String(100), nullable=False),
    sa.Column("object", sa.String(100), nullable=False),
    sa.Column("external_id", sa.String(400), nullable=False),
    sa.Column("address", Document, nullable=False),
    sa.Column("url", sa.Text),
    sa.Column("remote_version", sa.String(100)),
    sa.Column("remote_deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    # the two bases: per canonical field the vendor's raw value, and ours, at the last agreement
    sa.Column("remote_base", Document, nullable=False),
    sa.Column("hub_base", Document, nullable=False),
    # the record as last seen, for lossy maps and thin updates
    sa.Column("data", Document, nullable=False),
    # when that state was received or asked for: two of one version are told apart by it
    sa.Column("heard_at", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.UniqueConstraint("connection", "object", "external_id"),
)
sa.Index("ix_links_entity", links.c.entity_id)

# ------------------------------------------------------------------------------------------ outward

pushes = sa.Table(
    "pushes",
    metadata,
    _position(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("connection", sa.String(100), nullable=False),
    sa.Column("object", sa.String(100), nullable=False),
    sa.Column("op", sa.String(10), nullable=False),
    sa.Column("entity_type", sa.String(10), nullable=False),
    sa.Column("entity_id", sa.String(40)),
    sa.Column("external_id", sa.String(400)),
    # update: names of the canonical fields to bring over; message: the composed message itself
    sa.Column("fields", Document, nullable=False),
    sa.Column("key", sa.String(80), nullable=False, unique=True),
    sa.Column("cause", sa.String(40)),
    sa.Column("correlation", sa.String(40)),
    sa.Column("result", Document),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    *_work_columns(),
)
sa.Index("ix_pushes_entity", pushes.c.entity_id)

# ------------------------------------------------------------------------------------------ process

cases = sa.Table(
    "cases",
    metadata,
    _id(),
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
    _id(),
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
    _id(),
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
    _id(),
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
    _id(),
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
    _id(),
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
    _id(),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("subject", sa.String(40), nullable=False, index=True),
    sa.Column("occurrence", sa.Integer, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("data", Document, nullable=False),
    sa.UniqueConstraint("kind", "subject", "occurrence"),
)
sa.Index("ix_timers_due", timers.c.status, timers.c.due_at)

for _queue in (deliveries, records, pushes):
    # in order; what waits for its time; what a worker has taken
    sa.Index(f"ix_{_queue.name}_ready", _queue.c.status, _queue.c.position)
    sa.Index(f"ix_{_queue.name}_waiting", _queue.c.status, _queue.c.next_attempt_at)
    _taken = _queue.c.claims > sa.literal_column("0")
    sa.Index(
        f"ix_{_queue.name}_taken",
        _queue.c.status,
        _queue.c.lane,
        sqlite_where=_taken,
        postgresql_where=_taken,
    )

# ------------------------------------------------------------------------------------------ audit

events = sa.Table(
    "events",
    metadata,
    _position(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("type", sa.String(40), nullable=False),
    sa.Column("time", Moment, nullable=False),
    sa.Column("source", sa.String(200), nullable=False),
    sa.Column("subject", sa.String(100)),
    sa.Column("case_id", sa.String(40)),
    sa.Column("actor", Document, nullable=False),
    sa.Column("on_behalf_of", sa.String(40)),
    sa.Column("cause", sa.String(40)),
    sa.Column("correlation", sa.String(40)),
    sa.Column("origin", sa.String(100)),
    sa.Column("changed", Document, nullable=False),
    sa.Column("data", Document, nullable=False),
    sa.Column("sequence", sa.BigInteger, unique=True),
    sa.Column("hash", sa.String(64)),
)
sa.Index("ix_events_subject", events.c.subject, events.c.position)
sa.Index("ix_events_case", events.c.case_id, events.c.position)
sa.Index(
    "ix_events_unsealed",
    events.c.position,
    sqlite_where=events.c.sequence.is_(None),
    postgresql_where=events.c.sequence.is_(None),
)

# ------------------------------------------------------------------------------------------ running

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("number", Position, primary_key=True, autoincrement=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("files", Document, nullable=False),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("author", sa.String(100), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    _id(),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("party", sa.String(40)),
    sa.Column("subject", sa.String(40)),
    sa.Column("code_hash", sa.String(64)),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("used_at", Moment),
)
sa.Index("ix_tokens_subject", tokens.c.subject)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("holder", sa.String(60), nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("until", Moment, nullable=False),
)

# what was answered to requests that may be sent again: see `repeats`
repeats = sa.Table(
    "repeats",
    metadata,
    sa.Column("scope", sa.String(64), primary_key=True),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("headers", Document, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("answered_at", Moment, nullable=False, index=True),
)
