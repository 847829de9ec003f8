"""Drive's notification channels: genuine or not, opened once, replaced before they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import connectors.google_sheets
from connectors.google_sheets.connector import GoogleSheetsConfig, GoogleSheetsConnector
from connectors.google_sheets.sandbox import SECRET, GoogleSheetsSandbox
from connectors.google_sheets.sandbox_oauth import CLIENT_EMAIL, keys
from connectors.sdk import (
    Change,
    Delivery,
    NotFoundError,
    PayloadError,
    PullHint,
    RejectedError,
    Reply,
    SignatureError,
    Subscription,
)

URL = "https://hub.example.com/webhooks/tracker"


@pytest.fixture
def sandbox() -> Iterator[GoogleSheetsSandbox]:
    with GoogleSheetsSandbox() as running:
        yield running


@pytest.fixture
def sheets(sandbox: GoogleSheetsSandbox) -> Iterator[GoogleSheetsConnector]:
    connector = connect(sandbox, webhook={"secret": SECRET})
    yield connector
    connector.close()


def connect(sandbox: GoogleSheetsSandbox, **settings: Any) -> GoogleSheetsConnector:
    block = {
        "base_url": sandbox.url,
        "spreadsheet": sandbox.spreadsheet,
        "auth": {"client_email": CLIENT_EMAIL, "private_key": keys()[0]},
        **settings,
    }
    return GoogleSheetsConnector("tracker", GoogleSheetsConfig.model_validate(block))


def notified(sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector) -> Delivery:
    sheets.subscribe(URL)
    sandbox.add("a", Title="Call")
    return sandbox.delivered[-1]


def test_a_change_in_the_sheet_asks_for_a_pull(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    delivery = notified(sandbox, sheets)
    assert sheets.verify(delivery) == f"{delivery.headers['x-goog-channel-id']}:2"
    assert sheets.handshake(delivery) is None
    assert sheets.parse(delivery) == [PullHint("row")]
    # nothing of a body is believed
    assert sheets.parse(replace(delivery, body=b'{"object": "other"}')) == [PullHint("row")]


def test_the_first_message_of_a_channel_is_a_handshake(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sheets.subscribe(URL)
    (hello,) = sandbox.delivered
    assert sheets.verify(hello)
    assert sheets.handshake(hello) == Reply()
    assert sheets.parse(hello) == []


@pytest.mark.parametrize(
    "token", ["", "wrong", SECRET + "x", SECRET[:-1], "ünïcödé", "\udcff", None]
)
def test_another_token_is_refused(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector, token: str | None
) -> None:
    headers = dict(notified(sandbox, sheets).headers)
    headers.pop("x-goog-channel-token")
    if token is not None:
        headers["x-goog-channel-token"] = token
    with pytest.raises(SignatureError):
        sheets.verify(Delivery("POST", URL, headers, b"", datetime.now(UTC)))


def test_without_a_configured_token_nobody_enters_and_two_are_good_while_rotating(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    delivery = notified(sandbox, sheets)
    for secret, enters in (([], False), ("", False), (["newer-token", SECRET], True)):
        other = connect(sandbox, webhook={"secret": secret})
        if enters:
            assert other.verify(delivery)
        else:
            with pytest.raises(SignatureError):
                other.verify(delivery)
        other.close()


@pytest.mark.parametrize(
    ("state", "changed", "pulled"),
    [
        ("update", "content", True),
        ("update", "content,properties", True),
        ("update", "permissions", False),
        ("update", "parents", False),
        ("update", "", True),
        ("trash", "", True),
        ("remove", "", True),
        ("something new", "", True),
    ],
)
def test_only_what_may_touch_rows_is_pulled(
    sheets: GoogleSheetsConnector, state: str, changed: str, pulled: bool
) -> None:
    headers = {"x-goog-resource-state": state, "x-goog-changed": changed}
    found = sheets.parse(Delivery("POST", URL, headers, b"", datetime.now(UTC)))
    assert found == ([PullHint("row")] if pulled else [])


def test_a_notification_as_google_sends_it_is_understood(sandbox: GoogleSheetsSandbox) -> None:
    file = Path(connectors.google_sheets.__file__).parent / "fixtures" / "notification.update.json"
    headers = json.loads(file.read_bytes())
    sheets = connect(sandbox, webhook={"secret": "not-a-real-channel-token"})
    delivery = Delivery("POST", URL, headers, b"", datetime.now(UTC))
    assert sheets.verify(delivery) == "01234567-89ab-cdef-0123456789ab:14"
    assert sheets.parse(delivery) == [PullHint("row")]
    # what the hub keeps of a delivery is enough to read it again
    kept = {name: value for name, value in headers.items() if name in sheets.stored_headers}
    assert sheets.parse(replace(delivery, headers=kept)) == [PullHint("row")]
    sheets.close()


def test_what_is_no_notification_is_put_aside(sheets: GoogleSheetsConnector) -> None:
    with pytest.raises(PayloadError):
        sheets.parse(Delivery("POST", URL, {}, b"{}", datetime.now(UTC)))


def test_however_often_it_subscribes_there_is_one_channel(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    for _ in range(2):
        made = sheets.subscribe(URL)
        assert list(sandbox.drill().subscriptions()) == [made.id]
    assert made.secret is None  # the configured one is in use
    assert made.expires_at is not None
    left = made.expires_at - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)


def test_a_channel_is_replaced_before_it_ends_and_keeps_its_token(
    sandbox: GoogleSheetsSandbox,
) -> None:
    alone = connect(sandbox)
    made = alone.subscribe(URL)
    assert made.secret is not None
    assert len(made.secret) >= 32
    renewed = alone.renew(made)
    assert renewed.secret == made.secret
    assert renewed.id != made.id
    assert list(sandbox.drill().subscriptions().values()) == [URL]
    assert [
        one.split(" ")[1].split("?")[0].split("/")[-1] for one in sandbox.faults.requests[-2:]
    ] == [
        "watch",
        "stop",  # the new one first: nothing is missed in between
    ]
    sandbox.channels.clear()  # it ended by itself
    again = alone.renew(renewed)
    assert list(sandbox.drill().subscriptions()) == [again.id]
    alone.unsubscribe(again)
    alone.unsubscribe(again)
    assert sandbox.drill().subscriptions() == {}
    with pytest.raises(NotFoundError):
        alone.renew(Subscription("nonsense"))
    alone.close()


def test_a_secret_at_the_end_of_our_address_is_not_in_the_id(sandbox: GoogleSheetsSandbox) -> None:
    secret = "token-of-the-address-not-a-secret"
    sheets = connect(sandbox, webhook={"token": secret})
    made = sheets.subscribe(f"{URL}/{secret}")
    assert secret not in made.id
    renewed = sheets.renew(made)
    assert secret not in renewed.id
    (channel,) = sandbox.channels.values()
    assert channel.address == f"{URL}/{secret}"
    sheets.unsubscribe(renewed)
    assert sandbox.channels == {}
    sheets.close()


def test_an_address_that_drive_cannot_call_is_named(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    with pytest.raises(RejectedError, match="only to https"):
        sheets.subscribe("http://hub.example.com/webhooks/tracker")


def test_our_own_write_is_told_too(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    """The hub knows it for an echo by its content."""
    sheets.subscribe(URL)
    before = len(sandbox.delivered)
    sheets.push([Change("create", "row", "k", {"Title": "Ours"})])
    assert len(sandbox.delivered) > before
