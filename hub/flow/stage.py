"""What all stages share: claim a batch, work on it, halve it when it fails until the culprit
stands alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence

import structlog
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.exc import OperationalError

from hub.hub import Hub
from hub.store import queue
from hub.store.queue import Claim, LostLease, Queue
from hub.unit import Unit

log = structlog.get_logger("hub.flow")

Rows = Sequence[RowMapping]


SHARE = 1 / 3
"""Part of a lease after which what was not looked at yet is left to the next claim."""
TURN = 1.0
"""Seconds for which a stage may claim batch after batch, each as it ends the one before."""


def take(
    hub: Hub,
    source: Queue,
    limit: int,
    without: Callable[[Connection], Collection[str]] = lambda tx: (),
) -> Claim | None:
    """Claim a batch in a transaction of its own, of other connections than those it must do
    `without`; None where nothing waits, which nobody who writes is kept waiting for.
    """
    with hub.database.read() as tx:
        if not queue.due_count(tx, source, sorted(without(tx))):
            return None
    with hub.database.write() as tx:  # asked once more: another worker may just have met trouble
        return queue.claim(tx, source, limit, sorted(without(tx))) or None


Ahead = list[Claim] | None
"""Where the next batch is put, once it was claimed by the transaction that ended the last one; None
while no more is claimed.
"""


def turn(hub: Hub, source: Queue, stride: Stride, work: Callable[[Hub, Claim, Ahead], int]) -> int:
    """Have `work` do batch after batch for a moment; how many rows are done with."""
    done, until = 0, time.monotonic() + TURN
    claim = take(hub, source, stride.size)
    while claim:
        ahead: Ahead = [] if time.monotonic() < until else None
        done += work(hub, claim, ahead)
        claim = ahead[0] if ahead else None
    return done


AIM = 0.035
"""Seconds of work that a writing transaction should take: on SQLite whoever takes webhooks in waits
for it.
"""


class Stride:
    """How many rows a stage takes at once: what it works off in about `AIM` seconds of writing.
    It begins small, at most doubles where that was quick, and shrinks where it was slow.

    The seconds are those that its thread worked, not those of the clock: what a disk or a busy
    machine takes does not grow with the rows, and smaller batches would only make it more often.
    """

    LEAST = 100
    LAST = 4

    def __init__(self, most: int, begin: int = 100) -> None:
        self.most = most
        self.size = min(begin, most)
        self._costs: deque[float] = deque(maxlen=self.LAST)

    def took(self, rows: int, seconds: float) -> None:
        """Learn from one transaction; one that was no whole batch can only tell of too much.

        It shrinks only where the last few were all slow: what makes rows dear for a moment (another
        program in the processor's caches) passes, and small batches would make them dearer.
        """
        if not rows:
            return
        cost = max(seconds, 1e-6) / rows
        if rows >= self.size:
            self._costs.append(cost)
        fits, at_best = int(AIM / cost), int(AIM / min([*self._costs, cost]))
        if at_best < self.size:
            if rows >= self.LEAST:
                self.size = min(max((at_best + self.size) // 2, self.LEAST), self.most)
        elif rows >= self.size:
            self.size = min(max(fits, self.size), self.size * 2, self.most)


def in_halves(
    hub: Hub,
    claim: Claim,
    rows: Rows,
    work: Callable[[Unit, Rows], object],
    give_up: Callable[[Unit, RowMapping, Exception], None],
    *,
    delay: float = 5.0,
    alone: Callable[[RowMapping], int] | None = None,
    stride: Stride | None = None,
    ahead: Ahead = None,
) -> int:
    """Commit `work` on all rows at once, or else on halves of them; how many rows were committed.

    `ahead` is given the next batch, claimed by the very transaction that ends this one, if all rows
    were committed at once: a commit waits for the disk, so one is better than two.

    A row that fails alone is postponed; once it has used up its attempts it is set aside and
    `give_up` notes the trouble. Where there is another way for it, `alone` takes it. Database
    trouble and lost leases end the batch: its rows come back by themselves.
    """
    if not rows:
        return 0

    def claim_next(tx: Connection) -> None:
        if ahead is not None:
            size = len(rows) if stride is None else stride.size
            ahead.append(queue.claim(tx, claim.queue, size))

    try:
        with hub.unit(claim_next) as unit:
            began = time.thread_time()
            work(unit, rows)
        if stride is not None:
            stride.took(len(rows), time.thread_time() - began)
        return len(rows)
    except (LostLease, OperationalError) as error:
        _forget(ahead)
        log.warning(
            "batch given up", queue=claim.queue.table.name, rows=len(rows), error=str(error)
        )
        if isinstance(error, OperationalError):
            _give_back(hub, claim, rows)
        return 0
    except Exception as error:
        _forget(ahead)
        if len(rows) > 1:
            half = len(rows) // 2
            return sum(
                in_halves(hub, claim, some, work, give_up, delay=delay, alone=alone, stride=stride)
                for some in (rows[:half], rows[half:])
            )
        if alone is not None:
            log.exception(
                "row takes another way",
                queue=claim.queue.table.name,
                position=rows[0]["position"],
            )
            return alone(rows[0])
        log.exception("row failed", queue=claim.queue.table.name, position=rows[0]["position"])
        return put_off(hub, claim, rows[0], error, give_up, delay)


def _forget(ahead: Ahead) -> None:
    """What was claimed ahead went with its transaction."""
    if ahead is not None:
        ahead.clear()


def _give_back(hub: Hub, claim: Claim, rows: Rows) -> None:
    """Nothing was done with these rows, and not through their fault (a deadlock, a full disk)."""
    try:
        with hub.database.write() as tx:
            queue.release(tx, claim, [row["position"] for row in rows], 1.0)
    except OperationalError as error:
        log.warning("their leases must run out", rows=len(rows), error=str(error))


def put_off(
    hub: Hub,
    claim: Claim,
    row: RowMapping,
    error: Exception,
    give_up: Callable[[Unit, RowMapping, Exception], None],
    delay: float = 5.0,
) -> int:
    """Try a row again later, or set it aside once it has used up its attempts."""
    try:
        with hub.unit() as unit:
            text = f"{type(error).__name__}: {error}"[:2000]
            if queue.postpone(unit.tx, claim, row["position"], text, delay):
                give_up(unit, row, error)
    except (LostLease, OperationalError) as lost:
        log.warning("row given up", position=row["position"], error=str(lost))
    return 0
