"""HTTP for connectors: one client per connection that keeps a total deadline, follows no redirect,
caps what it reads, and raises the errors of `connectors.sdk.errors` instead of httpx's.

What matters most is told apart here: a failure *before* the request left (`NotSentError`: repeating
is safe) from one *after* (`TransientError`: the effect may have happened).
"""

from __future__ import annotations

import ipaddress
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import orjson

from connectors.sdk.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    ConnectorError,
    NotFoundError,
    NotSentError,
    PayloadError,
    RateLimitError,
    RejectedError,
    TransientError,
)
from connectors.sdk.json_bodies import read_json
from connectors.sdk.network import MAX_BODY, Destinations, Transport, hands_out_credentials
from connectors.sdk.quota import Quota, quota_of
from connectors.sdk.records import Json

USER_AGENT = "process-hub"
DEFAULT_WAIT = 60.0
"""Seconds to wait where a vendor asks for a pause without saying how long."""
LONGEST_WAIT = 86_400.0
"""A vendor that asks for more than a day is misread or broken: look again tomorrow."""
PATIENCE = 2.0
"""Seconds a request waits for its turn under a vendor's rate."""

_CLIMBING = re.compile(r"(?:^|[/\\])(?:\.|%2e){1,2}(?:$|[/\\])", re.IGNORECASE)

Explain = Callable[["HttpResponse"], ConnectorError | None]
Bucket = Callable[[str, str], str]
"""From method and path of a request to the name of the limit it counts in."""
Take = Callable[[str, str], float]
"""From bucket and rate to 0 (go) or the seconds to wait: `Pace.take` for one connection."""


