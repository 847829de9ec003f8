"""Connections are configured anew for years: nothing may stay behind."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.rest.connector import RestConnector
from connectors.sdk import ConnectorError
from connectors.sdk.faults import Asgi
from connectors.sdk.http import HttpClient
from connectors.sdk.sandbox import HttpSandbox


class Tokens(HttpSandbox):
    """Signs anybody in and shows an empty list."""

    name = "tokens"

    def app(self) -> Asgi:
        async def answer(scope: dict[str, object], receive: object, send: Asgi) -> None:
            signs = scope["path"] == "/token"
            body = b'{"access_token": "a1", "expires_in": 3600}' if signs else b"[]"
            head = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": body})

        return answer

    def connection(self) -> dict[str, object]:
        return {}


@pytest.fixture(scope="module")
def vendor() -> Iterator[Tokens]:
    with Tokens() as sandbox:
        yield sandbox


def connector(vendor: Tokens) -> RestConnector:
    service = {
        "auth": {"type": "oauth2", "token_url": "/token"},
        "rates": {"read": "100/second"},
        "objects": {"thing": {"list": {"path": "/things"}}},
    }
    block = {
        "base_url": vendor.url,
        "auth": {"client_id": "c", "client_secret": SecretStr("s")},
        "service": service,
    }
    return RestConnector("acme", RestConnector.config.model_validate(block))


def sockets() -> int:
    """How many of our files are sockets."""
    found = 0
    for file in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(file).startswith("socket:")
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_connectors_that_are_closed_leave_no_sockets_and_no_threads(vendor: Tokens) -> None:
    first = connector(vendor)
    first.check()
    first.close()
    gc.collect()
    before, threads = sockets(), threading.active_count()
    for _ in range(200):
        one = connector(vendor)
        one.check()
        list(one.pull("thing", {}, ()))
        one.close()
    # one left by each would be 200; pools of the process, and a sandbox that notices a closed
    # connection when it next looks, may have some
    assert threading.active_count() < threads + 20
    gc.collect()
    assert sockets() < before + 20


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_pull_that_is_left_in_the_middle_leaves_no_socket(vendor: Tokens) -> None:
    before = sockets()
    for _ in range(50):
        one = connector(vendor)
        pages = one.pull("thing", {}, ())
        next(iter(pages), None)
        one.close()
    gc.collect()
    assert sockets() <= before + 5


def test_a_client_that_was_closed_opens_nothing_again(vendor: Tokens) -> None:
    """A thread that still works with the former settings must not keep them alive."""
    client = HttpClient(vendor.url, title="Acme")
    client.request("GET", "/")
    client.close()
    before = sockets()
    with pytest.raises(ConnectorError, match="closed"):
        client.request("GET", "/")
    assert sockets() <= before
    client.close()


def test_one_client_serves_many_threads(vendor: Tokens) -> None:
    client = HttpClient(vendor.url, title="Acme", deadline=10)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(10):
                assert client.request("GET", "/things").json() == []
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=ask) for _ in range(40)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    client.close()
    assert failed == []


def test_a_deadline_belongs_to_its_thread_and_its_request(vendor: Tokens) -> None:
    client = HttpClient(vendor.url, title="Acme", deadline=5)
    with client.transport.until(time.monotonic() - 1), pytest.raises(ConnectorError):
        client.request("GET", "/")
    client.request("GET", "/")
    assert socket.getdefaulttimeout() is None
    client.close()
