"""What the intake lets in and keeps: sizes, deadlines, the header allow-list, bounded unpacking."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from urllib.parse import unquote_plus

from webhooks.answers import Refused

MAX_BODY = 5 * 1024 * 1024
"""Bytes of one body, on the wire and unpacked."""
MAX_READING = 128 * 1024 * 1024
"""Bytes of all bodies being read at one moment; beyond it new ones are told to come back."""
BODY_SECONDS = 20.0
"""From the end of the headers to the end of the body."""
COMMIT_SECONDS = 20.0
"""How long a sender is kept waiting for the commit before it is told to come back."""
INLINE_BODY = 64 * 1024
"""A body this small is verified on the event loop; a larger one in a thread."""
MAX_MEMBERS = 32
"""Gzip members in one body. Senders write one; thousands of empty ones only burn time."""
MAX_DELIVERY_ID = 200
"""Characters of a delivery id before it is replaced by its hash."""

_KEPT = frozenset(
    {
        "content-type",
        "content-language",
        "user-agent",
        "date",
        "soapaction",
        "idempotency-key",
        "traceparent",
        "x-request-id",
        "x-correlation-id",
        "x-event-key",
        "x-hook-signature",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-signature",
        "x-timestamp",
        "x-webhook-id",
    }
)
_KEPT_PREFIXES = (
    "ce-",
    "linear-",
    "webhook-",
    "x-airtable-",
    "x-atlassian-",
    "x-github-",
    "x-gitlab-",
    "x-goog-",
    "x-hubspot-",
    "x-redmine-",
    "x-slack-",
    "x-trello-",
    "x-webhook-",
    "x-zendesk-",
)
_KEPT_SUFFIXES = ("-signature", "-signature-256", "-timestamp", "-event", "-delivery", "-topic")
_SECRET = re.compile(r"authorization|cookie|token|secret|passw|api-?_?key|credential|session", re.I)
_SECRET_PARAMETER = re.compile(
    _SECRET.pattern + r"|jwt|assertion|auth|hmac|signature|(?:key|code|sig|otp|pin|sid)$", re.I
)
"""Names of query parameters: what proves who sends is kept among the headers, but not in a URL."""


def kept_headers(headers: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """The headers worth a place in the inbox: those that `verify` and `parse` read.

    Names are lower case. `more` are the connector's own. A name that sounds like a credential is
    never kept, whoever asks for it; signatures are, so that a row can be verified again.
    """
    names = tuple(headers)
    kept = _kept(names, tuple(more)) if len(names) <= MANY_HEADERS else _choose(names, more)
    return {name: headers[name] for name in kept}


MANY_HEADERS = 40
"""Beyond so many it is no vendor's usual request, and not worth to be remembered."""


def _choose(names: Collection[str], more: Collection[str]) -> tuple[str, ...]:
    own = {name.lower() for name in more}
    return tuple(
        name for name in names if _usual(name) or (name in own and not _SECRET.search(name))
    )


_kept = lru_cache(maxsize=256)(_choose)
"""Vendors send the same headers over and over."""


@lru_cache(maxsize=1024)
def _usual(name: str) -> bool:
    """Whether every connection keeps this header."""
    worth = name in _KEPT or name.startswith(_KEPT_PREFIXES) or name.endswith(_KEPT_SUFFIXES)
    return worth and not _SECRET.search(name)


def redacted_query(query: str) -> str:
    """The query string as written, with the values of parameters that sound secret as `***`."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(
        f"{name}=***" if equals and _names_a_secret(name) else name + equals + value
        for name, equals, value in pairs
    )


def _names_a_secret(parameter: str) -> bool:
    return _SECRET_PARAMETER.search(unquote_plus(parameter)) is not None


def storable_id(delivery_id: str | None) -> str | None:
    """A delivery id that any database can index: one that is too long, or holds a control
    character or a lone surrogate, becomes its hash. None and the empty text are no id.
    """
    if not delivery_id:
        return None
    if len(delivery_id) <= MAX_DELIVERY_ID and delivery_id.isprintable():
        return delivery_id
    digest = hashlib.sha256(delivery_id.encode(errors="surrogatepass")).hexdigest()
    return f"sha256:{digest}"


def coding_of(header: str | None) -> str:
    """`identity`, `gzip` or `deflate` from a Content-Encoding header; anything else is Refused,
    a body packed twice too.
    """
    if header is None:
        return "identity"
    names = [name.strip().lower() for name in header.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return "identity"
    if len(names) == 1 and names[0] in ("gzip", "x-gzip"):
        return "gzip"
    if names == ["deflate"]:
        return "deflate"
    raise Refused("encoding_unsupported")


class Unpacker:
    """Undoes one Content-Encoding chunk by chunk and stops at `limit` bytes of output.

    Memory stays near the limit whatever is fed: a bomb is refused when its first byte too many
    would be written. `deflate` takes the zlib format and the bare one, as senders use both.
    """

    def __init__(self, coding: str, limit: int) -> None:
        self._coding = coding
        self._limit = limit
        self._members = 0
        self._stream: zlib._Decompress | None = None
        self._head = b""
        self._out = bytearray()

    @property
    def size(self) -> int:
        """Bytes of output so far."""
        return len(self._out)

    def feed(self, data: bytes) -> None:
        """Take the next chunk. Raises Refused: too large, or not what the coding says."""
        if self._coding == "identity":
            self._out += data
            self._check()
            return
        data = self._head + data
        self._head = b""
        while data:
            if self._stream is None:
                if self._coding == "deflate" and self._members == 0 and len(data) < 2:
                    self._head = data  # the format shows in the first two bytes
                    return
                data = self._begin(data)
                continue
            data = self._step(self._stream, data)

    def finish(self) -> bytes:
        """The whole body. Raises Refused where the packed stream has not ended."""
        if self._head or self._stream is not None:
            raise Refused("encoding_invalid")
        return bytes(self._out)

    def _begin(self, data: bytes) -> bytes:
        if self._members and self._coding == "gzip":
            data = data.lstrip(b"\0")  # padding after the last member is allowed
            if not data:
                return data
        elif self._members:
            raise Refused("encoding_invalid")
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise Refused("body_too_large")
        if self._coding == "gzip":
            self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        else:
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return data

    def _step(self, stream: zlib._Decompress, data: bytes) -> bytes:
        """Unpack as much as the limit allows; returns what is left over of `data`."""
        try:
            self._out += stream.decompress(data, self._limit - len(self._out) + 1)
        except zlib.error:
            raise Refused("encoding_invalid") from None
        self._check()
        if stream.eof:
            self._stream = None
            return stream.unused_data
        return stream.unconsumed_tail

    def _check(self) -> None:
        if len(self._out) > self._limit:
            raise Refused("body_too_large")
