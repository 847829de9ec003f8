"""Atlassian's authorization server: consent, PKCE, access tokens that end, refresh tokens that are
good once.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any

CLIENT_ID = "sandbox-jira-app"
CLIENT_SECRET = "sandbox-jira-client-secret-not-a-secret"  # noqa: S105 - published on purpose
CLOUD_ID = "11223344-a1b2-3b33-c444-def123456789"


class NotGranted(Exception):
    """The token endpoint's refusal, with its OAuth code."""

    def __init__(self, status: int, code: str, why: str) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"error": code, "error_description": why}


class Authority:
    """`lifetime` of access tokens in seconds."""

    def __init__(self) -> None:
        self.lifetime = 3600
        self.codes: dict[str, tuple[str, str]] = {}
        self.refresh: set[str] = set()
        self.access: dict[str, float] = {}

    def agree(self, query: Mapping[str, str]) -> str:
        """A person pressed Accept; the address to be sent back to."""
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code":
            raise NotGranted(400, "invalid_request", "Unknown client")
        if query.get("audience") != "api.atlassian.com":
            raise NotGranted(400, "invalid_request", "audience is required")
        code = secrets.token_urlsafe(16)
        target = query["redirect_uri"]
        self.codes[code] = (target, query.get("code_challenge", ""))
        return f"{target}?code={code}&state={query.get('state', '')}"

    def token(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to POST /oauth/token. Raises NotGranted."""
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise NotGranted(401, "invalid_client", "Client authentication failed")
        if form.get("grant_type") == "authorization_code":
            self._redeem(form)
        elif form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") not in self.refresh:
                raise NotGranted(403, "invalid_grant", "Unknown or invalid refresh token.")
            self.refresh.discard(str(form["refresh_token"]))
        else:
            raise NotGranted(400, "unsupported_grant_type", "Unknown grant")
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.access[access] = time.monotonic() + self.lifetime
        self.refresh.add(refresh)
        return {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": self.lifetime,
            "scope": "read:jira-work write:jira-work offline_access",
            "token_type": "Bearer",
        }

    def _redeem(self, form: Mapping[str, Any]) -> None:
        target, challenge = self.codes.pop(str(form.get("code")), ("", ""))
        proof = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        shown = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if not target or form.get("redirect_uri") != target or (challenge and shown != challenge):
            raise NotGranted(403, "invalid_grant", "Invalid authorization code")

    def good(self, token: str) -> bool:
        return self.access.get(token, 0.0) > time.monotonic()

    def expire(self) -> None:
        """Every access token ends; refresh tokens stay good."""
        self.access.clear()
