"""A person agrees in a browser, over real HTTP: at the command line's own listener, or by way of
the hub.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import typer
import yaml
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from hub import identity
from hub.api.app import create_api
from hub.api.stream import Stream
from hub.cli import app, session
from hub.store import running
from tests.hub.club import THING, ClubSandbox
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import CONNECTORS, World

ASKS = {"auth": {"secret": "env:CLUB_SECRET", "agree": True}}


@pytest.fixture
def world(make: MakeWorld, club: ClubSandbox) -> World:
    """A hub whose connection was paused, because nobody has agreed to it yet."""
    world = make({"club": club}, {"mappings/thing.yaml": THING}, club=ASKS)
    world.pull()
    assert paused(world)
    [exception] = world.exceptions()
    assert "hub connections authorize" in exception["detail"]
    return world


def paused(world: World) -> set[str]:
    with world.hub.database.read() as tx:
        return running.paused(tx)


# ------------------------------------------------------------------------------ by way of the hub


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(create_api(world.hub, Stream()), base_url="https://hub.acme.test") as client:
        yield client


def begin(world: World, client: TestClient, role: str = "operator") -> httpx.Response:
    _, token = identity.create_token(world.hub, role, f"a-{role}", None)  # type: ignore[arg-type]
    headers = {"Authorization": f"Bearer {token}"}
    answer: httpx.Response = client.get("/api/v1/connections/club/authorize", headers=headers)
    return answer


def agree(url: str) -> str:
    """What the person does: the vendor's page sends the browser back to the address returned."""
    answer = httpx.get(url, timeout=10)
    assert answer.status_code == 302
    return answer.headers["location"]


def test_agreeing_by_way_of_the_hub_resumes_the_connection(
    world: World, client: TestClient, club: ClubSandbox
) -> None:
    club.put("thing", title="Seen")
    begun = begin(world, client).json()
    assert begun["redirect_uri"] == "https://hub.acme.test/oauth/callback"
    page = client.get(agree(begun["url"]))
    assert (page.status_code, "club is connected" in page.text) == (200, True)
    assert page.headers["cache-control"] == "no-store"
    assert paused(world) == set()
    assert world.exceptions() == []
    assert club.asked == ["authorization_code"]
    world.hub.live.current().connector("club").check()
    club.forget_tokens()
    world.hub.live.current().connector("club").check()
    assert club.asked == ["authorization_code", "refresh_token"]


def test_an_answer_counts_once(world: World, client: TestClient, club: ClubSandbox) -> None:
    address = agree(begin(world, client).json()["url"])
    assert client.get(address).status_code == 200
    assert client.get(address).status_code == 400
    assert club.asked == ["authorization_code"]


def test_an_answer_counts_for_ten_minutes(
    world: World, client: TestClient, club: ClubSandbox
) -> None:
    address = agree(begin(world, client).json()["url"])
    world.clock.ahead = timedelta(minutes=10, seconds=1)
    assert client.get(address).status_code == 400
    assert club.asked == []
    assert paused(world) == {"club"}


def test_an_answer_to_nothing_is_refused(
    world: World, client: TestClient, club: ClubSandbox
) -> None:
    for query in ("", "?code=x", "?state=&code=x", "?state=made-up&code=x", "?state=%00"):
        assert client.get(f"/oauth/callback{query}").status_code == 400
    assert club.asked == []


def test_a_person_who_does_not_agree_is_told_so(
    world: World, client: TestClient, club: ClubSandbox
) -> None:
    club.agree = False
    page = client.get(agree(begin(world, client).json()["url"]))
    assert (page.status_code, "access_denied" in page.text) == (400, True)
    assert paused(world) == {"club"}


def test_nothing_of_an_answer_is_shown_unescaped(world: World, client: TestClient) -> None:
    url = begin(world, client).json()["url"]
    state = parse_qs(urlsplit(url).query)["state"][0]
    page = client.get("/oauth/callback", params={"state": state, "error": "<script>x</script>"})
    assert page.status_code == 400
    assert "<script>" not in page.text


@pytest.mark.parametrize("role", ["member", "assistant"])
def test_only_operators_begin_an_agreement(world: World, client: TestClient, role: str) -> None:
    assert begin(world, client, role).status_code == 403


def test_a_connection_that_asks_nobody_says_so(make: MakeWorld, club: ClubSandbox) -> None:
    world = make({"club": club})
    with TestClient(create_api(world.hub, Stream())) as client:
        answer = begin(world, client)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_authorizable")


# ---------------------------------------------------------------------------- at the command line


@pytest.fixture
def type_(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> Callable[..., Result]:
    """Type at a command line whose workspace is the world's."""
    folder = tmp_path / "typed"
    folder.mkdir()
    (folder / "hub.yaml").write_text(world.files["hub.yaml"])
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HUB_WORKSPACE", str(folder))
    monkeypatch.setenv("HUB_DATABASE_URL", database_url)
    monkeypatch.setenv("HUB_SECRET_KEY", world.hub.settings.secret_key.decode())
    monkeypatch.setattr(session, "classes", lambda: CONNECTORS)

    def type_(*words: str) -> Result:
        return CliRunner().invoke(app, ["connections", "authorize", *words, "--port", "0"])

    return type_


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A browser whose owner agrees; what it was shown at the end."""
    shown: list[str] = []
    threads: list[threading.Thread] = []

    def look(url: str) -> None:
        address = agree(url)
        stray = address.replace("state=", "state=another-")
        shown.append(httpx.get(stray, timeout=10).text)
        shown.append(httpx.get(address, timeout=10).text)

    def launch(url: str, **_: Any) -> int:
        threads.append(threading.Thread(target=look, args=(url,)))
        threads[-1].start()
        return 0

    monkeypatch.setattr(typer, "launch", launch)
    yield shown
    for thread in threads:
        thread.join(20)


def test_agreeing_at_the_command_line_resumes_the_connection(
    world: World, type_: Callable[..., Result], browser: list[str], club: ClubSandbox
) -> None:
    """A stray answer does not end the waiting."""
    result = type_("club")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "club is connected.")
    assert club.asked == ["authorization_code"]
    assert paused(world) == set()
    assert ["not the one" in browser[0], "is connected" in browser[1]] == [True, True]
    world.hub.live.current().connector("club").check()


def test_the_command_line_tells_who_did_not_agree(
    world: World, type_: Callable[..., Result], browser: list[str], club: ClubSandbox
) -> None:
    club.agree = False
    result = type_("club")
    assert result.exit_code == 1
    assert "access_denied" in result.stderr
    assert paused(world) == {"club"}


def test_without_a_browser_the_address_is_printed(
    world: World, type_: Callable[..., Result], browser: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody waits for ever."""
    monkeypatch.setattr("hub.cli.authorize.SECONDS", 0.01)
    result = type_("club", "--no-browser")
    assert result.exit_code == 1
    assert "/authorize?" in result.stdout
    assert "http://localhost:" in result.stderr
    assert browser == []


def test_the_command_line_says_that_nobody_needs_to_agree(
    world: World, type_: Callable[..., Result], club: ClubSandbox
) -> None:
    block = {"name": "acme-ops", "connections": {"club": club.connection()}}
    world.apply({"hub.yaml": yaml.safe_dump(block)})
    result = type_("club")
    assert (result.exit_code, "needs nobody's agreement" in result.stderr) == (1, True)
