"""GitHub's webhooks: what is genuine, what a delivery says, and what the sandbox sends."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import httpx
import pytest

import connectors.github
from connectors.github.config import GithubConfig
from connectors.github.connector import GithubConnector
from connectors.github.sandbox import SECRET, TOKEN, GithubSandbox
from connectors.sdk import Change, Delivery, NotFoundError, PayloadError, Record, SignatureError

FIXTURES = Path(connectors.github.__file__).parent / "fixtures"
OLD = "an-older-secret-still-valid-today"


def connector(**webhook: Any) -> GithubConnector:
    settings = GithubConfig.model_validate(
        {
            "repositories": ["acme/ops"],
            "auth": {"token": TOKEN},
            "webhook": webhook or {"secret": [SECRET, OLD]},
        }
    )
    return GithubConnector("github", settings)


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(
    event: str, body: bytes | dict[str, Any], signature: str | None = None, **headers: str
) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(
        method="POST",
        url="https://hub.test/webhooks/github",
        headers={
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "x-hub-signature-256": sign(raw) if signature is None else signature,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        body=raw,
        received_at=datetime.now(UTC),
    )


def fixture(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((FIXTURES / f"{name}.json").read_bytes()))


def records(event: str, body: bytes | dict[str, Any]) -> list[Record]:
    parsed = connector().parse(delivery(event, body))
    assert all(isinstance(one, Record) for one in parsed)
    return cast("list[Record]", list(parsed))


# ----------------------------------------------------------------------------------- genuine or not


def test_the_vector_that_github_publishes() -> None:
    """From its page on validating webhook deliveries."""
    genuine = delivery(
        "ping",
        b"Hello, World!",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    )
    github = connector(secret="It's a Secret to Everybody")
    assert github.verify(genuine) == "72d3162e-cc78-11e3-81ab-4c9367dc0958"


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_each_of_several_secrets_is_accepted(secret: str) -> None:
    assert connector().verify(delivery("issues", b"{}", sign(b"{}", secret)))


GOOD = sign(b"{}")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        GOOD[:-1],
        GOOD[:-2],
        GOOD + "0",
        GOOD.removeprefix("sha256="),
        GOOD.replace("sha256", "sha1"),
        GOOD.upper(),
        GOOD + ", " + GOOD,
        " " + GOOD,
        GOOD[:-1] + "é",
        "sha256=" + "٣" * 64,
        "sha256=" + "g" * 64,
        sign(b"{ }"),
        sign(b"{}", "another secret"),
        sign(b"{}", ""),
    ],
)
def test_a_signature_that_is_not_exactly_right_is_refused(signature: str) -> None:
    with pytest.raises(SignatureError) as caught:
        connector().verify(delivery("issues", b"{}", signature))
    assert caught.value.code == "signature_invalid"


def test_the_old_sha1_header_proves_nothing() -> None:
    sha1 = hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
    with pytest.raises(SignatureError):
        connector().verify(delivery("issues", b"{}", "", x_hub_signature=f"sha1={sha1}"))


@pytest.mark.parametrize("webhook", [{"token": "a-token-in-the-address"}, {"secret": [""]}])
def test_without_a_secret_nothing_verifies(webhook: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        connector(**webhook).verify(delivery("issues", b"{}", sign(b"{}", "")))


def test_unsigned_must_be_said_and_never_beside_a_secret() -> None:
    unsigned = delivery("issues", b"{}", "")
    assert connector(unsigned=True).verify(unsigned)
    with pytest.raises(ValueError, match="would let everything pass"):
        connector(unsigned=True, secret=SECRET)


@pytest.mark.parametrize("guid", ["", "x" * 101, "a b", "a\x00b", "é"])
def test_a_delivery_id_that_is_none_is_not_kept(guid: str) -> None:
    assert connector().verify(delivery("issues", b"{}", x_github_delivery=guid)) is None


def test_ping_is_answered_and_nothing_else_is_a_handshake() -> None:
    github = connector()
    reply = github.handshake(delivery("ping", fixture("ping")))
    assert reply is not None
    assert reply.status == 200
    assert github.handshake(delivery("issues", b"{}")) is None
    assert records("ping", fixture("ping")) == []


# ----------------------------------------------------------------------------- what a delivery says


@pytest.mark.parametrize("action", ["opened", "edited", "labeled", "assigned"])
def test_githubs_own_issue_payloads(action: str) -> None:
    payload = fixture(f"issues.{action}")
    [record] = records("issues", payload)
    assert record.object == "issue"
    assert record.id == str(payload["issue"]["id"])
    assert record.address == {"owner": "Codertocat", "repo": "Hello-World", "number": 1}
    assert record.version == payload["issue"]["updated_at"]
    assert record.url == payload["issue"]["html_url"]
    assert record.actor == "Codertocat"
    assert not record.deleted
    assert record.data["title"] == "Spelling error in the README file"


def test_githubs_own_comment_payload_gives_the_issue_and_then_the_comment() -> None:
    payload = fixture("issue_comment.created")
    issue, comment = records("issue_comment", payload)
    assert (issue.object, comment.object) == ("issue", "comment")
    assert comment.parent == issue.id == "444500041"
    assert comment.id == "492700400"
    assert comment.data["body"].startswith("You are totally right!")
    assert comment.actor == "Codertocat"


def test_a_form_delivery_reads_the_same() -> None:
    """The other content type that the webhook's settings offer."""
    payload = fixture("issues.opened")
    body = urlencode({"payload": json.dumps(payload)}).encode()
    form = delivery("issues", body, content_type="application/x-www-form-urlencoded")
    assert connector().verify(form)
    assert list(connector().parse(form)) == records("issues", payload)


