"""Rows about where the hub may be made to connect: addresses inside in every disguise, names that
change their mind, and redirects.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk.errors import ConfigError
from connectors.sdk.http import HttpClient
from hub.apply import NotValid, apply
from hub.registry import connector_classes
from tests.hostile.house import ENV, HUB, House, house

INSIDE = [
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://[::ffff:169.254.169.254]/",
    "http://169.254.169.254/",
    "http://100.64.0.1/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://224.0.0.1/",
    "http://0.0.0.0/",
    "http://[ff02::1]/",
]
NO_HTTP = ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://acme.test/", "//acme.test/"]


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where sockets were connected to."""
    tried: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def resolver(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """A name server of our own: its answers one after the other, the last for ever."""
    given = itertools.chain(answers, itertools.repeat(answers[-1]))

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        address = next(given) if host.endswith(".test") else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


class TestAddressesInside:
    @pytest.mark.parametrize("url", [*INSIDE, *NO_HTTP])
    def test_a_workspace_that_names_one_does_not_apply(self, home: House, url: str) -> None:
        """The only way to give the hub an address is a workspace."""
        text = HUB.format(base_url=url, sheet="tracker.csv")
        with pytest.raises(NotValid) as refused:
            apply(
                home.hub.database, {**home.files, "hub.yaml": text}, connector_classes(),
                datetime.now(UTC), env=ENV,
            )  # fmt: skip
        told = [one for one in refused.value.findings if "base_url" in one.message]
        assert told
        assert all(one.place.file == "hub.yaml" for one in told)
        if url in INSIDE:
            assert "destination_forbidden" in told[0].message

    @pytest.mark.parametrize("url", [*INSIDE, *NO_HTTP])
    def test_a_connector_that_is_given_one_connects_to_nothing(
        self, reached: list[Any], url: str
    ) -> None:
        client = HttpClient(url, title="Acme", deadline=5)
        with pytest.raises(ConfigError) as refused:
            client.request("GET", "x")
        client.close()
        assert reached == []
        if url in INSIDE:
            assert refused.value.code == "destination_forbidden"

    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1", "10.0.0.7", "169.254.169.254", "100.64.0.1", "64:ff9b::a9fe:a9fe",
         "2002:7f00:1::", "::ffff:10.0.0.1", "224.0.0.1", "fd00::1"],
    )  # fmt: skip
    def test_a_name_that_leads_inside_is_not_connected_to(
        self, reached: list[Any], monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        resolver(monkeypatch, address)
        client = HttpClient("http://inside.acme.test", title="Acme", deadline=5)
        with pytest.raises(ConfigError) as refused:
            client.request("GET", "x")
        client.close()
        assert refused.value.code == "destination_forbidden"
        assert reached == []

    def test_a_name_that_changes_its_mind_is_asked_once(
        self, reached: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The address that was judged is the one that is connected to."""
        resolver(monkeypatch, "93.184.216.34", "127.0.0.1")
        client = HttpClient("http://rebinding.acme.test", title="Acme", deadline=5)
        with pytest.raises(Exception, match="cannot be reached"):
            client.request("GET", "x")
        with pytest.raises(ConfigError) as refused:
            client.request("GET", "x")
        client.close()
        assert refused.value.code == "destination_forbidden"
        assert [address[0] for address in reached] == ["93.184.216.34"]

    def test_the_api_says_why_a_connection_is_not_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolver(monkeypatch, "169.254.169.254")
        with house(tmp_path, base_url="https://rebinding.acme.test") as home:
            answer = home.call("POST", "connections/github/check").json()
        assert (answer["ok"], answer["code"]) == (False, "destination_forbidden")


@pytest.fixture
def lure() -> Iterator[tuple[str, list[str]]]:
    """A tool that sends whoever asks on to the metadata of its cloud, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(307)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/iam/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PATCH = do_PUT = do_GET

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


class TestRedirectToMetadata:
    def test_the_push_fails_and_nothing_is_followed(
        self, tmp_path: Path, lure: tuple[str, list[str]]
    ) -> None:
        url, asked = lure
        with house(tmp_path, base_url=url) as home:
            task = {"title": "Mirror me", "connection": "github"}
            assert home.call("POST", "tasks", json=task).status_code == 201
            home.work()
            (push,) = home.call("GET", "pushes").json()["items"]
            told = [one["type"] for one in home.call("GET", "exceptions").json()["items"]]
        assert asked  # it was sent there, and only there: the network of tests ends at loopback
        assert push["status"] == "failed"
        assert "redirect_refused" in str(push["result"])
        assert push["result"]["code"] == "redirect_refused"
        assert "push_failed" in told
