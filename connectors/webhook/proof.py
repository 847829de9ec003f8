"""Whether a delivery is genuine, by the scheme that the connection is configured with."""

from __future__ import annotations

from connectors.sdk import Delivery, SignatureError
from connectors.sdk.scheme import Terms
from connectors.sdk.schemes import SCHEMES
from connectors.webhook.config import REQUIRED, WebhookConnection
from connectors.webhook.events import mode_of


def prove(delivery: Delivery, settings: WebhookConnection, terms: Terms) -> None:
    """Return if genuine, else raise SignatureError.

    Without secret and token nothing is, unless the connection says `unsigned`.
    """
    webhook = settings.webhook
    if webhook.unsigned and not webhook.secret and webhook.token is None:
        return
    if settings.scheme == "cloudevents" and mode_of(delivery) == "binary":
        _check_attributes(settings)
    SCHEMES[settings.proven_by].check(delivery, terms)


def _check_attributes(settings: WebhookConnection) -> None:
    if not settings.unsigned_headers and not all(
        settings.trusts(f"ce-{name}") for name in REQUIRED
    ):
        raise SignatureError(
            "A CloudEvent in binary mode, whose ce- headers the signature does not cover: have the "
            "sender use structured mode, or sign them and name them in `base`."
        )
