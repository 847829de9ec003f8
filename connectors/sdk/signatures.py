"""Checking that a delivery is genuine: one dataclass for everything that is an HMAC, and a function
for each scheme that is more. Whatever is malformed ends in SignatureError, never in another
exception.

Signatures are over the raw bytes and compared as bytes in constant time. Several secrets are tried,
so that they can be rotated; an empty or undecodable one never verifies. Timestamps count only where
they are signed, and may lie neither too far back nor too far ahead.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import SecretStr

from connectors.sdk.errors import SignatureError
from connectors.sdk.records import Delivery

Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64", "base64url"]
KeyForm = Literal["utf8", "base64", "hex"]
Unit = Literal["seconds", "milliseconds", "iso"]

TOLERANCE = 300
"""Seconds a signed timestamp may lie in the past or the future."""
LONGEST = 8192
"""Characters of a header that are looked at; no scheme needs more."""
MOST = 16
"""Signatures in one header that are looked at; rotation needs two."""


def check_hmac(
    base: bytes,
    secrets: Sequence[SecretStr],
    candidates: Sequence[str],
    *,
    encoding: Encoding = "hex",
    algorithm: Algorithm = "sha256",
    key: KeyForm = "utf8",
) -> None:
    """Return if any candidate is the HMAC of `base` under any of the secrets, else raise
    SignatureError. `key` says how a secret is written.
    """
    keys = [found for secret in secrets if (found := key_of(secret, key))]
    if not keys:
        raise SignatureError("No signing secret is configured for this connection.")
    if not candidates or len(candidates) > MOST or max(map(len, candidates)) > LONGEST:
        raise SignatureError("The signature header is missing or malformed.")
    genuine = False
    for one in keys:
        expected = hmac.new(one, base, algorithm).digest()
        for candidate in candidates:
            genuine |= hmac.compare_digest(expected, decode(candidate, encoding))
    if not genuine:
        raise SignatureError("The signature does not match the body.")


def check_token(given: str, expected: SecretStr | Sequence[SecretStr] | None) -> None:
    """Return if a shared token (a header, Graph's `clientState`) is one of `expected`, else raise
    SignatureError. Neither length nor content shows in the time it takes.
    """
    one = isinstance(expected, SecretStr)
    secrets: Sequence[SecretStr] = [expected] if one else expected or []  # type: ignore[list-item, assignment]
    genuine = False
    for secret in secrets:
        wanted = secret.get_secret_value()
        genuine |= hmac.compare_digest(digest_of(given), digest_of(wanted)) and wanted != ""
    if not genuine:
        raise SignatureError("The token does not match.")


def check_basic(header: str, user: str, passwords: Sequence[SecretStr]) -> None:
    """Return if `Authorization: Basic …` holds this user with one of the passwords, else raise
    SignatureError. A password may contain colons, a user may not (RFC 7617).
    """
    kind, _, packed = header.partition(" ")
    pair = decode(packed, "base64") if len(packed) <= LONGEST else b""
    if kind.lower() != "basic" or not pair:
        raise SignatureError("The request brings no user and password (Authorization: Basic …).")
    genuine = False
    for password in passwords:
        wanted = f"{user}:{password.get_secret_value()}".encode(errors="surrogatepass")
        fits = hmac.compare_digest(hashlib.sha256(pair).digest(), hashlib.sha256(wanted).digest())
        genuine |= fits and password.get_secret_value() != ""
    if not genuine:
        raise SignatureError("The user or the password does not match.")


def check_fresh(
    timestamp: str, received_at: datetime, *, unit: int | Unit = 1, tolerance: int = TOLERANCE
) -> None:
    """Return if `timestamp` lies within the tolerance of `received_at`, else SignatureError.

    `unit` is how many of the whole number make a second, or the name of the unit; "iso" wants a
    moment with its zone.
    """
    moment = _moment(timestamp, unit)
    if moment is None:
        raise SignatureError(
            "The timestamp is missing or malformed.", code="timestamp_out_of_window"
        )
    if abs(received_at.timestamp() - moment) > tolerance:
        raise SignatureError(
            "The timestamp is too old or in the future.", code="timestamp_out_of_window"
        )


def key_of(secret: SecretStr, form: KeyForm = "utf8") -> bytes:
    """The key that a secret stands for; b"" where it is not written in that form."""
    text = secret.get_secret_value()
    if form == "utf8":
        return text.encode(errors="surrogatepass")
    return decode(text, form)


# ------------------------------------------------------------------------------------ generic HMAC

_PLACES = re.compile(r"\{([a-z][a-z0-9:_-]*)\}")


@dataclass(frozen=True, slots=True)
class Hmac:
    """An HMAC in a header. With the constants below it is GitHub's, Slack's, HubSpot's …

    `base` is what is signed, of {body}, {timestamp}, {id}, {method}, {url} and {header:NAME}.
    `prefix` stands before the signature; `key` is how the secret is written; `form` makes the URL
    that was called the one that was signed. `tolerance` is in seconds.
    """

    header: str
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    key: KeyForm = "utf8"
    base: str = "{body}"
    timestamp_header: str | None = None
    unit: Unit = "seconds"
    tolerance: int = TOLERANCE
    id_header: str | None = None
    form: Callable[[str], str] = str

    def check(
        self, delivery: Delivery, secrets: Sequence[SecretStr], *, url: str | None = None
    ) -> None:
        """Return if genuine and fresh, else raise SignatureError. `url`: the one that was
        registered, where that is signed instead of the one that was called.
        """
        given = header_of(delivery, self.header)
        if not given.startswith(self.prefix):
            raise SignatureError(f"The signature lacks its prefix '{self.prefix}'.")
        check_hmac(
            self.signed(delivery, url),
            secrets,
            [given.removeprefix(self.prefix)],
            encoding=self.encoding,
            algorithm=self.algorithm,
            key=self.key,
        )
        if self.timestamp_header:
            timestamp = header_of(delivery, self.timestamp_header)
            check_fresh(timestamp, delivery.received_at, unit=self.unit, tolerance=self.tolerance)

    def signed(self, delivery: Delivery, url: str | None = None) -> bytes:
        """The bytes that are signed. Raises SignatureError where a header of them is missing."""
        parts = _PLACES.split(self.base)  # text, name, text, name, … text
        found = [
            self._part(part, delivery, url) if at % 2 else part.encode()
            for at, part in enumerate(parts)
        ]
        return b"".join(found)

    def names(self) -> frozenset[str]:
        """What stands in braces in `base`."""
        return frozenset(_PLACES.findall(self.base))

    def _part(self, name: str, delivery: Delivery, url: str | None) -> bytes:
        if name == "body":
            return delivery.body
        if name == "method":
            return delivery.method.upper().encode()
        if name == "url":
            return self.form(url or delivery.url).encode(errors="surrogatepass")
        if name == "timestamp" and self.timestamp_header:
            return raw(header_of(delivery, self.timestamp_header))
        if name == "id" and self.id_header:
            return raw(header_of(delivery, self.id_header))
        if name.startswith("header:"):
            return raw(header_of(delivery, name.removeprefix("header:")))
        raise SignatureError(f"'{{{name}}}' in what is signed says nothing: its header is not set.")


_HUBSPOT_DECODES = {quote(one, safe=""): one for one in ":/?@!$'()*,;"}
_HUBSPOT_ENCODED = re.compile("|".join(_HUBSPOT_DECODES), re.IGNORECASE)


def hubspot_url(url: str) -> str:
    """The URL as HubSpot signs it: twelve characters decoded, every other escape left as it is.
    https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
    """
    return _HUBSPOT_ENCODED.sub(lambda found: _HUBSPOT_DECODES[found[0].upper()], url)


GITHUB = Hmac("x-hub-signature-256", prefix="sha256=")
JIRA = Hmac("x-hub-signature", prefix="sha256=")
"""Webhooks made by an administrator; those of apps bring a JWT: `connectors.sdk.jwt`."""
REDMINE = Hmac("x-redmine-signature-256", prefix="sha256=")
LINEAR = Hmac("linear-signature")
"""Its timestamp is inside the body: check it there (`webhookTimestamp`, milliseconds)."""
ASANA = Hmac("x-hook-signature")
SLACK = Hmac(
    "x-slack-signature",
    prefix="v0=",
    base="v0:{timestamp}:{body}",
    timestamp_header="x-slack-request-timestamp",
)
ZENDESK = Hmac(
    "x-zendesk-webhook-signature",
    encoding="base64",
    base="{timestamp}{body}",
    timestamp_header="x-zendesk-webhook-signature-timestamp",
    unit="iso",
)
HUBSPOT = Hmac(
    "x-hubspot-signature-v3",
    encoding="base64",
    base="{method}{url}{body}{timestamp}",
    timestamp_header="x-hubspot-request-timestamp",
    unit="milliseconds",
    form=hubspot_url,
)
TRELLO = Hmac("x-trello-webhook", algorithm="sha1", encoding="base64", base="{body}{url}")
"""Pass `url`: what is signed is the callback exactly as it was registered."""
AIRTABLE = Hmac("x-airtable-content-mac", prefix="hmac-sha256=", key="base64")
"""The secret is the `macSecretBase64` that creating the webhook handed over."""


# --------------------------------------------------------------------------------- schemes of lists


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
        check_hmac(base, shared, short, encoding="base64", key="base64")
    check_fresh(timestamp, delivery.received_at, tolerance=tolerance)
    return id


def _ed25519(base: bytes, key: SecretStr, signature: str) -> bool:
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
        raise SignatureError("The signature header has no timestamp, or several.")
    base = raw(moments[0]) + b"." + delivery.body
    check_hmac(base, secrets, [value for name, value in pairs if name == "v1"])
    check_fresh(moments[0], delivery.received_at, tolerance=tolerance)


def check_twilio(delivery: Delivery, secrets: Sequence[SecretStr]) -> None:
    """Return if the account's auth token signed the URL and the form (a JSON body by its hash in
    the query), else SignatureError. There is no timestamp.
    https://www.twilio.com/docs/usage/security#validating-requests
    """
    base = delivery.url
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
    check_hmac(
        base.encode(errors="surrogatepass"), secrets, [signature],
        encoding="base64", algorithm="sha1",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------


def header_of(delivery: Delivery, name: str) -> str:
    """A header that must be there. Raises SignatureError."""
    given = delivery.headers.get(name.lower(), "")
    if not given or len(given) > LONGEST:
        raise SignatureError(f"The header '{name}' is missing or far too long.")
    return given


def query_of(url: str) -> dict[str, list[str]]:
    """The parameters of an address. Raises SignatureError."""
    try:
        return parse_qs(urlsplit(url).query, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise SignatureError("The query of the address is malformed.") from None


def _moment(timestamp: str, unit: int | Unit) -> float | None:
    """Epoch seconds; None for anything but plain digits, or a full ISO time with its zone."""
    if not timestamp.isascii() or len(timestamp) > 40:
        return None
    if unit == "iso":
        try:
            moment = datetime.fromisoformat(timestamp)
            return moment.timestamp() if moment.tzinfo else None
        except (ValueError, OverflowError):
            return None
    parts = {"seconds": 1, "milliseconds": 1000}.get(unit, 1) if isinstance(unit, str) else unit
    return int(timestamp) / parts if timestamp.isdigit() and len(timestamp) <= 16 else None


def digest_of(text: str) -> bytes:
    """SHA-256, so that comparing two texts shows nothing of their length."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def raw(text: str) -> bytes:
    """A header's text as the bytes that came over the wire."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise SignatureError("A header holds characters that HTTP does not have.") from None


def decode(text: str, encoding: Encoding) -> bytes:
    """The bytes, or b"" for anything that is not written exactly so; base64 may lack padding."""
    try:
        if encoding == "hex":
            return bytes.fromhex(text) if text.isalnum() and text.isascii() else b""
        if encoding == "base64url":
            if "+" in text or "/" in text:
                return b""
            text = text.replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        return b""
