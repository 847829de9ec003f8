"""A broker that refuses or hangs: what the database took stays taken, once, and is answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from connectors.github.sandbox import GithubSandbox
from hub.intake.intake import StoreInbox
from hub.jobs import broker
from hub.jobs.broker import Jobs
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World
from tests.hub.store.test_inbox import incoming

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def world(make: MakeWorld, github: GithubSandbox) -> World:
    world = make({"github": github})
    world.hub.settings = replace(world.hub.settings, redis_url=NOWHERE)
    return world


@pytest.fixture
def jobs(world: World) -> Iterator[Jobs]:
    jobs = Jobs(world.hub)
    yield jobs
    jobs.stop()


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.OutOfMemoryError("command not allowed"),
        redis.exceptions.ResponseError("MISCONF errors writing to the AOF file"),
        redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
        redis.exceptions.TimeoutError("Timeout reading from socket"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broker_that_refuses_is_no_trouble_of_whoever_stored(
    world: World, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(jobs.broker, "enqueue", refuse)
    inbox = StoreInbox(world.hub)
    assert [one.duplicate for one in inbox.store([incoming(None), incoming(None)])] == [False] * 2
    assert jobs._errands.settle(30)
    jobs.wake_pull("github", "issue")
    assert jobs._errands.settle(30)
    assert len(world.all(t.deliveries)) == 2
    inbox.close()


def test_nobody_waits_for_a_broker_that_hangs(
    world: World, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, over = threading.Event(), threading.Event()

    def hang(*_: Any, **__: Any) -> None:
        go.wait(20)
        over.set()

    monkeypatch.setattr(jobs.broker, "enqueue", hang)
    inbox = StoreInbox(world.hub)
    inbox.store([incoming(None)])
    with world.hub.unit() as unit:
        unit.topics.add("push")
    world.hub.soon("deliver")
    assert not over.is_set()
    go.set()
    assert jobs._errands.settle(30)
    inbox.close()


def test_redis_has_seconds_to_answer_and_is_asked_once(jobs: Jobs) -> None:
    given = jobs.broker.client.connection_pool.connection_kwargs  # type: ignore[attr-defined]
    assert given["socket_timeout"] == given["socket_connect_timeout"] == broker.REDIS_SECONDS
    assert given["retry"].get_retries() == 0
