"""How the rest connector signs in: every kind that a description may name."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import respx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from connectors.rest.connector import RestConnector
from connectors.sdk import AuthError

BASE = "https://api.acme.test"
THINGS = {"objects": {"thing": {"list": {"path": "/things"}}}}


def connected(auth: dict[str, Any], given: dict[str, Any]) -> RestConnector:
    block = {"base_url": BASE, "auth": given, "service": {**THINGS, "auth": auth}}
    return RestConnector("acme", RestConnector.config.model_validate(block))


@pytest.mark.parametrize(
    ("auth", "given", "header", "value"),
    [
        ({"type": "header", "name": "X-Key", "prefix": "k:"}, {"key": "a"}, "x-key", "k:a"),
        ({"type": "bearer"}, {"token": "a"}, "authorization", "Bearer a"),
        ({"type": "bearer", "scheme": "GenieKey"}, {"token": "a"}, "authorization", "GenieKey a"),
        (
            {"type": "basic"},
            {"username": "u", "password": "p"},
            "authorization",
            "Basic dTpw",
        ),
        ({"type": "basic", "filler": "X"}, {"key": "a"}, "authorization", "Basic YTpY"),
    ],
)
@respx.mock
def test_a_secret_goes_where_the_description_says(
    auth: dict[str, Any], given: dict[str, Any], header: str, value: str
) -> None:
    route = respx.get(f"{BASE}/things").respond(200, json=[])
    connector = connected(auth, given)
    connector.check()
    assert route.calls.last.request.headers[header] == value
    connector.close()


@respx.mock
def test_a_key_in_the_query_replaces_the_one_in_a_link() -> None:
    route = respx.get(f"{BASE}/things").respond(200, json=[])
    connector = connected({"type": "query", "name": "api_key"}, {"key": "a b&c"})
    connector.check()
    assert route.calls.last.request.url.params.get_list("api_key") == ["a b&c"]
    connector.close()


@respx.mock
def test_a_refresh_token_of_the_configuration_is_exchanged_and_the_rotated_one_used_next() -> None:
    token = respx.post(f"{BASE}/token")
    token.side_effect = [
        respx.MockResponse(200, json={"access_token": "a1", "refresh_token": "r2"}),
        respx.MockResponse(200, json={"access_token": "a2", "refresh_token": "r3"}),
    ]
    things = respx.get(f"{BASE}/things")
    things.side_effect = [
        respx.MockResponse(200, json=[]),
        respx.MockResponse(401),
        respx.MockResponse(200, json=[]),
    ]
    auth = {"type": "oauth2", "grant": "refresh_token", "token_url": "/token"}
    connector = connected(auth, {"client_id": "c", "refresh_token": "r1"})
    connector.check()
    connector.check()
    sent = [parse_qs(call.request.content.decode())["refresh_token"] for call in token.calls]
    assert sent == [["r1"], ["r2"]]
    assert things.calls.last.request.headers["authorization"] == "Bearer a2"
    connector.close()


@respx.mock
def test_a_signed_statement_says_who_asks_and_for_whom() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    token = respx.post("https://login.acme.test/token").respond(200, json={"access_token": "a"})
    respx.get(f"{BASE}/things").respond(200, json=[])
    auth = {
        "type": "oauth2",
        "grant": "jwt_bearer",
        "token_url": "https://login.acme.test/token",
        "audience": "https://acme.test",
    }
    connector = connected(auth, {"issuer": "hub", "subject": "ops", "private_key": pem})
    connector.check()
    assertion = parse_qs(token.calls.last.request.content.decode())["assertion"][0]
    claims = jwt.decode(assertion, key.public_key(), ["RS256"], audience="https://acme.test")
    assert (claims["iss"], claims["sub"]) == ("hub", "ops")
    connector.close()


@respx.mock
def test_a_person_agrees_once_in_a_browser() -> None:
    auth = {
        "type": "oauth2",
        "grant": "authorization_code",
        "token_url": "/token",
        "authorize_url": "/authorize",
        "scope": "read write",
        "extra": {"access_type": "offline"},
    }
    connector = connected(auth, {"client_id": "c"})
    with pytest.raises(AuthError, match="hub connections authorize"):
        connector.check()
    assert connector.consent is not None
    consent = connector.consent.begin("https://hub.test/back")
    assert consent.url.startswith(f"{BASE}/authorize?")
    assert "access_type=offline" in consent.url
    respx.post(f"{BASE}/token").respond(200, json={"access_token": "a"})
    respx.get(f"{BASE}/things").respond(200, json=[])
    connector.consent.finish(consent, "code", consent.state)
    connector.check()
    connector.close()


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ({"type": "header", "name": "X"}, "auth.key"),
        ({"type": "basic"}, "auth.username and auth.password"),
        ({"type": "basic", "filler": "X"}, "auth.key"),
        ({"type": "oauth2", "token_url": "/t"}, "auth.client_id and auth.client_secret"),
        ({"type": "oauth2", "token_url": "/t", "grant": "jwt_bearer"}, "auth.private_key"),
    ],
)
def test_a_secret_that_is_missing_is_named(auth: dict[str, Any], missing: str) -> None:
    with pytest.raises(ValidationError, match=missing.replace(".", r"\.")):
        connected(auth, {})
