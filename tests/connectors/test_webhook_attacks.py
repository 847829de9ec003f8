"""Somebody who holds one genuine delivery, or is one of several senders, and wants more."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.sdk import Delivery, PayloadError
from connectors.sdk.records import Json
from connectors.webhook.connector import WebhookConnector

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def connected(**settings: Any) -> WebhookConnector:
    block = {"objects": {"order": {"id": "$.id", "records": "$.data"}}, **settings}
    return WebhookConnector("shop", WebhookConnector.config.model_validate(block))


def cloud(body: Json, method: str = "POST", **headers: str) -> Delivery:
    return Delivery(
        method=method,
        url="https://hub.acme.test/webhooks/shop/t0ken",
        headers={"content-type": "application/cloudevents+json", **headers},
        body=json.dumps(body).encode(),
        received_at=NOW,
    )


def event(source: str, id: str) -> dict[str, Json]:
    return {"specversion": "1.0", "type": "made", "source": source, "id": id, "data": {"id": 1}}


SHOP = {"scheme": "cloudevents", "webhook": {"token": "t0ken"}}


def test_one_sender_cannot_use_up_the_ids_of_another() -> None:
    """Source and id are one name only together, wherever the seam lies."""
    shop = connected(**SHOP)
    pairs = [("a#b", "c"), ("a", "b#c"), ("a%23b", "d"), ("a#b#", "c"), ("a#", "b#c")]
    found = [shop.verify(cloud(event(source, id))) for source, id in pairs]
    assert len(set(found)) == len(pairs)


def test_a_batch_counts_once_only_as_a_whole() -> None:
    shop = connected(**SHOP)
    kind = {"content-type": "application/cloudevents-batch+json"}
    one, two = event("a", "1"), event("a", "2")
    whole = shop.verify(cloud([one, two], **kind))
    assert whole != shop.verify(cloud([two, one], **kind))
    assert whole not in {shop.verify(cloud([one], **kind)), shop.verify(cloud(two))}


def test_a_batch_has_an_end() -> None:
    shop = connected(**SHOP)
    kind = {"content-type": "application/cloudevents-batch+json"}
    with pytest.raises(PayloadError, match="at most"):
        shop.parse(cloud([event("a", str(number)) for number in range(1001)], **kind))


@pytest.mark.parametrize(
    "origin",
    [
        "evil.test",
        "",
        "*",
        "shop.test.evil.test",
        "shop.test, evil.test",
        "shop.test\r\nx: y",
        "nul",
    ],
)
def test_a_handshake_answers_only_whom_it_knows(origin: str) -> None:
    shop = connected(**SHOP, origins=["shop.test"])
    headers = {"webhook-request-origin": origin, "webhook-request-callback": "http://evil.test/"}
    assert shop.handshake(cloud(None, "OPTIONS", **headers)) is None
    known = shop.handshake(
        cloud(None, "OPTIONS", **{**headers, "webhook-request-origin": "shop.test"})
    )
    assert known is not None
    assert known.headers["webhook-allowed-origin"] == "shop.test"
    assert shop.handshake(cloud(None, "POST", **{"webhook-request-origin": "shop.test"})) is None
