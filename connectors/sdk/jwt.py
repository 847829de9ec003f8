"""Deliveries that prove themselves by a JWT in `Authorization`: Atlassian's apps and their like.
Whatever is malformed ends in SignatureError.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from connectors.sdk.encodings import LONGEST, decode, digest_of, raw
from connectors.sdk.errors import PayloadError, SignatureError
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.records import Delivery, Json
from connectors.sdk.signatures import check_hmac, header_of, query_of

LATE = 60
"""Seconds that the clocks of sender and hub may differ."""


def bearer(delivery: Delivery, kinds: Sequence[str] = ("bearer", "jwt")) -> str:
    """What stands behind `Authorization: Bearer` or `JWT`. Raises SignatureError."""
    kind, _, token = header_of(delivery, "authorization").partition(" ")
    if kind.lower() not in kinds:
        raise SignatureError("The request brings no token (Authorization: Bearer …).")
    return token


def check_jwt(
    token: str,
    secrets: Sequence[SecretStr],
    received_at: datetime,
    *,
    bound: Mapping[str, str] | None = None,
    tolerance: int = LATE,
) -> Mapping[str, Json]:
    """The claims of a JWT signed with HS256, else SignatureError. It must expire, and may not have.

    A token that is not bound to its request can be put before another: name in `bound` the claims
    that bind it and what they must be, as `{"qsh": query_hash(…)}` or a hash of the body.
    """
    head, dot, rest = token.partition(".")
    packed, second, signature = rest.partition(".")
    if not (dot and second) or len(token) > LONGEST:
        raise SignatureError("There is no JWT where one is expected.")
    # the algorithm is ours to say, never the token's: nothing of it is read before this
    check_hmac(
        raw(f"{head}.{packed}"), secrets, [signature], encoding="base64url",
        place="The signature of the JWT",
    )  # fmt: skip
    if _object(head).get("alg") != "HS256":
        raise SignatureError("The JWT is not signed with HS256.")
    claims = _object(packed)
    check_times(claims, received_at, tolerance)
    for name, wanted in (bound or {}).items():
        given = claims.get(name)
        if not isinstance(given, str) or not hmac.compare_digest(
            digest_of(given), digest_of(wanted)
        ):
            raise SignatureError(f"The JWT was made for another request ('{name}').")
    return claims


def check_times(claims: Mapping[str, Json], received_at: datetime, tolerance: int) -> None:
    """Return if the token expires, has not done so and holds already, else SignatureError."""
    now = received_at.timestamp()
    ends, *starts = (claims.get(name) for name in ("exp", "nbf", "iat"))
    if not _moment(ends) or ends is None:
        raise SignatureError(
            "The JWT never expires (exp is missing or no number).", code="timestamp_out_of_window"
        )
    if ends < now - tolerance:
        raise SignatureError(
            f"The JWT expired {now - ends:.0f} s ago (exp): check the clocks of both sides.",
            code="timestamp_out_of_window",
        )
    for name, start in zip(("nbf", "iat"), starts, strict=True):
        if start is not None and _moment(start) and start > now + tolerance:
            raise SignatureError(
                f"The JWT holds only in {start - now:.0f} s ({name}): check the clocks.",
                code="timestamp_out_of_window",
            )


def claims_of(packed: bytes) -> Mapping[str, Json]:
    """What a token says, once its signature holds. Raises SignatureError."""
    try:
        value = decode_json(packed, "the JWT")
    except PayloadError as error:
        raise SignatureError(str(error)) from None
    return value if isinstance(value, dict) else {}


def query_hash(method: str, url: str, base_url: str = "") -> str:
    """Atlassian's `qsh`: SHA-256 over method, path below `base_url`, and the sorted query.
    https://developer.atlassian.com/cloud/bitbucket/query-string-hash
    """
    path = urlsplit(url).path.removeprefix(urlsplit(base_url).path.rstrip("/")).rstrip("/")
    pairs = {
        quote(name, safe="~"): ",".join(sorted(quote(value, safe="~") for value in values))
        for name, values in query_of(url).items()
        if name != "jwt"
    }
    query = "&".join(f"{name}={pairs[name]}" for name in sorted(pairs))
    canonical = f"{method.upper()}&{(path or '/').replace('&', '%26')}&{query}"
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()


def _object(packed: str) -> Mapping[str, Json]:
    return claims_of(decode(packed, "base64url"))


def _moment(value: Json) -> bool:
    """Whether it is a number of seconds that a clock may show."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and 0 <= value < 10**11
