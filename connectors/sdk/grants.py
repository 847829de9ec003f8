"""The ways to a first OAuth 2 token: what is sent to the token endpoint, and for whom."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import SecretStr

from connectors.sdk.errors import AuthError, ConfigError

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Grant(Protocol):
    """One way to a first token. `form` are the parameters of the token request."""

    def form(self) -> Mapping[str, str]:
        """Raises AuthError where a person has to do something first."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The client acts for itself."""

    scope: str | None = None

    def form(self) -> Mapping[str, str]:
        return present(grant_type="client_credentials", scope=self.scope)


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """A statement signed with our private key (RFC 7523). `lifetime` is in seconds. Without a
    `subject` the issuer acts for itself.
    """

    issuer: str
    subject: str | None
    audience: str
    private_key: SecretStr = field(repr=False)
    scope: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    key_id: str | None = None
    algorithm: str = "RS256"
    lifetime: int = 180

    def form(self) -> Mapping[str, str]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            **({"sub": self.subject} if self.subject else {}),
            "aud": self.audience,
            "iat": now,
            "exp": now + self.lifetime,
            **self.claims,
        }
        import jwt  # for those who sign: it brings all of cryptography

        headers = {"kid": self.key_id} if self.key_id else None
        try:
            key = self.private_key.get_secret_value()
            assertion = jwt.encode(claims, key, algorithm=self.algorithm, headers=headers)
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigError("The private key under `auth` is not a key in PEM.") from None
        return {"grant_type": JWT_BEARER, "assertion": assertion}


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token that a person obtained before and put into the configuration."""

    token: SecretStr = field(repr=False)

    def form(self) -> Mapping[str, str]:
        return {"grant_type": "refresh_token", "refresh_token": self.token.get_secret_value()}


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A person agrees once in a browser (with PKCE, RFC 7636); see `OAuth2.begin` and `finish`."""

    authorize_url: str
    scope: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further parameters the vendor wants in the address, `access_type=offline` for example."""

    def form(self) -> Mapping[str, str]:
        raise AuthError(
            "Nobody has agreed to this connection yet: run hub connections authorize NAME."
        )


def present(**values: str | None) -> dict[str, str]:
    """Those parameters that are something."""
    return {name: value for name, value in values.items() if value}


def account_of(token_url: str, client_id: str, grant: Grant) -> str:
    """A name for whom tokens are good: another server, client or person has another."""
    parts = [token_url, client_id]
    if isinstance(grant, RefreshToken):
        parts.append(grant.token.get_secret_value())
    if isinstance(grant, JwtBearer):
        parts += [grant.issuer, grant.subject or ""]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]
