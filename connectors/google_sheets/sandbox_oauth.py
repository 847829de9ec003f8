"""The sandbox's sign-in: a service account's signed statement, or a person who agreed with PKCE."""

from __future__ import annotations

import base64
import hashlib
import secrets
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_EMAIL = "process-hub@sandbox-project.iam.gserviceaccount.com"
CLIENT_ID = "1234567890-sandbox.apps.googleusercontent.com"
CLIENT_SECRET = "sandbox-google-client-not-a-secret"  # noqa: S105 - made up
REFRESH_TOKEN = "1//sandbox-refresh-token-not-a-secret"  # noqa: S105 - made up
AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@cache
def keys() -> tuple[str, Any]:
    """The service account's private key in PEM, and its public one; made anew in each process."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), private.public_key()


class Google:
    """Who may do what: access tokens with their scopes, refresh tokens, consents on their way."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.refresh = {REFRESH_TOKEN}
        self._consents: dict[str, dict[str, str]] = {}

    def token(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint."""
        form = dict(parse_qsl(body.decode("latin-1")))
        kind = form.pop("grant_type", "")
        if kind == GRANT:
            return self._account(form)
        if (form.pop("client_id", ""), form.pop("client_secret", "")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client", "error_description": "Unauthorized"}
        if kind == "refresh_token":
            if form != {"refresh_token": form.get("refresh_token")}:
                return 400, {"error": "invalid_request"}
            if form["refresh_token"] not in self.refresh:
                return 400, {"error": "invalid_grant", "error_description": "Bad Request"}
            return 200, self._issue("spreadsheets drive.metadata.readonly")
        if kind == "authorization_code":
            return self._code(form)
        return 400, {"error": "unsupported_grant_type"}

    def _account(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if set(form) != {"assertion"}:
            return 400, {"error": "invalid_request", "error_description": "Unknown parameter."}
        try:
            claims = jwt.decode(
                form["assertion"], keys()[1], algorithms=["RS256"], audience=AUDIENCE
            )
        except jwt.PyJWTError:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        if claims["iss"] != CLIENT_EMAIL or "sub" in claims:
            return 400, {"error": "invalid_grant", "error_description": "account not found"}
        if claims["exp"] - claims["iat"] > 3600 or not claims.get("scope"):
            return 400, {"error": "invalid_scope"}
        return 200, self._issue(str(claims["scope"]))

    def _code(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self._consents.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        if (
            asked is None
            or asked["redirect_uri"] != form.get("redirect_uri")
            or asked["code_challenge"] != hashed.decode().rstrip("=")
        ):
            return 400, {"error": "invalid_grant"}
        issued = self._issue(asked["scope"])
        if asked.get("access_type") == "offline":
            made = "1//" + secrets.token_urlsafe(16)
            self.refresh.add(made)
            issued["refresh_token"] = made
        return 200, issued

    def agree(self, url: str) -> tuple[str, str]:
        """A person opens the consent page and agrees: the code and state that come back."""
        asked = {name: found[0] for name, found in parse_qs(urlsplit(url).query).items()}
        if asked["client_id"] != CLIENT_ID or asked["code_challenge_method"] != "S256":
            raise ValueError("Google would show an error page.")
        code = "4/" + secrets.token_urlsafe(16)
        self._consents[code] = asked
        return code, asked["state"]

    def _issue(self, scope: str) -> dict[str, Any]:
        token = "ya29." + secrets.token_urlsafe(24)
        self.tokens[token] = scope
        return {"access_token": token, "expires_in": 3599, "token_type": "Bearer", "scope": scope}
