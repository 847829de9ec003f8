"""The tables of time: who held the ball from when until when, and how long steps took."""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.metadata import metadata, position
from hub.store.types import Moment

held = sa.Table(
    "held",
    metadata,
    position(),
    sa.Column("case_id", sa.String(40), nullable=False, index=True),
    # the step, or the case itself
    sa.Column("subject", sa.String(40), nullable=False),
    sa.Column("party", sa.String(40)),
    sa.Column("side", sa.String(10), nullable=False),
    sa.Column("suspended", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("since", Moment, nullable=False),
    sa.Column("until", Moment),
    # from `since` to `until`, as a whole number, so that sums are exact on every database
    sa.Column("micros", sa.BigInteger),
)
# one holder at a time, and what is open is found without a scan
sa.Index(
    "uq_held_open",
    held.c.subject,
    unique=True,
    sqlite_where=held.c.until.is_(None),
    postgresql_where=held.c.until.is_(None),
)

# how long each completed run of a step took, by the clock that it has
durations = sa.Table(
    "durations",
    metadata,
    sa.Column("step_id", sa.String(40), primary_key=True),
    sa.Column("case_id", sa.String(40), nullable=False),
    sa.Column("process", sa.String(100), nullable=False),
    sa.Column("key", sa.String(100), nullable=False),
    sa.Column("clock", sa.String(10), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("ended_at", Moment, nullable=False),
)
sa.Index("ix_durations_of", durations.c.process, durations.c.key, durations.c.ended_at)
