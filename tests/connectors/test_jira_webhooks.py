"""Jira's webhooks: two ways of proving themselves, registration, and OAuth on the way there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

import connectors.jira
from connectors.jira.config import JiraConfig
from connectors.jira.connector import JiraConnector
from connectors.jira.sandbox import CLIENT_SECRET, SECRET, TOKEN, JiraSandbox
from connectors.jira.sandbox_hooks import bearer, signed
from connectors.sdk import (
    AuthError,
    ConfigError,
    Delivery,
    Fetch,
    Host,
    NotFoundError,
    PayloadError,
    Record,
    SignatureError,
    Subscription,
)

HOME = Path(connectors.jira.__file__).parent
NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
URL = "https://hub.example.com/webhooks/jira"
BACK = "https://hub.example.com/oauth/back"


@pytest.fixture
def sandbox() -> Iterator[JiraSandbox]:
    with JiraSandbox() as sandbox:
        yield sandbox
        while CLOSING:
            CLOSING.pop().close()


CLOSING: list[JiraConnector] = []


def token(sandbox: JiraSandbox, **more: Any) -> JiraConnector:
    block = {key: part for key, part in sandbox.connection().items() if key != "connector"}
    block |= {"auth": {**block["auth"], "api_token": TOKEN}, "webhook": {"secret": SECRET}, **more}
    CLOSING.append(JiraConnector("jira", JiraConfig.model_validate(block)))
    return CLOSING[-1]


def app(sandbox: JiraSandbox, host: Host | None = None, **more: Any) -> JiraConnector:
    block = {key: part for key, part in sandbox.app_connection().items() if key != "connector"}
    block |= {"auth": {**block["auth"], "client_secret": CLIENT_SECRET}, **more}
    CLOSING.append(JiraConnector("jira", JiraConfig.model_validate(block), host))
    return CLOSING[-1]


def agreed(sandbox: JiraSandbox, host: Host | None = None, **more: Any) -> JiraConnector:
    """An app's connection to which a person has agreed in a browser."""
    jira = app(sandbox, host, **more)
    assert jira.consent is not None
    consent = jira.consent.begin(BACK)
    answer = httpx.get(consent.url, follow_redirects=False, trust_env=False)
    sent = httpx.URL(answer.headers["location"]).params
    jira.consent.finish(consent, sent["code"], sent["state"])
    return jira


def delivery(body: bytes, at: datetime = NOW, **headers: str) -> Delivery:
    return Delivery("POST", URL, {"x-atlassian-webhook-identifier": "id-1", **headers}, body, at)


def by_admin(body: bytes, secret: str = SECRET) -> Delivery:
    proof = signed(body, secret)["x-hub-signature"]
    return replace(delivery(body), headers={**delivery(b"").headers, "x-hub-signature": proof})


def by_app(body: bytes, at: datetime = NOW, proof: str | None = None) -> Delivery:
    return delivery(body, authorization=proof or bearer(at)["authorization"])


def fixture(name: str) -> bytes:
    return (HOME / "fixtures" / f"{name}.json").read_bytes()


# ------------------------------------------------------------------------------------ what they say


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jira_issue_updated", Fetch("issue", ["10002"])),
        ("comment_created", Fetch("comment", ["10100"])),
    ],
)
def test_a_webhook_names_what_to_read(sandbox: JiraSandbox, name: str, said: Fetch) -> None:
    jira = token(sandbox)
    one = by_admin(fixture(name))
    assert jira.verify(one) == "id-1"
    assert jira.parse(one) == [said]


@pytest.mark.parametrize(
    ("name", "object", "id"),
    [("jira_issue_deleted", "issue", "10002"), ("comment_deleted", "comment", "10100")],
)
def test_a_deletion_counts_where_the_signature_covers_it_and_is_looked_up_elsewhere(
    sandbox: JiraSandbox, name: str, object: str, id: str
) -> None:
    jira, body = app(sandbox, webhook={"secret": SECRET}), fixture(name)
    [record] = jira.parse(by_admin(body))
    assert isinstance(record, Record)
    assert (record.object, record.id, record.deleted) == (object, id, True)
    assert jira.parse(by_app(body)) == [Fetch(object, [id])]


