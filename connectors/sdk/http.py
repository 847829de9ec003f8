"""HTTP for connectors: one client per connection that keeps a total deadline, follows no redirect,
caps what it reads, and raises the errors of `connectors.sdk.errors` instead of httpx's.

What matters most is told apart here: a failure *before* the request left (`NotSentError`: repeating
is safe) from one *after* (`TransientError`: the effect may have happened).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
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
from connectors.sdk.records import Json

USER_AGENT = "process-hub"
DEFAULT_WAIT = 60.0
"""Seconds to wait where a vendor asks for a pause without saying how long."""
LONGEST_WAIT = 86_400.0
"""A vendor that asks for more than a day is misread or broken: look again tomorrow."""
MAX_BODY = 32 * 1024 * 1024
"""Decoded bytes of one answer; more is refused, so a compressed bomb ends here."""
MAX_DEPTH = 250
"""Levels of JSON that may be nested; deeper values cannot be stored again."""

Explain = Callable[["HttpResponse"], ConnectorError | None]


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
        return decode_json(self.body, f"the answer to {self.method} {self.path}")


def decode_json(body: bytes, place: str) -> Json:
    """JSON from outside. Raises PayloadError for anything malformed, too deep or not UTF-8."""
    try:
        value = orjson.loads(body)
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
            orjson.dumps(value)  # its own limit is 254 levels; it raises beyond them
    except orjson.JSONDecodeError as error:
        raise PayloadError(f"Not valid JSON in {place}: {error.msg}.", place) from None
    except (TypeError, RecursionError):
        raise PayloadError(
            f"JSON nested deeper than {MAX_DEPTH} levels in {place}.", place
        ) from None
    return value


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
        return ConfigError(
            f"{title} answered {where} with a redirect ({status}), which is never followed. "
            "Put the new address under `base_url`."
        )
    try:
        reasons = field_errors(response.json())
    except PayloadError:
        reasons = {}
    told = "".join(f" {name}: {reason}." for name, reason in reasons.items())
    return RejectedError(f"{title} refused {where} ({status}).{told}", reasons)


class HttpClient:
    """One connection's way to its vendor. Safe to use from several threads; opens no socket, and
    reads no certificates, before the first request.

    `explain` sees a failed answer first and may return the error it stands for at this vendor;
    None leaves the general reading (`error_for`). `deadline` is the total time of one request in
    seconds, from connecting to the last byte, however slowly they drip.
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
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.title = title
        self._headers = {"user-agent": USER_AGENT, **(headers or {})}
        self._auth = auth
        self._explain = explain
        self._connect = connect
        self._deadline = deadline
        self._max_body = max_body
        self._network = _Network()
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

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
    ) -> HttpResponse:
        """The answer if its status is 2xx, 304 or in `accept`; otherwise raises a sdk error.

        `target` is a path below the base URL, or an absolute URL on the same origin (the vendor's
        link to a next page); any other origin is refused, because the credentials would go there.
        """
        url = self._url(target)
        body = orjson.dumps(json) if json is not None else content
        sent = dict(headers or {})
        if json is not None:
            sent.setdefault("content-type", "application/json")
        where = f"{method} {url.path}"
        with self._network.until(time.monotonic() + self._deadline):
            try:
                response = self._send(method, url, params, body, sent)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                raise NotSentError(
                    f"{self.title} cannot be reached at {url.host}: {_reason(error)}."
                ) from error
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise ConfigError(
                    f"{where} cannot be sent to {self.title}: {_reason(error)}. "
                    "Check `base_url` and `auth`."
                ) from error
            except httpx.TimeoutException as error:
                raise TransientError(
                    f"{self.title} did not finish {where} within {self._deadline:g} s."
                ) from error
            except httpx.HTTPError as error:
                raise TransientError(
                    f"The connection to {self.title} broke during {where}: {_reason(error)}."
                ) from error
        if 200 <= response.status < 300 or response.status == 304 or response.status in accept:
            return response
        explained = self._explain(response) if self._explain else None
        raise explained or error_for(response, self.title)

    def close(self) -> None:
        """Give the sockets back. A later request would open new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client:
            client.close()

    def _url(self, target: str) -> httpx.URL:
        try:
            base = httpx.URL(self.base_url)
            if not target.startswith(("http://", "https://")):
                return httpx.URL(f"{self.base_url}/{target.lstrip('/')}")
            url = httpx.URL(target)
        except httpx.InvalidURL as error:
            raise ConfigError(f"Not a usable address for {self.title}: {error}.") from None
        if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
            raise ConfigError(
                f"{self.title} points to {url.host}, which is not the host of `base_url` "
                f"({base.host}). Put the address it really answers from under `base_url`."
            )
        return url

    def _send(
        self,
        method: str,
        url: httpx.URL,
        params: Mapping[str, str | int] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> HttpResponse:
        if params:
            url = url.copy_merge_params(dict(params))
        with self._open().stream(method, url, content=body, headers=headers) as response:
            parts, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > self._max_body:
                    raise TransientError(
                        f"{self.title} answered {method} {url.path} with more than "
                        f"{self._max_body // (1024 * 1024)} MiB."
                    )
                parts.append(part)
            return HttpResponse(
                method, url.path, response.status_code, response.headers, b"".join(parts)
            )

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    transport=_Transport(self._network),
                    headers=self._headers,
                    auth=self._auth,
                    follow_redirects=False,
                    timeout=httpx.Timeout(self._deadline, connect=self._connect),
                )
            return self._client


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")


class _Transport(httpx.HTTPTransport):
    """httpx's transport over our network, which knows the deadline."""

    def __init__(self, network: _Network) -> None:
        super().__init__(limits=httpx.Limits(max_connections=20, max_keepalive_connections=10))
        # httpx offers no public way to hand a network backend to its pool; httpcore does
        self._pool._network_backend = network


class _Network(httpcore.NetworkBackend):
    """Sockets whose every wait ends at the current request's deadline. httpx alone limits only the
    single read, so a byte a second would hold a thread for hours.
    """

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()
        self._request = threading.local()

    def until(self, deadline: float) -> _Until:
        return _Until(self._request, deadline)

    def left(self, timeout: float | None) -> float | None:
        """The smaller of `timeout` and the time left; 0 or less means that it is over."""
        deadline: float | None = getattr(self._request, "deadline", None)
        if deadline is None:
            return timeout
        left = deadline - time.monotonic()
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self.left(timeout)
        if left is not None and left <= 0:
            raise httpcore.ConnectTimeout("no time left to connect")
        stream = self._backend.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self)


class _Until:
    """The deadline of the request that this thread is carrying out."""

    def __init__(self, request: threading.local, deadline: float) -> None:
        self._request = request
        self._deadline = deadline

    def __enter__(self) -> None:
        self._request.deadline = self._deadline

    def __exit__(self, *_: object) -> None:
        self._request.deadline = None


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, network: _Network) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._network.left(timeout)
        if left is not None and left <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._network.left(timeout)
        if left is not None and left <= 0:
            raise httpcore.WriteTimeout("the deadline has passed")
        self._stream.write(buffer, left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._network.left(timeout)
        if left is not None and left <= 0:
            raise httpcore.ConnectTimeout("no time left to connect")
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
