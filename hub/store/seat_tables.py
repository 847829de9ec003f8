"""The table of seats: who is asked for a decision, and the voice of each."""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.metadata import id_, metadata
from hub.store.types import Moment

seats = sa.Table(
    "seats",
    metadata,
    id_(),
    sa.Column("decision_id", sa.String(40), sa.ForeignKey("decisions.id"), nullable=False),
    # the order in which a sequence asks, from 1
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("party", sa.String(40), nullable=False, index=True),
    # whose seat it is, where that person asked somebody else to answer in their place
    sa.Column("on_behalf_of", sa.String(40), index=True),
    # the role any of whose members may answer in it
    sa.Column("role", sa.String(100), index=True),
    # what was said when it was handed on
    sa.Column("note", sa.Text),
    # who named this person, where the process file did not
    sa.Column("named_by", sa.String(40)),
    sa.Column("asked_at", Moment),
    # the evidence that is shown to whoever was asked last
    sa.Column("asked_on", sa.String(64)),
    sa.Column("outcome", sa.String(100)),
    sa.Column("given_by", sa.String(40)),
    sa.Column("given_by_kind", sa.String(16)),
    sa.Column("channel", sa.String(20)),
    sa.Column("comment", sa.Text),
    sa.Column("evidence_hash", sa.String(64)),
    sa.Column("given_at", Moment),
    # people decide: whatever the code does, the database takes no voice but a person's
    sa.CheckConstraint(
        "outcome IS NULL OR (given_by IS NOT NULL AND given_by_kind IS NOT NULL"
        " AND given_by_kind = 'person' AND evidence_hash IS NOT NULL)",
        name="only_a_person_has_a_voice",
    ),
    sa.ForeignKeyConstraint(["given_by", "given_by_kind"], ["parties.id", "parties.kind"]),
)
sa.Index("ix_seats_decision_id", seats.c.decision_id, seats.c.position)
# one person never fills two seats of a decision
sa.Index(
    "uq_seats_one_voice_each",
    seats.c.decision_id,
    seats.c.given_by,
    unique=True,
    sqlite_where=seats.c.given_by.is_not(None),
    postgresql_where=seats.c.given_by.is_not(None),
)
