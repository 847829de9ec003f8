"""Every scheme from the sender through the real intake: one delivery that is taken, one that is
not. The endpoint is built by the hub's own code.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import connectors.webhook
from connectors.sdk import Delivery, Record
from connectors.sdk.conformance.kit import resolve
from connectors.webhook.config import WebhookConnection
from connectors.webhook.connector import WebhookConnector
from connectors.webhook.sandbox import WebhookSandbox
from hub.intake.endpoints import _hash
from tests.webhooks.intake_support import PUBLIC, MemoryInbox, Served, refusal
from webhooks.app import WebhookApp
from webhooks.inbox import Endpoint

TOKEN = "address-token-of-32-bytes-0123456789"


def connector(sandbox: WebhookSandbox, **more: Any) -> WebhookConnector:
    block = {key: part for key, part in sandbox.connection().items() if key != "connector"}
    settings = WebhookConnection.model_validate(resolve({**block, **more}, sandbox.env()))
    return WebhookConnector("shop", settings)


class Today(Served):
    """The intake with the real clock, as senders have it."""

    def __init__(self, receiver: WebhookConnector) -> None:
        super().__init__({}, MemoryInbox())
        webhook = receiver.settings.webhook
        endpoint = Endpoint(
            "shop",
            receiver,
            token_hash=_hash(webhook.token),
            token_required=webhook.token is not None,
            unsigned=webhook.unsigned,
        )
        self.app = WebhookApp(
            {"shop": endpoint}, self.inbox, public_url=PUBLIC, now=lambda: datetime.now(UTC)
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/shop"


@pytest.fixture
def serve() -> Iterator[Callable[[WebhookConnector], Today]]:
    with ExitStack() as closing:

        def begin(receiver: WebhookConnector) -> Today:
            served = Today(receiver)
            served.start()
            closing.callback(served.stop)
            return served

        yield begin


def read(receiver: WebhookConnector, served: Today) -> list[Record]:
    """What the stored rows say, read as the hub reads them: from what was kept alone."""
    found: list[Record] = []
    for row in served.inbox.rows:
        stored = Delivery(row.method, row.url, row.headers, row.body, row.received_at)
        found += receiver.parse(stored)  # type: ignore[arg-type]
    return found


WAYS = [
    ("standard-webhooks", "token", "structured"),
    ("hmac", "token", "structured"),
    ("stripe", "token", "structured"),
    ("basic", "token", "structured"),
    ("token", "token", "structured"),
    ("cloudevents", "standard-webhooks", "structured"),
    ("cloudevents", "stripe", "batch"),
    ("cloudevents", "hmac", "binary"),
    ("cloudevents", "basic", "binary"),
    ("cloudevents", "token", "batch"),
]


@pytest.mark.parametrize(("scheme", "proof", "mode"), WAYS)
def test_each_scheme_is_taken_once_and_a_bad_one_is_not(
    serve: Callable[[WebhookConnector], Today], scheme: str, proof: str, mode: str
) -> None:
    sandbox = WebhookSandbox(scheme, proof, mode)
    receiver = connector(sandbox)
    served = serve(receiver)
    sandbox.webhook_url = served.url
    id = sandbox.place("Coffee, 2 kg")
    (message,) = sandbox.messages
    assert message.statuses == [202]
    again = sandbox.delivery(message, datetime.now(UTC))
    known = served.post("/webhooks/shop", again.body, headers=dict(again.headers))
    assert (known.status_code, known.json()["status"]) == (200, "duplicate")

    (record,) = read(receiver, served)
    assert (record.object, record.id, record.actor) == ("order", id, "dmeier")
    assert record.url == f"https://shop.sandbox.test/orders/{id}"
    assert record.data["title"] == "Coffee, 2 kg"

    bad = sandbox.signed(again.body, datetime.now(UTC), message.id, secret="wrong-secret-of-24-b!")
    headers = {**again.headers, **bad.headers}
    refused = served.post("/webhooks/shop", again.body, headers=headers)
    assert refusal(refused, 401) == "signature_invalid"
    bare = served.post("/webhooks/shop", again.body, headers={"content-type": "application/json"})
    assert refusal(bare, 401) == "signature_invalid"
    assert len(served.inbox.rows) == 1


def test_a_token_in_the_address_is_enough_for_who_can_do_no_more(
    serve: Callable[[WebhookConnector], Today],
) -> None:
    sandbox = WebhookSandbox("token")
    receiver = connector(sandbox, webhook={"token": TOKEN})
    receiver.check()
    served = serve(receiver)
    body = json.dumps({"type": "order.created", "data": {"id": "O-1"}}).encode()
    assert served.post(f"/webhooks/shop/{TOKEN}", body).status_code == 202
    assert refusal(served.post("/webhooks/shop", body), 401) == "signature_invalid"
    assert refusal(served.post("/webhooks/shop/wrong", body), 401) == "signature_invalid"
    (row,) = served.inbox.rows
    assert TOKEN not in row.url
    assert [record.id for record in read(receiver, served)] == ["O-1"]


def test_a_token_in_the_address_does_not_replace_a_signature(
    serve: Callable[[WebhookConnector], Today],
) -> None:
    served = serve(connector(WebhookSandbox("hmac"), webhook={"token": TOKEN}))
    assert refusal(served.post(f"/webhooks/shop/{TOKEN}", b"{}"), 401) == "signature_invalid"


def test_unsigned_must_be_said(serve: Callable[[WebhookConnector], Today]) -> None:
    said = serve(connector(WebhookSandbox("token"), webhook={"unsigned": True}))
    assert said.post("/webhooks/shop", b"{}").status_code == 202
    silent = serve(connector(WebhookSandbox("token"), webhook={}))
    assert refusal(silent.post("/webhooks/shop", b"{}"), 401) == "signature_invalid"


def test_what_is_genuine_and_unreadable_is_stored_for_a_person(
    serve: Callable[[WebhookConnector], Today],
) -> None:
    """Refusing it would make the sender try again for days."""
    sandbox = WebhookSandbox("stripe")
    served = serve(connector(sandbox))
    for body in (b"\xff", b"[" * 3000, b'{"type": "a.b"}'):
        one = sandbox.signed(body, datetime.now(UTC))
        answer = served.post("/webhooks/shop", body, headers=dict(one.headers))
        assert answer.status_code == 202
    assert len(served.inbox.rows) == 3


def test_what_was_not_taken_is_sent_again_until_told_to_stop(
    serve: Callable[[WebhookConnector], Today],
) -> None:
    sandbox = WebhookSandbox()
    sandbox.webhook_url = "http://127.0.0.1:9/webhooks/shop"
    sandbox.place()
    (message,) = sandbox.messages
    assert message.statuses == [0]
    served = serve(connector(sandbox))
    sandbox.webhook_url = served.url
    sandbox.retry()
    sandbox.retry()
    assert message.statuses == [0, 202]
    assert served.inbox.rows[0].delivery_id == message.id
    message.statuses = [410]
    assert message.over


def test_a_known_sender_of_cloud_events_may_ask_first(
    serve: Callable[[WebhookConnector], Today],
) -> None:
    served = serve(connector(WebhookSandbox("cloudevents"), origins=["Shop.sandbox.test"]))
    asked = {"WebHook-Request-Origin": "shop.sandbox.test", "WebHook-Request-Rate": "120"}
    answer = served.client.options("/webhooks/shop", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "shop.sandbox.test"
    assert answer.headers["webhook-allowed-rate"] == "120"
    for origin in ("evil.test", "", "*"):
        headers = {"WebHook-Request-Origin": origin}
        refused = served.client.options("/webhooks/shop", headers=headers)
        assert refusal(refused, 405) == "method_not_allowed"


def test_a_person_can_sign_and_send_from_the_page(
    serve: Callable[[WebhookConnector], Today],
) -> None:
    with WebhookSandbox() as sandbox:
        served = serve(connector(sandbox))
        with httpx.Client(base_url=sandbox.url, trust_env=False, timeout=30) as browser:
            assert "Sign and send" in browser.get("/").text
            form = {
                "url": served.url,
                "scheme": "standard-webhooks",
                "event": "order.<b>",
                "data": '{"id": "O-7", "title": "<script>"}',
            }
            page = browser.post("/", data=form).text
            assert "msg_1: answered 202" in page
            assert "<script>" not in page
            assert "order.<b>" not in page
            assert "not JSON" in browser.post("/", data={**form, "data": "{"}).text
            assert browser.get("/else").status_code == 404
    assert len(served.inbox.rows) == 1


def recipes() -> list[tuple[str, str]]:
    """Each block of hub.yaml in the README with the shell lines that follow it."""
    text = (Path(connectors.webhook.__file__).parent / "README.md").read_text()
    return re.findall(r"```yaml\n(connections:.*?)```\n```sh\n(.*?)```", text, re.S)


@pytest.mark.skipif(
    not all(map(shutil.which, ("curl", "openssl", "xxd"))), reason="needs curl, openssl and xxd"
)
@pytest.mark.parametrize(("block", "lines"), recipes())
def test_the_shell_lines_of_the_readme_are_taken(
    serve: Callable[[WebhookConnector], Today], block: str, lines: str
) -> None:
    ((name, said),) = yaml.safe_load(block)["connections"].items()
    secret = "whsec_" + base64.b64encode(b"of the readme, 24 bytes.").decode()
    variable = said["webhook"]["secret"].removeprefix("env:")
    said = {key: part for key, part in said.items() if key != "connector"}
    settings = WebhookConnection.model_validate({**said, "webhook": {"secret": secret}})
    receiver = WebhookConnector("shop", settings)
    served = serve(receiver)
    script = lines.replace(f"https://YOUR-HUB/webhooks/{name}", served.url)
    done = subprocess.run(
        ["bash", "-euc", script],
        env={"PATH": os.environ["PATH"], variable: secret, "no_proxy": "127.0.0.1"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "accepted", done
    assert read(receiver, served)
