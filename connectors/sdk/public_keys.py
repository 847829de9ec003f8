"""Deliveries that an issuer signs with a private key (Google's push messages): its public keys,
fetched by a thread of their own, and the check of the token, which never waits for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from connectors.sdk.errors import ConnectorError, SignatureError
from connectors.sdk.jwt import LATE, bearer, check_times, claims_of
from connectors.sdk.records import Delivery, Json

if TYPE_CHECKING:
    import jwt

log = structlog.get_logger("connectors.public_keys")

GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
GOOGLE = "https://accounts.google.com"
FRESH = 3600.0
"""Seconds after which the keys are fetched anew; Google changes them about weekly."""
STALE = 86400.0
"""Seconds after which keys that could not be fetched anew are no longer believed."""
PAUSE = 60.0
"""Seconds between two fetches, whoever asks: a stranger may name any key."""


class PublicKeys:
    """The keys of one issuer by their id. Asking answers from memory and, where a key is unknown
    or the keys are old, begins to fetch in the background, once a minute at most.
    """

    def __init__(
        self, fetch: Callable[[], Json], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`fetch` gives a JSON Web Key Set and may take its time. No I/O here."""
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._tried: float | None = None

    def prepare(self) -> None:
        """Begin to fetch where there are no keys yet, or old ones. Returns at once."""
        if self._fetched is None or self._clock() - self._fetched > FRESH:
            self._begin()

    def get(self, kid: str) -> jwt.PyJWK | None:
        """The key, or None where it is not known (yet). Returns at once."""
        self.prepare()
        fetched = self._fetched
        if fetched is None or self._clock() - fetched > STALE:
            return None
        found = self._keys.get(kid)
        if found is None:
            self._begin()
        return found

    @property
    def known(self) -> bool:
        """Whether there are any."""
        return bool(self._keys)

    def _begin(self) -> None:
        with self._lock:
            now = self._clock()
            if self._tried is not None and now - self._tried < PAUSE:
                return
            self._tried = now
        threading.Thread(target=self._run, name="public-keys", daemon=True).start()

    def _run(self) -> None:
        import jwt

        try:
            found = _rsa(self._fetch())
        except (ConnectorError, jwt.PyJWTError, ValueError, TypeError) as error:
            log.warning("public keys could not be fetched", error=str(error)[:300])
            return
        if found:
            self._keys, self._fetched = found, self._clock()
        else:
            log.warning("public keys could not be fetched", error="the answer holds no RSA key")


def _rsa(answer: Any) -> dict[str, jwt.PyJWK]:
    """The RSA keys of a key set; those of other kinds are left out."""
    import jwt

    listed = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the answer is no JSON Web Key Set")
    return {
        str(one["kid"]): jwt.PyJWK(one, algorithm="RS256")
        for one in listed[:50]
        if isinstance(one, dict) and one.get("kty") == "RSA" and one.get("kid")
    }


def check_oidc(
    delivery: Delivery,
    keys: PublicKeys,
    *,
    audience: str,
    account: str,
    issuers: Sequence[str] = (GOOGLE, GOOGLE.removeprefix("https://")),
) -> Mapping[str, Json]:
    """The claims of a genuine push of Google Pub/Sub: signed (RS256) with one of Google's keys, for
    our `audience`, by the service account that the subscription names. Else SignatureError.
    https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions
    """
    import jwt  # for those who get such: it brings all of cryptography
    from jwt.api_jws import PyJWS

    token = bearer(delivery, ("bearer",))
    try:
        head = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise SignatureError("There is no JWT where one is expected.") from None
    if head.get("alg") != "RS256":
        raise SignatureError("The JWT is not signed with RS256.")
    key = keys.get(str(head.get("kid", ""))[:200])
    if key is None:
        raise SignatureError(
            "The key that the JWT names is not among those of the issuer."
            if keys.known
            else "The issuer's keys are still being fetched; the sender will try again."
        )
    try:
        proved = PyJWS().decode_complete(token, key=key, algorithms=["RS256"])
    except jwt.PyJWTError:
        raise SignatureError("The JWT's signature does not match the issuer's key.") from None
    claims = claims_of(proved["payload"])
    check_times(claims, delivery.received_at, LATE)
    if claims.get("iss") not in issuers:
        raise SignatureError(f"The JWT was issued by another than {issuers[0]} (iss).")
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise SignatureError(
            "The JWT was made for another audience (aud): set `audience` to what the push "
            "subscription says, which is its endpoint unless told otherwise."
        )
    if claims.get("email") != account or claims.get("email_verified") is not True:
        raise SignatureError("The JWT names another service account (email) than `account`.")
    return claims
