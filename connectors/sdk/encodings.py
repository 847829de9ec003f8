"""How secrets, signatures and times are written, and read without ever failing: what cannot be
read is empty, and an empty key or signature never verifies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from connectors.sdk.errors import SignatureError

Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64", "base64url"]
KeyForm = Literal["utf8", "base64", "hex"]
Unit = Literal["seconds", "milliseconds", "iso"]

LONGEST = 8192
"""Characters of a header that are looked at; no scheme needs more."""


def key_of(secret: SecretStr, form: KeyForm = "utf8") -> bytes:
    """The key that a secret stands for; b"" where it is not written in that form."""
    text = secret.get_secret_value()
    if form == "utf8":
        return text.encode(errors="surrogatepass")
    return decode(text, form)


def moment_of(timestamp: str, unit: int | Unit) -> float | None:
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
