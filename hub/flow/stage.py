"""What all stages share: claim a batch, work on it, halve it when it fails until the culprit
stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import OperationalError

from hub.hub import Hub
from hub.store import queue
from hub.store.queue import Claim, LostLease, Queue
from hub.unit import Unit

log = structlog.get_logger("hub.flow")

Rows = Sequence[RowMapping]


def take(hub: Hub, source: Queue, limit: int, *conditions: Any) -> Claim:
    """Claim a batch in a transaction of its own."""
    with hub.database.write() as tx:
        return queue.claim(tx, source, limit, *conditions)


def in_halves(
    hub: Hub,
    claim: Claim,
    rows: Rows,
    work: Callable[[Unit, Rows], None],
    give_up: Callable[[Unit, RowMapping, Exception], None],
    *,
    delay: float = 5.0,
) -> int:
    """Commit `work` on all rows at once, or else on halves of them; how many rows were committed.

    A row that fails alone is postponed; once it has used up its attempts it is set aside and
    `give_up` notes the trouble. Database
    trouble and lost leases end the batch: its rows come back by themselves.
    """
    if not rows:
        return 0
    try:
        with hub.unit() as unit:
            work(unit, rows)
        return len(rows)
    except (LostLease, OperationalError) as error:
        log.warning(
            "batch given up", queue=claim.queue.table.name, rows=len(rows), error=str(error)
        )
        if isinstance(error, OperationalError):
            _give_back(hub, claim, rows)
        return 0
    except Exception as error:
        if len(rows) > 1:
            half = len(rows) // 2
            return in_halves(hub, claim, rows[:half], work, give_up, delay=delay) + in_halves(
                hub, claim, rows[half:], work, give_up, delay=delay
            )
        log.exception("row failed", queue=claim.queue.table.name, position=rows[0]["position"])
        return _put_off(hub, claim, rows[0], error, give_up, delay)


def _give_back(hub: Hub, claim: Claim, rows: Rows) -> None:
    """Nothing was done with these rows, and not through their fault (a deadlock, a full disk)."""
    try:
        with hub.database.write() as tx:
            queue.release(tx, claim, [row["position"] for row in rows], 1.0)
    except OperationalError as error:
        log.warning("their leases must run out", rows=len(rows), error=str(error))


def _put_off(
    hub: Hub,
    claim: Claim,
    row: RowMapping,
    error: Exception,
    give_up: Callable[[Unit, RowMapping, Exception], None],
    delay: float,
) -> int:
    try:
        with hub.unit() as unit:
            text = f"{type(error).__name__}: {error}"[:2000]
            if queue.postpone(unit.tx, claim, row["position"], text, delay):
                give_up(unit, row, error)
    except (LostLease, OperationalError) as lost:
        log.warning("row given up", position=row["position"], error=str(lost))
    return 0
