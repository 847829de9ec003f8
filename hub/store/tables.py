"""The schema. Moments are UTC; documents are JSON text; `version` columns count edits for
optimistic locking.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.store import (
    connection_tables,
    held_tables,
    match_tables,
    nudge_tables,
    people_tables,
    process_tables,
    queue_tables,
    seat_tables,
)
from hub.store.metadata import id_ as _id
from hub.store.metadata import metadata as metadata
from hub.store.metadata import position as _position
from hub.store.types import Document, Moment, Position

absences = people_tables.absences
accounts = connection_tables.accounts
case_items = process_tables.case_items
cases = process_tables.cases
connections = connection_tables.connections
consents = connection_tables.consents
cursors = connection_tables.cursors
decisions = process_tables.decisions
definitions = process_tables.definitions
deliveries = queue_tables.deliveries
durations = held_tables.durations
exceptions = process_tables.exceptions
handoffs = process_tables.handoffs
held = held_tables.held
match_heads = match_tables.match_heads
match_keys = match_tables.match_keys
notice_counts = connection_tables.notice_counts
notices = connection_tables.notices
nudges = nudge_tables.nudges
parted = match_tables.parted
proposals = process_tables.proposals
pushes = queue_tables.pushes
records = queue_tables.records
schemas = connection_tables.schemas
seats = seat_tables.seats
sightings = connection_tables.sightings
steps = process_tables.steps
snoozes = nudge_tables.snoozes
standings = people_tables.standings
subscriptions = connection_tables.subscriptions
timers = process_tables.timers
tombstones = queue_tables.tombstones
vault = connection_tables.vault
waits = process_tables.waits

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
    sa.Column("accountable", sa.String(40)),
    sa.Column("requester", sa.String(40)),
    sa.Column("waiting_on", sa.String(10), nullable=False),
    sa.Column("due", Document),
    sa.Column("due_by", Moment, index=True),
    sa.Column("start_by", Document),
    sa.Column("priority", sa.String(10)),
    sa.Column("labels", Document, nullable=False),
    sa.Column("url", sa.Text),
    sa.Column("case_id", sa.String(40)),
    sa.Column("step_id", sa.String(40)),
    sa.Column("custom", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False, index=True),
    sa.Column("completed_at", Moment),
)
for _own in (tasks.c.accountable, tasks.c.case_id, tasks.c.step_id):
    # most tasks come from tools and have none of these: what is not there needs no entry
    sa.Index(
        f"ix_tasks_{_own.name}",
        _own,
        sqlite_where=_own.is_not(None),
        postgresql_where=_own.is_not(None),
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
    # pulls of everything in a row that did not find it; -1: a person said that it is not gone
    sa.Column("misses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.UniqueConstraint("connection", "object", "external_id"),
)
sa.Index("ix_links_entity", links.c.entity_id)
_missed = links.c.misses != sa.literal_column("0")
sa.Index(
    "ix_links_missed",
    links.c.connection,
    links.c.object,
    links.c.external_id,
    sqlite_where=_missed,
    postgresql_where=_missed,
)

# records whose id changed: moved to another project or folder, merged into another record
aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("object", sa.String(100), primary_key=True),
    sa.Column("former_id", sa.String(400), primary_key=True),
    sa.Column("external_id", sa.String(400), nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
)

# entities that were merged into another one, which answers for them
merged = sa.Table(
    "merged",
    metadata,
    _id(),
    sa.Column("entity_type", sa.String(10), nullable=False),
    sa.Column("into", sa.String(40), nullable=False, index=True),
    sa.Column("at", Moment, nullable=False),
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
sa.Index(
    "ix_events_case",
    events.c.case_id,
    events.c.position,
    sqlite_where=events.c.case_id.is_not(None),
    postgresql_where=events.c.case_id.is_not(None),
)
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
