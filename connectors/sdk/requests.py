"""For vendor libraries that insist on `requests`: a session whose requests leave through our own
client, so that they keep its deadline, destinations and size cap, and follow no redirect.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connectors.sdk.errors import ConfigError
from connectors.sdk.http import HttpClient, HttpResponse, error_for

HOP_BY_HOP = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of a request that httpx writes itself, or that are nobody's but the socket's."""
UNDONE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers of an answer that are no longer true: its body is decoded and whole by now."""


class GuardedSession(requests.Session):
    """A session that sends everything through `client`, whatever the library asks of it: no other
    adapter, proxy, .netrc, cookie, certificate option or timeout of its own has an effect.

    `vendor` are the origins that the library builds its addresses on ("https://sheets.example");
    such addresses go to the client's base URL instead, since these libraries know no `base_url`.
    Errors are those of the sdk, raised through the library; an answer is handed to the library as
    it came, except a redirect, which is ConfigError. `answer_of` turns it back for `error_for`.
    """

    def __init__(self, client: HttpClient, *vendor: str) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no .netrc that would replace our credentials
        self.max_redirects = 0
        self.headers.pop("User-Agent", None)  # the client has its own
        self._guard = _Guarded(client, tuple(origin.rstrip("/") for origin in vendor))

    def get_adapter(self, url: str) -> BaseAdapter:
        """Ours for every address: a library may mount what it likes."""
        return self._guard

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def answer_of(response: requests.Response) -> HttpResponse:
    """The answer as our own client gives it, to read JSON with its limits or to name an error."""
    method = (response.request.method if response.request is not None else None) or "GET"
    path = urlsplit(response.url or "").path
    return HttpResponse(
        method, path, response.status_code, httpx.Headers(dict(response.headers)), response.content
    )


class _Guarded(BaseAdapter):
    def __init__(self, client: HttpClient, vendor: tuple[str, ...]) -> None:
        super().__init__()
        self._client = client
        self._vendor = vendor

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """One request and its whole answer. Raises the errors of the sdk."""
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in request.headers.items()
            if name.lower() not in HOP_BY_HOP
        }
        url = self._address(request.url or "")
        answer = self._client.exchange(
            request.method or "GET", url, content=_whole(request.body), headers=headers
        )
        if 300 <= answer.status < 400 and "location" in answer.headers:
            raise error_for(answer, self._client.title)
        return _response(answer, request, url)

    def _address(self, url: str) -> str:
        for origin in self._vendor:
            if url.startswith((origin + "/", origin + "?")) or url == origin:
                return self._client.base_url + url[len(origin) :]
        if urlsplit(url).scheme not in ("http", "https"):
            raise ConfigError(f"{self._client.title} cannot be reached by {urlsplit(url).scheme}:.")
        return url

    def close(self) -> None:
        return None


def _response(
    answer: HttpResponse, request: requests.PreparedRequest, url: str
) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = http.client.responses.get(answer.status, "")
    # what repeats is joined by commas, as the library's own adapter does
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in UNDONE}
    response.headers = CaseInsensitiveDict(kept)
    response.headers["Content-Length"] = str(len(answer.body))
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    # read already: `content`, `iter_content` and `raw` all serve the same whole body
    response._content = answer.body
    response._content_consumed = True
    response.raw = io.BytesIO(answer.body)
    response.url = url
    response.request = request
    return response


def _whole(body: Any) -> bytes | None:
    """The body in one piece: text, bytes, an open file, or an iterable of either."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    if hasattr(body, "read"):
        return _whole(body.read())
    if isinstance(body, Iterable):
        return b"".join(_whole(part) or b"" for part in body)
    raise TypeError(f"A request body of {type(body).__name__} cannot be sent.")
