"""The wire to Google: gspread's client over our own, signing in without a network of its own, and
Google's refusals as the errors they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from gspread.http_client import HTTPClient

from connectors.google_sheets.config import GoogleSheetsConfig
from connectors.sdk import (
    AuthError,
    AuthorizationCode,
    ConfigError,
    Connector,
    ConnectorError,
    HttpResponse,
    JwtBearer,
    OAuth2,
    PayloadError,
    RateLimitError,
    RefreshToken,
    RejectedError,
)
from connectors.sdk.auth import Grant
from connectors.sdk.http import DEFAULT_WAIT, error_for, retry_after
from connectors.sdk.requests import GuardedSession, answer_of

TITLE = "Google Sheets"
SHEETS = "https://sheets.googleapis.com"
DRIVE = "https://www.googleapis.com"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
CONSENT_URL = "https://accounts.google.com/o/oauth2/v2/auth"
SCOPE = "https://www.googleapis.com/auth/spreadsheets"
DRIVE_SCOPE = "https://www.googleapis.com/auth/drive.metadata.readonly"


class Wire(HTTPClient):
    """gspread's client. Its own reading of errors prints answers and fails on odd ones."""

    def __init__(self, session: GuardedSession, connection: Explained) -> None:
        # it builds a session of google-auth's only where it is given none
        super().__init__(None, session)  # type: ignore[arg-type]
        self._explained = connection

    def request(  # type: ignore[override] # its eight optional parameters go through
        self, method: str, endpoint: str, **options: Any
    ) -> requests.Response:
        """An answer that is a JSON object. Raises the errors of the sdk."""
        response = self.session.request(method, endpoint, **options)
        answer = answer_of(response)
        if answer.status >= 300:
            raise self._explained.explain(answer) or error_for(answer, TITLE)
        body = answer.json()
        if not isinstance(body, dict):
            raise PayloadError(f"{TITLE} did not answer {answer.path} with an object.", answer.path)
        response.json = lambda **_: body  # type: ignore[method-assign] # once is enough
        return response


class Explained:
    """What Google's refusals mean for one connection: who must do what, with which address."""

    def __init__(self, spreadsheet: str, who: str) -> None:
        self._spreadsheet = spreadsheet
        self._who = who

    def explain(self, answer: HttpResponse) -> ConnectorError | None:
        """The error that a failed answer stands for; None leaves the general reading.
        https://developers.google.com/workspace/drive/api/guides/handle-errors
        """
        error = _error(answer)
        reasons, message = _reasons(error), str(error.get("message", ""))
        if answer.status == 403:
            return self._forbidden(reasons, message, answer)
        if answer.status == 404 and "/channels/" not in answer.path:
            return ConfigError(
                f"Google has no spreadsheet {self._spreadsheet}, or hides it: check spreadsheet, "
                f"and share it with {self._who}."
            )
        if answer.status == 400:
            return self._bad(reasons, message)
        return None

    def _forbidden(
        self, reasons: set[str], message: str, answer: HttpResponse
    ) -> ConnectorError | None:
        if reasons & {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}:
            wait = retry_after(answer.headers)
            return RateLimitError(
                f"{TITLE} asks us to slow down.", DEFAULT_WAIT if wait is None else wait
            )
        if reasons & {"accessNotConfigured", "SERVICE_DISABLED"}:
            api = "Google Drive API" if answer.path.startswith("/drive") else "Google Sheets API"
            return ConfigError(f"Enable the {api} in the Google Cloud project of `auth`.")
        if reasons & {"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"}:
            return AuthError(
                f"Google gave {self._who} fewer scopes than asked for: agree anew to all of them, "
                "or set drive: false if no webhook is needed."
            )
        if "retry-after" in answer.headers or "protected" in message:
            return None if "retry-after" in answer.headers else _protected()
        return AuthError(
            f"Google does not let {self._who} do this: share the spreadsheet {self._spreadsheet} "
            "with this address, as an editor if the hub writes to it."
        )

    def _bad(self, reasons: set[str], message: str) -> ConnectorError | None:
        if "Unable to parse range" in message:
            return ConfigError(
                f"The spreadsheet {self._spreadsheet} has no sheet of a name under sheets: "
                "somebody renamed or deleted it. Write the names as they stand on the tabs."
            )
        if "FAILED_PRECONDITION" in reasons or "not supported for this document" in message:
            return ConfigError(
                "The file is not a Google spreadsheet (an Excel file in Drive, perhaps): open it "
                "and save it as Google Sheets, then write the new address under spreadsheet."
            )
        if "exceeds grid limits" in message:
            return ConfigError("A sheet ends with its headers: add an empty row below them.")
        if "protected" in message:
            return _protected()
        return None


def _protected() -> RejectedError:
    return RejectedError(
        "The cell is protected in Google Sheets: let the hub's address edit the protected range."
    )


def _error(answer: HttpResponse) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except PayloadError:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _reasons(error: Mapping[str, Any]) -> set[str]:
    found = {str(error.get("status", ""))}
    for name in ("errors", "details"):
        entries = error.get(name)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                found.add(str(entry.get("reason", "")))
    return found


def sign_in(connector: Connector, settings: GoogleSheetsConfig) -> tuple[OAuth2, str]:
    """How this connection signs in, and the name under which Google knows it. No I/O."""
    auth, base = settings.auth, (settings.base_url or "").rstrip("/")
    token_url = f"{base}/token" if base else TOKEN_URL
    scope = f"{SCOPE} {DRIVE_SCOPE}" if settings.drive else SCOPE
    if auth.client_id is not None:
        consent = f"{base}/o/oauth2/v2/auth" if base else CONSENT_URL
        # Google hands a refresh token over only when asked so, and again only on a new consent
        offline = {"access_type": "offline", "prompt": "consent"}
        grant: Grant = AuthorizationCode(consent, scope, offline)
        if auth.refresh_token is not None:
            grant = RefreshToken(auth.refresh_token)
        oauth = connector.oauth2(
            token_url,
            auth.client_id,
            grant,
            client_secret=auth.client_secret,
            client_auth="client_secret_post" if auth.client_secret else "none",
        )
        return oauth, "the person who agreed"
    grant = _Account(settings, scope)
    return connector.oauth2(token_url, "", grant), auth.client_email or "the service account"


class _Account:
    """A service account. Its key file is read when first needed, so that a wrong one pauses the
    connection instead of hiding it.
    """

    def __init__(self, settings: GoogleSheetsConfig, scope: str) -> None:
        self._auth = settings.auth
        self._scope = scope

    def form(self) -> Mapping[str, str]:
        account = self._auth.account()
        if account is None:
            raise ConfigError("auth names no service account.")
        email, key = account
        claims = {"scope": self._scope}
        return JwtBearer(email, self._auth.subject, TOKEN_URL, key, claims=claims).form()
