"""The sandbox's sign-in for one connected app: client credentials, JWT bearer, a refresh token, and
a person's consent.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "fake-consumer-key-of-the-sandbox"
CLIENT_SECRET = "fake-consumer-secret-of-the-sandbox"  # noqa: S105 (published on purpose)
JWT_USER = "hub@acme.test"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


class SignIn:
    """Which sessions live. The sandbox holds its lock around every call."""

    def __init__(self, organization: str, user: str) -> None:
        self.organization = organization
        self.user = user
        self.tokens: set[str] = set()
        self.count = 0
        """How many sessions were ever handed out."""
        self.refresh_token = "5Aep861-fake-refresh-token-of-the-sandbox"  # noqa: S105 - published
        self._codes: dict[str, tuple[str, str]] = {}
        self._key: rsa.RSAPrivateKey | None = None

    def private_key(self) -> str:
        """The PEM of the key whose certificate the connected app trusts."""
        return (
            self._trusted()
            .private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            .decode()
        )

    def _trusted(self) -> rsa.RSAPrivateKey:
        if self._key is None:  # made when first needed: it takes a tenth of a second
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    def knows(self, authorization: str) -> bool:
        return authorization.removeprefix("Bearer ") in self.tokens

    def token(
        self, body: bytes, headers: Mapping[str, str], url: str
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint."""
        form = {key: values[-1] for key, values in parse_qs(body.decode()).items()}
        error = self._error(form, headers.get("authorization", ""))
        if error is not None:
            return 400, {"error": error[0], "error_description": error[1]}
        self.count += 1
        token = f"{self.organization[:15]}!{secrets.token_urlsafe(32)}"
        self.tokens.add(token)
        more = {}
        if form.get("grant_type") == "authorization_code":
            more["refresh_token"] = self.refresh_token
        return 200, {
            **more,
            "access_token": token,
            "instance_url": url,
            "id": f"https://login.salesforce.com/id/{self.organization}/{self.user}",
            "token_type": "Bearer",
            "scope": "api",
        }

    def _error(self, form: Mapping[str, str], authorization: str) -> tuple[str, str] | None:
        if form.get("grant_type") == JWT_BEARER:
            return self._assertion_error(form.get("assertion", ""))
        grant = form.get("grant_type")
        id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.startswith("Basic "):
            id, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
        if (id, secret) != (CLIENT_ID, CLIENT_SECRET):
            return "invalid_client", "invalid client credentials"
        if grant == "refresh_token" and form.get("refresh_token") != self.refresh_token:
            return "invalid_grant", "expired access/refresh token"
        if grant == "authorization_code":
            return self._code_error(form)
        if grant not in ("client_credentials", "refresh_token"):
            return "unsupported_grant_type", "grant type not supported"
        return None

    def consent(self, params: Mapping[str, str]) -> str | None:
        """A person signs in and agrees: the address that their browser is sent to; None where the
        request is not one that Salesforce shows its page for.
        """
        target, challenge = params.get("redirect_uri", ""), params.get("code_challenge", "")
        wanted = (params.get("response_type"), params.get("client_id"))
        if wanted != ("code", CLIENT_ID) or not target or not challenge:
            return None
        code = f"aPrx{secrets.token_urlsafe(24)}"
        self._codes[code] = (target, challenge)
        return f"{target}?{urlencode({'code': code, 'state': params.get('state', '')})}"

    def _code_error(self, form: Mapping[str, str]) -> tuple[str, str] | None:
        target, challenge = self._codes.pop(form.get("code", ""), ("", ""))
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        if not target or target != form.get("redirect_uri") or proof != challenge:
            return "invalid_grant", "invalid authorization code"
        return None

    def _assertion_error(self, assertion: str) -> tuple[str, str] | None:
        try:
            claims = jwt.decode(
                assertion,
                self._trusted().public_key(),
                algorithms=["RS256"],
                audience=AUDIENCES,
                issuer=CLIENT_ID,
            )
        except jwt.InvalidTokenError:
            return "invalid_grant", "invalid assertion"
        if claims.get("sub") != JWT_USER:
            return "invalid_grant", "user hasn't approved this consumer"
        return None
