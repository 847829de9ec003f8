"""Pulling: pages of changed records into the inbox, the watermark moving in the transaction that
stores the page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import OperationalError

from connectors.sdk import (
    ConfigError,
    ConnectorError,
    Page,
    PayloadError,
    Record,
    Sink,
    Source,
    TransientError,
)
from hub.failpoints import reach
from hub.flow import connections
from hub.flow.identity import identified
from hub.hub import Hub
from hub.ids import new_id
from hub.live import Snapshot
from hub.process.calendar import parse_duration
from hub.store import records, running, work
from hub.store.queue import LostLease
from hub.store.records import NewRecord
from hub.store.tables import events
from hub.store.tables import records as arriving
from mappings.compiler import CompiledMapping

log = structlog.get_logger("hub.pull")

LEASE = timedelta(seconds=90)
AGAIN = timedelta(minutes=1)
"""After a failed pull, unless the vendor names a time."""


@dataclass(slots=True)
class Pulled:
    """What one pull did. The last five are known once its records have been brought in."""

    id: str
    connection: str
    object: str
    seen: int = 0
    queued: int = 0
    busy: bool = False
    error: str | None = None
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    exceptions: int = 0


def pull(
    hub: Hub,
    connection: str,
    object: str,
    *,
    full: bool = False,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Pulled:
    """Pull what changed of one object. `full` starts from the beginning; `force` does not wait for
    its time.

    Stops cleanly at any page: the next pull goes on from there. A failure is noted on the
    connection.
    """
    result = Pulled(new_id("pul"), connection, object)
    with hub.database.write() as tx:
        running.keep_connections(tx, [connection])
        if connection in running.paused(tx) and not force:
            result.busy = True
            return result
        held = running.claim_pull(tx, connection, object, LEASE, force=force or full)
    if held is None:
        result.busy = True
        return result
    cursor, fence = held
    snapshot = hub.live.current()
    every = timedelta(minutes=5)
    as_of: datetime | None = None
    try:
        connector = snapshot.connector(connection)
        every = _interval(connector.settings.pull.every)
        mapping = snapshot.mapping(connection, object)
        if not isinstance(connector, Source):
            raise ConfigError(f"The connection '{connection}' cannot be read.")
        wanted = mapping.source_fields if mapping else frozenset()
        if isinstance(connector, Sink) and mapping and mapping.writes:
            connector.adopt(object, cursor)
        asked: deque[datetime] = deque()
        source = _noting(connector.pull(object, {} if full else cursor, wanted), asked, hub.clock)
        with one_ahead(source) as pages:
            for page in pages:
                moment = asked.popleft()
                as_of = as_of or moment
                _store_page(hub, result, page, fence, mapping, moment)
                del page  # the next but one may be fetched only once this one is gone
                if progress:
                    progress(result.seen)
    except LostLease:
        result.busy = True  # somebody else goes on from the last page
        return result
    except OperationalError:
        raise
    except Exception as caught:
        error = caught if isinstance(caught, ConnectorError) else _bug(connection, caught)
        result.error = str(error)
        # a bad moment costs a moment, not the day that a daily pull would wait
        wait = min(every, AGAIN)
        if isinstance(error, TransientError) and error.retry_after is not None:
            wait = max(wait, timedelta(seconds=error.retry_after))
        with hub.unit() as unit:
            connections.note_failure(unit, connection, error)
            running.end_pull(unit.tx, connection, object, fence, wait)
        return result
    with hub.unit() as unit:
        connections.note_success(unit, connection)
        running.end_pull(unit.tx, connection, object, fence, every, as_of or unit.now)
    if result.queued:
        hub.wake("bring_in")
    return result


def _noting(
    pages: Iterator[Page], asked: deque[datetime], clock: Callable[[], datetime]
) -> Iterator[Page]:
    """The same pages; `asked` gets the moment before each was asked for."""
    try:
        while True:
            moment = clock()
            page = next(pages, None)
            if page is None:
                return
            asked.append(moment)
            yield page
            del page
    finally:
        if isinstance(pages, Generator):
            pages.close()


@contextmanager
def one_ahead(pages: Iterator[Page]) -> Iterator[Iterator[Page]]:
    """The same pages in order, each fetched by a thread while the one before it is worked on; two
    of them are alive at most. Whatever the source raises is raised here, after the pages before it.
    Leaving the block ends the source, once it has finished the page that is under way.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="pull") as thread:

        def taken() -> Iterator[Page]:
            coming = thread.submit(next, pages, None)
            while (page := coming.result()) is not None:
                coming = thread.submit(next, pages, None)
                yield page
                del page

        try:
            yield taken()
        finally:
            thread.submit(_end, pages)


