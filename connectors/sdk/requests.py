"""For vendor libraries that insist on `requests`: a session whose requests leave through our own
client, so that they keep its deadline, destinations and size cap, and follow no redirect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connectors.sdk.http import HttpClient

HOP_BY_HOP = frozenset({"connection", "content-length", "accept-encoding", "host"})
"""Headers that httpx writes itself."""


class GuardedSession(requests.Session):
    """A session that sends everything through `client`.

    `vendor` is the origin that the library builds its addresses on ("https://sheets.example");
    such addresses go to the client's base URL instead, since these libraries know no `base_url`.
    Errors are those of the sdk, raised through the library; an answer of any status is handed to
    the library as it came.
    """

    def __init__(self, client: HttpClient, *vendor: str) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no .netrc that would replace our credentials
        self.max_redirects = 0
        self.adapters.clear()
        adapter = _Guarded(client, vendor)
        for scheme in ("https://", "http://"):
            self.mount(scheme, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


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
        url = request.url or ""
        for origin in self._vendor:
            if url.startswith(origin + "/"):
                url = self._client.base_url + url[len(origin) :]
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in request.headers.items()
            if name.lower() not in HOP_BY_HOP
        }
        content = _whole(request.body)
        answer = self._client.exchange(
            request.method or "GET", url, content=content, headers=headers
        )
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(
            (name, value)
            for name, value in answer.headers.items()
            # the body is decoded and whole by now
            if name.lower() not in ("content-encoding", "transfer-encoding")
        )
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response._content = answer.body
        response.url = url
        response.request = request
        return response

    def close(self) -> None:
        return None


def _whole(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        return _whole(body.read())
    return b"".join(part.encode() if isinstance(part, str) else part for part in body)
