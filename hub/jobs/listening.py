"""Listening: for connections that notice a change when it happens, a thread waits with them and has
it pulled early. Turns come all the same, so nothing is lost where nobody listens.
"""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from connectors.sdk import ConnectorError, UnsupportedError, Watcher
from hub.flow.pull import pullable
from hub.hub import Hub
from hub.jobs.broker import Jobs
from hub.live import NoWorkspace
from hub.store import circuits, cursors, running

log = structlog.get_logger("hub.listening")

Key = tuple[str, str]
PATIENCE = 240.0
"""Seconds that one wait may take."""
LEASE = timedelta(minutes=5)
"""One process listens per object; another takes over after this where it died."""
REFRESH = 5.0
REST = 60.0
"""Seconds after trouble, and until we look again whether somebody else still listens."""
SETTLING = 30
"""Looks, half a second apart, at whether the pull that was asked for is over."""


class Listeners:
    """The listening threads of this process."""

    def __init__(self, hub: Hub, jobs: Jobs) -> None:
        self.hub = hub
        self.jobs = jobs
        self.name = f"listener-{uuid.uuid4().hex[:8]}"
        self._stop = threading.Event()
        self._threads: dict[Key, tuple[threading.Thread, Watcher]] = {}
        self._held: set[str] = set()
        self._deaf: dict[Key, Watcher] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="listeners", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more. Threads that wait end with their connectors, which are closed next."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        try:
            with self.hub.database.write() as tx:
                for lease in self._held:
                    running.let_go(tx, lease, self.name)
        except SQLAlchemyError:
            log.warning("leases kept until they run out")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
            except NoWorkspace:
                pass
            except Exception:
                log.exception("listeners could not be refreshed")
            self._stop.wait(REFRESH)

    def refresh(self) -> None:
        """Have a thread for everything that can be listened to now."""
        for key, watcher in self.wanted().items():
            running_now = self._threads.get(key)
            if running_now and running_now[1] is watcher and running_now[0].is_alive():
                continue
            thread = threading.Thread(
                target=self._listen, args=(key, watcher), name=f"listen-{key[0]}", daemon=True
            )
            self._threads[key] = (thread, watcher)
            thread.start()

    def wanted(self) -> dict[Key, Watcher]:
        """What is pulled, may be called, and can be listened to as it is configured now."""
        snapshot = self.hub.live.current()
        with self.hub.database.read() as tx:
            shut = circuits.shut(tx)
        found: dict[Key, Watcher] = {}
        for name, object in pullable(snapshot):
            try:
                connector = snapshot.connector(name)
            except ConnectorError:
                continue
            if (
                isinstance(connector, Watcher)
                and name not in shut
                and self._deaf.get((name, object)) is not connector
            ):
                found[name, object] = connector
        return found

    def _listen(self, key: Key, watcher: Watcher) -> None:
        while not self._stop.is_set():
            try:
                if self.wanted().get(key) is not watcher:
                    return
                rest = self.turn(key, watcher)
            except Exception:
                log.exception("listening failed", connection=key[0])
                rest = REST
            self._stop.wait(rest)

    def turn(self, key: Key, watcher: Watcher) -> float:
        """Wait once, and have the object pulled if something happened; how long to rest then."""
        name, object = key
        lease = f"listen:{name}/{object}"[:100]
        with self.hub.database.write() as tx:
            if not running.hold(tx, lease, self.name, LEASE):
                return REST
            self._held.add(lease)
            state = cursors.cursor_state(tx, name, object)
        if state is None or state["pulled_at"] is None or state["lease_until"] is not None:
            return REFRESH  # the first pull, or one that is under way, tells from where
        try:
            changed = watcher.wait(object, state["cursor"], PATIENCE)
        except UnsupportedError as error:
            log.info("cannot be listened to", connection=name, why=str(error))
            self._deaf[key] = watcher
            return 0.0
        except ConnectorError as error:
            log.warning("listening was interrupted", connection=name, error=str(error))
            return REST
        if not changed or self._stop.is_set():
            return 0.0
        with self.hub.database.write() as tx:
            cursors.pull_soon(tx, name, object)
        self.jobs.wake_pull(name, object)
        self._settle(name, object, state["pulled_at"])
        return 0.0

    def _settle(self, name: str, object: str, before: object) -> None:
        """Let the pull move the cursor: from the old one the same change would be heard again."""
        for _ in range(SETTLING):
            with self.hub.database.read() as tx:
                state = cursors.cursor_state(tx, name, object)
            if state is None or state["pulled_at"] != before or self._stop.wait(0.5):
                return
