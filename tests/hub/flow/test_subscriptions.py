"""Webhooks that the hub registers by itself, over a vendor whose registrations end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from connectors.sdk import TransientError
from hub.app import Application
from hub.flow import connections, subscriptions
from hub.flow.subscriptions import keep, tend
from hub.jobs.broker import Jobs
from hub.jobs.scheduler import Scheduler
from hub.store import dialect, running
from hub.store import subscriptions as stored
from hub.store import tables as t
from hub.workspace import load
from tests.hub.club import THING, ClubConnector, ClubSandbox, signature
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import CONNECTORS, World

ADDRESS = "https://hub.acme.test/webhooks/club"
SUBSCRIBES = {"webhook": {"subscribe": True}}
LIFE = timedelta(hours=1)


@pytest.fixture
def world(make: MakeWorld, club: ClubSandbox) -> World:
    """A hub that wants to hear of things by webhooks that end after an hour."""
    world = make({"club": club}, {"mappings/thing.yaml": THING}, club=SUBSCRIBES)
    club.now = world.clock
    return world


def row(world: World) -> dict[str, Any]:
    """The only registration."""
    [found] = world.all(t.subscriptions)
    return found


def later(world: World, **more: float) -> None:
    world.clock.ahead += timedelta(**more)


def hooks(club: ClubSandbox) -> list[str]:
    """What the vendor was asked about its hooks."""
    return [call.partition("/hooks")[0].strip() for call in club.calls if "/hooks" in call]


def block(world: World, club: ClubSandbox, **changes: Any) -> str:
    connection = {**club.connection(), **SUBSCRIBES, **changes}
    return yaml.safe_dump({"name": "acme-ops", "connections": {"club": connection}})


# ---------------------------------------------------------------------------- a registration's life


def test_a_connection_that_asks_for_it_is_subscribed_once(world: World, club: ClubSandbox) -> None:
    assert tend(world.hub)
    assert keep(world.hub) == 1
    assert [hook["url"] for hook in club.hooks.values()] == [ADDRESS]
    assert (row(world)["status"], row(world)["url"]) == ("active", ADDRESS)
    for _ in range(3):
        assert not tend(world.hub)
        assert keep(world.hub) == 0
    assert hooks(club) == ["POST"]


def test_a_connection_that_does_not_ask_is_left_alone(make: MakeWorld, club: ClubSandbox) -> None:
    world = make({"club": club})
    assert not tend(world.hub)
    assert keep(world.hub) == 0
    assert club.hooks == {}


def test_it_is_renewed_at_half_of_its_life(world: World, club: ClubSandbox) -> None:
    """For ever, and never sooner."""
    keep(world.hub)
    for _ in range(4):
        later(world, minutes=29)
        assert not tend(world.hub)
        later(world, minutes=2)
        assert tend(world.hub)
        assert keep(world.hub) == 1
        assert row(world)["expires_at"] > world.clock() + timedelta(minutes=59)
    assert hooks(club) == ["POST", "PUT", "PUT", "PUT", "PUT"]
    assert len(club.hooks) == 1


def test_one_that_does_not_end_is_left_in_peace(world: World, club: ClubSandbox) -> None:
    club.lifetime = None
    keep(world.hub)
    later(world, days=400)
    assert not tend(world.hub)
    assert hooks(club) == ["POST"]


def test_one_that_has_ended_is_taken_up_anew(world: World, club: ClubSandbox) -> None:
    keep(world.hub)
    club.hooks.clear()
    later(world, minutes=31)
    keep(world.hub)
    assert hooks(club) == ["POST", "PUT", "POST"]
    assert list(club.hooks) == [row(world)["id"]]
    assert world.exceptions() == []


def test_one_whose_life_is_over_at_once_does_not_keep_us_busy(
    world: World, club: ClubSandbox
) -> None:
    """A vendor whose clock is behind."""
    club.now = lambda: world.clock() - timedelta(hours=2)
    keep(world.hub)
    assert not tend(world.hub)
    later(world, minutes=1)
    assert tend(world.hub)


def test_a_person_hears_of_it_after_three_quarters_of_its_life(
    world: World, club: ClubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with what to do; and it is over when the vendor answers again."""
    keep(world.hub)
    broken = {"on": True}
    renew = ClubConnector.renew

    def flaky(self: ClubConnector, *args: Any) -> Any:
        if broken["on"]:
            raise TransientError("Club is being moved.")
        return renew(self, *args)

    monkeypatch.setattr(ClubConnector, "renew", flaky)
    attempts = 0
    for _ in range(44):
        later(world, minutes=1)
        tend(world.hub)
        attempts += keep(world.hub)
    assert 3 <= attempts <= 8
    assert world.exceptions() == []
    for _ in range(3):
        later(world, minutes=1)
        tend(world.hub)
        keep(world.hub)
    [exception] = world.exceptions()
    assert (exception["type"], exception["count"], exception["subject"]) == (
        "connection", 1, "club",
    )  # fmt: skip
    assert "Club is being moved." in exception["detail"]
    assert "hub connections resume club" in exception["detail"]
    with world.hub.unit() as unit:  # a pull that works says nothing about webhooks
        connections.note_success(unit, "club")
    assert len(world.exceptions()) == 1
    broken["on"] = False
    later(world, minutes=16)
    keep(world.hub)
    assert world.exceptions() == []
    assert row(world)["attempts"] == 0