def test_a_deleted_issue_is_gone_and_a_transferred_one_has_another_id() -> None:
    payload = fixture("issues.opened")
    [deleted] = records("issues", {**payload, "action": "deleted"})
    assert deleted.deleted
    moved_to = {
        "new_issue": {**payload["issue"], "id": 5, "number": 9},
        "new_repository": {**payload["repository"], "full_name": "acme/web"},
    }
    [new] = records("issues", {**payload, "action": "transferred", "changes": moved_to})
    assert (new.id, new.former, new.deleted) == ("5", (deleted.id,), False)
    assert new.address == {"owner": "acme", "repo": "web", "number": 9}
    [lost] = records("issues", {**payload, "action": "transferred"})
    assert lost.deleted, "to where is not said"


def test_a_deleted_comment_is_gone_and_its_issue_is_not() -> None:
    issue, comment = records(
        "issue_comment", {**fixture("issue_comment.created"), "action": "deleted"}
    )
    assert (issue.deleted, comment.deleted) == (False, True)


def test_our_mark_never_shows() -> None:
    payload = fixture("issues.opened")
    payload["issue"]["body"] += "\n\n<!-- hub:k -->"
    [record] = records("issues", payload)
    assert record.data["body"] == fixture("issues.opened")["issue"]["body"]


@pytest.mark.parametrize("event", ["push", "star", "label", "an_event_of_2031"])
def test_other_events_say_nothing(event: str) -> None:
    assert records(event, fixture("issues.opened")) == []


@pytest.mark.parametrize("name", ["issues.opened", "issue_comment.created", "ping"])
def test_a_lost_event_header_is_made_up_for(name: str) -> None:
    event = name.partition(".")[0]
    assert records("", fixture(name)) == records(event, fixture(name))


