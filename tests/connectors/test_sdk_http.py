"""What the HTTP client promises connectors: named errors, one deadline, no leaked credentials."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
import respx

from connectors.sdk import (
    AuthError,
    ConfigError,
    ConflictError,
    ConnectorError,
    NotFoundError,
    NotSentError,
    PayloadError,
    RateLimitError,
    RejectedError,
    TransientError,
)
from connectors.sdk.http import HttpClient, HttpResponse, retry_after
from connectors.sdk.json_bodies import decode_json

BASE = "https://api.acme.test/v1"


@pytest.fixture
def client() -> Iterator[HttpClient]:
    client = HttpClient(BASE, title="Acme", headers={"authorization": "Bearer s3cret-value"})
    yield client
    client.close()


@respx.mock
def test_a_request_carries_our_headers_and_gives_the_body(client: HttpClient) -> None:
    route = respx.post(f"{BASE}/things", params={"a": "1"}).respond(201, json={"id": 7})
    answer = client.request("POST", "/things", params={"a": 1}, json={"name": "Ü"})
    assert (answer.status, answer.json()) == (201, {"id": 7})
    sent = route.calls.last.request
    assert sent.headers["authorization"] == "Bearer s3cret-value"
    assert sent.headers["user-agent"].startswith("process-hub")
    assert sent.headers["content-type"] == "application/json"
    assert sent.content == '{"name":"Ü"}'.encode()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, ConfigError),
        (400, RejectedError),
        (401, AuthError),
        (403, AuthError),
        (404, NotFoundError),
        (407, ConfigError),
        (408, TransientError),
        (409, ConflictError),
        (410, NotFoundError),
        (412, ConflictError),
        (413, RejectedError),
        (422, RejectedError),
        (425, TransientError),
        (429, RateLimitError),
        (500, TransientError),
        (503, TransientError),
        (599, TransientError),
    ],
)
@respx.mock
def test_every_status_becomes_the_error_that_says_what_to_do(
    client: HttpClient, status: int, error: type[ConnectorError]
) -> None:
    respx.get(f"{BASE}/x").respond(status, text="<b>inner workings of the vendor</b>")
    with pytest.raises(ConnectorError) as caught:
        client.request("GET", "/x", params={"secret": "in-the-query"})
    assert type(caught.value) is error
    assert "inner workings" not in str(caught.value)
    assert "in-the-query" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@respx.mock
def test_304_and_expected_statuses_are_answers(client: HttpClient) -> None:
    respx.get(f"{BASE}/x").respond(304)
    respx.get(f"{BASE}/y").respond(404)
    assert client.request("GET", "/x").status == 304
    assert client.request("GET", "/y", accept=[404]).status == 404


@respx.mock
def test_a_redirect_is_not_followed(client: HttpClient) -> None:
    """It could lead the credentials anywhere."""
    respx.get(f"{BASE}/x").respond(302, headers={"location": "http://new.acme.test/"})
    elsewhere = respx.get("http://new.acme.test/")
    with pytest.raises(ConfigError, match="redirect") as refused:
        client.request("GET", "/x")
    assert refused.value.code == "redirect_refused"
    assert not elsewhere.called


@respx.mock
def test_a_redirect_to_the_metadata_of_a_cloud_is_no_move(client: HttpClient) -> None:
    """Nobody need change `base_url` for it: what was asked has failed."""
    respx.get(f"{BASE}/x").respond(302, headers={"location": "http://169.254.169.254/"})
    elsewhere = respx.get("http://169.254.169.254/")
    with pytest.raises(RejectedError, match="credentials") as refused:
        client.request("GET", "/x")
    assert refused.value.code == "redirect_refused"
    assert not elsewhere.called


@pytest.mark.parametrize(
    "target", ["https://evil.test/v1/x", "http://api.acme.test/v1/x", "https://api.acme.test:444/x"]
)
def test_a_link_to_another_origin_is_refused_before_anything_is_sent(
    client: HttpClient, target: str
) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        client.request("GET", target)


@respx.mock
def test_a_link_on_the_same_origin_is_followed(client: HttpClient) -> None:
    respx.get("https://api.acme.test/elsewhere?page=2").respond(json=[])
    assert client.request("GET", "https://api.acme.test/elsewhere?page=2").json() == []


@pytest.mark.parametrize(
    ("failure", "sent"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.ReadError("reset"), True),
        (httpx.WriteError("reset"), True),
        (httpx.WriteTimeout("slow"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (httpx.DecodingError("not gzip"), True),
    ],
)
@respx.mock
def test_failed_before_sending_is_told_from_failed_after(
    client: HttpClient, failure: Exception, sent: bool
) -> None:
    respx.post(f"{BASE}/x").mock(side_effect=failure)
    with pytest.raises(TransientError) as caught:
        client.request("POST", "/x", json={})
    assert isinstance(caught.value, NotSentError) is not sent


def test_a_closed_port_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = HttpClient(f"http://127.0.0.1:{port}", title="Acme")
    with pytest.raises(NotSentError, match="cannot be reached"):
        client.request("POST", "/", json={})
    client.close()


@respx.mock
def test_the_vendors_reasons_per_field_are_kept(client: HttpClient) -> None:
    respx.post(f"{BASE}/list").respond(
        422, json={"errors": [{"field": "title", "code": "missing_field"}, {"code": "odd"}]}
    )
    respx.post(f"{BASE}/map").respond(400, json={"errors": {"due": ["too late", "too far"]}})
    with pytest.raises(RejectedError) as listed:
        client.request("POST", "/list", json={})
    with pytest.raises(RejectedError) as mapped:
        client.request("POST", "/map", json={})
    assert listed.value.field_errors == {"title": "missing_field", "*": "odd"}
    assert mapped.value.field_errors == {"due": "too late; too far"}


NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "Sun, 01 Mar 2026 10:02:00 GMT"}, 120),
        ({"retry-after": "Sun, 01 Mar 2026 09:00:00 GMT"}, 0),
        # the vendor's clock is an hour ahead of ours: its own Date decides
        (
            {
                "retry-after": "Sun, 01 Mar 2026 11:02:00 GMT",
                "date": "Sun, 01 Mar 2026 11:00:00 GMT",
            },
            120,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1772359230"}, 30),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "45"}, 45),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1772359230"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "99999999999"}, 86_400),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 99 Xyz 2026"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@respx.mock
def test_403_with_an_empty_budget_is_a_rate_limit_and_without_is_a_permission(
    client: HttpClient,
) -> None:
    respx.get(f"{BASE}/limit").respond(403, headers={"x-ratelimit-remaining": "0"})
    respx.get(f"{BASE}/wait").respond(403, headers={"retry-after": "3"})
    respx.get(f"{BASE}/no").respond(403, headers={"x-ratelimit-remaining": "9"})
    with pytest.raises(RateLimitError) as silent:
        client.request("GET", "/limit")
    with pytest.raises(RateLimitError) as told:
        client.request("GET", "/wait")
    with pytest.raises(AuthError):
        client.request("GET", "/no")
    assert (silent.value.retry_after, told.value.retry_after) == (60, 3)


@respx.mock
def test_503_tells_how_long_to_wait(client: HttpClient) -> None:
    respx.get(f"{BASE}/x").respond(503, headers={"retry-after": "11"})
    with pytest.raises(TransientError) as caught:
        client.request("GET", "/x")
    assert caught.value.retry_after == 11


@respx.mock
def test_a_connector_may_know_better_what_an_answer_means() -> None:
    def explain(response: HttpResponse) -> ConnectorError | None:
        return PayloadError("odd") if response.status == 418 else None

    client = HttpClient(BASE, title="Acme", explain=explain)
    respx.get(f"{BASE}/x").respond(418)
    respx.get(f"{BASE}/y").respond(404)
    with pytest.raises(PayloadError):
        client.request("GET", "/x")
    with pytest.raises(NotFoundError):
        client.request("GET", "/y")
    client.close()


@respx.mock
def test_a_compressed_bomb_ends_at_the_cap() -> None:
    client = HttpClient(BASE, title="Acme", max_body=1024 * 1024)
    bomb = gzip.compress(bytes(50 * 1024 * 1024))
    respx.get(f"{BASE}/x").respond(200, content=bomb, headers={"content-encoding": "gzip"})
    with pytest.raises(TransientError, match="more than 1 MiB"):
        client.request("GET", "/x")
    client.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"NaN",
        b"[" * 300 + b"]" * 300,
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 5000,
        b'{"a":1,"a":2}',
        b'[{"a" : 1, "b": "a", "a": 2}]',
        b'{"x":"\\u0022:","a":1,"a":2}',
        b'["\\ud800", NaN]',
        b'["\\ud800", ' + b"[" * 300 + b"]" * 301,
    ],
)
def test_hostile_json_is_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        decode_json(body, "the delivery")
    assert caught.value.place == "the delivery"


@pytest.mark.parametrize(
    "body",
    [b'{"a":{"a":1},"b":[{"a":1},{"a":2}]}', b'{"a":"\\"a\\":","b":":a\\":"}', b'{"a" : "b :c"}'],
)
def test_a_key_may_stand_in_several_objects_and_in_texts(body: bytes) -> None:
    assert decode_json(body, "x") == json.loads(body)


def test_half_a_surrogate_pair_is_read_and_left_to_whoever_uses_the_text() -> None:
    assert decode_json(b'{"a":"\\ud800","b":1}', "x") == {"a": "\ud800", "b": 1}


def test_broad_json_is_fine() -> None:
    """Only depth is limited, not size."""
    assert len(decode_json(b"[" + b"[]," * 5000 + b"[]]", "x")) == 5001


Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A socket server whose one connection is handed to a function; its base URL."""
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(talk: Callable[[socket.socket], None]) -> str:
        def run() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                talk(connection)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(timeout=10)
    server.close()


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"]
)
def test_the_deadline_holds_however_slowly_the_answer_drips(serve: Serve, start: bytes) -> None:
    """In the headers as well as in the body; each single read is fast."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        deadline = time.monotonic() + 10
        while not over.wait(0.02) and time.monotonic() < deadline:
            try:
                connection.sendall(b"x")
            except OSError:
                return

    client = HttpClient(serve(drip), title="Acme", deadline=0.4)
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"within 0.4 s") as caught:
        client.request("POST", "/", json={})
    over.set()
    assert time.monotonic() - began < 5
    assert not isinstance(caught.value, NotSentError)
    client.close()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}", b"garbage\r\n\r\n"]
)
def test_a_cut_truncated_or_garbled_answer_leaves_the_outcome_open(
    serve: Serve, answer: bytes
) -> None:
    client = HttpClient(serve(lambda connection: connection.sendall(answer)), title="Acme")
    with pytest.raises(TransientError) as caught:
        client.request("POST", "/", json={})
    assert not isinstance(caught.value, NotSentError)
    client.close()


def test_construction_opens_nothing() -> None:
    """Not even certificates are read before the first request."""
    client = HttpClient("https://api.acme.test", title="Acme")
    assert client._client is None
    client.close()


@respx.mock
def test_cookies_of_one_answer_are_not_sent_with_the_next_request(client: HttpClient) -> None:
    respx.get(f"{BASE}/x").respond(json={}, headers={"set-cookie": "session=abc; Path=/"})
    client.request("GET", "/x")
    client.request("GET", "/x")
    assert "cookie" not in respx.calls.last.request.headers


@respx.mock
def test_logs_show_no_query_since_some_vendors_want_their_key_in_it(
    client: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    respx.get(f"{BASE}/things").respond(200, json=[])
    with caplog.at_level("DEBUG"):
        client.request("GET", "/things", params={"api_key": "k3y-in-the-address"})
    assert "/v1/things" in caplog.text
    assert "k3y-in-the-address" not in caplog.text
