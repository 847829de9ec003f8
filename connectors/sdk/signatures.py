"""Checking that a delivery is genuine. Every malformed input ends in SignatureError, never in
another exception.

Signatures are over the raw bytes and compared as bytes in constant time; several secrets are tried
so that they can
be rotated. An empty secret never verifies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from connectors.sdk.errors import SignatureError

Encoding = Literal["hex", "base64"]
TOLERANCE = 300
"""Seconds a signed timestamp may lie in the past or the future."""


def _decode(text: str, encoding: Encoding) -> bytes:
    try:
        if encoding == "hex":
            # fromhex skips whitespace; a signature has none
            return bytes.fromhex(text) if text.isascii() and text.split() == [text] else b""
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        return b""


def check_hmac(
    base: bytes,
    secrets: Sequence[SecretStr],
    candidates: Sequence[str],
    *,
    encoding: Encoding = "hex",
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256",
) -> None:
    """Return if any candidate is the HMAC of `base` under any of the secrets (UTF-8), else raise
    SignatureError.
    """
    keys = [secret.get_secret_value().encode() for secret in secrets]
    if not any(keys):
        raise SignatureError("No signing secret is configured for this connection.")
    if not candidates:
        raise SignatureError("The signature header is missing or malformed.")
    genuine = False
    for key in filter(None, keys):
        expected = hmac.new(key, base, getattr(hashlib, algorithm)).digest()
        for candidate in candidates:
            genuine |= hmac.compare_digest(expected, _decode(candidate, encoding))
    if not genuine:
        raise SignatureError("The signature does not match the body.")


def check_token(given: str, expected: SecretStr | None) -> None:
    """Return if a shared token matches, else raise SignatureError. Compares bytes, so any text is
    safe.
    """
    wanted = expected.get_secret_value().encode() if expected else b""
    if not wanted or not hmac.compare_digest(given.encode(errors="surrogatepass"), wanted):
        raise SignatureError("The token does not match.")


def check_fresh(
    timestamp: str, received_at: datetime, *, unit: int = 1, tolerance: int = TOLERANCE
) -> None:
    """Return if `timestamp` (whole seconds, or 1/`unit` of them) lies within the tolerance, else
    SignatureError.
    """
    digits = timestamp.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise SignatureError(
            "The timestamp is missing or malformed.", code="timestamp_out_of_window"
        )
    if abs(received_at.timestamp() - int(digits) / unit) > tolerance:
        raise SignatureError(
            "The timestamp is too old or in the future.", code="timestamp_out_of_window"
        )