def test_events_of_other_things_are_ignored_and_nonsense_is_put_aside(
    sandbox: JiraSandbox,
) -> None:
    jira = token(sandbox)
    assert jira.parse(by_admin(b'{"webhookEvent":"sprint_started","sprint":{}}')) == []
    for body in (
        b"{}",
        b'{"webhookEvent":"jira:issue_updated"}',
        b'{"webhookEvent":"jira:issue_updated","issue":{"id":"../etc"}}',
        b'{"webhookEvent":"comment_created","comment":{"id":true}}',
    ):
        with pytest.raises(PayloadError):
            jira.parse(by_admin(body))


# ----------------------------------------------------------------------------- whether it is genuin


def test_an_apps_webhook_is_proved_by_its_token(sandbox: JiraSandbox) -> None:
    assert app(sandbox).verify(by_app(b"{}")) == "id-1"


def _forged(claims: dict[str, Any], key: str = CLIENT_SECRET, algorithm: str = "HS256") -> str:
    return "Bearer " + jwt.encode(claims, key.encode(), algorithm=algorithm)


def _unsigned(claims: dict[str, Any]) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"Bearer {part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


STAMP = int(NOW.timestamp())


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "Bearer ",
        "Bearer nonsense",
        "Bearer a.b.c",
        "Bearer ünïcödé",
        f"Basic {TOKEN}",
        _unsigned({"iat": STAMP, "exp": STAMP + 180}),
        _forged({"iat": STAMP, "exp": STAMP + 180}, key="k" * 40),
        _forged({"iat": STAMP, "exp": STAMP + 180}, key=CLIENT_SECRET * 2, algorithm="HS512"),
        _forged({"iat": STAMP - 900, "exp": STAMP - 600}),
        _forged({"iat": STAMP - 900}),
        _forged({"iat": STAMP + 900, "exp": STAMP + 1200}),
        _forged({"sub": "timeless"}),
        _forged({"exp": "tomorrow"}),
    ],
)
def test_a_token_that_is_not_good_lets_nobody_in(sandbox: JiraSandbox, proof: str) -> None:
    with pytest.raises(SignatureError):
        app(sandbox).verify(by_app(b"{}", proof=proof or " "))


def test_a_token_is_judged_by_when_it_came(sandbox: JiraSandbox) -> None:
    old = datetime.now(UTC) - timedelta(days=400)
    one = replace(by_app(b"{}", at=old), received_at=old)
    assert app(sandbox).verify(one) == "id-1"


def test_a_good_token_does_not_make_up_for_a_bad_signature(sandbox: JiraSandbox) -> None:
    """Otherwise a caught token would make a forged deletion count."""
    jira = app(sandbox, webhook={"secret": SECRET})
    one = by_app(fixture("jira_issue_deleted"))
    forged = replace(one, headers={**one.headers, "x-hub-signature": "sha256=" + "0" * 64})
    with pytest.raises(SignatureError):
        jira.verify(forged)
    with pytest.raises(SignatureError):
        app(sandbox).verify(forged)  # no secret for such signatures at all


def test_a_token_connection_wants_the_signature(sandbox: JiraSandbox) -> None:
    jira, one = token(sandbox), by_admin(b"{}")
    assert jira.verify(one) == "id-1"
    for header in ("sha1=" + one.headers["x-hub-signature"][7:], "sha256=", "nonsense"):
        with pytest.raises(SignatureError):
            jira.verify(replace(one, headers={"x-hub-signature": header}))
    with pytest.raises(SignatureError, match="secret"):
        jira.verify(by_app(b"{}"))


# ------------------------------------------------------------------------------------- registration


def test_an_app_registers_once_renews_and_registers_anew_after_the_end(
    sandbox: JiraSandbox,
) -> None:
    jira = agreed(sandbox)
    made = jira.subscribe(URL)
    made = jira.subscribe(URL)
    assert list(sandbox.hooks.dynamic) == [int(made.id)]
    assert made.expires_at is not None
    assert made.expires_at - datetime.now(UTC) > timedelta(days=29)
    renewed = jira.renew(made)
    assert renewed.expires_at is not None
    assert renewed.expires_at >= made.expires_at
    issue = sandbox.create_issue("Heard")
    assert jira.verify(sandbox.hooks.sent[-1].delivery())
    assert jira.parse(sandbox.hooks.sent[-1].delivery()) == [Fetch("issue", [issue])]
    sandbox.drill().expire_subscription(made.id)
    with pytest.raises(NotFoundError):
        jira.renew(made)
    again = jira.subscribe(URL)
    jira.unsubscribe(again)
    jira.unsubscribe(again)
    assert sandbox.hooks.dynamic == {}


