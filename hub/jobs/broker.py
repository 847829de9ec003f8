"""The broker, and the actors on it. A message carries the name of a stage, never data: losing one
loses nothing.

SQL knows what waits; the scheduler wakes whatever was forgotten. A dropped, doubled or late message
is harmless.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Retries, ShutdownNotifications, TimeLimit

from hub.errands import Errands
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.drain import drain
from hub.flow.drift import discover
from hub.flow.intake import parse_deliveries
from hub.flow.pull import pull
from hub.flow.subscriptions import keep
from hub.hub import Hub
from hub.live import NoWorkspace

STAGES: dict[str, Callable[[Hub], int]] = {
    "intake": parse_deliveries,
    "bring_in": bring_in,
    "deliver": deliver,
    "subscribe": keep,
    "drain": drain,
    "discover": discover,
}
SLICE = 10.0
"""Seconds after which a busy stage gives its thread to others and is woken again."""

_EMBEDDED = (Retries, TimeLimit, ShutdownNotifications)


REDIS_SECONDS = 2.0
"""How long Redis may take for one answer."""


def _on_redis(url: str) -> dramatiq.Broker:
    import redis  # an embedded hub has no use for these 5 MB
    from dramatiq.brokers.redis import RedisBroker
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis.from_url(
        url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return RedisBroker(client=client)  # type: ignore[no-untyped-call]


Errand = tuple[str, ...]
"""The name of a stage, or a connection and the object to pull."""


class Jobs:
    """The hub's actors on one broker. `embedded` runs them on threads of this process.

    Messages are sent by a thread of their own: whoever wakes a stage has just committed, and a
    broker that refuses or hangs is no trouble of theirs. SQL knows what waits, and the scheduler
    asks again.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        url = hub.settings.redis_url
        self.embedded = url is None
        self.broker: dramatiq.Broker = StubBroker() if url is None else _on_redis(url)
        if self.embedded:
            # a message is only a wake-up: no retries, no results, nothing to clean up after
            self.broker.middleware[:] = [
                one for one in self.broker.middleware if not isinstance(one, _EMBEDDED)
            ]
        self._asked: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stage = dramatiq.actor(actor_name="stage", broker=self.broker, max_retries=0)(
            self._run_stage
        )
        self._pull = dramatiq.actor(
            actor_name="pull", broker=self.broker, max_retries=0, queue_name="pull"
        )(self._run_pull)
        self._worker: dramatiq.Worker | None = None
        self._errands: Errands[Errand] = Errands("waking the workers", self._send)
        hub.wake = self.wake

    def wake(self, stage: str) -> None:
        """Have a stage run soon. Asking again before it has begun is free."""
        now = time.monotonic()
        with self._lock:
            if now - self._asked.get(stage, -1.0) < (1.0 if self.embedded else 0.02):
                return
            self._asked[stage] = now
        self._errands.ask((stage,))

    def wake_pull(self, connection: str, object: str) -> None:
        """Have an object pulled if it is time."""
        self._errands.ask((connection, object))

    def _send(self, errand: Errand) -> None:
        actor = self._stage if len(errand) == 1 else self._pull
        actor.send(*errand)

    def _run_stage(self, stage: str) -> None:
        with self._lock:
            self._asked.pop(stage, None)
        deadline = time.monotonic() + SLICE
        try:
            while STAGES[stage](self.hub):
                if time.monotonic() > deadline:
                    self.wake(stage)
                    return
        except NoWorkspace:
            return

    def _run_pull(self, connection: str, object: str) -> None:
        try:
            pull(self.hub, connection, object)
        except NoWorkspace:
            return

    def start(self, threads: int = 4) -> None:
        """Run actors on threads of this process."""
        self._worker = dramatiq.Worker(self.broker, worker_timeout=200, worker_threads=threads)
        self._worker.start()

    def stop(self, seconds: float = 20.0) -> None:
        """Finish what has begun, within so many seconds."""
        self._errands.close()
        if self._worker is not None:
            self._worker.stop(timeout=int(seconds * 1000))
            self._worker = None
        self.broker.close()
