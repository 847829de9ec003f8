"""The tables of the queues: what comes in (deliveries, then the records they speak of), and what
goes out.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.store.metadata import metadata, position
from hub.store.types import Document, Moment


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


deliveries = sa.Table(
    "deliveries",
    metadata,
    position(),
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
    position(),
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

pushes = sa.Table(
    "pushes",
    metadata,
    position(),
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
    # how many writes in a row were each caused by the one before it
    sa.Column("hops", sa.Integer, nullable=False, server_default="0"),
    # what it failed of: those that failed of the same are one exception, and are retried together
    sa.Column("trouble", sa.String(64)),
    sa.Column("result", Document),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    *_work_columns(),
)
sa.Index("ix_pushes_entity", pushes.c.entity_id)
_troubled = pushes.c.trouble.is_not(None)
sa.Index(
    "ix_pushes_trouble",
    pushes.c.trouble,
    sqlite_where=_troubled,
    postgresql_where=_troubled,
)

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