def test_a_person_hears_of_it_where_nobody_works(world: World, club: ClubSandbox) -> None:
    keep(world.hub)
    with world.hub.unit() as unit:
        connections.pause(unit, "club", "on purpose")
    later(world, minutes=46)
    assert not tend(world.hub)
    assert sorted(row["title"][:20] for row in world.exceptions()) == [
        "The webhooks of club", "club is paused",
    ]  # fmt: skip


def test_a_vendor_whose_circuit_is_open_is_not_asked_and_tried_when_it_is_time(
    world: World, club: ClubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_open() -> None:
        with world.hub.database.write() as tx:
            past = dialect.database_now(tx) - timedelta(seconds=1)
            tx.execute(t.connections.update().values(open_until=past))

    def trips() -> int:
        [found] = world.all(t.connections)
        return int(found["trips"])

    with world.hub.unit() as unit:
        connections.note_trouble(unit, "club", "It answered 502.", times=5)
    assert not tend(world.hub)
    assert keep(world.hub) == 0
    assert hooks(club) == []

    def broken(*_: Any) -> Any:
        raise TransientError("Club is being moved.")

    half_open()
    with monkeypatch.context() as patch:
        patch.setattr(ClubConnector, "subscribe", broken)
        assert tend(world.hub)
        keep(world.hub)
    assert trips() == 2, "the attempt failed: it is open for longer"
    later(world, minutes=20)
    assert keep(world.hub) == 0
    half_open()
    assert keep(world.hub) == 1
    assert row(world)["status"] == "active"
    assert trips() == 0
    assert world.exceptions() == []


def test_what_cannot_be_registered_at_all_is_shown(
    world: World, club: ClubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("Club is being moved.")

    monkeypatch.setattr(ClubConnector, "subscribe", refuse)
    for _ in range(subscriptions.PATIENCE - 1):
        keep(world.hub)
        later(world, minutes=16)
    assert world.exceptions() == []
    keep(world.hub)
    assert world.kinds() == ["connection"]
    monkeypatch.undo()
    with world.hub.unit() as unit:  # a person tries at once
        connections.resume(unit, "club")
    assert keep(world.hub) == 1
    assert world.exceptions() == []


def test_wrong_credentials_pause_the_connection(make: MakeWorld, club: ClubSandbox) -> None:
    world = make({"club": club}, club={**SUBSCRIBES, "auth": {"secret": "env:CLUB_HOOK"}})
    keep(world.hub)
    assert world.kinds() == ["connection"]
    with world.hub.database.read() as tx:
        assert running.paused(tx) == {"club"}
    later(world, hours=1)
    assert not tend(world.hub)


def test_without_a_public_address_a_person_is_told(world: World, club: ClubSandbox) -> None:
    world.hub.settings = world.hub.settings.__class__(
        world.hub.settings.workspace, world.hub.settings.database_url, None,
        world.hub.settings.secret_key,
    )  # fmt: skip
    keep(world.hub)
    [exception] = world.exceptions()
    assert "HUB_PUBLIC_URL" in exception["detail"]
    assert club.hooks == {}


def test_two_schedulers_do_it_once(world: World, club: ClubSandbox) -> None:
    """Whoever comes second finds it leased, or done."""
    keep(world.hub)
    later(world, minutes=31)
    threads = [threading.Thread(target=keep, args=(world.hub,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert hooks(club) == ["POST", "PUT"]


def test_a_lease_that_ran_out_is_taken_over(world: World, club: ClubSandbox) -> None:
    """The one that came too late changes nothing."""
    keep(world.hub)
    later(world, minutes=31)
    with world.hub.database.write() as tx:
        held = stored.claim(tx, "club")
        assert held is not None
        assert stored.claim(tx, "club") is None
        stored.recover(tx)
    assert keep(world.hub) == 1
    with pytest.raises(stored.LostLease), world.hub.database.write() as tx:
        stored.finish(tx, "club", held[1], status="wanted")
    assert row(world)["status"] == "active"


def test_the_scheduler_asks_for_it(world: World, club: ClubSandbox) -> None:
    jobs = Jobs(world.hub)
    asked: list[str] = []
    jobs.wake = asked.append  # type: ignore[method-assign]
    jobs.wake_pull = lambda *_: None  # type: ignore[method-assign]
    scheduler = Scheduler(world.hub, jobs)
    scheduler.tick()
    assert "subscribe" in asked
    keep(world.hub)
    asked.clear()
    scheduler.tick()
    assert "subscribe" not in asked
    jobs.stop()


# --------------------------------------------------------------------------------- moving, ending


def test_an_address_that_moved_is_registered_and_the_former_ended(
    world: World, club: ClubSandbox
) -> None:
    keep(world.hub)
    world.env["CLUB_TOKEN"] = "a-token-in-the-address"
    world.apply(
        {"hub.yaml": block(world, club, webhook={"subscribe": True, "token": "env:CLUB_TOKEN"})}
    )
    assert keep(world.hub) == 1
    assert [hook["url"] for hook in club.hooks.values()] == [f"{ADDRESS}/a-token-in-the-address"]
    assert row(world)["url"] == f"{ADDRESS}/***"
    assert "a-token-in-the-address" not in str(row(world))
    assert not tend(world.hub)


def test_a_connection_that_is_removed_is_unsubscribed(world: World, club: ClubSandbox) -> None:
    """With the settings of the last revision that had it."""
    keep(world.hub)
    world.apply({"hub.yaml": yaml.safe_dump({"name": "acme", "connections": {}})})
    assert tend(world.hub)
    keep(world.hub)
    assert club.hooks == {}
    assert world.all(t.subscriptions) == []
    assert world.exceptions() == []
    assert not tend(world.hub)


def test_a_connection_that_asks_no_more_is_unsubscribed(world: World, club: ClubSandbox) -> None:
    keep(world.hub)
    world.apply({"hub.yaml": block(world, club, webhook={"secret": "env:CLUB_HOOK"})})
    keep(world.hub)
    assert club.hooks == {}
    assert world.all(t.subscriptions) == []


def test_a_vendor_that_does_not_answer_the_farewell_is_asked_again(
    world: World, club: ClubSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the end a person does it there."""
    keep(world.hub)

    def refuse(*_: object) -> None:
        raise TransientError("Club is being moved.")

    monkeypatch.setattr(ClubConnector, "unsubscribe", refuse)
    world.apply({"hub.yaml": block(world, club, webhook={"secret": "env:CLUB_HOOK"})})
    for _ in range(subscriptions.FAREWELLS):
        assert world.exceptions() == []
        assert keep(world.hub) == 1
        assert keep(world.hub) == 0
        later(world, minutes=16)
    assert world.all(t.subscriptions) == []
    [exception] = world.exceptions()
    assert (exception["severity"], "hook-" in exception["detail"]) == ("low", True)


def test_a_connection_that_cannot_be_configured_keeps_what_is_registered(
    world: World, club: ClubSandbox
) -> None:
    """A secret that is missing for a moment is no reason to lose webhooks."""
    keep(world.hub)
    world.env.pop("CLUB_SECRET")
    world.apply({"hub.yaml": block(world, club)})
    later(world, minutes=31)
    assert not tend(world.hub)
    assert keep(world.hub) == 0
    assert len(club.hooks) == 1


# ------------------------------------------------------------------------------------------ secrets


@pytest.fixture
def application(world: World) -> Iterator[Application]:
    application = Application(world.hub, "https://hub.acme.test")
    application.start()
    yield application
    application.stop()


@pytest.fixture
def intake(application: Application) -> Iterator[TestClient]:
    with TestClient(application, base_url="https://hub.acme.test") as client:
        yield client


def deliver(client: TestClient, secret: str, token: str = "") -> int:
    body = json.dumps({"kind": "thing", "thing": {"row": 1, "edit": 1, "title": "Told"}}).encode()
    headers = {"club-signature": signature(secret, body)}
    return client.post(f"/webhooks/club{token}", content=body, headers=headers).status_code


def test_the_secret_that_was_handed_over_is_what_deliveries_are_judged_by(
    world: World, club: ClubSandbox, application: Application, intake: TestClient
) -> None:
    """It is stored sealed, and a restart knows it."""
    assert deliver(intake, "handed-over") == 401
    keep(world.hub)
    [secret] = [hook["secret"] for hook in club.hooks.values()]
    assert secret not in str(world.all(t.subscriptions))
    application.intake.endpoints.refresh()  # its thread does, each second
    assert deliver(intake, secret) == 202
    assert deliver(intake, "a-guess") == 401
    world.work()
    assert [task["title"] for task in world.tasks()] == ["Told"]


def test_a_handshake_hands_a_secret_over_only_while_we_register(
    world: World, club: ClubSandbox, application: Application, intake: TestClient
) -> None:
    """Anybody can send one, so its address must be a secret too."""
    club.offers_secrets = False
    world.env["CLUB_TOKEN"] = "token-of-the-clubs-address"
    token = f"/{world.env['CLUB_TOKEN']}"
    webhook = {"subscribe": True, "token": "env:CLUB_TOKEN"}
    world.apply({"hub.yaml": block(world, club, webhook=webhook)})
    keep(world.hub)
    application.intake.endpoints.refresh()
    offer = {"club-secret": "from-the-handshake"}
    assert intake.post(f"/webhooks/club{token}", headers=offer).status_code == 401
    assert deliver(intake, "from-the-handshake", token) == 401
    later(world, minutes=31)
    subscribed = ClubConnector.renew

    def renew(self: ClubConnector, *args: Any) -> Any:
        assert intake.post("/webhooks/club", headers=offer).status_code == 401
        assert intake.post(f"/webhooks/club{token}", headers=offer).status_code == 204
        return subscribed(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClubConnector, "renew", renew)
        keep(world.hub)
    assert deliver(intake, "from-the-handshake", token) == 202
    assert intake.post(f"/webhooks/club{token}", headers=offer).status_code == 401


def test_a_connection_that_does_not_subscribe_awaits_no_secret(
    make: MakeWorld, club: ClubSandbox
) -> None:
    application = Application(make({"club": club}).hub, "https://hub.acme.test")
    application.start()
    with TestClient(application) as client:
        answer = client.post("/webhooks/club", headers={"club-secret": "x"})
    application.stop()
    assert answer.status_code == 401


def test_former_secrets_stay_good_while_they_rotate(world: World, club: ClubSandbox) -> None:
    """What was signed before the renewal may come after it; very old ones are forgotten."""
    key = world.hub.settings.secret_key
    keep(world.hub)
    with world.hub.database.write() as tx:
        for number in range(30):
            stored.add_secret(tx, key, "club", f"secret-{number}")
            stored.add_secret(tx, key, "club", f"secret-{number}")
    with world.hub.database.read() as tx:
        found = stored.secrets_of(tx, key, "club")
    assert found == [f"secret-{number}" for number in range(29, 9, -1)]
    settings = world.hub.live.current().connector("club").settings
    assert [one.get_secret_value() for one in settings.webhook.secret] == found


# ---------------------------------------------------------------------------------------- checking


def check(club: ClubSandbox, connector: str = "club", **webhook: Any) -> list[str]:
    connection = {**club.connection(), "connector": connector, "webhook": webhook}
    text = yaml.safe_dump({"name": "acme-ops", "connections": {"desk": connection}})
    return [str(found) for found in load({"hub.yaml": text}, CONNECTORS, None).findings]


def test_subscribing_needs_no_other_proof(club: ClubSandbox) -> None:
    assert [found for found in check(club, subscribe=True) if "is mapped" not in found] == []
    assert any("could not tell a genuine one" in found for found in check(club))
    assert any("subscribe" in found for found in check(club, subscribe="perhaps"))