def test_a_hub_that_moves_takes_its_webhook_along(sandbox: JiraSandbox) -> None:
    jira = agreed(sandbox)
    jira.subscribe(URL)
    made = jira.subscribe(URL + "-new")
    assert {str(one.id): one.url for one in sandbox.hooks.dynamic.values()} == {
        made.id: URL + "-new"
    }
    with pytest.raises(ConfigError, match="single URL"):
        agreed(sandbox, projects=["WEB"]).subscribe(URL)


def test_an_administrators_token_makes_a_lasting_webhook(sandbox: JiraSandbox) -> None:
    jira = token(sandbox, webhook={"secret": ["the-next-secret-to-come-here", SECRET]})
    made = jira.subscribe(URL)
    assert made.expires_at is None
    assert jira.subscribe(URL).id == made.id
    sandbox.create_issue("Heard")
    assert jira.verify(sandbox.hooks.sent[-1].delivery())
    assert jira.renew(made) == made
    jira.unsubscribe(made)
    jira.unsubscribe(made)
    with pytest.raises(NotFoundError):
        jira.renew(made)


def test_a_webhook_is_never_made_without_a_secret_or_without_the_right(
    sandbox: JiraSandbox,
) -> None:
    with pytest.raises(ConfigError, match=r"webhook\.secret"):
        token(sandbox, webhook={}).subscribe(URL)
    sandbox.admin = False
    with pytest.raises(ConfigError, match="administers"):
        token(sandbox).subscribe(URL)
    with pytest.raises(ConfigError):
        token(sandbox).unsubscribe(Subscription("1"))


# -------------------------------------------------------------------------------------------- OAuth


def test_an_app_finds_its_site_and_works_through_the_gateway(sandbox: JiraSandbox) -> None:
    jira = agreed(sandbox)
    jira.check()
    id = sandbox.create_issue("Through the gateway")
    [record] = jira.fetch("issue", [id])
    assert record.url == f"{sandbox.url}/browse/OPS-1"
    assert any("/ex/jira/" in one for one in sandbox.faults.requests)


def test_nobody_agreed_yet(sandbox: JiraSandbox) -> None:
    with pytest.raises(AuthError, match="authorize"):
        app(sandbox).check()


def test_a_site_that_nobody_agreed_to_is_named(sandbox: JiraSandbox) -> None:
    jira = agreed(sandbox, base_url="https://third.atlassian.net")
    with pytest.raises(ConfigError, match=r"third\.atlassian\.net"):
        jira.check()


def test_a_refresh_token_is_used_once_by_however_many_threads(sandbox: JiraSandbox) -> None:
    host = Host()
    jira = agreed(sandbox, host)
    jira.check()
    ids = [sandbox.create_issue(f"Issue {number}") for number in range(8)]
    sandbox.authority.expire()
    second = app(sandbox, host)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda id: (jira, second)[int(id) % 2].fetch("issue", [id]), ids)
        assert [record.id for [record] in found] == ids
    asked = [one for one in sandbox.faults.requests if one == "POST /oauth/token"]
    assert len(asked) == 2  # the first agreement, and one renewal
    sandbox.authority.expire()
    sandbox.authority.refresh.clear()
    with pytest.raises(AuthError, match="authorize"):
        jira.check()


def test_a_token_with_scopes_goes_through_the_gateway(sandbox: JiraSandbox) -> None:
    block = sandbox.connection()["auth"]
    auth = {**block, "api_token": TOKEN, "cloud_id": "11223344-a1b2-3b33-c444-def123456789"}
    token(sandbox, auth=auth, api_url=sandbox.url).check()
    assert sandbox.faults.requests[0].startswith("GET /ex/jira/11223344")
