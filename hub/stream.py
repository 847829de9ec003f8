"""Live updates: whoever watches hears what kinds of things changed, and looks for themselves.

A watcher who is slow misses nothing: topics pile up as a set until they are read. With several
processes the topics travel through Redis; losing one costs a moment's freshness, never data.
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from hub.errands import Errands

if TYPE_CHECKING:
    import redis  # an embedded hub has no use for it, and it is large

    from hub.hub import Hub

log = structlog.get_logger("hub.stream")

CHANNEL = "hub:changes"
HEARTBEAT = 15.0
"""Seconds after which a silent stream says that it is alive: proxies cut silent ones."""
RECONNECT = 2.0


class _Watcher:
    """One open stream, on the event loop that serves it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.topics: set[str] = set()
        self.ended = False

    def tell(self, topics: Iterable[str]) -> None:
        self.topics |= set(topics)
        self.changed.set()

    def end(self) -> None:
        self.ended = True
        self.changed.set()


class Stream:
    """Carries topics from whoever commits a change to whoever watches. Safe from many threads.

    Other processes are told by a thread of its own: whoever has just committed waits for no Redis.
    """

    def __init__(self, redis_url: str | None = None) -> None:
        self._name = uuid.uuid4().hex
        self._watchers: set[_Watcher] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._errands: Errands[str] = Errands("telling other processes of changes", self._publish)
        self._redis: redis.Redis | None = None
        self._listener: threading.Thread | None = None
        if redis_url is not None:
            import redis

            self._redis = redis.Redis.from_url(
                redis_url, socket_timeout=5, socket_connect_timeout=5, decode_responses=True
            )

    def publish(self, topics: set[str]) -> None:
        """Tell every watcher, in every process, that these kinds of things changed."""
        if not topics or self._closed.is_set():
            return
        self._tell(topics)
        if self._redis is not None:
            for topic in topics:
                self._errands.ask(topic)

    def _publish(self, topic: str) -> None:
        assert self._redis is not None  # noqa: S101 - asked for only where there is one
        self._redis.publish(CHANNEL, json.dumps([self._name, topic]))

    def _tell(self, topics: Iterable[str]) -> None:
        with self._lock:
            watchers = list(self._watchers)
        for watcher in watchers:
            try:
                watcher.loop.call_soon_threadsafe(watcher.tell, topics)
            except RuntimeError:  # its loop has just been closed
                continue

    async def watch(self, heartbeat: float = HEARTBEAT) -> AsyncIterator[str]:
        """The events of one stream, as text, until the client goes or the hub stops."""
        watcher = _Watcher()
        with self._lock:
            self._watchers.add(watcher)
        self._listen()
        try:
            yield "retry: 2000\n\n: watching\n\n"
            while not (watcher.ended or self._closed.is_set()):
                try:
                    await asyncio.wait_for(watcher.changed.wait(), heartbeat)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                watcher.changed.clear()
                topics, watcher.topics = watcher.topics, set()
                if topics:
                    data = json.dumps({"topics": sorted(topics)})
                    yield f"event: change\ndata: {data}\n\n"
        finally:
            with self._lock:
                self._watchers.discard(watcher)

    @property
    def watching(self) -> int:
        """How many streams are open in this process."""
        with self._lock:
            return len(self._watchers)

    def _listen(self) -> None:
        with self._lock:
            if self._redis is None or self._listener is not None:
                return
            self._listener = threading.Thread(target=self._run, name="stream", daemon=True)
            self._listener.start()

    def _channel(self) -> Any:
        assert self._redis is not None  # noqa: S101 - started only where there is one
        return self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

    def _run(self) -> None:
        from redis import RedisError

        while not self._closed.is_set():
            try:
                with self._channel() as channel:
                    channel.subscribe(CHANNEL)
                    while not self._closed.is_set():
                        message = channel.get_message(timeout=1.0)
                        if message is not None:
                            by, topic = json.loads(message["data"])
                            if by != self._name:
                                self._tell([topic])
            except (RedisError, ValueError) as error:
                log.warning("no changes from other processes", error=str(error))
                self._closed.wait(RECONNECT)

    def close(self) -> None:
        """End all streams: a server waits for them before it stops."""
        self._closed.set()
        with self._lock:
            watchers = list(self._watchers)
        for watcher in watchers:
            try:
                watcher.loop.call_soon_threadsafe(watcher.end)
            except RuntimeError:  # its loop has just been closed
                continue
        self._errands.close()
        if self._listener is not None:
            self._listener.join(timeout=5)
        if self._redis is not None:
            self._redis.close()


@contextmanager
def telling(hub: Hub) -> Iterator[None]:
    """Whoever watches a page of another process hears of what changes here."""
    stream = Stream(hub.settings.redis_url)
    hub.announce = stream.publish
    try:
        yield
    finally:
        stream.close()
