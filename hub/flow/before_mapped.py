"""Deliveries that were processed while no mapping took what they speak of: nothing came in, and
once there is a mapping they can be replayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from hub.flow.judged_again import said
from hub.live import Snapshot
from hub.store import delivered
from hub.store.delivered import Narrow

PERIOD = timedelta(hours=24)
MOST = 500
"""Deliveries of one connection that are read again, the newest."""
Mapped = tuple[str, str]
"""A connection and one of its objects."""


def spoke_of(
    tx: Connection, snapshot: Snapshot, mapped: Collection[Mapped], now: datetime
) -> Counter[Mapped]:
    """How many deliveries of the last 24 hours, processed and not replayed since, speak of each of
    these objects. Of a busy connection only the newest are read.
    """
    found: Counter[Mapped] = Counter()
    for connection in sorted({connection for connection, _ in mapped}):
        narrow = Narrow(connection, "processed", since=now - PERIOD, not_replayed=True)
        ids = [row["id"] for row in delivered.search(tx, narrow, limit=MOST)]
        for row in delivered.with_bodies(tx, ids):
            objects = {(connection, one.object) for one in said(snapshot, row)[0]}
            found.update(objects.intersection(mapped))
    return found
