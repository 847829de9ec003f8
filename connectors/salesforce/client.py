"""The wire to one Salesforce org, and naming what went wrong on it.

simple-salesforce speaks the REST API over the sdk's guarded session; what it does not know (Bulk
2.0 answers with their headers) goes out through the same client beneath.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import methodcaller
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError

from connectors.salesforce.config import SalesforceConfig
from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    HttpClient,
    HttpResponse,
    NotFoundError,
    NotSentError,
    PayloadError,
    RateLimitError,
    RejectedError,
    TransientError,
)
from connectors.sdk.http import DEFAULT_WAIT, retry_after
from connectors.sdk.paging import Circle, Listed
from connectors.sdk.requests import GuardedSession, answer_of

T = TypeVar("T")
Row = dict[str, Any]
DAILY_WAIT = 900.0
"""Seconds to wait once the day's allowance is used up: a rolling window that frees up slowly."""
RETRY_CODES = frozenset(
    {"UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "SERVER_UNAVAILABLE"}
)
"""Refusals that pass by themselves; nothing was written."""
PERMISSION_CODES = frozenset({"INVALID_TYPE", "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"})


class Unanswered(TransientError):
    """The request left and no usable answer came: its effect may have happened."""


class Refused(TransientError):
    """Not now, says Salesforce, and nothing was done."""


class UnknownField(RejectedError):
    """A field we asked for is not there (any more), or this user may not see it."""


class SalesforceClient:
    """One integration user's way to the org, shared by threads. Raises ConnectorErrors only.

    `http` signs in by itself, and once more where Salesforce has ended the session.
    """

    def __init__(self, connection: str, settings: SalesforceConfig, http: HttpClient) -> None:
        self.connection = connection
        self.http = http
        self.root = f"/services/data/v{settings.api_version}"
        parts = urlsplit(settings.base_url)
        port = f":{parts.port}" if parts.port not in (None, 443) else ""
        session = GuardedSession(http, f"https://{parts.hostname}{port}")
        # the library's exceptions carry no headers, so what depends on them is raised here
        session.hooks["response"].append(_put_off)
        self._session = Salesforce(
            session_id="set-by-the-client-below",
            instance_url=settings.base_url,
            session=session,
            version=settings.api_version,
            object_pairs_hook=None,
        )
        self._describes: dict[str, Row] = {}

    # -------------------------------------------------------------------------------- requests

    def query(self, soql: str, *, deleted: bool = False) -> list[Row]:
        """All rows of a query, following `nextRecordsUrl`; with those in the recycle bin if
        `deleted`.
        """
        rows: list[Row] = []
        circle = Circle("A query's answer")
        page = self._page(lambda sf: sf.query(soql, include_deleted=deleted))
        while True:
            rows.extend(page["records"])
            following = None if page["done"] else str(page.get("nextRecordsUrl"))
            if circle.ends(Listed(page["records"], following)) or following is None:
                return rows
            if not following.startswith("/services/"):
                raise PayloadError(f"Salesforce sent {self.connection} an odd next page.")
            page = self._page(methodcaller("query_more", following, identifier_is_url=True))

    def _page(self, send: Callable[[Salesforce], Any]) -> Row:
        page = self._call(send)
        records = page.get("records") if isinstance(page, dict) else None
        if not isinstance(records, list) or not all(isinstance(row, dict) for row in records):
            raise PayloadError(f"Salesforce's answer to a query of {self.connection} has no rows.")
        if page.get("totalSize") and not records:
            raise PayloadError(f"Salesforce counts rows for {self.connection} and shows none.")
        if not isinstance(page.get("done"), bool):
            raise PayloadError(f"Salesforce does not tell {self.connection} if there is more.")
        return dict(page)

    def describe(self, name: str) -> Row:
        """The object's description as this user sees it; asked once per process, see `forget`."""
        known = self._describes.get(name)
        if known is None:
            told = self._call(lambda sf: sf.restful(f"sobjects/{name}/describe"))
            if not isinstance(told, dict) or not isinstance(told.get("fields"), list):
                raise PayloadError(f"Salesforce's description of {name} has no fields.")
            known = self._describes[name] = dict(told)
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
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise Unanswered(f"Salesforce did not say what became of a write of {self.connection}.")
        return answer

    def _call(self, send: Callable[[Salesforce], T], *, write: bool = False) -> T:
        try:
            return send(self._session)
        except SalesforceError as error:
            raise self._named(error.status, error.content, write) from None
        except (NotSentError, RateLimitError, Refused):
            raise
        except TransientError as error:
            raise Unanswered(str(error), error.retry_after) if write else error from None
        except (requests.RequestException, ValueError, RecursionError):
            reason = f"Salesforce's answer to {self.connection} is not the JSON it should be."
            raise Unanswered(reason) if write else PayloadError(reason) from None

    def explain(self, response: HttpResponse) -> ConnectorError | None:
        """What a refusal of a request that does not go through simple-salesforce means."""
        if error := _asks_for_patience(response):
            return error
        try:
            content = response.json()
        except PayloadError:
            return None
        return self._named(response.status, content, False)

    # ---------------------------------------------------------------------------------- errors

    def _named(self, status: int, content: object, write: bool) -> ConnectorError:
        code, message, fields = first_error(content)
        place = f"{self.connection}: Salesforce answered {status} {code}".rstrip()
        if status == 401:
            return AuthError(
                f"Salesforce ended the session of {self.connection} twice in a row: check "
                "the integration user's login hours, IP ranges and session policy."
            )
        if code in RETRY_CODES:
            return Refused(f"{place}.")
        if status >= 500:
            return Unanswered(f"{place}.") if write else TransientError(f"{place}.")
        if 300 <= status < 400:
            return ConfigError(f"{place}, a redirect. Set base_url to the org's My Domain.")
        if code in PERMISSION_CODES or (status == 403 and not write):
            return ConfigError(
                f"{place}. Give the integration user API access and read permission: {message}"
            )
        if "PASSWORD" in code:
            return AuthError(f"{place}. Renew the integration user's password.")
        if code == "INVALID_FIELD":
            return UnknownField(f"{place}: {message}", dict.fromkeys(fields, message))
        if status == 404:
            return NotFoundError(f"{place}: {message}")
        return RejectedError(f"{place}: {message}", dict.fromkeys(fields, message))


def _put_off(response: requests.Response, **_: Any) -> None:
    if error := _asks_for_patience(answer_of(response)):
        raise error


def _asks_for_patience(response: HttpResponse) -> ConnectorError | None:
    """The error for an answer that says: later. Salesforce's own sign of a used-up allowance is a
    403.
    """
    wait = retry_after(response.headers)
    if response.status == 503:
        return Refused("Salesforce is not available right now (503).", wait)
    used_up = response.status == 403 and b"REQUEST_LIMIT_EXCEEDED" in response.body
    if response.status != 429 and not used_up:
        return None
    # concurrency limits pass quickly, the day's allowance does not
    daily = b"TotalRequests" in response.body
    used = response.headers.get("sforce-limit-info", "")
    detail = f" ({used})" if used.isascii() and 0 < len(used) < 100 else ""
    usual = DAILY_WAIT if daily else DEFAULT_WAIT
    return RateLimitError(
        f"Salesforce refuses further API requests for now{detail}."
        + (" The org's daily allowance is used up." if daily else ""),
        usual if wait is None else wait,
    )


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
