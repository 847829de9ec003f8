"""Libraries that use `requests` keep the guards of our own client, whatever they try."""

from __future__ import annotations

import gzip
import io
import socket
from collections.abc import Iterator
from unittest import mock

import pytest
import requests
import respx
from requests.adapters import HTTPAdapter

from connectors.sdk import (
    ApiKey,
    ConfigError,
    NotFoundError,
    NotSentError,
    RateLimitError,
    TransientError,
)
from connectors.sdk.faults import Asgi
from connectors.sdk.http import HttpClient, error_for
from connectors.sdk.network import Destinations
from connectors.sdk.requests import GuardedSession, answer_of
from connectors.sdk.sandbox import HttpSandbox

BASE = "https://proxy.acme.test/google"
VENDOR = "https://sheets.vendor.test"


class Slow(HttpSandbox):
    """Answers every request with `{}`; its faults do the rest."""

    name = "slow"

    def app(self) -> Asgi:
        async def answer(scope: object, receive: object, send: Asgi) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

        return answer

    def connection(self) -> dict[str, object]:
        return {}


@pytest.fixture
def session() -> Iterator[GuardedSession]:
    client = HttpClient(BASE, title="Acme", max_body=1000)
    yield GuardedSession(client, VENDOR)
    client.close()


@respx.mock
def test_addresses_of_the_vendor_go_to_the_base_url(session: GuardedSession) -> None:
    route = respx.get(f"{BASE}/v4/x/values/%27A%20b%27%21A1").respond(json={"ok": True})
    answer = session.get(f"{VENDOR}/v4/x/values/%27A%20b%27%21A1?ranges=a&ranges=b%26c")
    assert answer.json() == {"ok": True}
    assert (answer.ok, answer.reason, answer.elapsed is not None) == (True, "OK", True)
    assert route.calls.last.request.url.query == b"ranges=a&ranges=b%26c"


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.test/v4/x",
        "https://sheets.vendor.test.evil.test/v4/x",
        "https://sheets.vendor.test@evil.test/v4/x",
        "http://proxy.acme.test/google/x",
        "ftp://proxy.acme.test/google/x",
    ],
)
def test_an_address_elsewhere_is_refused_before_anything_is_sent(
    session: GuardedSession, url: str
) -> None:
    with pytest.raises(ConfigError):
        session.get(url)


def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    client = HttpClient("http://metadata.acme.test", title="Acme", destinations=Destinations())
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    with (
        mock.patch.object(socket, "getaddrinfo", return_value=inside),
        pytest.raises(ConfigError, match="private network"),
    ):
        GuardedSession(client, VENDOR).get(f"{VENDOR}/latest")
    client.close()


def test_what_a_library_mounts_or_asks_for_has_no_effect(session: GuardedSession) -> None:
    session.mount("https://", HTTPAdapter())
    session.mount(VENDOR, HTTPAdapter())
    with respx.mock:
        respx.get(f"{BASE}/x").respond(json=1)
        answer = session.get(
            f"{VENDOR}/x", verify=False, proxies={"https": "http://127.0.0.1:9"}, timeout=0.000001
        )
    assert answer.json() == 1


def test_the_deadline_is_ours_however_slowly_an_answer_drips() -> None:
    with Slow() as vendor:
        client = HttpClient(vendor.url, title="Acme", deadline=0.4)
        vendor.faults.on, vendor.faults.slow = "any", 1
        with pytest.raises(TransientError, match=r"within 0\.4 s"):
            GuardedSession(client, VENDOR).get(f"{VENDOR}/x", timeout=600)
        client.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@respx.mock
def test_a_redirect_is_an_error_and_never_followed(session: GuardedSession, status: int) -> None:
    respx.post(f"{BASE}/x").respond(status, headers={"location": "https://evil.test/"})
    evil = respx.route(host="evil.test")
    for follow in (True, False):
        with pytest.raises(ConfigError, match="redirect"):
            session.post(f"{VENDOR}/x", data=b"secret", allow_redirects=follow)
    assert not evil.called


@respx.mock
def test_300_without_an_address_is_an_answer(session: GuardedSession) -> None:
    """Salesforce names several records of one external id so."""
    respx.get(f"{BASE}/x").respond(300, json=["a", "b"])
    assert session.get(f"{VENDOR}/x").json() == ["a", "b"]