def broken(path: str, value: Any) -> dict[str, Any]:
    payload = fixture("issue_comment.created")
    *way, last = path.split(".")
    place = payload
    for key in way:
        place = place[key]
    place[last] = value
    return payload


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("issues", b""),
        ("issues", b"{"),
        ("issues", b"[]"),
        ("issues", b"null"),
        ("issues", b"\xff\xfe"),
        ("issues", b'{"issue":' + b"[" * 1000 + b"]" * 1000 + b"}"),
        ("issues", b'{"issue":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("issues", b'{"issue":{"id":' + b"9" * 5000 + b"}}"),
        ("issues", b'{"issue":{"id":' + b"9" * 30 + b"}}"),
        ("issues", b"{}"),
        ("", b"{}"),
        ("issues", broken("issue", None)),
        ("issues", broken("issue.id", "444")),
        ("issues", broken("issue.id", True)),
        ("issues", broken("issue.number", None)),
        ("issues", broken("issue.updated_at", "yesterday")),
        ("issues", broken("issue.updated_at", "2026-03-01")),
        ("issues", broken("issue.updated_at", None)),
        ("issues", broken("issue.body", 7)),
        ("issues", broken("repository", [])),
        ("issues", broken("repository.full_name", "no-slash")),
        ("issue_comment", broken("comment", None)),
        ("issue_comment", broken("comment.issue_url", "https://api.github.com/repos/a/b/issues/")),
    ],
)
def test_a_genuine_delivery_of_the_wrong_shape_is_a_payload_error(
    event: str, body: bytes | dict[str, Any]
) -> None:
    with pytest.raises(PayloadError):
        connector().parse(delivery(event, body))


@pytest.mark.parametrize("body", [b"", b"payload", b"other=1", b"payload=%7B", b"\xff=1"])
def test_a_broken_form_is_a_payload_error(body: bytes) -> None:
    broken_form = delivery("issues", body, content_type="application/x-www-form-urlencoded")
    with pytest.raises(PayloadError):
        connector().parse(broken_form)


# -------------------------------------------------------------- the sandbox sends what GitHub sends


class Hub:
    """Takes deliveries and keeps them; answers with `status`."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.status = 202
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                hub.deliveries.append(Delivery("POST", self.path, headers, body, datetime.now(UTC)))
                self.send_response(hub.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/webhooks/github"

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.stop()


@pytest.fixture
def sandbox(hub: Hub) -> Iterator[GithubSandbox]:
    sandbox = GithubSandbox()
    sandbox.webhook_url = hub.url
    sandbox.start()
    yield sandbox
    sandbox.stop()


def told(sandbox: GithubSandbox, hub: Hub) -> list[tuple[str, str]]:
    """Event and action of everything delivered so far; each must verify and parse."""
    sandbox.drain()
    found = []
    for one in hub.deliveries:
        assert connector().verify(one)
        connector().parse(one)
        found.append((one.headers["x-github-event"], json.loads(one.body).get("action", "")))
    return found


def test_people_who_act_are_announced_signed_and_in_order(sandbox: GithubSandbox, hub: Hub) -> None:
    number = sandbox.open_issue("Wire it", "Please", by="dmeier", labels=["bug"])
    sandbox.assign(number, "lkim", by="dmeier")
    sandbox.edit_issue(number, by="lkim", title="Wire it well")
    comment = sandbox.comment(number, "Done", by="lkim")
    sandbox.close_issue(number, by="lkim")
    sandbox.reopen_issue(number, by="dmeier")
    sandbox.delete_issue(number, by="dmeier")
    assert told(sandbox, hub) == [
        ("issues", "opened"),
        ("issues", "labeled"),
        ("issues", "assigned"),
        ("issues", "edited"),
        ("issue_comment", "created"),
        ("issues", "closed"),
        ("issues", "reopened"),
        ("issues", "deleted"),
    ]
    edited = json.loads(hub.deliveries[3].body)
    assert edited["changes"] == {"title": {"from": "Wire it"}}
    assert edited["sender"]["login"] == "lkim"
    created = connector().parse(hub.deliveries[4])[1]
    assert isinstance(created, Record)
    assert created.id == str(comment)


def test_the_payload_has_every_field_of_githubs_own(sandbox: GithubSandbox, hub: Hub) -> None:
    """So that what works against the sandbox does not stumble over the vendor."""
    number = sandbox.open_issue("x", "y", labels=["bug"], assignees=["lkim"])
    sandbox.comment(number, "z")
    sandbox.drain()
    bodies = [json.loads(one.body) for one in hub.deliveries]
    for sent, name in ((bodies[0], "issues.opened"), (bodies[-1], "issue_comment.created")):
        real = fixture(name)
        assert real["issue"].keys() - {"draft"} <= sent["issue"].keys()
        assert real["sender"].keys() <= sent["sender"].keys()
        assert real.get("comment", {}).keys() <= sent.get("comment", {}).keys()
        assert real["issue"]["labels"][0].keys() <= bodies[-1]["issue"]["labels"][0].keys()
        missing = real["repository"].keys() - sent["repository"].keys()
        # addresses for git itself and counters, which concern nobody here
        assert all(key.endswith(("_url", "_count", "forks", "watchers")) for key in missing)


def test_our_own_writes_come_back_as_an_echo_of_the_tokens_user(
    sandbox: GithubSandbox, hub: Hub
) -> None:
    github = connector_for(sandbox)
    [result] = github.push([Change("create", "issue", "k-1", {"title": "x", "body": "y"})])
    sandbox.drain()
    [echo] = github.parse(hub.deliveries[0])
    github.close()
    assert isinstance(echo, Record)
    assert result.record is not None
    assert echo.actor == sandbox.bot
    assert (echo.id, echo.data["body"]) == (result.record.id, result.record.data["body"])


def connector_for(sandbox: GithubSandbox) -> GithubConnector:
    block = {**sandbox.connection(), "auth": {"token": TOKEN}, "webhook": {"secret": SECRET}}
    block.pop("connector")
    return GithubConnector("github", GithubConfig.model_validate(block))


def test_a_failed_delivery_is_never_repeated_by_itself(sandbox: GithubSandbox, hub: Hub) -> None:
    """GitHub does not; a person may press Redeliver, and the GUID stays the same."""
    hub.status = 500
    sandbox.open_issue("x")
    sandbox.drain()
    assert len(hub.deliveries) == 1
    assert sandbox.sent[0].status == 500
    hub.status = 202
    sandbox.redeliver(sandbox.sent[0].guid)
    sandbox.drain()
    first, second = hub.deliveries
    assert first.body == second.body
    assert first.headers["x-github-delivery"] == second.headers["x-github-delivery"]
    assert sandbox.sent[0].status == 202


def test_ping_has_the_shape_of_githubs_own(sandbox: GithubSandbox, hub: Hub) -> None:
    sandbox.ping()
    sandbox.drain()
    assert connector().verify(hub.deliveries[0])
    assert connector().handshake(hub.deliveries[0]) is not None
    assert fixture("ping").keys() <= json.loads(hub.deliveries[0].body).keys() | {"sender"}


def test_a_person_can_close_the_issue_on_its_page(sandbox: GithubSandbox, hub: Hub) -> None:
    """The link in the dashboard leads here during the demo."""
    number = sandbox.open_issue("<b>Wire</b> it", "Please <script>\n\n<!-- hub:k -->")
    url = sandbox.issue(number)["html_url"]
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        page = browser.get(url).text
        assert "&lt;b&gt;Wire&lt;/b&gt; it" in page
        assert "<script>" not in page
        assert "hub:k" not in page
        form = {"action": "close", "by": "lkim", "body": "All done"}
        assert "Reopen issue" in browser.post(url, data=form).text
        assert browser.get(url.replace("issues", "wiki")).status_code == 404
        assert browser.get(f"{url}9").status_code == 404
    assert sandbox.issue(number)["state"] == "closed"
    assert sandbox.issue(number)["closed_by"]["login"] == "lkim"
    assert told(sandbox, hub)[-2:] == [("issue_comment", "created"), ("issues", "closed")]
    assert sandbox.ledger == []  # people's doing, not ours


def test_a_registered_webhook_is_taken_over_switched_on_again_and_removed(
    sandbox: GithubSandbox, hub: Hub
) -> None:
    """And what it then delivers carries the secret that subscribe handed over."""
    block = {**sandbox.connection(), "auth": {"token": TOKEN}, "webhook": {}}
    block.pop("connector")
    github = GithubConnector("github", GithubConfig.model_validate(block))
    sandbox.webhook_url = None
    first, second = github.subscribe(hub.url), github.subscribe(hub.url)
    assert first.id == second.id
    assert second.secret is not None
    assert first.secret != second.secret
    sandbox.open_issue("x")
    sandbox.drain()
    [event] = [sent for sent in sandbox.sent if sent.event == "issues"]
    assert event.status is not None
    [hook] = sandbox.hooks.registered.values()
    connector(secret=[second.secret]).verify(
        delivery("issues", event.body, sign(event.body, hook.secret))
    )
    hook.active = False
    assert github.renew(second) == second
    assert hook.active
    github.unsubscribe(second)
    assert sandbox.hooks.registered == {}
    github.unsubscribe(second)
    with pytest.raises(NotFoundError):
        github.renew(second)
    github.close()


def test_a_configured_secret_is_the_one_that_is_registered(sandbox: GithubSandbox) -> None:
    block = {**sandbox.connection(), "auth": {"token": TOKEN}, "webhook": {"secret": [OLD]}}
    block.pop("connector")
    github = GithubConnector("github", GithubConfig.model_validate(block))
    assert github.subscribe("https://hub.example.com/webhooks/github").secret == OLD
    github.close()
