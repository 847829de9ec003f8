"""Heads of the event log that are kept elsewhere: a number, the hash that the chain had there, and
a signature that anybody can check who has the public key.

A chain of hashes shows what was changed, but not that its end is missing, nor that all of it was
written anew; a head that somebody else keeps shows both. The signing key is derived from the hub's
secret key (HKDF, then Ed25519, RFC 8032), so that there is no second secret to keep.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from hub.store import events

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = "process-hub-head/1"
_PURPOSE = b"process-hub: heads of the event log, 1"


class BadHead(ValueError):
    """A file is no head, or its signature does not hold; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Head:
    """The log at one moment. `key` is the public key, `signature` what it made of `signed`; both in
    base64. Number 0 and a hash of zeros: nothing was sealed yet.
    """

    sequence: int
    hash: str
    time: str
    key: str
    signature: str
    format: str = FORMAT

    @property
    def signed(self) -> bytes:
        """What is signed: four lines, so that a shell and openssl can check it."""
        return f"{FORMAT}\n{self.sequence}\n{self.hash}\n{self.time}\n".encode()

    def text(self) -> str:
        """The file that is kept elsewhere."""
        return json.dumps(asdict(self), indent=2) + "\n"


def _signer(secret_key: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    seed = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(secret_key)
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(secret_key: bytes) -> str:
    """The public key of whoever has this secret key: 32 bytes in base64."""
    return base64.b64encode(_signer(secret_key).public_key().public_bytes_raw()).decode()


def public_pem(secret_key: bytes) -> str:
    """The same as `openssl` takes it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = _signer(secret_key).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def export(tx: Connection, secret_key: bytes, now: datetime) -> Head:
    """The head of the log as it is now, signed."""
    sequence, hash = events.head(tx)
    moment = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    bare = Head(sequence, hash, moment, public_key(secret_key), "")
    signature = base64.b64encode(_signer(secret_key).sign(bare.signed)).decode()
    return Head(sequence, hash, moment, bare.key, signature)


def read(text: str | bytes) -> Head:
    """A head from its file; the signature is not looked at yet. Raises BadHead."""
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise BadHead(f"this is no JSON: {error}") from error
    names = ("sequence", "hash", "time", "key", "signature", "format")
    if not isinstance(found, dict) or any(name not in found for name in names):
        raise BadHead("this is no head. Write one with: hub audit head --out FILE")
    if found["format"] != FORMAT:
        raise BadHead(f"'{found['format']}' is no format that this version reads ({FORMAT})")
    number = found["sequence"]
    texts = all(isinstance(found[name], str) for name in names[1:])
    if not texts or isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise BadHead("its values have wrong types")
    return Head(**{name: found[name] for name in names})


def check_signature(head: Head, key: str) -> None:
    """Raises BadHead unless the head was signed by the owner of this public key (base64)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if head.key != key:
        raise BadHead(
            f"it was signed by another key ({head.key}) than {key}."
            " If HUB_SECRET_KEY was changed since, name the former public key with --key"
        )
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(head.signature, validate=True), head.signed)
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise BadHead("its signature does not fit what it says: somebody changed it") from error
