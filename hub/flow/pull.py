"""Pulling: pages of changed records into the inbox, the watermark moving in the transaction that
stores the page.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from connectors.sdk import (
    ConfigError,
    ConnectorError,
    PayloadError,
    Sink,
    Source,
    TransientError,
)
from connectors.sdk.records import Cursor
from hub.flow import connections, sweep
from hub.flow.ahead import Asked, ahead
from hub.flow.page import Last, take_pages
from hub.hub import Hub
from hub.ids import new_id
from hub.live import Snapshot
from hub.process.calendar import parse_duration
from hub.store import circuits, cursors, outbox, running
from hub.store.cursors import Everything, Held
from hub.store.queue import LostLease
from hub.store.records import NewRecord
from hub.store.tables import events
from hub.store.tables import records as arriving

log = structlog.get_logger("hub.pull")

LEASE = timedelta(seconds=90)
AGAIN = timedelta(minutes=1)
"""After a failed pull, unless the vendor names a time."""


@dataclass(slots=True)
class Pulled:
    """What one pull did, as far as it has come. What waits in the queue is counted once it has
    been brought in (see `count_outcome`).
    """

    id: str
    connection: str
    object: str
    seen: int = 0
    queued: int = 0
    busy: bool = False
    error: str | None = None
    retry_after: float | None = None
    """Seconds for which the vendor wants to be left alone."""
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    exceptions: int = 0
    everything: bool = False
    """Whether all there is was or is pulled, not only what changed."""
    through: int = 0
    """Of a pull of everything: records so far, also in earlier turns."""
    total: int | None = None
    """How many there are in all, if the vendor tells."""


Progress = Callable[[Pulled], None]


def pull(
    hub: Hub,
    connection: str,
    object: str,
    *,
    full: bool = False,
    restart: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Pulled:
    """Pull what changed of one object. `full` pulls everything, and goes on where the last such
    pull stopped, unless it is to `restart`; `force` does not wait for its time.

    Stops cleanly at any page: the next pull goes on from there. A failure is noted on the
    connection.
    """
    result = Pulled(new_id("pul"), connection, object)
    with hub.database.write() as tx:
        running.keep_connections(tx, [connection])
        may = "go" if force else connections.may_pull(tx, connection)
        if may == "wait":
            result.busy = True
            return result
        held = cursors.claim_pull(tx, connection, object, LEASE, force=force or full)
        if held is None and may == "try":
            circuits.call_off(tx, connection)
    if held is None:
        result.busy = True
        return result
    snapshot = hub.live.current()
    every = timedelta(minutes=5)
    as_of: datetime | None = None
    try:
        connector = snapshot.connector(connection)
        every = _interval(connector.settings.pull.every)
        if not isinstance(connector, Source):
            raise ConfigError(f"The connection '{connection}' cannot be read.")
        turn = _Turn(hub, result, held, connector, every, progress)
        again = sweep.reconcile_due(snapshot, held.row, hub.clock())
        as_of = turn.run(full=full or restart, again=again, restart=restart)
    except LostLease:
        result.busy = True  # somebody else goes on from the last page
        return result
    except OperationalError:
        raise
    except KeyboardInterrupt:  # whoever goes on need not wait until the lease has run out
        with hub.database.write() as tx:
            cursors.end_pull(tx, connection, object, held.fence, timedelta(0))
        raise
    except Exception as caught:
        error = caught if isinstance(caught, ConnectorError) else _bug(connection, caught)
        result.error = str(error)
        # a bad moment costs a moment, not the day that a daily pull would wait
        wait = min(every, AGAIN)
        if isinstance(error, TransientError) and error.retry_after is not None:
            result.retry_after = error.retry_after
            wait = max(wait, timedelta(seconds=error.retry_after))
        with hub.unit() as unit:
            connections.note_failure(unit, connection, error, on_trial=may == "try")
            cursors.end_pull(unit.tx, connection, object, held.fence, wait)
        return result
    with hub.unit() as unit:
        connections.note_success(unit, connection)
        cursors.end_pull(unit.tx, connection, object, held.fence, every, as_of or unit.now)
    if result.queued:
        hub.wake("bring_in")
    return result


@dataclass(slots=True)
class _Turn:
    """One turn at pulling an object. While everything is pulled, what changed is read in between,
    so that a backfill of days holds up no news.
    """

    hub: Hub
    result: Pulled
    held: Held
    connector: Source
    every: timedelta
    progress: Progress | None
    cursor: Cursor = field(default_factory=dict)
    sweeping: bool = True

    def run(self, *, full: bool, again: bool, restart: bool) -> datetime | None:
        """The moment as of which all that changed was read; None: none was looked for. `full`: at
        once, whatever has changed; `again`: it is time for it.
        """
        self.cursor, self.sweeping = self.held.cursor, self._tells()
        at = None if restart else self.held.everything
        if at is None and (full or again or not self.cursor):
            at = self._begin()
        as_of: datetime | None = None
        changes = bool(self.cursor) and not full
        while True:
            if changes:
                as_of = self._changes(self.cursor) or as_of
            if at is None:
                return as_of
            since = at.since
            changes = bool(self.cursor)
            at, ended = self._everything(at, pausing=changes)
            if ended:
                return as_of or since

    def _begin(self) -> Everything:
        hub, of = self.hub, self.result
        with hub.database.write() as tx:
            cursors.move_cursor(
                tx, of.connection, of.object, self.held.fence, self.held.cursor, LEASE
            )
            self.sweeping = self.sweeping and sweep.begin(tx, of.connection, of.object)
            return cursors.begin_everything(
                tx, of.connection, of.object, self.held.fence, hub.clock()
            )

    def _tells(self) -> bool:
        """Whether what is missing from a pull of everything says anything."""
        offered = self.hub.live.current().offers(self.result.connection).get(self.result.object)
        return offered is not None and sweep.tells(offered)

    def _changes(self, cursor: Cursor) -> datetime | None:
        """Read what changed since a watermark, and move it on."""
        of, fence = self.result, self.held.fence
        first: datetime | None = None
        for some in self._pages(cursor):
            first = first or some[0].at
            self.cursor = then = some[-1].page.cursor

            def move(tx: Connection, ids: Sequence[str], then: Cursor = then) -> None:
                cursors.move_cursor(tx, of.connection, of.object, fence, then, LEASE)

            self._take(some, move)
            del some
        return first

    def _everything(self, at: Everything, *, pausing: bool) -> tuple[Everything, bool]:
        """Go on with a pull of everything. False: it pauses, as it is time to look what changed."""
        of, fence = self.result, self.held.fence
        of.everything, of.through = True, at.seen
        until = time.monotonic() + self.every.total_seconds()
        for some in self._pages(at.cursor):
            last = some[-1].page
            seen = at.seen + sum(len(one.page.records) for one in some)
            at = Everything(dict(last.cursor), at.since, seen)
            of.through, of.total = seen, last.total or of.total

            def move(tx: Connection, ids: Sequence[str], at: Everything = at) -> None:
                if self.sweeping:
                    sweep.saw(tx, of.connection, of.object, ids)
                cursors.move_everything(tx, of.connection, of.object, fence, at, of.total, LEASE)

            self._take(some, move)
            del some, last
            if pausing and time.monotonic() > until:
                return at, False
        hub = self.hub
        with hub.unit() as unit:
            sweep.over(unit, of.connection, of.object, at.since, looked=self.sweeping)
            cursors.end_everything(unit.tx, of.connection, of.object, fence, at, hub.clock())
        return at, True

    def _pages(self, cursor: Cursor) -> Iterator[list[Asked]]:
        """The pages that follow a watermark, as many at once as were read meanwhile."""
        of, snapshot = self.result, self.hub.live.current()
        mapping = snapshot.mapping(of.connection, of.object)
        wanted = mapping.source_fields if mapping else frozenset()
        if isinstance(self.connector, Sink) and mapping and mapping.writes:
            self.connector.adopt(of.object, cursor)
        source = self.connector.pull(of.object, cursor, wanted)
        with ahead(source, self.hub.clock, patient=self._still_here) as read:
            yield from read

    def _still_here(self) -> None:
        """Keep the turn while the tool takes its time for a page. Raises LostLease."""
        of = self.result
        with self.hub.database.write() as tx:
            cursors.keep_turn(tx, of.connection, of.object, self.held.fence, LEASE)

    def _take(self, some: list[Asked], last: Last) -> None:
        of = self.result
        whose = NewRecord(of.connection, of.object, "", "state", {}, "pull", of.id)
        came = take_pages(self.hub, whose, some, last)
        of.seen += came.seen
        of.queued += came.queued
        _count(of, came.events)
        if self.progress:
            self.progress(of)


def _bug(connection: str, error: Exception) -> ConnectorError:
    log.error("connector failed", connection=connection, exc_info=error)
    return PayloadError(f"The connector failed: {type(error).__name__}: {error}")


def _interval(text: str) -> timedelta:
    duration = parse_duration(text)
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration.unit]
    return timedelta(seconds=duration.amount * seconds)


def due(hub: Hub) -> list[tuple[str, str]]:
    """The (connection, object) pairs whose time to be pulled has come."""
    snapshot = hub.live.current()
    with hub.database.read() as tx:
        closed = circuits.shut(tx)
        trials = [name for name in circuits.half_open(tx) if not outbox.waits(tx, name)]
        known = {(row["connection"], row["object"]): row for row in cursors.all_cursors(tx)}
    now = hub.clock()
    found = []
    for connection, object in pullable(snapshot):
        row = known.get((connection, object))
        if connection in closed and connection not in trials:
            continue
        if row is None or (
            row["next_pull_at"] <= now and not (row["lease_until"] and row["lease_until"] >= now)
        ):
            found.append((connection, object))
    return found


def pullable(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Every (connection, object) that can be pulled and that something is done with."""
    found = []
    for name in snapshot.workspace.connections:
        try:
            asked: Sequence[str] = snapshot.connector(name).settings.pull.objects
        except ConnectorError:
            asked = ()
        for object, capability in snapshot.offers(name).items():
            used = snapshot.mapping(name, object) is not None or object == "message"
            if capability.pull and used and (not asked or object in asked):
                found.append((name, object))
    return sorted(found, key=lambda one: not _is_of_people(snapshot, *one))


