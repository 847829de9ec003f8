"""The tables of who is there: absences that people told the hub, and what was done about each
person's standing last.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.metadata import id_, metadata
from hub.store.types import Document, Moment

# days, as YYYY-MM-DD, the last one included; one that is taken back stays, with `ended_at`
absences = sa.Table(
    "absences",
    metadata,
    id_(),
    sa.Column("party", sa.String(40), sa.ForeignKey("parties.id"), nullable=False, index=True),
    sa.Column("from_day", sa.String(10), nullable=False),
    sa.Column("until_day", sa.String(10), nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("told_by", Document, nullable=False),
    sa.Column("told_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("changed_at", Moment, nullable=False, index=True),
)

# how each person of the workspace stands, and that what follows from it has been done: who acts
# for somebody who is away, and the roles that work was given by
standings = sa.Table(
    "standings",
    metadata,
    sa.Column("party", sa.String(40), sa.ForeignKey("parties.id"), primary_key=True),
    sa.Column("standing", sa.String(8), nullable=False),
    sa.Column("acting", sa.String(40)),
    sa.Column("until_day", sa.String(10)),
    sa.Column("roles", Document, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
)
