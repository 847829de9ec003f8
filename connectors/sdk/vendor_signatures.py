"""Signatures that are more than one HMAC in one header: lists of them, times and tokens inside the
body. Whatever is malformed ends in SignatureError, as in `connectors.sdk.signatures`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qsl

from pydantic import SecretStr

from connectors.sdk.encodings import decode, digest_of, raw
from connectors.sdk.errors import PayloadError, SignatureError
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.records import Delivery, Json
from connectors.sdk.refusals import shown
from connectors.sdk.signatures import (
    LINEAR,
    MOST,
    TOLERANCE,
    check_fresh,
    check_hmac,
    check_token,
    header_of,
    query_of,
)


def check_standard_webhooks(
    delivery: Delivery, secrets: Sequence[SecretStr], *, tolerance: int = TOLERANCE
) -> str:
    """The webhook-id of a genuine and fresh delivery, else SignatureError.

    `secrets` are `whsec_` (shared, checks `v1`) and `whpk_` (public, checks `v1a`, ed25519) in any
    mixture; other versions are skipped. https://www.standardwebhooks.com
    """
    id, timestamp = header_of(delivery, "webhook-id"), header_of(delivery, "webhook-timestamp")
    listed = header_of(delivery, "webhook-signature").split(" ")
    given = [one.partition(",")[::2] for one in listed if one][: MOST + 1]
    base = b".".join([raw(id), raw(timestamp), delivery.body])
    public = [one for one in secrets if one.get_secret_value().startswith("whpk_")]
    shared = [
        SecretStr(one.get_secret_value().removeprefix("whsec_"))
        for one in secrets
        if one not in public
    ]
    short = [signature for version, signature in given if version == "v1"]
    long = [signature for version, signature in given if version == "v1a"]
    if not any(_ed25519(base, key, one) for key in public for one in long[:MOST]):
        check_hmac(
            base, shared, short, encoding="base64", key="base64",
            place="A `v1` in webhook-signature",
        )  # fmt: skip
    check_fresh(timestamp, delivery.received_at, tolerance=tolerance)
    return id


def _ed25519(base: bytes, key: SecretStr, signature: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = decode(key.get_secret_value().removeprefix("whpk_"), "base64")
        Ed25519PublicKey.from_public_bytes(public).verify(decode(signature, "base64"), base)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_stripe(
    delivery: Delivery,
    secrets: Sequence[SecretStr],
    *,
    header: str = "stripe-signature",
    tolerance: int = TOLERANCE,
) -> None:
    """Return if a `t=…,v1=…,v1=…` header signs `t.body`, else SignatureError. The whole secret is
    the key, `whsec_` included. https://docs.stripe.com/webhooks/signature
    """
    pairs = [one.strip().partition("=")[::2] for one in header_of(delivery, header).split(",")]
    moments = [value for name, value in pairs if name == "t"]
    if len(moments) != 1:
        raise SignatureError(f"The header {header} has no timestamp (t=…), or several.")
    base = raw(moments[0]) + b"." + delivery.body
    signatures = [value for name, value in pairs if name == "v1"]
    check_hmac(base, secrets, signatures, place=f"A `v1` in {header}")
    check_fresh(moments[0], delivery.received_at, tolerance=tolerance)


def check_twilio(
    delivery: Delivery, secrets: Sequence[SecretStr], *, url: str | None = None
) -> None:
    """Return if the account's auth token signed the URL and the form (a JSON body by its hash in
    the query), else SignatureError. There is no timestamp. `url`: the one that Twilio was told,
    where another was called.
    https://www.twilio.com/docs/usage/security#validating-requests
    """
    base = url or delivery.url
    digest = query_of(delivery.url).get("bodySHA256", [])
    if digest:
        ours = hashlib.sha256(delivery.body).hexdigest()
        if not hmac.compare_digest(digest_of(digest[0].lower()), digest_of(ours)):
            raise SignatureError("The body is not the one that was signed.")
    else:
        try:
            form = parse_qsl(delivery.body.decode(), keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            raise SignatureError("The body is not a form, and its hash is not signed.") from None
        base += "".join(name + value for name, value in sorted(set(form)))
    signature = header_of(delivery, "x-twilio-signature")
    other = base.replace("https://", "http://", 1).encode(errors="surrogatepass")
    told = f"the sender signed another address than {shown(url or delivery.url)}"
    check_hmac(
        base.encode(errors="surrogatepass"), secrets, [signature],
        encoding="base64", algorithm="sha1", place="The signature in x-twilio-signature",
        mistakes=lambda: [(f"{told}, namely with http://", other)], address=url or delivery.url,
    )  # fmt: skip


def check_linear(
    delivery: Delivery, secrets: Sequence[SecretStr], *, tolerance: int = TOLERANCE
) -> None:
    """Return if Linear signed the body and the time inside it is fresh, else SignatureError. The
    body is parsed only once its signature holds. https://linear.app/developers/webhooks
    """
    LINEAR.check(delivery, secrets)
    body = _parsed(delivery)
    moment = body.get("webhookTimestamp") if isinstance(body, dict) else None
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise SignatureError(
            "The body has no webhookTimestamp, in milliseconds.", code="timestamp_out_of_window"
        )
    check_fresh(str(moment), delivery.received_at, unit="milliseconds", tolerance=tolerance)


def check_graph(delivery: Delivery, secrets: Sequence[SecretStr]) -> None:
    """Return if every notification of the body brings the `clientState` of the subscription, else
    SignatureError; lifecycle notifications bring it too. All are compared, whichever fails.
    https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
    """
    if not any(one.get_secret_value() for one in secrets):
        raise SignatureError("There is no clientState to compare: webhook.secret is missing.")
    body = _parsed(delivery)
    found = body.get("value") if isinstance(body, dict) else None
    if not isinstance(found, list) or not found or len(found) > 1000:
        raise SignatureError("The body holds no list of notifications (value).")
    wrong = []
    for number, one in enumerate(found, 1):
        state = one.get("clientState") if isinstance(one, dict) else None
        try:
            check_token(state if isinstance(state, str) else "", secrets)
        except SignatureError:
            wrong.append(number)
    if wrong:
        raise SignatureError(
            f"The clientState of {len(wrong)} of {len(found)} notifications (first: number "
            f"{wrong[0]}) is missing or not the one that this connection knows."
        )


def _parsed(delivery: Delivery) -> Json:
    try:
        return decode_json(delivery.body, "the delivery")
    except PayloadError as error:
        raise SignatureError(f"What proves it stands inside the body: {error}") from None