class _WithoutQueries(logging.Filter):
    """httpx logs every address it asks; some vendors want their key in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.copy_with(query=None, userinfo=b"") if isinstance(arg, httpx.URL) else arg
                for arg in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutQueries())


def bucket_of(method: str, path: str) -> str:
    """`read` for GET and HEAD, `write` for the rest."""
    return "read" if method in ("GET", "HEAD", "OPTIONS") else "write"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete answer. `method` and `path` say what was asked, for messages."""

    method: str
    path: str
    status: int
    headers: httpx.Headers
    body: bytes

    def json(self) -> Json:
        """The body as JSON. Raises PayloadError."""
        return read_json(self.body, f"the answer to {self.method} {self.path}")[0]


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds the vendor asks us to wait, 0 to a day, or None if it does not say.

    Understands `Retry-After` as seconds or HTTP date, and `X-RateLimit-Reset` (epoch or seconds)
    once nothing remains. A date is compared with the answer's own `Date`, so that a wrong clock
    here does no harm.
    """
    here = _date(headers.get("date", "")) or now or datetime.now(UTC)
    asked = headers.get("retry-after", "").strip()
    seconds = _number(asked)
    if seconds is None and (moment := _date(asked)):
        seconds = (moment - here).total_seconds()
    if seconds is None and _number(headers.get("x-ratelimit-remaining", "")) == 0:
        seconds = _number(headers.get("x-ratelimit-reset", ""))
        if seconds is not None and seconds > 1_000_000_000:
            seconds -= here.timestamp()
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _number(text: str) -> float | None:
    text = text.strip()
    short = text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 300
    return float(text) if short else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def field_errors(body: Json) -> dict[str, str]:
    """Vendor field to vendor reason, from the two shapes most APIs answer: `errors` as a list of
    `{field, message or code}` or as a mapping of field to text or texts.
    """
    errors = body.get("errors") if isinstance(body, dict) else None
    found: dict[str, str] = {}
    if isinstance(errors, dict):
        for name, reason in errors.items():
            texts = reason if isinstance(reason, list) else [reason]
            found[str(name)] = "; ".join(str(text) for text in texts)[:300]
    elif isinstance(errors, list):
        for entry in errors:
            if isinstance(entry, dict):
                reason = entry.get("message") or entry.get("code") or "refused"
                found[str(entry.get("field") or "*")] = str(reason)[:300]
    return found


def error_for(response: HttpResponse, title: str) -> ConnectorError:
    """What a failed answer (3xx to 5xx) means for the hub. The message holds no body."""
    status, where = response.status, f"{response.method} {response.path}"
    wait = retry_after(response.headers)
    if status == 401:
        return AuthError(f"{title} does not accept the credentials. Renew them under `auth`.")
    exhausted = _number(response.headers.get("x-ratelimit-remaining", "")) == 0
    if status == 429 or (status == 403 and (exhausted or "retry-after" in response.headers)):
        return RateLimitError(
            f"{title} asks us to slow down.", DEFAULT_WAIT if wait is None else wait
        )
    if status == 403:
        return AuthError(f"{title} does not allow {where}. Give the credentials this permission.")
    if status in (404, 410):
        return NotFoundError(f"{title} has nothing at {response.path}, or hides it from us.")
    if status in (409, 412):
        return ConflictError(f"{title} says the record changed since we read it ({where}).")
    if status == 407:
        return ConfigError(f"A proxy in front of {title} wants to be signed in to.")
    if status in (408, 425) or status >= 500:
        return TransientError(f"{title} answered {status} to {where}.", wait)
    if status < 400:
        return _redirect(response, title)
    try:
        reasons = field_errors(response.json())
    except PayloadError:
        reasons = {}
    told = "".join(f" {name}: {reason}." for name, reason in reasons.items())
    return RejectedError(f"{title} refused {where} ({status}).{told}", reasons)


def _redirect(response: HttpResponse, title: str) -> ConnectorError:
    """Never followed. One that leads to where clouds hand out credentials is no move of the
    vendor's: what was asked has failed.
    """
    where = f"{response.method} {response.path}"
    code = "redirect_refused"
    if _lures(response):
        return RejectedError(
            f"{title} answered {where} with a redirect to where clouds hand out credentials. It "
            f"was not followed ({code}). Ask who runs {title}.",
            code=code,
        )
    return ConfigError(
        f"{title} answered {where} with a redirect ({response.status}), which is never followed "
        f"({code}). Put the new address under `base_url`.",
        code,
    )


def _lures(response: HttpResponse) -> bool:
    """Whether a redirect leads to the metadata service of a cloud."""
    try:
        host = httpx.URL(response.headers.get("location", "")).host
        return hands_out_credentials(ipaddress.ip_address(host))
    except (httpx.InvalidURL, ValueError):
        return False


class HttpClient:
    """One connection's way to its vendor. Safe to use from several threads; opens no socket, and
    reads no certificates, before the first request. Connectors get theirs from `Connector.http`.

    `explain` sees a failed answer first and may return the error it stands for at this vendor;
    None leaves the general reading (`error_for`). `deadline` is the total time of one request in
    seconds, from connecting to the last byte, however slowly they drip.

    `rates` are the vendor's limits by bucket (`{"read": "5/second", "write": "80/minute"}`), kept
    through `take` before a request leaves; `bucket` names the one a request counts in, by default
    `write` for whatever may change something and `read` for the rest. A request waits up to
    `PATIENCE` for its turn; beyond that RateLimitError tells the hub when to come again. Where the
    vendor counts within something (one message a second in a channel), `share` names that.
    """

    def __init__(
        self,
        base_url: str,
        *,
        title: str,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        explain: Explain | None = None,
        connect: float = 5.0,
        deadline: float = 30.0,
        max_body: int = MAX_BODY,
        rates: Mapping[str, str] | None = None,
        take: Take | None = None,
        bucket: Bucket = bucket_of,
        destinations: Destinations | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.title = title
        self.deadline = deadline
        self.transport = Transport(destinations, max_body)
        self._headers = {"user-agent": USER_AGENT, **(headers or {})}
        self._auth = auth
        self._explain = explain
        self._connect = connect
        self._rates = dict(rates or {})
        self._take = take
        self._bucket = bucket
        self._client: httpx.Client | None = None
        self._closed = False
        self._lock = threading.Lock()
        self.requests = 0
        """How many have left so far."""
        self.quota: Quota | None = None
        """What the vendor last said of its own limit."""

    def request(
        self,
        method: str,
        target: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Json = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Iterable[int] = (),
        share: str = "",
    ) -> HttpResponse:
        """The answer if its status is 2xx, 304 or in `accept`; otherwise raises a sdk error.

        `target` is a path below the base URL, or an absolute URL on the same origin (the vendor's
        link to a next page); any other origin is refused, because the credentials would go there.
        """
        body = orjson.dumps(json) if json is not None else content
        sent = dict(headers or {})
        if json is not None:
            sent.setdefault("content-type", "application/json")
        response = self.exchange(
            method, target, params=params, content=body, headers=sent, share=share
        )
        if 200 <= response.status < 300 or response.status == 304 or response.status in accept:
            return response
        lured = 300 <= response.status < 400 and _lures(response)
        explained = self._explain(response) if self._explain and not lured else None
        raise explained or error_for(response, self.title)

    def exchange(
        self,
        method: str,
        target: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        share: str = "",
    ) -> HttpResponse:
        """The answer whatever its status. Raises an sdk error where there is none."""
        url = self._url(target, params)
        self._wait_for_turn(method, url.path, share)
        where = f"{method} {url.path}"
        with self.transport.until(time.monotonic() + self.deadline):
            try:
                return self._send(method, url, content, headers or {})
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                raise NotSentError(
                    f"{self.title} cannot be reached at {url.host}: {_reason(error)}."
                ) from error
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeEncodeError):
                raise ConfigError(  # the reason would show the header, which may be a secret
                    f"{where} cannot be sent to {self.title}: the address or a header holds what "
                    "HTTP does not allow. Check `base_url`, `auth` and `headers`."
                ) from None
            except httpx.TimeoutException as error:
                raise TransientError(
                    f"{self.title} did not finish {where} within {self.deadline:g} s."
                ) from error
            except httpx.HTTPError as error:
                raise TransientError(
                    f"The connection to {self.title} broke during {where}: {_reason(error)}."
                ) from error

    def close(self) -> None:
        """Give the sockets back. Whoever still asks afterwards is sent away with NotSentError."""
        with self._lock:
            client, self._client, self._closed = self._client, None, True
        if client:
            client.close()

    def _url(self, target: str, params: Mapping[str, str | int] | None) -> httpx.URL:
        if not target.startswith(("http://", "https://")):
            if _CLIMBING.search(target.partition("?")[0]):
                raise RejectedError(
                    f"Nothing was sent to {self.title}: an id that is '.' or '..' leads elsewhere."
                )
            target = f"{self.base_url}/{target.lstrip('/')}" if target else self.base_url
        try:
            base, url = httpx.URL(self.base_url), httpx.URL(target)
            url = url.copy_merge_params(dict(params)) if params else url
        except httpx.InvalidURL as error:
            raise ConfigError(f"Not a usable address for {self.title}: {error}.") from None
        if base.userinfo:
            raise ConfigError(
                f"`base_url` of {self.title} holds a name or password, which logs would show. "
                "Put them under `auth`."
            )
        origins = [(one.scheme, one.host, one.port, one.userinfo) for one in (url, base)]
        if origins[0] != origins[1]:
            raise ConfigError(
                f"{self.title} points to {url.host}, which is not the host of `base_url` "
                f"({base.host}). Put the address it really answers from under `base_url`."
            )
        return url

    def _wait_for_turn(self, method: str, path: str, share: str) -> None:
        """Every request counts in its own bucket, and in `all` where the vendor limits that."""
        if self._take is None or not self._rates:
            return
        until = time.monotonic() + PATIENCE
        own = self._bucket(method, path)
        for bucket, window in ((own, f"{own}:{share}" if share else own), ("all", "all")):
            rate = self._rates.get(bucket)
            while rate and (wait := self._take(window, rate)) > 0:
                if time.monotonic() + wait > until:
                    raise RateLimitError(
                        f"{self.title} takes {rate} of this kind of request; the rest waits.", wait
                    )
                time.sleep(wait)

    def _send(
        self, method: str, url: httpx.URL, body: bytes | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        self.requests += 1
        response = self._open().request(method, url, content=body, headers=headers)
        # it is read; its stream, which knows it, would keep it until somebody looks for garbage
        response.stream = httpx.ByteStream(b"")
        self.quota = quota_of(response.headers) or self.quota
        return HttpResponse(
            method, url.path, response.status_code, response.headers, response.content
        )

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._closed:
                raise NotSentError(f"The connection to {self.title} was closed: configured anew.")
            if self._client is None:
                self._client = httpx.Client(
                    transport=self.transport,
                    headers=self._headers,
                    auth=self._auth,
                    # one request must not change the next, nor one thread another's
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    follow_redirects=False,
                    timeout=httpx.Timeout(self.deadline, connect=self._connect),
                )
            return self._client


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")
