"""Signing in as a GitHub App: a statement signed with the app's key buys a token for one hour.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import time

from connectors.github.client import one
from connectors.github.config import GithubAuth
from connectors.github.records import moment
from connectors.sdk import AuthError, ClientCredentials, ConfigError, ConnectorError, OAuth2, Token
from connectors.sdk.host import Vault
from connectors.sdk.http import HttpClient, HttpResponse


class Installation(OAuth2):
    """Tokens of one installation, kept and renewed as OAuth 2 tokens are; only how a new one is
    asked for is GitHub's own. `http` sends that request, without credentials of its own.
    """

    def __init__(self, connection: str, auth: GithubAuth, vault: Vault, http: HttpClient) -> None:
        self._path = f"/app/installations/{auth.installation_id}/access_tokens"
        self._app = auth
        self._http = http
        super().__init__(
            connection,
            title="GitHub",
            token_url=http.base_url + self._path,
            client_id=auth.app_id or "",
            grant=ClientCredentials(),
            vault=vault,
        )

    def _next(self, refresh: str | None) -> Token:
        key = self._app.private_key.get_secret_value() if self._app.private_key else ""
        import jwt  # for apps: it brings all of cryptography

        # a minute back, since clocks differ; GitHub takes ten minutes at most
        now = int(time.time())
        claims = {"iat": now - 60, "exp": now + 540, "iss": self._app.app_id}
        try:
            assertion = jwt.encode(claims, key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigError("auth.private_key is not an RSA private key in PEM.") from None
        bearer = {"authorization": f"Bearer {assertion}"}
        row = one(self._http.request("POST", self._path, headers=bearer))
        if not isinstance(row.get("token"), str):
            raise AuthError("GitHub gave the app no token. Check that it is still installed.")
        return Token(row["token"], moment(str(row.get("expires_at"))).timestamp())


def explain(response: HttpResponse) -> ConnectorError | None:
    """What a refused request for a token means."""
    if response.status == 401:
        return AuthError("GitHub does not accept the app. Check auth.app_id and auth.private_key.")
    if response.status in (403, 404):
        return AuthError(
            "GitHub has no such installation of the app, or it is suspended. Check "
            "auth.installation_id and the app's settings."
        )
    return None
