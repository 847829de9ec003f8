"""A vendor, a network or a name server that means harm: what connectors can be led to reach, and
what they may say of it. `test_sdk_floods.py` has how long and how much.
"""

from __future__ import annotations

import ipaddress
import itertools
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.sdk import (
    ApiKey,
    Bearer,
    ConfigError,
    NotSentError,
    RejectedError,
)
from connectors.sdk.http import HttpClient
from connectors.sdk.network import Destinations
from connectors.sdk.sockets import dial

MIB = 1024 * 1024


def resolved(*addresses: str) -> Callable[..., Any]:
    """A name server with these answers."""
    return lambda *_, **__: [
        (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80))
        for one in addresses
    ]


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where sockets were connected to: nowhere, one hopes."""
    tried: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


# ------------------------------------------------------------------------------- where it connects


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "127.0.0.1.",
        "2852039166",  # 169.254.169.254
        "0251.0376.0251.0376",
        "169.254.43518",
        "localhost.localdomain",
        "LOCALHOST.localdomain.",
    ],
)
def test_an_inside_address_in_a_disguise_is_refused(host: str, never: list[Any]) -> None:
    client = HttpClient(f"http://{host}", title="Acme", deadline=5)
    with pytest.raises((ConfigError, NotSentError)):
        client.request("GET", "/")
    assert never == []
    client.close()


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",  # credentials of containers
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "fe80::1%lo",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2001:0:1:2:3:4:5601:5601",  # Teredo, whose end is the address turned over
    ],
)
def test_the_metadata_of_a_cloud_is_never_reached_by_a_written_address(
    address: str, never: list[Any]
) -> None:
    with pytest.raises(ConfigError, match="networks: "):
        Destinations().addresses(address, 80)
    with pytest.raises(ConfigError):
        dial(address, 80, Destinations(), time.monotonic() + 5)
    assert never == []


@pytest.mark.parametrize(
    "answers",
    [
        ("93.184.216.34", "127.0.0.1"),
        ("2606:2800:220:1::1", "10.0.0.1"),
        ("93.184.216.34", "::ffff:10.0.0.1"),
        ("::1",),
        ("::ffff:127.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("2002:7f00:1::",),
        ("2001:0:1:2:3:4:5:6",),
        ("fe80::1%eth0",),
        ("fc00::1",),
        ("168.63.129.16",),  # public by its number, a cloud's own by its use
        ("0.0.0.0",),  # noqa: S104 - refused, not bound
        ("255.255.255.255",),
        ("100.64.0.1",),
    ],
)
def test_one_inside_address_among_the_answers_refuses_the_name(
    answers: tuple[str, ...], never: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolved(*answers))
    client = HttpClient("http://rebinding.acme.test", title="Acme", deadline=5)
    with pytest.raises(ConfigError, match="private network"):
        client.request("GET", "/")
    assert never == []
    client.close()


def test_a_network_that_was_named_may_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    named = Destinations([ipaddress.ip_network("169.254.169.0/24")])
    assert named.addresses("169.254.169.254", 80) == ["169.254.169.254"]
    monkeypatch.setattr(socket, "getaddrinfo", resolved("169.254.169.254"))
    assert named.addresses("proxy.acme.test", 80) == ["169.254.169.254"]


def test_a_name_that_changes_its_mind_gains_nothing(
    never: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resolved once, and what was judged is what is connected to."""
    answers = itertools.chain(["93.184.216.34"], itertools.repeat("127.0.0.1"))

    def resolve(host: str, *_: Any, **__: Any) -> Any:
        return resolved(next(answers) if host.endswith(".test") else host)()

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = HttpClient("http://rebinding.acme.test", title="Acme", deadline=5)
    with pytest.raises(NotSentError):
        client.request("GET", "/")
    assert [address[0] for address in never] == ["93.184.216.34"]
    client.close()


def test_proxies_of_the_environment_see_nothing(
    never: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    monkeypatch.setattr(socket, "getaddrinfo", resolved("93.184.216.34"))
    client = HttpClient("http://api.acme.test", title="Acme", deadline=5)
    with pytest.raises(NotSentError):
        client.request("GET", "/")
    assert {address[0] for address in never} == {"93.184.216.34"}
    client.close()


@pytest.mark.parametrize(
    "link",
    [
        "https://api.acme.test.evil.test/x",
        "https://api.acme.test@evil.test/x",
        "https://evil.test\\@api.acme.test/x",
        "https://api.acme.test:8443/x",
        "https://api.acme.test./x",
        "https://api.acme.test:443@evil.test/x",
        "https://user:word@api.acme.test/x",
        "http://api.acme.test:443/x",
        "https://аpi.acme.test/x",  # noqa: RUF001 - that is the point
        "https://[::ffff:7f00:1]/x",
        "https://",
        "https://api.acme.test:99999/x",
        "https:///x",
    ],
)
def test_a_link_elsewhere_is_refused(link: str, never: list[Any]) -> None:
    client = HttpClient("https://api.acme.test", title="Acme", auth=Bearer(SecretStr("s3cret")))
    with pytest.raises(ConfigError) as caught:
        client.request("GET", link)
    assert "word" not in str(caught.value)
    assert never == []
    client.close()


@pytest.mark.parametrize(
    "path", ["/../admin", "/x/../../admin", "/x/..", "/./x", "/x/%2e%2e/admin", "/x/.%2E"]
)
def test_a_path_does_not_climb(path: str, never: list[Any]) -> None:
    """Ids come from outside, and not every connector escapes them."""
    client = HttpClient("https://api.acme.test/v1", title="Acme")
    with pytest.raises(RejectedError):
        client.request("GET", path)
    assert never == []
    client.close()


# ------------------------------------------------------------------------------- what is said of it


@pytest.mark.parametrize(
    "value", ["s3cret\r\nx-other: 1", "s3cret\n", "s3cret ", "s3cret\0", "s3cr\u20act"]
)
def test_a_header_that_http_cannot_carry_is_not_shown(
    value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """h11 says the whole value, and it may be a token."""
    server = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{server.getsockname()[1]}"
    for client in (
        HttpClient(base, title="Acme", headers={"authorization": value}, deadline=2),
        HttpClient(base, title="Acme", auth=ApiKey(SecretStr(value), "x-key"), deadline=2),
    ):
        with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as caught:
            client.request("GET", "/")
        assert "s3cr" not in repr(chain(caught.value))
        assert "s3cr" not in caplog.text
        client.close()
    server.close()


def chain(error: BaseException | None) -> list[str]:
    """What a traceback prints of an error and those behind it."""
    found = []
    while error is not None:
        found.append(repr(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def test_credentials_in_an_address_are_refused_and_not_shown(
    caplog: pytest.LogCaptureFixture, never: list[Any]
) -> None:
    client = HttpClient("https://hub:s3cret@api.acme.test", title="Acme")
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError, match="auth") as caught:
        client.request("GET", "/")
    assert "s3cret" not in str(caught.value) + caplog.text
    assert never == []
    client.close()
