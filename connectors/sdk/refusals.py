"""Why a signature did not match, in words for whoever runs the hub: what failed and what is usually
the cause. Neither a secret nor what was expected shows in them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from pydantic import SecretStr

from connectors.sdk.encodings import Algorithm, Encoding, KeyForm, key_of

Mistakes = Callable[[], Iterable[tuple[str, bytes]]]
"""What else may have been signed by mistake, each with the words that tell it."""
GUESSED = 64 * 1024
"""Bytes up to which a signature that does not match is compared with the usual mistakes."""


def keyless(secrets: Sequence[SecretStr], key: KeyForm) -> str:
    if any(one.get_secret_value() for one in secrets):
        return f"No secret in webhook.secret is written in {key}: copy it again from the sender."
    return "There is no secret to check it with: webhook.secret is missing or empty."


def why_not(
    base: bytes,
    secrets: Sequence[SecretStr],
    keys: Sequence[bytes],
    given: Sequence[bytes],
    encoding: Encoding,
    algorithm: Algorithm,
    key: KeyForm,
    mistakes: Mistakes,
) -> str:
    """Why nothing matched, after "The signature"."""
    size = hashlib.new(algorithm).digest_size
    if not any(len(one) == size for one in given):
        return (
            f"is not {algorithm} written in {encoding}, which has {size} bytes: it was cut, or the "
            "sender signs in another way."
        )

    def fits(one: bytes, signed: bytes) -> bool:
        wanted = hmac.new(one, signed, algorithm).digest()
        return any(hmac.compare_digest(wanted, candidate) for candidate in given)

    if len(base) <= GUESSED:
        for number, secret in enumerate(secrets, 1):
            text = secret.get_secret_value()
            bare = key_of(SecretStr(text.strip()), key) if text != text.strip() else b""
            if bare and fits(bare, base):
                return (
                    f"matches once the white space around secret number {number} is left out: "
                    "store it again without."
                )
        for told, signed in mistakes():
            if any(fits(one, signed) for one in keys):
                return f"does not match the body: {told}."
    tried = "the secret" if len(keys) == 1 else f"any of {len(keys)} secrets"
    return (
        f"does not match the body under {tried}: the sender has another secret, or the body is not "
        "the one it signed (a proxy or framework that writes JSON anew changes its bytes)."
    )


def shown(url: str) -> str:
    """An address for a message: without a token in it, without the values of its query."""
    parts = urlsplit(url)
    path = re.sub(r"(/webhooks/[^/]*)/[^/]+", r"\1/***", parts.path)
    return f"{parts.scheme}://{parts.netloc}{path}" + ("?…" if parts.query else "")
