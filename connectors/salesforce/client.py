"""The wire to one Salesforce org: signing in, signing in again, and naming what went wrong.

simple-salesforce speaks the REST API; around it stand our token, our timeouts and our errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from operator import methodcaller
from typing import Any, TypeVar
from urllib.parse import urlsplit

import jwt
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

from connectors.salesforce.config import SalesforceConfig
from connectors.sdk import (
    AuthError,
    ConfigError,
    NotFoundError,
    NotSentError,
    RateLimitError,
    RejectedError,
    TransientError,
)

T = TypeVar("T")
Row = dict[str, Any]
TIMEOUT = (10.0, 125.0)
"""Seconds to connect and to wait for an answer; Salesforce gives up on a query after 120."""
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
RETRY_CODES = frozenset(
    {"UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "SERVER_UNAVAILABLE"}
)
"""Refusals that pass by themselves; nothing was written."""
PERMISSION_CODES = frozenset({"INVALID_TYPE", "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"})


class Unanswered(TransientError):
    """The request left and no usable answer came: its effect may have happened."""


class UnknownField(RejectedError):
    """A field we asked for is not there (any more), or this user may not see it."""


class MyDomainSession(requests.Session):
    """Sends what simple-salesforce addresses to `https://instance` to the configured base_url.

    The library builds every address, the next page's included, as https on the instance's host. A
    sandbox on loopback and a proxy with a path are neither, and patching the library's six base
    addresses would still miss `query_more`. One rewrite at the socket covers them all.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__()
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port not in (None, 443) else ""
        self.base_url = base_url
        self.instance = f"https://{parts.hostname}{port}"
        # a .netrc entry for the host would otherwise replace our bearer token
        self.auth = lambda request: request
        # the API needs no cookies, and the jar is not safe to share between threads
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Rewrite, never follow a redirect, never wait for ever; rate limits end here because
        the library's exceptions carry no headers.
        """
        url = request.url or ""
        if url.startswith(self.instance + "/"):
            request.url = self.base_url + url[len(self.instance) :]
        kwargs["allow_redirects"] = False
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = TIMEOUT
        response = super().send(request, **kwargs)
        if response.status_code == 429 or (
            response.status_code == 403 and "REQUEST_LIMIT_EXCEEDED" in response.text
        ):
            raise _rate_limited(response)
        return response


def _rate_limited(response: requests.Response) -> RateLimitError:
    # the daily allowance is a rolling window that frees up slowly; concurrency limits pass quickly
    daily = "TotalRequests" in response.text
    wait = 900.0 if daily else 60.0
    given = response.headers.get("Retry-After", "")
    if given.isascii() and given.isdigit():
        wait = float(given)
    used = response.headers.get("Sforce-Limit-Info", "")
    detail = f" ({used})" if used.isascii() and len(used) < 100 and used else ""
    return RateLimitError(
        "Salesforce refuses further API requests for now"
        + detail
        + (". The org's daily allowance is used up." if daily else "."),
        retry_after=wait,
    )


class SalesforceClient:
    """One integration user's session, shared by threads. Raises ConnectorErrors only."""

    def __init__(self, connection: str, settings: SalesforceConfig) -> None:
        self.connection = connection
        self.settings = settings
        self._http = MyDomainSession(settings.base_url)
        self._http.headers["Sforce-Call-Options"] = f"client={settings.client_name}"
        self._sign_in = threading.Lock()
        self._session: Salesforce | None = None
        self._describes: dict[str, Row] = {}

    def close(self) -> None:
        self._http.close()

    # -------------------------------------------------------------------------------- requests

    def query(self, soql: str, *, deleted: bool = False) -> list[Row]:
        """All rows of a query, following `nextRecordsUrl`; with those in the recycle bin if
        `deleted`.
        """
        rows: list[Row] = []
        page = self._call(lambda sf: sf.query(soql, include_deleted=deleted))
        while True:
            rows.extend(page["records"])
            if page["done"]:
                return rows
            following = str(page["nextRecordsUrl"])
            if not following.startswith("/services/"):
                raise TransientError(f"Salesforce sent {self.connection} an odd next page.")
            page = self._call(methodcaller("query_more", following, identifier_is_url=True))

    def describe(self, name: str) -> Row:
        """The object's description as this user sees it; asked once per process, see `forget`."""
        known = self._describes.get(name)
        if known is None:
            known = dict(self._call(lambda sf: sf.restful(f"sobjects/{name}/describe")) or {})
            self._describes[name] = known
        return known

    def forget(self, name: str) -> None:
        """Ask for the object's description anew next time: an admin changed it."""
        self._describes.pop(name, None)

    def write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Sequence[Row]:
        """One collection request; its per-record answers in order.

        Raises Unanswered when the effect may have happened; after every other error nothing did.
        """

        def send(sf: Salesforce) -> Any:
            options: dict[str, Any] = {"json": body} if body is not None else {}
            return sf.restful(path, params=dict(params or {}), method=method, **options)

        answer = self._call(send, write=True)
        if not isinstance(answer, list):
            raise Unanswered(f"Salesforce did not say what became of a write of {self.connection}.")
        return answer

    def _call(self, send: Callable[[Salesforce], T], *, write: bool = False) -> T:
        for last in (False, True):
            session = self._signed_in()
            try:
                return send(session)
            except SalesforceExpiredSession:
                # refused before anything ran, so the same request may be sent again, once
                with self._sign_in:
                    if self._session is session:
                        self._session = None
                if last:
                    raise AuthError(
                        f"Salesforce ended the session of {self.connection} twice in a row: check "
                        "the integration user's login hours, IP ranges and session policy."
                    ) from None
            except SalesforceError as error:
                raise self._named(error, write) from None
            except requests.RequestException as error:
                raise self._broken(error) from None
        raise AssertionError("unreachable")

    # --------------------------------------------------------------------------------- sign-in

    def _signed_in(self) -> Salesforce:
        with self._sign_in:  # many threads may find the session expired: one of them signs in
            if self._session is None:
                self._session = Salesforce(
                    session_id=self._token(),
                    instance_url=self.settings.base_url,
                    session=self._http,
                    version=self.settings.api_version,
                    object_pairs_hook=None,
                )
            return self._session

    def _token(self) -> str:
        auth = self.settings.auth
        form = {"grant_type": "client_credentials", "client_id": auth.client_id}
        if auth.client_secret is not None:
            form["client_secret"] = auth.client_secret.get_secret_value()
        else:
            form = {"grant_type": JWT_BEARER, "assertion": self._assertion()}
        try:
            response = self._http.post(
                f"{self.settings.base_url}/services/oauth2/token",
                data=form,
                headers={"Accept": "application/json"},
            )
            if response.status_code >= 500:
                raise TransientError(f"Salesforce cannot sign {self.connection} in right now.")
            answer = response.json()
        except requests.RequestException as error:
            if isinstance(error, requests.JSONDecodeError):
                raise ConfigError(
                    f"{self.connection}: base_url does not answer like Salesforce's token "
                    "endpoint. Write the org's My Domain."
                ) from None
            raise self._broken(error) from None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if response.status_code != 200 or not isinstance(token, str):
            raise self._refused(answer if isinstance(answer, dict) else {})
        return token

    def _assertion(self) -> str:
        auth = self.settings.auth
        host = urlsplit(self.settings.base_url).hostname or ""
        login = "test" if ".sandbox." in host else "login"
        claims = {
            "iss": auth.client_id,
            "sub": auth.username,
            "aud": auth.audience or f"https://{login}.salesforce.com",
            "exp": int((datetime.now(UTC) + timedelta(minutes=3)).timestamp()),
        }
        key = auth.private_key.get_secret_value() if auth.private_key else ""
        try:
            return jwt.encode(claims, key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigError(
                f"{self.connection}: auth.private_key is not an RSA private key in PEM."
            ) from None

    def _refused(self, answer: Mapping[str, Any]) -> AuthError:
        code = str(answer.get("error", "unknown_error"))[:80]
        text = str(answer.get("error_description", ""))[:200]
        remedy = "Check client_id and client_secret of the connected app."
        if "approved this consumer" in text:
            remedy = "Pre-authorise the connected app for the user's profile or permission set."
        elif code == "invalid_grant":
            remedy = "Check the user, that the user is active, and the app's certificate."
        return AuthError(f"Salesforce refused to sign {self.connection} in ({code}). {remedy}")

    # ---------------------------------------------------------------------------------- errors

    def _broken(self, error: requests.RequestException) -> TransientError:
        """Nothing was sent if no connection came about; otherwise nobody knows."""
        reason = getattr(error.args[0], "reason", None) if error.args else None
        early = (
            requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError
        )
        if isinstance(error, early) or type(reason).__name__ in (
            "NewConnectionError",
            "NameResolutionError",
        ):
            return NotSentError(f"Salesforce cannot be reached for {self.connection}.")
        return Unanswered(f"Salesforce did not answer {self.connection} in full.")

    def _named(self, error: SalesforceError, write: bool) -> Exception:
        code, message, fields = first_error(error.content)
        place = f"{self.connection}: Salesforce answered {error.status} {code}".rstrip()
        if code in RETRY_CODES or error.status == 503:
            return TransientError(f"{place}.")
        if error.status >= 500:
            return Unanswered(f"{place}.") if write else TransientError(f"{place}.")
        if 300 <= error.status < 400:
            return ConfigError(f"{place}, a redirect. Set base_url to the org's My Domain.")
        if code in PERMISSION_CODES or (error.status == 403 and not write):
            return ConfigError(
                f"{place}. Give the integration user API access and read permission: {message}"
            )
        if "PASSWORD" in code:
            return AuthError(f"{place}. Renew the integration user's password.")
        if code == "INVALID_FIELD":
            return UnknownField(f"{place}: {message}", dict.fromkeys(fields, message))
        if error.status == 404:
            return NotFoundError(f"{place}: {message}")
        return RejectedError(f"{place}: {message}", dict.fromkeys(fields, message))


def first_error(content: object) -> tuple[str, str, list[str]]:
    """Code, message and fields of `[{"errorCode", "message", "fields"}]`; blanks if it is not."""
    entry = content[0] if isinstance(content, list) and content else content
    if not isinstance(entry, dict):
        return "", "", []
    code = entry.get("errorCode") or entry.get("statusCode") or ""
    fields = [str(name) for name in entry.get("fields") or ()]
    # Salesforce repeats the query above a caret; the last line says what is wrong
    message = str(entry.get("message", "")).strip().rsplit("\n", 1)[-1]
    return str(code), message[:300], fields
