"""What the sandbox lets in: one personal access token, and the tokens of one app's installation."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN = "sandbox-github-token-not-a-secret"  # noqa: S105 - published on purpose
APP_ID = "Iv23sandboxapp"
INSTALLATION = 52_000_001


class Tokens:
    """The sandbox holds its lock around every call."""

    def __init__(self) -> None:
        self.minted: set[str] = set()
        self.count = 0
        """How many installation tokens were ever handed out."""
        self._key: rsa.RSAPrivateKey | None = None

    def app(self) -> dict[str, Any]:
        """What to write under `auth` to come as the app."""
        pem = self._private().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        return {
            "app_id": APP_ID,
            "installation_id": INSTALLATION,
            "private_key": pem.decode(),
        }

    def know(self, authorization: str) -> bool:
        kind, _, token = authorization.partition(" ")
        return kind in ("Bearer", "token") and (token == TOKEN or token in self.minted)

    def mint(self, authorization: str, installation: int) -> tuple[int, dict[str, Any]]:
        """Status and answer to the request for an installation's token."""
        try:
            claims = jwt.decode(
                authorization.removeprefix("Bearer "),
                self._private().public_key(),
                algorithms=["RS256"],
                options={"require": ["exp", "iat", "iss"]},
            )
        except jwt.InvalidTokenError:
            return 401, {"message": "A JSON web token could not be decoded"}
        if claims["iss"] != APP_ID:
            return 401, {"message": "Integration not found"}
        if claims["exp"] - claims["iat"] > 600:
            message = "'Expiration time' claim ('exp') is too far in the future"
            return 401, {"message": message}
        if installation != INSTALLATION:
            return 404, {"message": "Not Found"}
        token = f"ghs_sandbox{secrets.token_hex(12)}"
        self.minted.add(token)
        self.count += 1
        expires = datetime.now(UTC) + timedelta(hours=1)
        return 201, {
            "token": token,
            "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": {"issues": "write", "metadata": "read"},
            "repository_selection": "selected",
        }

    def _private(self) -> rsa.RSAPrivateKey:
        if self._key is None:  # made when first needed: it takes a tenth of a second
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key