def _is_of_people(snapshot: Snapshot, connection: str, object: str) -> bool:
    """Those come first: whoever is known need not be looked for when a task names them."""
    mapping = snapshot.mapping(connection, object)
    return mapping is not None and mapping.spec.entity == "party"


def count_outcome(hub: Hub, result: Pulled) -> bool:
    """Count what became of those records of a pull that had to wait. False while some still do."""
    if result.queued:
        with hub.database.read() as tx:
            waiting = tx.scalar(
                sa.select(sa.func.count()).where(
                    arriving.c.delivery == result.id, arriving.c.status == "pending"
                )
            )
            if waiting:
                return False
            happened = tx.execute(
                sa.select(events.c.type, sa.func.count())
                .where(events.c.cause == result.id)
                .group_by(events.c.type)
            )
            counts = Counter({row[0]: row[1] for row in happened})
        result.created = result.updated = result.deleted = result.exceptions = 0
        _count(result, counts)
    result.unchanged = max(0, result.seen - result.created - result.updated - result.deleted)
    return True


def _count(result: Pulled, counts: Counter[str]) -> None:
    kinds = ("task", "item", "comment")
    result.created += sum(counts[f"{kind}.created"] for kind in kinds) + counts["comment.added"]
    result.deleted += sum(counts[f"{kind}.deleted"] for kind in kinds)
    result.updated += sum(
        counts[f"{kind}.{what}"] for kind in kinds for what in ("updated", "completed", "reopened")
    )
    result.exceptions += counts["exception.raised"]
