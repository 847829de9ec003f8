"""The other side of `connectors.sdk.signatures`: a delivery as its genuine sender would send it.
For `hub sign`, sandboxes and tests.

Each function takes the delivery to sign (method, URL, body, headers beside the proof), signs it at
`received_at` with the first of the secrets that can be used, and gives it back with the proof.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from uuid import uuid4

from pydantic import SecretStr

from connectors.sdk.encodings import Encoding, KeyForm, Unit, key_of, raw
from connectors.sdk.errors import ConfigError, UnsupportedError
from connectors.sdk.records import Delivery, Json
from connectors.sdk.signatures import Hmac

JWT_SECONDS = 180
"""How long a token that is made here is good for."""


def with_headers(delivery: Delivery, headers: Mapping[str, str]) -> Delivery:
    """The delivery with these headers beside, or instead of, its own."""
    named = {name.lower(): value for name, value in headers.items()}
    return replace(delivery, headers={**delivery.headers, **named})


def with_default(delivery: Delivery, name: str, value: str) -> Delivery:
    """The delivery with this header, unless it has one of that name."""
    given = delivery.headers.get(name.lower())
    return delivery if given else with_headers(delivery, {name: value})


def new_id() -> str:
    """A name for a delivery that has none yet."""
    return str(uuid4())


def first_key(secrets: Sequence[SecretStr], form: KeyForm = "utf8") -> bytes:
    """The key to sign with. Raises ConfigError where no secret can be used."""
    for secret in secrets:
        if key := key_of(secret, form):
            return key
    raise ConfigError(
        "There is no secret to sign with: set webhook.secret of the connection"
        + ("." if form == "utf8" else f", written in {form}.")
    )


def encoded(mac: bytes, encoding: Encoding) -> str:
    """The signature as the header writes it."""
    if encoding == "hex":
        return mac.hex()
    written = base64.b64encode(mac) if encoding == "base64" else base64.urlsafe_b64encode(mac)
    return written.decode() if encoding == "base64" else written.decode().rstrip("=")


def stamped(at: datetime, unit: Unit = "seconds") -> str:
    """A moment as the header writes it."""
    if unit == "iso":
        return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(int(at.timestamp() * (1000 if unit == "milliseconds" else 1)))


def sign_hmac(
    scheme: Hmac,
    delivery: Delivery,
    secrets: Sequence[SecretStr],
    *,
    id: str = "",
    url: str | None = None,
) -> Delivery:
    """An HMAC in a header. `url`: the registered one, where that is signed."""
    key = first_key(secrets, scheme.key)
    if scheme.timestamp_header:
        moment = stamped(delivery.received_at, scheme.unit)
        delivery = with_headers(delivery, {scheme.timestamp_header: moment})
    if scheme.id_header:
        delivery = with_default(delivery, scheme.id_header, id or new_id())
    mac = hmac.new(key, scheme.signed(delivery, url), scheme.algorithm).digest()
    return with_headers(delivery, {scheme.header: scheme.prefix + encoded(mac, scheme.encoding)})


def sign_standard_webhooks(
    delivery: Delivery, secrets: Sequence[SecretStr], *, id: str = ""
) -> Delivery:
    """`v1` with a `whsec_` secret, `v1a` with a `whsk_` one (ed25519, as senders keep it). Raises
    UnsupportedError where there is but a public key: it checks, it cannot sign.
    """
    id = id or delivery.headers.get("webhook-id") or f"msg_{uuid4().hex}"
    stamp = stamped(delivery.received_at)
    base = b".".join([raw(id), raw(stamp), delivery.body])
    texts = [secret.get_secret_value() for secret in secrets]
    private = [text.removeprefix("whsk_") for text in texts if text.startswith("whsk_")]
    shared = [
        SecretStr(text.removeprefix("whsec_"))
        for text in texts
        if not text.startswith(("whpk_", "whsk_"))
    ]
    if not shared and not private and any(texts):
        raise UnsupportedError(
            "The connection holds a public key (whpk_) alone; only the sender has the private one."
        )
    if private:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private[0])[:32])
        signature = "v1a," + base64.b64encode(key.sign(base)).decode()
    else:
        mac = hmac.new(first_key(shared, "base64"), base, "sha256").digest()
        signature = f"v1,{base64.b64encode(mac).decode()}"
    headers = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}
    return with_headers(delivery, headers)


def sign_stripe(
    delivery: Delivery, secrets: Sequence[SecretStr], *, header: str = "stripe-signature"
) -> Delivery:
    """`t=…,v1=…`."""
    stamp = stamped(delivery.received_at)
    base = raw(stamp) + b"." + delivery.body
    mac = hmac.new(first_key(secrets), base, "sha256").hexdigest()
    return with_headers(delivery, {header: f"t={stamp},v1={mac}"})


def sign_twilio(
    delivery: Delivery, secrets: Sequence[SecretStr], *, url: str | None = None
) -> Delivery:
    """The URL and the form; for any other body the URL with the body's hash in its query."""
    kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
    base = url or delivery.url
    if kind in ("", "application/x-www-form-urlencoded"):
        form = parse_qsl(delivery.body.decode(), keep_blank_values=True)
        base += "".join(name + value for name, value in sorted(set(form)))
    elif "bodySHA256=" not in base:
        base += ("&" if "?" in base else "?") + "bodySHA256="
        base += hashlib.sha256(delivery.body).hexdigest()
        query = dict(parse_qsl(base.partition("?")[2], keep_blank_values=True))
        delivery = replace(delivery, url=base, query=query)
    mac = hmac.new(first_key(secrets), base.encode(), "sha1").digest()
    return with_headers(delivery, {"x-twilio-signature": encoded(mac, "base64")})


def sign_basic(delivery: Delivery, user: str, secrets: Sequence[SecretStr]) -> Delivery:
    """`Authorization: Basic …`."""
    pair = base64.b64encode(user.encode() + b":" + first_key(secrets)).decode()
    return with_headers(delivery, {"authorization": f"Basic {pair}"})


def sign_token(
    delivery: Delivery, secrets: Sequence[SecretStr], *, header: str, prefix: str = ""
) -> Delivery:
    """A shared token in a header."""
    token = first_key(secrets).decode(errors="surrogatepass")
    return with_headers(delivery, {header: prefix + token})


def sign_address(delivery: Delivery, token: SecretStr | None) -> Delivery:
    """The address with the token as its last part."""
    if token is None or not token.get_secret_value():
        raise ConfigError("There is no token for the address: set webhook.token.")
    wanted = token.get_secret_value()
    path, mark, query = delivery.url.partition("?")
    if path.rstrip("/").endswith(f"/{wanted}"):
        return delivery
    return replace(delivery, url=f"{path.rstrip('/')}/{wanted}{mark}{query}")


def sign_jwt(
    delivery: Delivery,
    secrets: Sequence[SecretStr],
    claims: Mapping[str, Json],
    *,
    kind: str = "JWT",
) -> Delivery:
    """`Authorization: JWT …`, signed with HS256 and good for a few minutes."""
    now = int(delivery.received_at.timestamp())
    said = {"iat": now, "exp": now + JWT_SECONDS, **claims}
    parts = [_packed({"alg": "HS256", "typ": "JWT"}), _packed(said)]
    base = ".".join(parts)
    mac = hmac.new(first_key(secrets), base.encode(), "sha256").digest()
    return with_headers(delivery, {"authorization": f"{kind} {base}.{encoded(mac, 'base64url')}"})


def _packed(value: Mapping[str, Json]) -> str:
    written = json.dumps(value, separators=(",", ":")).encode()
    return encoded(written, "base64url")
