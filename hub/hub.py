"""The hub as one object: settings, database, live workspace and clock. Everything else is handed
this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from connectors.sdk import Connector, Host
from connectors.sdk.host import Pace
from hub.live import Live, Snapshot
from hub.settings import Settings
from hub.store.database import Database
from hub.store.vault import StoredVault
from hub.unit import Unit


def system_clock() -> datetime:
    """Now, with a zone."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Hub:
    """A running hub, embedded or one process of many.

    `wake` asks for a stage to run soon (a job, by name); `announce` tells whoever watches what
    kinds of things changed.
    """

    settings: Settings
    database: Database
    live: Live
    clock: Callable[[], datetime] = system_clock
    wake: Callable[[str], None] = field(default=lambda stage: None)
    announce: Callable[[set[str]], None] = field(default=lambda topics: None)

    @contextmanager
    def unit(self, last: Callable[[Connection], object] | None = None) -> Iterator[Unit]:
        """A unit of work: routed, flushed and committed when the block ends, or nothing of it if
        it raises. `last` is done in the same transaction when all else is written.
        """
        from hub.flow.route import route
        from hub.process.ball import follow

        with self._begun() as (tx, snapshot):
            unit = Unit(tx, snapshot, self.clock(), self.settings.secret_key)
            yield unit
            route(unit)
            while follow(unit):  # where the ball lies, and what follows from that
                route(unit)
            unit.flush()
            if last is not None:
                last(tx)
        if "push" in unit.topics:
            self.soon("deliver")
        if unit.topics:
            self.database.afterwards(lambda: self.announce(unit.topics))

    @contextmanager
    def _begun(self) -> Iterator[tuple[Connection, Snapshot]]:
        """A transaction, and the snapshot that is in force in it. One that is new is loaded before,
        while nobody has to wait for it.
        """
        while True:
            with self.database.write() as tx:
                snapshot = self.live.known(tx)
                if snapshot is not None:
                    yield tx, snapshot
                    return
            self.live.current()

    def soon(self, stage: str) -> None:
        """Have a stage run once what was written is there for it to see."""
        self.database.afterwards(lambda: self.wake(stage))

    @contextmanager
    def rehearsal(self, snapshot: Snapshot) -> Iterator[Unit]:
        """A unit of work that is always undone, whatever it does: to see what would follow. Nobody
        is woken or told.
        """
        with self.database.rehearse() as tx:
            yield Unit(tx, snapshot, self.clock(), self.settings.secret_key)


def _pace(settings: Settings) -> Pace:
    """One pace for all processes where there is a Redis, which is asked briefly and once: without
    it work goes on.
    """
    if settings.redis_url is None:
        return Pace()
    from limits.storage import RedisStorage
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Pace(
        RedisStorage(
            settings.redis_url,
            wrap_exceptions=True,
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # handed on as it is
        )
    )


def open_hub(
    settings: Settings,
    classes: Mapping[str, type[Connector]],
    *,
    env: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = system_clock,
) -> Hub:
    """Open the database, bring its schema up to date, and be ready to work."""
    database = Database(settings.database_url)
    database.migrate()
    host = Host(_pace(settings), StoredVault(database, settings.secret_key))
    live = Live(database, classes, settings.secret_key, env, host)
    return Hub(settings, database, live, clock)
