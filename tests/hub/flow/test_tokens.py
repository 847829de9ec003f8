"""Signing in while the hub runs: a refresh token that rotates may be used once, whoever asks."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import yaml

from connectors.sdk import RateLimitError
from hub.apply import apply
from hub.hub import Hub, open_hub, system_clock
from hub.settings import Settings
from tests.hub.club import THING, ClubConnector, ClubSandbox
from tests.hub.flow.conftest import MakeWorld

CLASSES = {"club": ClubConnector}
BROUGHT = {"auth": {"secret": "env:CLUB_SECRET", "refresh": "env:CLUB_REFRESH"}}


def hub_of(
    folder: Path, url: str, club: ClubSandbox, redis: str | None = None, **more: object
) -> Hub:
    """A hub with one connection, as any process of it would open it."""
    settings = Settings(folder, url, redis, b"a-key-of-tests-that-is-long-enough")
    hub = open_hub(settings, CLASSES, env=club.env())
    block = {**club.connection(), **(more or BROUGHT)}
    files = {"hub.yaml": yaml.safe_dump({"name": "acme", "connections": {"club": block}})}
    apply(hub.database, files, CLASSES, system_clock(), env=club.env(), force=True)
    return hub


@pytest.fixture
def hub(tmp_path: Path, database_url: str, club: ClubSandbox) -> Iterator[Hub]:
    hub = hub_of(tmp_path, database_url, club)
    yield hub
    hub.live.close()
    hub.database.close()


def check(hub: Hub) -> None:
    hub.live.current().connector("club").check()


def test_two_threads_make_one_token_request(hub: Hub, club: ClubSandbox) -> None:
    club.gate.clear()
    threads = [threading.Thread(target=check, args=(hub,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert club.waiting.acquire(timeout=20)
    club.gate.set()
    for thread in threads:
        thread.join(20)
    assert club.asked == ["refresh_token"]
    assert club.calls == ["GET /me", "GET /me"]


def _check(folder: Path, url: str, env: dict[str, str], began: Event, good: Event) -> None:
    """What another process of the hub does."""
    settings = Settings(folder, url, None, b"a-key-of-tests-that-is-long-enough")
    hub = open_hub(settings, CLASSES, env=env)
    began.set()
    check(hub)
    good.set()
    hub.live.close()
    hub.database.close()


def test_two_processes_make_one_token_request(
    hub: Hub, club: ClubSandbox, database_url: str, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    club.gate.clear()
    good = [context.Event(), context.Event()]
    began = [context.Event(), context.Event()]
    processes = [
        context.Process(target=_check, args=(tmp_path, database_url, club.env(), *events))
        for events in zip(began, good, strict=True)
    ]
    for process in processes:
        process.start()
    assert all(one.wait(60) for one in began)
    assert club.waiting.acquire(timeout=20)
    club.gate.set()
    for process in processes:
        process.join(30)
    assert [one.is_set() for one in good] == [True, True]
    assert club.asked == ["refresh_token"]


def test_a_restart_keeps_the_refresh_token_that_rotated(
    tmp_path: Path, database_url: str, club: ClubSandbox
) -> None:
    """The one in hub.yaml was used up long ago."""
    for _ in range(3):
        hub = hub_of(tmp_path, database_url, club)
        check(hub)
        club.forget_tokens()
        check(hub)
        hub.live.close()
        hub.database.close()
        club.forget_tokens()
    assert club.asked == ["refresh_token"] * 6
    assert club.reused == []


def test_a_newer_refresh_token_in_the_configuration_counts(hub: Hub, club: ClubSandbox) -> None:
    """A person who signed in anew at the vendor is believed."""
    check(hub)
    club.forget_tokens()
    club._refresh.clear()
    club._refresh.add(club.env()["CLUB_REFRESH"])
    check(hub)
    assert club.asked[-1] == "refresh_token"


def test_secrets_of_a_sign_in_are_in_no_log(
    make: MakeWorld, club: ClubSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make({"club": club}, {"mappings/thing.yaml": THING}, club=BROUGHT)
    world.pull()
    club.forget_tokens()
    world.pull()
    assert club.asked == ["refresh_token"] * 2
    connector = world.hub.live.current().connector("club")
    shown = repr(vars(connector)) + repr(connector.host) + "".join(capsys.readouterr())
    for secret in ("access-", "refresh-", "club-secret"):
        assert secret not in shown


def test_without_redis_work_goes_on(
    tmp_path: Path, club: ClubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process then keeps the pace alone."""
    monkeypatch.setattr(ClubConnector, "rates", {"read": "3/minute"})
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    hub = hub_of(tmp_path, url, club, "redis://127.0.0.1:9/0")
    monkeypatch.setattr("connectors.sdk.http.PATIENCE", 0.0)
    for _ in range(3):
        check(hub)
    with pytest.raises(RateLimitError):
        check(hub)
    hub.live.close()
    hub.database.close()


@pytest.mark.scaled
def test_processes_share_a_pace_through_redis(
    tmp_path: Path, club: ClubSandbox, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClubConnector, "rates", {"read": "3/minute"})
    monkeypatch.setattr("connectors.sdk.http.PATIENCE", 0.0)
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    hubs = [hub_of(tmp_path, url, club, redis_url) for _ in range(2)]
    for hub in (*hubs, hubs[0]):
        check(hub)
    with pytest.raises(RateLimitError):
        check(hubs[1])
    for hub in hubs:
        hub.live.close()
        hub.database.close()
