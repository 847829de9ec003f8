"""How a connection proves who it is: an API key, a name and password, a bearer token, or OAuth 2.

Each is an `httpx.Auth` to hand to `Connector.http`; secrets are revealed at the moment of sending
and nowhere else. OAuth tokens live in the vault that the hub lends, and one of all threads and
processes renews them: a refresh token that rotates may be used once.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import httpx
from pydantic import SecretStr

from connectors.sdk.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    NotSentError,
    PayloadError,
    TransientError,
)
from connectors.sdk.grants import (
    AuthorizationCode,
    ClientCredentials,
    Grant,
    JwtBearer,
    RefreshToken,
    account_of,
    present,
)
from connectors.sdk.host import Token, Vault
from connectors.sdk.network import Destinations, Transport

if TYPE_CHECKING:
    from connectors.sdk.oauth_client import Client

__all__ = [
    "ApiKey",
    "AuthorizationCode",
    "Basic",
    "Bearer",
    "ClientAuth",
    "ClientCredentials",
    "Consent",
    "Grant",
    "JwtBearer",
    "OAuth2",
    "QueryKey",
    "RefreshToken",
]

EARLY = 60.0
"""Seconds before its end at which a token is renewed, so that it does not run out on the way; one
that lives shorter than two of these, at half of its life.
"""
LONGEST_LIFE = 10 * 366 * 86_400.0
"""Seconds; a server that promises more is not believed, and its token used until a 401."""
MOST = 1024 * 1024
"""Bytes of an answer with a token."""
ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]


class ApiKey(httpx.Auth):
    """A key in a header of the vendor's own: `ApiKey(secret, "x-api-key")`."""

    def __init__(self, key: SecretStr, header: str, prefix: str = "") -> None:
        self._key = key
        self._header = header
        self._prefix = prefix

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._header] = self._prefix + _usable(self._key)
        yield request


class Bearer(ApiKey):
    """`Authorization: Bearer …` with a token that does not change by itself."""

    def __init__(self, token: SecretStr, scheme: str = "Bearer") -> None:
        super().__init__(token, "authorization", f"{scheme} " if scheme else "")


class QueryKey(httpx.Auth):
    """A key in a parameter of the address. It replaces one that a vendor's link to a next page
    carries already. Such keys end up in the vendor's logs: take a header where there is one.
    """

    def __init__(self, key: SecretStr, parameter: str) -> None:
        self._key = key
        self._parameter = parameter

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.url = request.url.copy_set_param(self._parameter, _usable(self._key))
        yield request


class Basic(httpx.Auth):
    """A name and a password, or whatever a vendor wants in their place (`API_KEY:X`)."""

    def __init__(self, username: str, password: SecretStr) -> None:
        self._username = username
        self._password = password

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        inner = httpx.BasicAuth(self._username, self._password.get_secret_value())
        yield from inner.auth_flow(request)


def _usable(secret: SecretStr) -> str:
    value = secret.get_secret_value()
    if not _fits_header(value):
        raise ConfigError(
            "The secret under `auth` is empty or has characters that no header can carry: "
            "copy it anew, without line breaks."
        )
    return value


def _fits_header(text: str) -> bool:
    return text != "" and text.isascii() and text.isprintable() and text == text.strip()


# ------------------------------------------------------------------------------------- OAuth 2


@dataclass(frozen=True, slots=True)
class Consent:
    """The beginning of an authorization: send the person to `url`, keep the rest for `finish`."""

    url: str
    state: str
    verifier: str = field(repr=False)
    redirect_uri: str


