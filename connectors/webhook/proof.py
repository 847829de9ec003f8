"""Whether a delivery is genuine, by the scheme that the connection is configured with."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from connectors.sdk import ConfigError, Delivery, SignatureError
from connectors.sdk.encodings import key_of
from connectors.sdk.signatures import check_basic, check_token
from connectors.sdk.vendor_signatures import check_standard_webhooks, check_stripe
from connectors.webhook.config import REQUIRED, WebhookConnection
from connectors.webhook.events import mode_of


def prove(delivery: Delivery, settings: WebhookConnection) -> None:
    """Return if genuine, else raise SignatureError.

    Without secret and token nothing is, unless the connection says `unsigned`.
    """
    webhook = settings.webhook
    secrets, proof = webhook.secret, settings.proven_by
    if webhook.unsigned and not secrets and webhook.token is None:
        return
    if settings.scheme == "cloudevents" and mode_of(delivery) == "binary":
        _check_attributes(settings)
    if proof == "standard-webhooks":
        check_standard_webhooks(delivery, secrets, tolerance=settings.tolerance)
    elif proof == "stripe":
        header = settings.header or "stripe-signature"
        check_stripe(delivery, secrets, header=header, tolerance=settings.tolerance)
    elif proof == "hmac":
        settings.hmac.check(delivery, secrets)
    elif proof == "basic":
        check_basic(delivery.headers.get("authorization", ""), settings.user, secrets)
    elif secrets:
        _check_header(delivery, settings)
    else:
        last = urlsplit(delivery.url).path.rstrip("/").rpartition("/")[2]
        check_token(unquote(last), webhook.token)


def _check_header(delivery: Delivery, settings: WebhookConnection) -> None:
    given = delivery.headers.get((settings.header or "authorization").lower(), "")
    prefix = settings.prefix if settings.header else settings.prefix or "Bearer "
    # the word before a token is written large or small (RFC 7235)
    if given[: len(prefix)].lower() != prefix.lower():
        raise SignatureError(f"The token lacks its prefix '{prefix.strip()}'.")
    check_token(given[len(prefix) :], settings.webhook.secret)


def _check_attributes(settings: WebhookConnection) -> None:
    if not settings.unsigned_headers and not all(
        settings.covers(f"ce-{name}") for name in REQUIRED
    ):
        raise SignatureError(
            "A CloudEvent in binary mode, whose ce- headers the signature does not cover: have the "
            "sender use structured mode, or sign them and name them in `base`."
        )


def check_secrets(settings: WebhookConnection) -> None:
    """Raises ConfigError for a secret that could never verify anything, without showing it."""
    proof = settings.proven_by
    forms = {"hmac": settings.key, "standard-webhooks": "base64"}
    for number, secret in enumerate(settings.webhook.secret, 1):
        text = secret.get_secret_value()
        form = forms.get(proof, "utf8")
        for mark in ("whsec_", "whpk_") if proof == "standard-webhooks" else ():
            text = text.removeprefix(mark)
        if text and not key_of(SecretStr(text), form):
            raise ConfigError(
                f"webhook.secret number {number} is not written in {form}: copy it again from the "
                "sender" + (", or set `key`." if proof == "hmac" else ".")
            )