def _end(pages: Iterator[Page]) -> None:
    try:
        if isinstance(pages, Generator):
            pages.close()
    except Exception as error:
        log.warning("a pull did not end cleanly", error=type(error).__name__)


def _bug(connection: str, error: Exception) -> ConnectorError:
    log.error("connector failed", connection=connection, exc_info=error)
    return PayloadError(f"The connector failed: {type(error).__name__}: {error}")


def _interval(text: str) -> timedelta:
    duration = parse_duration(text)
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration.unit]
    return timedelta(seconds=duration.amount * seconds)


def _store_page(
    hub: Hub,
    result: Pulled,
    page: Page,
    fence: int,
    mapping: CompiledMapping | None,
    asked: datetime,
) -> None:
    """Its records count as received when the page was asked for: whatever came in meanwhile, by
    webhook or as the answer to a push, may be newer.
    """
    heard = [
        identified(mapping, record) if record.object == result.object else record
        for record in page.records
    ]
    with hub.database.write() as tx:
        known = work.links_by_external(
            tx, result.connection, result.object, {record.id for record in heard}
        )
        changed = [record for record in heard if not known_already(record, known.get(record.id))]
        records.enqueue(
            tx,
            [
                NewRecord(
                    result.connection,
                    record.object,
                    record.id,
                    "state",
                    records.state_of(record),
                    "pull",
                    result.id,
                )
                for record in changed
            ],
            asked,
        )
        running.move_cursor(tx, result.connection, result.object, fence, page.cursor, LEASE)
    reach("pull.stored")
    result.seen += len(heard)
    result.queued += len(changed)
    result.unchanged += len(heard) - len(changed)
    if changed:
        hub.wake("bring_in")


def known_already(record: Record, link: work.Row | None) -> bool:
    """Whether we know this very state: then there is nothing to bring in."""
    return (
        link is not None
        and not record.deleted
        and not link["remote_deleted"]
        and link["remote_version"] == record.version
        and link["data"] == dict(record.data)
    )


def due(hub: Hub) -> list[tuple[str, str]]:
    """The (connection, object) pairs whose time to be pulled has come."""
    snapshot = hub.live.current()
    with hub.database.read() as tx:
        paused = running.paused(tx)
        known = {(row["connection"], row["object"]): row for row in running.all_cursors(tx)}
    now = hub.clock()
    found = []
    for connection, object in pullable(snapshot):
        row = known.get((connection, object))
        if connection in paused:
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
    return found


def count_outcome(hub: Hub, result: Pulled) -> bool:
    """Fill in what became of a pull's records. False while some are still waiting."""
    with hub.database.read() as tx:
        waiting = tx.scalar(
            sa.select(sa.func.count()).where(
                arriving.c.delivery == result.id, arriving.c.status == "pending"
            )
        )
        if waiting:
            return False
        counts: dict[str, int] = {
            row[0]: row[1]
            for row in tx.execute(
                sa.select(events.c.type, sa.func.count())
                .where(events.c.cause == result.id)
                .group_by(events.c.type)
            )
        }
    kinds = ("task", "item", "comment")
    result.created = sum(counts.get(f"{kind}.created", 0) for kind in kinds) + counts.get(
        "comment.added", 0
    )
    result.deleted = sum(counts.get(f"{kind}.deleted", 0) for kind in kinds)
    result.updated = sum(
        counts.get(f"{kind}.{what}", 0)
        for kind in kinds
        for what in ("updated", "completed", "reopened")
    )
    result.exceptions = counts.get("exception.raised", 0)
    result.unchanged = max(0, result.seen - result.created - result.updated - result.deleted)
    return True
