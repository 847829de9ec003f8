"""Tables about which records are the same thing: what they are recognised by, and what a person
said of them.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.metadata import metadata
from hub.store.types import Moment

# the keys of entities whose kind a mapping with `match` speaks of: see mappings.sameness
match_keys = sa.Table(
    "match_keys",
    metadata,
    sa.Column("key", sa.String(32), primary_key=True),
    sa.Column("entity_id", sa.String(40), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

# the agreements of which all entities have their keys, by what those begin with
match_heads = sa.Table(
    "match_heads",
    metadata,
    sa.Column("head", sa.String(8), primary_key=True),
    sa.Column("entity_type", sa.String(10), nullable=False),
    sa.Column("indexed_at", Moment, nullable=False),
)

# a record and an entity of which a person said that they are two things; `alone`: the record was
# unlinked from it, and is left alone until somebody asks for it
parted = sa.Table(
    "parted",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("object", sa.String(100), primary_key=True),
    sa.Column("external_id", sa.String(400), primary_key=True),
    sa.Column("entity_id", sa.String(40), primary_key=True, index=True),
    sa.Column("alone", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("at", Moment, nullable=False),
)