@respx.mock
def test_too_much_is_refused_packed_or_not(session: GuardedSession) -> None:
    packed = gzip.compress(b"0" * 100_000)
    respx.get(f"{BASE}/big").respond(content=b"0" * 1001)
    respx.get(f"{BASE}/bomb").respond(content=packed, headers={"content-encoding": "gzip"})
    for path in ("big", "bomb"):
        with pytest.raises(TransientError, match="more than"):
            session.get(f"{VENDOR}/{path}", stream=True)


def test_errors_arrive_through_the_library_as_those_of_the_sdk() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = HttpClient(f"http://127.0.0.1:{port}", title="Acme")
    with pytest.raises(NotSentError, match="cannot be reached") as refused:
        GuardedSession(client, VENDOR).get(f"{VENDOR}/x")
    # a library that catches those of requests must not swallow it
    assert not isinstance(refused.value, requests.RequestException)
    with Slow() as vendor:
        cut = HttpClient(vendor.url, title="Acme")
        vendor.faults.on, vendor.faults.cut_after_effect = "any", 1
        with pytest.raises(TransientError) as caught:
            GuardedSession(cut, VENDOR).post(f"{VENDOR}/x")
        assert not isinstance(caught.value, NotSentError)
        cut.close()
    client.close()


@respx.mock
def test_an_answer_of_any_status_is_handed_over_and_can_be_named(session: GuardedSession) -> None:
    respx.get(f"{BASE}/gone").respond(404, json={"error": {"code": 404}})
    respx.get(f"{BASE}/slow").respond(429, headers={"retry-after": "7"})
    gone, slow = session.get(f"{VENDOR}/gone"), session.get(f"{VENDOR}/slow")
    assert gone.json() == answer_of(gone).json() == {"error": {"code": 404}}
    assert isinstance(error_for(answer_of(gone), "Acme"), NotFoundError)
    error = error_for(answer_of(slow), "Acme")
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 7


@pytest.mark.parametrize(
    "body",
    [
        b"one two",
        "one two",
        bytearray(b"one two"),
        io.BytesIO(b"one two"),
        io.StringIO("one two"),
        iter([b"one", " ", b"two"]),
        (part for part in ("one", b" two")),
    ],
    ids=lambda body: type(body).__name__,
)
@respx.mock
def test_a_body_may_be_a_file_or_come_in_pieces(session: GuardedSession, body: object) -> None:
    route = respx.put(f"{BASE}/x").respond(204)
    session.put(f"{VENDOR}/x", data=body)  # type: ignore[arg-type]
    sent = route.calls.last.request
    assert sent.content == b"one two"
    assert sent.headers["content-length"] == "7"
    assert "transfer-encoding" not in sent.headers


@respx.mock
def test_an_answer_may_be_streamed_iterated_and_read_raw(session: GuardedSession) -> None:
    packed = gzip.compress(b"one\ntwo")
    headers = {"content-encoding": "gzip", "content-type": "text/plain; charset=latin-1"}
    respx.get(f"{BASE}/x").respond(content=packed, headers=headers)
    streamed = session.get(f"{VENDOR}/x", stream=True)
    assert list(streamed.iter_lines()) == [b"one", b"two"]
    assert b"".join(streamed.iter_content(3)) == b"one\ntwo"
    assert streamed.raw.read() == b"one\ntwo"
    assert streamed.text == "one\ntwo"
    assert streamed.encoding == "latin-1"
    assert streamed.headers["content-length"] == "7"
    assert "content-encoding" not in streamed.headers
    streamed.close()


@respx.mock
def test_headers_that_repeat_are_joined_and_cookies_are_not_kept(session: GuardedSession) -> None:
    repeated = [("x-limit", "a"), ("X-Limit", "b"), ("set-cookie", "sid=1"), ("set-cookie", "t=2")]
    respx.get(f"{BASE}/x").respond(headers=repeated, json={})
    answer = session.get(f"{VENDOR}/x")
    assert answer.headers["X-LIMIT"] == "a, b"
    assert not answer.cookies
    session.get(f"{VENDOR}/x")
    assert "cookie" not in respx.calls.last.request.headers


@respx.mock
def test_our_credentials_and_name_win_over_those_of_the_library() -> None:
    from pydantic import SecretStr

    client = HttpClient(BASE, title="Acme", auth=ApiKey(SecretStr("ours"), "authorization"))
    route = respx.get(f"{BASE}/x").respond(json={})
    guarded = GuardedSession(client, VENDOR)
    guarded.get(f"{VENDOR}/x", headers={"Authorization": b"theirs", "X-Theirs": b"kept"})
    sent = route.calls.last.request.headers
    assert sent["authorization"] == "ours"
    assert sent["user-agent"].startswith("process-hub")
    assert sent["x-theirs"] == "kept"
    client.close()
