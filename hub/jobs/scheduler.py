"""The scheduler: wakes what waits, pulls what is due, fires timers, seals events. One leads; any
number stand by.
"""

from __future__ import annotations

import threading
import time
import uuid
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.flow import drain, drift, subscriptions
from hub.flow.pull import due
from hub.flow.stage import Stride
from hub.hub import Hub
from hub.jobs.broker import Jobs
from hub.jobs.sweep import Sweep
from hub.live import NoWorkspace
from hub.participants import nudges
from hub.process import clocks, questions
from hub.process.forecast import Forecaster
from hub.process.tending import Tending
from hub.store import events, inbox, outbox, queue, records, running

log = structlog.get_logger("hub.scheduler")

TICK = 0.5
LEASE = timedelta(seconds=10)
SEALED = 5000
"""Events sealed in one tick at most."""
_LATE = 10
"""Ticks between looks at what is late."""
_FORECAST = 120
"""Ticks between looks at what will be."""
_HOURLY = 7200
"""Ticks between the rare chores."""


class Scheduler:
    """Ticks twice a second while it holds the lease."""

    def __init__(self, hub: Hub, jobs: Jobs) -> None:
        self.hub = hub
        self.jobs = jobs
        self.name = f"scheduler-{uuid.uuid4().hex[:8]}"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._ticks = 0
        self._stride = Stride(most=SEALED, begin=200)
        self._sweep = Sweep(hub)
        self._tending = Tending(hub)
        self._forecaster = Forecaster(hub)

    def tick(self) -> None:
        """One round of everything that time makes necessary."""
        hub = self.hub
        with hub.database.write() as tx:
            if not running.hold(tx, "scheduler", self.name, LEASE):
                return
        self._seal()
        with hub.database.read() as tx:
            waiting = {
                "intake": queue.due_count(tx, inbox.DELIVERIES),
                "bring_in": queue.due_count(tx, records.RECORDS),
                "deliver": queue.due_count(tx, outbox.PUSHES),
            }
        for stage, count in waiting.items():
            if count:
                self.jobs.wake(stage)
        for connection, object in due(hub):
            self.jobs.wake_pull(connection, object)
        if subscriptions.tend(hub):
            self.jobs.wake("subscribe")
        if drift.tend(hub):
            self.jobs.wake("discover")
        if self._ticks == 0:
            drain.try_all_again(hub)
        if drain.waits(hub):
            self.jobs.wake("drain")
        with hub.unit() as unit:
            questions.tend(unit)
            clocks.fire(unit)
            if self._ticks % _LATE == 0:
                clocks.note_overdue(unit)
            nudges.flush(unit)
        if self._ticks % _FORECAST == 0:
            self._forecaster.look()
        self._tending.tend()
        if self._ticks % _HOURLY == 0:
            self._sweep.begin()
        self._sweep.go_on()
        self._ticks += 1

    def _seal(self) -> None:
        """Seal what happened, in transactions short enough for whoever takes webhooks in."""
        sealed = 0
        while sealed < SEALED:
            size = self._stride.size
            with self.hub.database.write() as tx:
                began = time.thread_time()
                count = events.seal(tx, size)
            self._stride.took(count, time.thread_time() - began)
            sealed += count
            if count < size:
                return

    def run(self) -> None:
        """Tick until told to stop. Trouble with the database is logged and tried again."""
        while not self._stop.is_set():
            try:
                self.tick()
            except NoWorkspace:
                pass
            except SQLAlchemyError as error:
                log.warning("tick failed", error=str(error).splitlines()[0])
            except Exception:
                log.exception("tick failed")
            self._stop.wait(TICK)

    def start(self) -> None:
        self._thread = threading.Thread(target=self.run, name="scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        try:
            with self.hub.database.write() as tx:
                running.let_go(tx, "scheduler", self.name)
        except SQLAlchemyError:
            log.warning("lease kept until it runs out")
