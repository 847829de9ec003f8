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
    # since when its clock stands, how long it stood before (seconds), and why it stands
    sa.Column("paused_at", Moment),
    sa.Column("paused_for", sa.Float, nullable=False, server_default="0"),
    sa.Column("paused_why", sa.String(16)),
    # of a case that is a part of another: that case, and the step that started it
    sa.Column("parent_case", sa.String(40)),
    sa.Column("parent_step", sa.String(40)),
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
    # whether any of its steps waits for an event
    sa.Column("listens", sa.Boolean, nullable=False, server_default=sa.false()),
)
sa.Index(
    "ix_definitions_listens",
    definitions.c.version,
    sqlite_where=definitions.c.listens,
    postgresql_where=definitions.c.listens,
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
    # how often it was begun anew: of the runs of a step, those of its newest round count
    sa.Column("round", sa.Integer, nullable=False, server_default="1"),
    # with `each`: the element of the list that this run is for, and its place there from 0
    sa.Column("element", Document),
    sa.Column("each_index", sa.Integer),
    # what has come that it waits for: an event, or the end of its own case
    sa.Column("heard", Document),
    # the case that is run as this step
    sa.Column("subcase", sa.String(40)),
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
    # since when its clock stands, how long it stood before (seconds), and why it stands
    sa.Column("paused_at", Moment),
    sa.Column("paused_for", sa.Float, nullable=False, server_default="0"),
    sa.Column("paused_why", sa.String(16)),
    # likely late, as others like it took long
    sa.Column("at_risk", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("case_id", "key", "run"),
)
sa.Index("ix_steps_due", steps.c.status, steps.c.due_by)
for _owned, _among in (
    (cases.c.accountable, cases.c.status.in_(("active", "suspended"))),
    (steps.c.accountable, steps.c.status.in_(("available", "active", "failed"))),
    (steps.c.responsible, steps.c.status.in_(("active",))),
):
    # who has what is asked whenever somebody leaves or goes away
    sa.Index(
        f"ix_{_owned.table.name}_{_owned.name}",
        _owned,
        sqlite_where=_among,
        postgresql_where=_among,
    )
sa.Index(
    "ix_steps_subcase",
    steps.c.subcase,
    sqlite_where=steps.c.subcase.is_not(None),
    postgresql_where=steps.c.subcase.is_not(None),
)

# steps that wait for an event and are not over; `correlation` is what the event's key must be,
# null where the event must be about the case itself
waits = sa.Table(
    "waits",
    metadata,
    sa.Column("step_id", sa.String(40), primary_key=True),
    sa.Column("case_id", sa.String(40), nullable=False, index=True),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("key", sa.String(100), nullable=False),
    sa.Column("correlation", sa.String(300)),
)
sa.Index("ix_waits_for", waits.c.version, waits.c.key, waits.c.correlation)

handoffs = sa.Table(
    "handoffs",
    metadata,
    id_(),
    sa.Column("case_id", sa.String(40), index=True),
    sa.Column("step_id", sa.String(40), index=True),
    sa.Column("task_id", sa.String(40), index=True),
    sa.Column("from_party", sa.String(40)),
    sa.Column("to_party", sa.String(40), nullable=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("offered_at", Moment, nullable=False),
    sa.Column("answered_at", Moment),
    sa.Column("due", Document),
    # the role it was offered to: any member may accept
    sa.Column("role", sa.String(100)),
    # who was meant, where it is offered to somebody who stands in
    sa.Column("on_behalf_of", sa.String(40)),
    sa.Column("answered_by", sa.String(40)),
    sa.Column("due_by", Moment),
    # when the next thing is done about its not being answered
    sa.Column("chase_at", Moment),
    # why it cannot be accepted any more: superseded, or moot
    sa.Column("closed", sa.String(16)),
)
sa.Index(
    "ix_handoffs_chase",
    handoffs.c.chase_at,
    sqlite_where=handoffs.c.chase_at.is_not(None),
    postgresql_where=handoffs.c.chase_at.is_not(None),
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
    # voices that must agree; in a sequence, how many are asked one after the other
    sa.Column("quorum", sa.Integer, nullable=False, server_default="1"),
    sa.Column("sequence", sa.Boolean, nullable=False, server_default=sa.false()),
    # options that one voice is enough for
    sa.Column("veto", Document, nullable=False, server_default="[]"),
    # why nobody can answer yet: it is not clear who must not
    sa.Column("held", sa.Text),
    # the revision of the workspace by whose people it was seated
    sa.Column("seated_under", sa.Integer, nullable=False, server_default="0"),
    # people decide: whatever the code does, the database takes no outcome but from a person
    sa.CheckConstraint(
        "outcome IS NULL OR outcome IN ('expired', 'withdrawn')"
        " OR (decided_by IS NOT NULL AND decided_by_kind IS NOT NULL"
        " AND decided_by_kind = 'person')",
        name="only_a_person_decides",
    ),
    sa.ForeignKeyConstraint(["decided_by", "decided_by_kind"], ["parties.id", "parties.kind"]),
)
sa.Index(
    "ix_decisions_seated_under",
    decisions.c.seated_under,
    sqlite_where=sa.text("outcome IS NULL OR outcome = 'expired'"),
    postgresql_where=sa.text("outcome IS NULL OR outcome = 'expired'"),
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
