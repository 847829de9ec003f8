"""An authorization server that means harm, or fails at the worst moment; and many who want a token
at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from connectors.sdk import (
    AuthError,
    AuthorizationCode,
    ClientCredentials,
    ConfigError,
    ConnectorError,
    JwtBearer,
    RefreshToken,
    TransientError,
)
from connectors.sdk.auth import EARLY, Grant, OAuth2
from connectors.sdk.host import MemoryVault, Token
from connectors.sdk.http import HttpClient

URL = "https://login.acme.test/token"
API = "https://api.acme.test"


def oauth(
    vault: MemoryVault,
    grant: Grant | None = None,
    *,
    url: str = URL,
    client: str = "hub",
    **rest: Any,
) -> OAuth2:
    return OAuth2(
        "acme",
        title="Acme",
        token_url=url,
        client_id=client,
        client_secret=SecretStr("cl13nt-s3cret"),
        grant=grant or ClientCredentials(),
        vault=vault,
        **rest,
    )


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


# --------------------------------------------------------------------------------- odd answers


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b"null",
        b'"x"',
        b"[" * 100_000,
        b'{"access_token": 7}',
        b'{"access_token": ""}',
        b'{"access_token": "a\\nb: c"}',
        b'{"access_token": "\\u20ac"}',
        b'{"access_token": {"a": 1}}',
        b'{"error": {"code": "s3cret"}}',
        b'{"error": ["s3cret"]}',
        b'{"error": null}',
        b"\xff\xfe",
        b"<html>s3cret</html>",
        b"",
    ],
)
def test_whatever_the_server_answers_is_an_error_of_ours_without_its_words(
    server: respx.MockRouter, vault: MemoryVault, body: bytes
) -> None:
    server.post(URL).respond(200, content=body)
    auth = oauth(vault)
    with pytest.raises(ConnectorError) as caught:
        auth.token()
    assert "s3cret" not in str(caught.value)
    assert vault.load("acme") is None
    auth.close()


@pytest.mark.parametrize(
    "expires_in",
    [
        "soon",
        "",
        None,
        [],
        {},
        [1],
        {"a": 1},
        True,
        -1,
        0,
        "1e999",
        1e308,
        "NaN",
        "Infinity",
    ],
)
def test_a_lifetime_that_is_none_means_until_the_vendor_says_401(
    server: respx.MockRouter, vault: MemoryVault, expires_in: Any
) -> None:
    route = server.post(URL).respond(200, json={"access_token": "a1", "expires_in": expires_in})
    auth = oauth(vault)
    assert [auth.token().access for _ in range(3)] == ["a1"] * 3
    assert route.call_count == 1
    auth.close()


@pytest.mark.parametrize("lifetime", [1, "2", 10.5, 60, 119])
def test_a_token_that_lives_shortly_is_not_renewed_with_every_request(
    server: respx.MockRouter, vault: MemoryVault, lifetime: Any
) -> None:
    route = server.post(URL).respond(200, json={"access_token": "a1", "expires_in": lifetime})
    auth = oauth(vault)
    for _ in range(3):
        auth.token()
    assert route.call_count == 1
    auth.close()


def test_the_moment_of_the_end_is_counted_by_our_clock(
    server: respx.MockRouter, vault: MemoryVault
) -> None:
    """A server whose clock is years behind would have us ask for ever."""
    answer = {"access_token": "a1", "expires_in": 3600, "expires_at": 1_000_000_000}
    route = server.post(URL).respond(200, json=answer)
    auth = oauth(vault)
    before = time.time()
    token = auth.token()
    assert token.expires_at is not None
    assert 3599 < token.expires_at - before < 3602
    auth.token()
    assert route.call_count == 1
    auth.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_token_endpoint_that_leads_elsewhere_is_not_followed(
    server: respx.MockRouter, vault: MemoryVault, status: int
) -> None:
    server.post(URL).respond(status, headers={"location": "https://evil.test/token"})
    evil = server.route(host="evil.test").respond(200, json={"access_token": "a1"})
    auth = oauth(vault)
    with pytest.raises(ConnectorError):
        auth.token()
    assert not evil.called
    auth.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1/token",
        "login.acme.test",
        "https://",
        "ftp://x/y",
    ],
)
def test_a_token_url_that_is_none_is_told_as_such(vault: MemoryVault, url: str) -> None:
    auth = oauth(vault, url=url)
    with pytest.raises(ConfigError):
        auth.token()
    auth.close()


def test_an_answer_without_end_is_not_swallowed(
    server: respx.MockRouter, vault: MemoryVault
) -> None:
    server.post(URL).respond(200, content=b" " * 3_000_000 + b'{"access_token": "a1"}')
    auth = oauth(vault)
    with pytest.raises(TransientError):
        auth.token()
    auth.close()


def test_a_token_is_renewed_once_and_then_the_refusal_is_believed(
    server: respx.MockRouter, vault: MemoryVault
) -> None:
    route = server.post(URL).respond(200, json={"access_token": "a1"})
    server.get(f"{API}/x").respond(401)
    auth = oauth(vault)
    client = HttpClient(API, title="Acme", auth=auth)
    with pytest.raises(AuthError):
        client.request("GET", "/x")
    assert route.call_count == 2
    client.close()
    auth.close()


# ------------------------------------------------------------------------------ whose token it is


@pytest.mark.parametrize(
    "other",
    [
        {"url": "https://login.evil.test/token"},
        {"client": "another"},
        {"grant": RefreshToken(SecretStr("r-of-another-person"))},
    ],
)
def test_tokens_stay_with_the_account_they_were_given_to(
    server: respx.MockRouter, vault: MemoryVault, other: dict[str, Any]
) -> None:
    """A connection may be pointed to another vendor, client or person under the same name."""
    server.post(URL).respond(200, json={"access_token": "a1", "refresh_token": "r2"})
    first = oauth(vault, RefreshToken(SecretStr("r1")))
    assert first.token().access == "a1"
    elsewhere = server.post(other.get("url", URL))
    elsewhere.respond(200, json={"access_token": "b1"})
    second = oauth(vault, **{"grant": RefreshToken(SecretStr("r1")), **other})
    assert second.token().access == "b1"
    assert "r2" not in elsewhere.calls.last.request.content.decode()
    for auth in (first, second):
        auth.close()


def test_a_person_agrees_anew_where_the_connection_leads_elsewhere(
    server: respx.MockRouter, vault: MemoryVault
) -> None:
    grant = AuthorizationCode("https://login.acme.test/authorize")
    server.post(URL).respond(200, json={"access_token": "a1", "refresh_token": "r1"})
    first = oauth(vault, grant)
    consent = first.begin("https://hub.acme.test/oauth/callback")
    first.finish(consent, "code", consent.state)
    assert first.token().access == "a1"
    second = oauth(vault, grant, url="https://login.evil.test/token")
    with pytest.raises(AuthError, match="authorize"):
        second.token()
    for auth in (first, second):
        auth.close()


# ---------------------------------------------------------------------------------- bad moments


class Full(MemoryVault):
    """Cannot store for a while."""

    full = True

    def save(self, connection: str, token: Token) -> None:
        if self.full:
            raise OSError("no space left")
        super().save(connection, token)


def test_a_rotated_refresh_token_that_could_not_be_stored_is_not_lost(
    server: respx.MockRouter,
) -> None:
    """The server has forgotten the one before."""
    vault = Full()
    route = server.post(URL).respond(
        200, json={"access_token": "a1", "refresh_token": "r2", "expires_in": 3600}
    )
    auth = oauth(vault, RefreshToken(SecretStr("r1")))
    with pytest.raises(OSError, match="space"):
        auth.token()
    vault.full = False
    assert auth.token().refresh == "r2"
    stored = vault.load("acme")
    assert stored is not None
    assert stored.refresh == "r2"
    assert route.call_count == 1
    auth.close()


def test_those_who_waited_for_a_sign_in_that_failed_do_not_each_try_again(
    server: respx.MockRouter, vault: MemoryVault
) -> None:
    """Twenty threads at a server that hangs would wait for its deadline one after the other."""
    waiting = threading.Barrier(9)

    def hang(request: httpx.Request) -> httpx.Response:
        if route.call_count == 0:
            waiting.wait(10)
            time.sleep(0.3)  # until all of them stand in line
        raise httpx.ReadTimeout("slow")

    route = server.post(URL).mock(side_effect=hang)
    auth = oauth(vault)
    errors: list[Exception] = []

    def ask(first: bool) -> None:
        if not first:
            waiting.wait(10)
        try:
            auth.token()
        except TransientError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(number == 0,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(errors) == 9
    assert route.call_count <= 2
    with pytest.raises(TransientError):
        auth.token()
    assert route.call_count <= 3, "who comes later tries anew"
    auth.close()


def test_one_of_many_threads_renews(server: respx.MockRouter, vault: MemoryVault) -> None:
    vault.save("acme", Token("a0", time.time() - 1, "r0"))
    used: list[str] = []

    def rotate(request: httpx.Request) -> httpx.Response:
        used.append(request.content.decode())
        number = len(used)
        answer = {"access_token": f"a{number}", "refresh_token": f"r{number}", "expires_in": 900}
        return httpx.Response(200, json=answer)

    server.post(URL).mock(side_effect=rotate)
    auth = oauth(vault, RefreshToken(SecretStr("r-config")))
    threads = [threading.Thread(target=auth.token) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(used) == 1
    assert auth.token().access == "a1"
    auth.close()


# ------------------------------------------------------------------------------------- in repr


def test_no_secret_shows_in_what_is_printed_of_it(vault: MemoryVault) -> None:
    secret = SecretStr("s3cret")
    grants: list[Grant] = [
        RefreshToken(secret),
        JwtBearer("me", None, "you", secret),
        AuthorizationCode("https://login.acme.test/authorize"),
    ]
    auth = oauth(vault, grants[0])
    consent = oauth(vault, grants[2]).begin("https://hub.acme.test/oauth/callback")
    shown = repr([*grants, auth, Token("s3cret", None, "s3cret"), consent, vars(auth)])
    assert "s3cret" not in shown
    assert consent.verifier not in shown
    assert consent.verifier not in consent.url
    assert "code_challenge_method=S256" in consent.url
    auth.close()


def test_every_agreement_has_a_state_and_a_verifier_of_its_own(vault: MemoryVault) -> None:
    auth = oauth(vault, AuthorizationCode("https://login.acme.test/authorize?state=fixed"))
    begun = [auth.begin("https://hub.acme.test/oauth/callback") for _ in range(20)]
    assert len({one.state for one in begun}) == len({one.verifier for one in begun}) == 20
    assert min(len(one.state) for one in begun) >= 30
    for one in begun:
        with pytest.raises(AuthError):
            auth.finish(one, "code", "another")
        with pytest.raises(AuthError):
            auth.finish(one, "code", "")
    auth.close()
    assert EARLY == 60