class OAuth2(httpx.Auth):
    """Bearer tokens that are fetched when first needed, renewed before they end, and renewed once
    more where the vendor says 401 all the same. An empty `client_id` is not sent: a grant that is
    signed says who asks.
    """

    requires_response_body = False

    def __init__(
        self,
        connection: str,
        *,
        title: str,
        token_url: str,
        client_id: str,
        grant: Grant,
        vault: Vault,
        client_secret: SecretStr | None = None,
        client_auth: ClientAuth | None = None,
        destinations: Destinations | None = None,
        deadline: float = 30.0,
        remedies: Mapping[str, str] | None = None,
    ) -> None:
        """`remedies`: what to do about a refusal, by its `error` code, where it is special here."""
        self.connection = connection
        self.title = title
        self._remedies = remedies or {}
        self.grant = grant
        self._token_url = token_url
        self._client_id = client_id
        self._secret = client_secret
        self._client_auth = client_auth or ("client_secret_basic" if client_secret else "none")
        self._vault = vault
        self._deadline = deadline
        self._transport = Transport(destinations, MOST)
        self._account = account_of(token_url, client_id, grant)
        self._unsaved: Token | None = None
        self._failed: tuple[float, ConnectorError] | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self.token()
        request.headers["authorization"] = f"Bearer {token.access}"
        response = yield request
        if response.status_code == 401:
            # refused before anything was done, so the same request may go once more
            renewed = self.renew(token)
            request.headers["authorization"] = f"Bearer {renewed.access}"
            yield request

    def token(self) -> Token:
        """One that is good for another minute. Raises AuthError, ConfigError, TransientError."""
        token = self._kept()
        if token is None or (token.expires_at is not None and token.expires_at - EARLY < _now()):
            token = self.renew(token)
        return token

    def renew(self, stale: Token | None) -> Token:
        """A token newer than `stale`: somebody else's, if one was faster, else a new one."""
        began = time.monotonic()
        with self._vault.locked(self.connection):
            current = self._kept()
            if current is not None and current != stale:
                self._unsaved = None
                return current
            if self._failed and self._failed[0] > began:
                raise self._failed[1]  # while we stood in line: it would only fail once more
            if self._unsaved is None:
                try:
                    found = self._next(current.refresh if current else None)
                except ConnectorError as error:
                    self._failed = time.monotonic(), error
                    raise
                self._unsaved = replace(found, account=self._account)
            # where it cannot be stored it is kept here: a rotated one cannot be had again
            token = self._unsaved
            self._vault.save(self.connection, token)
            self._unsaved = None
            return token

    def _kept(self) -> Token | None:
        """What the vault holds for this account. The connection may have led elsewhere before, and
        those tokens are nothing to show here.
        """
        token = self._vault.load(self.connection)
        return token if token and token.account in ("", self._account) else None

    def _next(self, refresh: str | None) -> Token:
        if refresh:
            try:
                return self._request(
                    {"grant_type": "refresh_token", "refresh_token": refresh}, refresh
                )
            except AuthError:
                if isinstance(self.grant, AuthorizationCode):
                    raise
                # the configuration may hold something newer than what we kept
        form = self.grant.form()
        return self._request(form, form.get("refresh_token"))

    def begin(self, redirect_uri: str) -> Consent:
        """Where to send a person who is to agree."""
        if not isinstance(self.grant, AuthorizationCode):
            raise ConfigError(f"{self.title} needs nobody's agreement: its credentials are enough.")
        from connectors.sdk.oauth_client import generate_token

        verifier = generate_token(64)
        extra = present(scope=self.grant.scope, **self.grant.extra)
        with self._client(redirect_uri) as client:
            url, state = client.create_authorization_url(
                self.grant.authorize_url, code_verifier=verifier, **extra
            )
        return Consent(url, state, verifier, redirect_uri)

    def finish(self, consent: Consent, code: str, state: str) -> None:
        """Exchange the code that came back. Raises AuthError where `state` is not ours."""
        if state != consent.state:
            raise AuthError("The answer belongs to another sign-in: begin again.")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": consent.redirect_uri,
            "code_verifier": consent.verifier,
        }
        with self._vault.locked(self.connection):
            token = self._request(form, None)
            self._vault.save(self.connection, replace(token, account=self._account))

    def close(self) -> None:
        self._transport.close()

    def _client(self, redirect_uri: str | None = None) -> Client:
        from connectors.sdk.oauth_client import Client, unnamed

        return Client(
            client_id=self._client_id,
            client_secret=self._secret.get_secret_value() if self._secret else None,
            token_endpoint_auth_method=self._client_auth if self._client_id else unnamed,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=_Lent(self._transport),
            follow_redirects=False,
            timeout=self._deadline,
        )

    def _request(self, form: Mapping[str, str], refresh: str | None) -> Token:
        from connectors.sdk.oauth_client import OAuthError

        host = self._host()
        try:
            with (
                self._transport.until(time.monotonic() + self._deadline),
                self._client() as client,
            ):
                answer = dict(client.fetch_token(self._token_url, **form))
        except OAuthError as error:
            raise self._refused(str(error.error)) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSentError(f"{self.title} cannot be reached at {host}: {error}.") from None
        except httpx.HTTPStatusError as error:
            raise TransientError(
                f"{self.title} cannot sign in right now ({error.response.status_code})."
            ) from None
        except httpx.HTTPError:
            raise TransientError(f"{self.title} did not answer the sign-in at {host}.") from None
        except (ValueError, PayloadError):
            raise ConfigError(
                f"{host} does not answer as an authorization server does. Check `base_url`."
            ) from None
        return self._read(answer, refresh)

    def _host(self) -> str:
        try:
            url = httpx.URL(self._token_url)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(
                f"{self.title} cannot be asked for tokens: its address is none. Write "
                "https://login.example.com/token."
            )
        return url.host

    def _read(self, answer: Mapping[str, Any], refresh: str | None) -> Token:
        access = answer.get("access_token")
        if not isinstance(access, str) or not _fits_header(access):
            raise self._refused("no token in the answer")
        now = _now()
        life = _seconds(answer.get("expires_in")) or _seconds(answer.get("expires_at")) - now
        ends = now + max(life, EARLY + life / 2) if 0 < life < LONGEST_LIFE else None
        given = answer.get("refresh_token")
        kept = given if isinstance(given, str) and given else refresh
        return Token(access, ends, kept)

    def _refused(self, code: str) -> AuthError:
        remedies = {
            "invalid_client": "Check client_id and client_secret under `auth`.",
            "unauthorized_client": "Allow this grant for the client at the vendor.",
            "invalid_scope": "Give the client the scopes that the connection asks for.",
            "invalid_grant": "The agreement has ended: run hub connections authorize "
            f"{self.connection}, or renew the key or refresh token under `auth`.",
            **self._remedies,
        }
        known = code if code.isascii() and len(code) < 60 else "an unknown error"
        remedy = remedies.get(code, "Renew the credentials under `auth`.")
        return AuthError(f"{self.title} refused to sign {self.connection} in ({known}). {remedy}")


def _seconds(given: object) -> float:
    """A number, however a server writes it; 0 for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return 0.0
    try:
        return float(given)
    except (ValueError, OverflowError):
        return 0.0


class _Lent(httpx.BaseTransport):
    """A transport that outlives the client that uses it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)


def _now() -> float:
    return time.time()
