"""How deliveries are checked and made where the table of `connectors.sdk.schemes` needs more than a
line: tokens in headers, addresses and JWTs, and what a connection configures itself.
"""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

from connectors.sdk import senders
from connectors.sdk.errors import ConfigError, PayloadError, SignatureError, UnsupportedError
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.jwt import bearer, check_jwt, query_hash
from connectors.sdk.public_keys import check_oidc
from connectors.sdk.records import Delivery, Json
from connectors.sdk.scheme import Terms
from connectors.sdk.signatures import Hmac, check_token, header_of, query_of
from connectors.sdk.vendor_signatures import check_linear

CHANNEL_TOKEN = "x-goog-channel-token"  # noqa: S105 - the name of a header


def configured(terms: Terms) -> Hmac:
    if terms.hmac is None:
        raise ConfigError("The scheme hmac needs `header`, the one with the signature.")
    return terms.hmac


def check_linear_scheme(delivery: Delivery, terms: Terms) -> None:
    check_linear(delivery, terms.secrets, tolerance=terms.tolerance)


def stripe_header(terms: Terms) -> str:
    return terms.header or "stripe-signature"


def check_app(delivery: Delivery, terms: Terms) -> None:
    header = delivery.headers.get("authorization")
    token = bearer(delivery) if header else query_of(delivery.url).get("jwt", [""])[0]
    bound = {"qsh": query_hash(delivery.method, delivery.url, terms.app_url)}
    check_jwt(token, terms.secrets, delivery.received_at, bound=bound)


def sign_app(delivery: Delivery, terms: Terms, id: str) -> Delivery:
    claims = {"qsh": query_hash(delivery.method, delivery.url, terms.app_url)}
    return senders.sign_jwt(delivery, terms.secrets, claims)


def check_shared(delivery: Delivery, terms: Terms) -> None:
    """In a header; without a secret in the address, which the intake has compared already."""
    if not terms.secrets:
        last = urlsplit(delivery.url).path.rstrip("/").rpartition("/")[2]
        check_token(unquote(last), terms.token, place="The token in the address")
        return
    header, prefix = token_place(terms)
    given = header_of(delivery, header)
    # the word before a token is written large or small (RFC 7235)
    if given[: len(prefix)].lower() != prefix.lower():
        raise SignatureError(f"The header {header} does not begin with '{prefix.strip()}'.")
    check_token(given[len(prefix) :], terms.secrets, place=f"The token in {header}")


def sign_shared(delivery: Delivery, terms: Terms, id: str) -> Delivery:
    if not any(one.get_secret_value() for one in terms.secrets):
        return senders.sign_address(delivery, terms.token)
    header, prefix = token_place(terms)
    return senders.sign_token(delivery, terms.secrets, header=header, prefix=prefix)


def token_place(terms: Terms) -> tuple[str, str]:
    header = (terms.header or "authorization").lower()
    return header, terms.prefix if terms.header else terms.prefix or "Bearer "


def check_channel(delivery: Delivery, terms: Terms) -> None:
    given = header_of(delivery, CHANNEL_TOKEN)
    check_token(given, terms.secrets, place=f"The token in {CHANNEL_TOKEN}")


def channel_headers(delivery: Delivery, id: str) -> Delivery:
    channel, _, number = id.partition(":")
    for name, value in {
        "x-goog-resource-state": "update",
        "x-goog-channel-id": channel or senders.new_id(),
        "x-goog-message-number": number or senders.stamped(delivery.received_at, "milliseconds"),
    }.items():
        delivery = senders.with_default(delivery, name, value)
    return delivery


def channel_event(delivery: Delivery) -> Json:
    """What the headers of a notification say, as its body is empty: `resource_state`,
    `resource_id`, `changed` and so on, without the token.
    """
    return {
        name.removeprefix("x-goog-").replace("-", "_"): value
        for name, value in delivery.headers.items()
        if name.startswith("x-goog-") and name != CHANNEL_TOKEN
    }


def pushed_event(delivery: Delivery) -> Json:
    """A push of Pub/Sub with `message.data` as the JSON it holds, where it holds any. Raises
    PayloadError. https://docs.cloud.google.com/pubsub/docs/push#receive_push
    """
    body = decode_json(delivery.body, "the delivery")
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(message, dict) or not isinstance(data := message.get("data"), str):
        return body
    try:
        held = decode_json(base64.b64decode(data, validate=True), "message.data")
    except (PayloadError, ValueError):
        return body
    return {**body, "message": {**message, "data": held}}


def check_google(delivery: Delivery, terms: Terms) -> None:
    if terms.keys is None or not terms.audience or not terms.account:
        raise SignatureError("The connection names no audience and account to compare.")
    issuers = (terms.issuer, terms.issuer.removeprefix("https://"))
    check_oidc(
        delivery, terms.keys, audience=terms.audience, account=terms.account, issuers=issuers
    )


def sign_google(delivery: Delivery, terms: Terms, id: str) -> Delivery:
    raise UnsupportedError(
        "Only Google holds the key that signs; publish a message to the topic instead."
    )


def sign_graph(delivery: Delivery, terms: Terms, id: str) -> Delivery:
    senders.first_key(terms.secrets)
    raise UnsupportedError(
        "Graph signs nothing: put the clientState into each notification of the body "
        "({value: [{clientState: …}]}) and send it as it is."
    )
