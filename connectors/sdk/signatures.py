"""Checking that a delivery is genuine: what all schemes are made of. Whatever is malformed ends in
SignatureError, never in another exception; its message says which part failed and what is usually
the cause, for the log and `hub listen`, never a secret or what was expected.

Signatures are over the raw bytes and compared as bytes in constant time. Several secrets are tried,
so that they can be rotated; an empty or undecodable one never verifies. Timestamps count only where
they are signed, and may lie neither too far back nor too far ahead.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import SecretStr

from connectors.sdk.encodings import (
    LONGEST,
    Algorithm,
    Encoding,
    KeyForm,
    Unit,
    decode,
    digest_of,
    key_of,
    moment_of,
    raw,
)
from connectors.sdk.errors import SignatureError
from connectors.sdk.records import Delivery
from connectors.sdk.refusals import Mistakes, keyless, shown, why_not

TOLERANCE = 300
"""Seconds a signed timestamp may lie in the past or the future."""
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
    place: str = "The signature",
    mistakes: Mistakes = tuple,
    address: str | None = None,
) -> None:
    """Return if any candidate is the HMAC of `base` under any of the secrets, else raise
    SignatureError. `key` says how a secret is written, `place` where the signature stood.
    For the message: `mistakes`, what else may have been signed, and `address`, the one that is
    signed, if one is.
    """
    keys = [found for secret in secrets if (found := key_of(secret, key))]
    if not keys:
        raise SignatureError(keyless(secrets, key))
    if not candidates or not any(candidates):
        raise SignatureError(f"{place} is missing.")
    if len(candidates) > MOST or max(map(len, candidates)) > LONGEST:
        raise SignatureError(f"{place} is far too long, or holds more than {MOST} signatures.")
    given = [decode(candidate, encoding) for candidate in candidates]
    genuine = False
    for one in keys:
        expected = hmac.digest(one, base, algorithm)
        for candidate in given:
            genuine |= hmac.compare_digest(expected, candidate)
    if not genuine:
        why = why_not(base, secrets, keys, given, encoding, algorithm, key, mistakes)
        where = f" It covers the address, taken to be {shown(address)}." if address else ""
        raise SignatureError(f"{place} {why}{where}")


def check_token(
    given: str,
    expected: SecretStr | Sequence[SecretStr] | None,
    *,
    place: str = "The token",
) -> None:
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
        if not any(one.get_secret_value() for one in secrets):
            raise SignatureError(keyless([], "utf8"))
        if not given:
            raise SignatureError(f"{place} is missing.")
        known = "is not the one" if len(secrets) == 1 else f"is none of the {len(secrets)}"
        bare = {digest_of(one.get_secret_value().strip()) for one in secrets}
        if any(hmac.compare_digest(digest_of(given), one) for one in bare):
            known = "has no white space around it, unlike the one"
        raise SignatureError(f"{place} {known} that this connection knows.")


def check_basic(header: str, user: str, passwords: Sequence[SecretStr]) -> None:
    """Return if `Authorization: Basic …` holds this user with one of the passwords, else raise
    SignatureError. A password may contain colons, a user may not (RFC 7617).
    """
    kind, _, packed = header.partition(" ")
    pair = decode(packed, "base64") if len(packed) <= LONGEST else b""
    if kind.lower() != "basic" or not pair:
        raise SignatureError("The request brings no user and password (Authorization: Basic …).")
    if not any(one.get_secret_value() for one in passwords):
        raise SignatureError(keyless([], "utf8"))
    genuine = False
    for password in passwords:
        wanted = f"{user}:{password.get_secret_value()}".encode(errors="surrogatepass")
        fits = hmac.compare_digest(hashlib.sha256(pair).digest(), hashlib.sha256(wanted).digest())
        genuine |= fits and password.get_secret_value() != ""
    if not genuine:
        same = hmac.compare_digest(
            hashlib.sha256(pair.partition(b":")[0]).digest(),
            hashlib.sha256(user.encode(errors="surrogatepass")).digest(),
        )
        what = "The password is another" if same else f"The user is not '{user}'"
        raise SignatureError(f"{what} (Authorization: Basic …).")


def check_fresh(
    timestamp: str, received_at: datetime, *, unit: int | Unit = 1, tolerance: int = TOLERANCE
) -> None:
    """Return if `timestamp` lies within the tolerance of `received_at`, else SignatureError.

    `unit` is how many of the whole number make a second, or the name of the unit; "iso" wants a
    moment with its zone.
    """
    moment = moment_of(timestamp, unit)
    age = received_at.timestamp() - moment if moment is not None else 0.0
    if moment is None or abs(age) > tolerance:
        other = _unit_of(timestamp, received_at, unit)
        if other:
            written = unit if isinstance(unit, str) else "plain digits"
            raise SignatureError(
                f"The signed time is written as {other}, where {written} is expected: unit: "
                f"{other}",
                code="timestamp_out_of_window",
            )
    if moment is None:
        written = unit if isinstance(unit, str) else "plain digits"
        what = f"is not written in {written}" if timestamp else "is missing"
        raise SignatureError(f"The signed time {what}.", code="timestamp_out_of_window")
    if abs(age) > tolerance:
        lies = f"is too old, {age:.0f} s" if age > 0 else f"lies in the future, {-age:.0f} s"
        raise SignatureError(
            f"The signed time {lies} where {tolerance} s are allowed: check the clocks of both "
            "sides, and whether something holds deliveries back or sends old ones again.",
            code="timestamp_out_of_window",
        )


def _unit_of(timestamp: str, received_at: datetime, unit: int | Unit) -> Unit | None:
    """Another unit in which this is a moment within a day of now: the sender writes it so."""
    units: tuple[Unit, ...] = ("seconds", "milliseconds", "iso")
    for one in units:
        moment = moment_of(timestamp, one) if one != unit else None
        if moment is not None and abs(received_at.timestamp() - moment) < 86400:
            return one
    return None


# ------------------------------------------------------------------------------------ generic HMAC

_PLACES = re.compile(r"\{([A-Za-z][A-Za-z0-9:_-]*)\}")


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
        self,
        delivery: Delivery,
        secrets: Sequence[SecretStr],
        *,
        url: str | None = None,
        tolerance: int | None = None,
    ) -> None:
        """Return if genuine and fresh, else raise SignatureError. `url`: the one that was
        registered, where that is signed instead of the one that was called.
        """
        given = header_of(delivery, self.header)
        if not given.startswith(self.prefix):
            raise SignatureError(f"The header {self.header} does not begin with '{self.prefix}'.")
        check_hmac(
            self.signed(delivery, url),
            secrets,
            [given[len(self.prefix) :]],
            encoding=self.encoding,
            algorithm=self.algorithm,
            key=self.key,
            place=f"The signature in {self.header}",
            mistakes=lambda: self._mistakes(delivery, url),
            address=(url or delivery.url) if "{url}" in self.base else None,
        )
        if self.timestamp_header:
            timestamp = header_of(delivery, self.timestamp_header)
            seconds = self.tolerance if tolerance is None else tolerance
            check_fresh(timestamp, delivery.received_at, unit=self.unit, tolerance=seconds)

    def signed(self, delivery: Delivery, url: str | None = None) -> bytes:
        """The bytes that are signed. Raises SignatureError where a header of them is missing."""
        parts = _PLACES.split(self.base)  # text, name, text, name, … text
        found = [
            self._part(part, delivery, url) if at % 2 else part.encode()
            for at, part in enumerate(parts)
        ]
        return b"".join(found)

    def _mistakes(self, delivery: Delivery, url: str | None) -> Iterable[tuple[str, bytes]]:
        """What is signed, or checked, by mistake."""
        if "url" in self.names():
            assumed = url or delivery.url
            told = f"the sender signed another address than {shown(assumed)}"
            plain = assumed.replace("https://", "http://", 1)
            yield f"{told}, namely with http://", self.signed(delivery, plain)
            yield f"{told}, without the / at its end", self.signed(delivery, assumed.rstrip("/"))
            if url:
                yield f"{told}: leave `url` out", self.signed(delivery, delivery.url)
        if delivery.body[-1:] in b"\r\n" and delivery.body:
            bare = replace(delivery, body=delivery.body.rstrip(b"\r\n"))
            yield "a line break was added to the body after it was signed", self.signed(bare, url)
        elif delivery.body:
            ended = replace(delivery, body=delivery.body + b"\n")
            yield "a line break at the end of the body got lost", self.signed(ended, url)

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


# --------------------------------------------------------------------------------------------------


def header_of(delivery: Delivery, name: str) -> str:
    """A header that must be there. Raises SignatureError."""
    given = delivery.headers.get(name.lower(), "")
    # a delivery that does not say when is as late as can be
    code = "timestamp_out_of_window" if "timestamp" in name.lower() else "signature_invalid"
    if not given:
        why = "the sender was told no secret, or something between drops the header."
        if code == "timestamp_out_of_window":
            why = "the sender does not say when it signed, or something between drops the header."
        raise SignatureError(f"The header {name} is missing: {why}", code)
    if len(given) > LONGEST:
        raise SignatureError(f"The header {name} is far too long.", code)
    return given


def query_of(url: str) -> dict[str, list[str]]:
    """The parameters of an address. Raises SignatureError."""
    try:
        return parse_qs(urlsplit(url).query, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise SignatureError("The query of the address is malformed.") from None
