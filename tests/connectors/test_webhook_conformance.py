"""The whole kit for every way in which a system may prove itself, not only for the usual one."""

from __future__ import annotations

import pytest

from connectors.sdk import Tier
from connectors.sdk.conformance.kit import certify
from connectors.webhook.connector import WebhookConnector
from connectors.webhook.sandbox import WebhookSandbox


class HmacShop(WebhookSandbox):
    def __init__(self) -> None:
        super().__init__("hmac")


class StripeShop(WebhookSandbox):
    def __init__(self) -> None:
        super().__init__("stripe")


class StructuredShop(WebhookSandbox):
    def __init__(self) -> None:
        super().__init__("cloudevents", "standard-webhooks", "structured")


class BatchShop(WebhookSandbox):
    def __init__(self) -> None:
        super().__init__("cloudevents", "stripe", "batch")


class BinaryShop(WebhookSandbox):
    def __init__(self) -> None:
        super().__init__("cloudevents", "hmac", "binary")


class TokenShop(WebhookSandbox):
    def __init__(self) -> None:
        super().__init__("token")


class BasicShop(WebhookSandbox):
    def __init__(self) -> None:
        super().__init__("basic")


def failures(shop: type[WebhookSandbox]) -> set[str]:
    class Shop(WebhookConnector):
        sandbox = f"{shop.__module__}:{shop.__qualname__}"

    card = certify(Shop)
    assert len([one for one in card.findings if one.verdict == "passed"]) > 10
    return {f"{one.check.name}: {one.detail}" for one in card.failed}


@pytest.mark.parametrize("shop", [HmacShop, StripeShop, StructuredShop, BatchShop, BinaryShop])
def test_every_scheme_that_signs_keeps_every_check(shop: type[WebhookSandbox]) -> None:
    assert not failures(shop)


@pytest.mark.parametrize("shop", [TokenShop, BasicShop])
def test_a_shared_secret_protects_no_bytes_and_keeps_the_rest(shop: type[WebhookSandbox]) -> None:
    """It says who sent, not what: the two checks of the bytes cannot pass, and no other fails."""
    found = {one.partition(":")[0] for one in failures(shop)}
    assert found == {"refuses-forgeries", "verifies-the-very-bytes"}


def test_the_usual_one_is_gold() -> None:
    assert certify(WebhookConnector).tier == Tier.GOLD
