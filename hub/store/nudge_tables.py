"""The tables of nudges: what people were told and what they will be told later, and what they asked
to hear of later.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.metadata import id_, metadata
from hub.store.types import Document, Moment

nudges = sa.Table(
    "nudges",
    metadata,
    id_(),
    sa.Column("party", sa.String(40), nullable=False),
    # what it is about: a step, or a case, task or event
    sa.Column("subject", sa.String(40), nullable=False, index=True),
    sa.Column("case_id", sa.String(40)),
    sa.Column("purpose", sa.String(24), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    # what it will say, while it waits
    sa.Column("message", Document),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("why", sa.String(100)),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    # the key of the push that told it; several of one key are a digest
    sa.Column("sent_as", sa.String(60)),
    # the day (of the recipient) whose budget it counts for
    sa.Column("day", sa.String(10)),
)
sa.Index(
    "ix_nudges_waiting",
    nudges.c.due_at,
    sqlite_where=nudges.c.status == "waiting",
    postgresql_where=nudges.c.status == "waiting",
)
sa.Index("ix_nudges_party", nudges.c.party, nudges.c.status, nudges.c.sent_at)

snoozes = sa.Table(
    "snoozes",
    metadata,
    sa.Column("party", sa.String(40), primary_key=True),
    sa.Column("subject", sa.String(40), primary_key=True),
    sa.Column("until", Moment, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)
