"""One delivery from the wire to its verdict: its address, its body, whether it is genuine.

The signature is checked over the body *after* Content-Encoding was undone: senders sign what they
wrote, and packing it is their HTTP library's doing. The same bytes are stored, so a row can be
verified again. Nothing here stores, and nothing here parses what a stranger wrote.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes

from connectors.sdk import Delivery, Reply, SignatureError
from webhooks.answers import Refused
from webhooks.inbox import Endpoint, Incoming, Verdict
from webhooks.limits import Unpacker, kept_headers, redacted_query, storable_id

log = logging.getLogger("webhooks")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PREFIX = "/webhooks/"
TOLD_CODES = ("timestamp_out_of_window", "xml_dtd_forbidden")
"""What a sender is told besides that its delivery proves nothing; the rest is for the log."""
USUAL_ADDRESS = 300
"""Bytes of an address up to which it is remembered how it comes apart."""


class Disconnected(Exception):
    """The sender left before its body was complete; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request went. `path` is percent-encoded as called, from `/webhooks/` on; `shown` is
    the same without the token. `connection` is None where the path has too many parts or too few.
    """

    connection: str | None
    token: bytes | None = field(repr=False)
    path: str = field(repr=False)
    query: str = field(repr=False)
    shown: str
    shown_query: str

    def full(self, public_url: str) -> str:
        """The URL that the sender called, token included: what vendors sign."""
        return public_url + self.path + (f"?{self.query}" if self.query else "")

    def redacted(self, public_url: str) -> str:
        """The URL to store: the token, and what sounds secret in the query, as `***`."""
        return public_url + self.shown + (f"?{self.shown_query}" if self.shown_query else "")


def address_of(scope: Scope) -> Address:
    """Take the address apart. It is split before it is decoded, so `%2F` stays inside its part; a
    prefix that a proxy announced as `root_path` is left out, as it belongs to the public URL.
    """
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"")
    usual = len(raw) + len(query) <= USUAL_ADDRESS
    take_apart = _usual_address if usual else _take_apart
    return take_apart(raw, query, scope.get("root_path") or "")


def _take_apart(raw: bytes, raw_query: bytes, root_path: str) -> Address:
    path = raw.partition(b"?")[0].decode("ascii", errors="replace")
    root = quote(root_path)
    if root and path.startswith(root + _PREFIX):
        path = path[len(root) :]
    query = raw_query.decode("latin-1")
    name, slash, rest = path.removeprefix(_PREFIX).partition("/")
    token = rest.removesuffix("/")
    known = path.startswith(_PREFIX) and name != "" and "/" not in token
    shown = f"{_PREFIX}{name}{slash}{'***' if token else ''}" if path.startswith(_PREFIX) else path
    return Address(
        connection=unquote(name) if known else None,
        token=unquote_to_bytes(token) if token else None,
        path=path,
        query=query,
        shown=shown,
        shown_query=redacted_query(query),
    )


_usual_address = lru_cache(maxsize=512)(_take_apart)
"""Senders call the same few addresses over and over."""


_NAMES: dict[bytes, str] = {}
"""Header names that came before; a stranger may invent some, so there is an end to it."""


def _name_of(raw: bytes) -> str:
    name = raw.decode("latin-1").lower()
    if len(_NAMES) < 1000 and len(raw) <= 60:
        _NAMES[raw] = name
    return name


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case; repeated ones joined by a comma as HTTP says."""
    given = scope["headers"]
    try:
        headers = {_NAMES[name]: value.decode("latin-1") for name, value in given}
    except KeyError:
        headers = {}
    if len(headers) == len(given):
        return headers
    headers = {}
    for raw_name, raw_value in given:
        name = _NAMES.get(raw_name) or _name_of(raw_name)
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def at_once(receive: Receive) -> Message | None:
    """The next message if it is here already; None, and nothing is taken, where it has yet to come.

    Most bodies arrive in one piece with their headers: they need no deadline, and setting one up
    costs more than reading them.
    """
    step = receive().__await__()
    try:
        next(step)
    except StopIteration as arrived:
        message: Message = arrived.value
        return message
    step.close()
    return None


def delivery_of(
    method: str, url: str, query: str, headers: Mapping[str, str], body: bytes, at: datetime
) -> Delivery:
    """The request as connectors see it; of a repeated query parameter the last value."""
    pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    return Delivery(method, url, headers, body, at, pairs)


class Budget:
    """Bytes that all bodies being read may take together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Raises Refused when there is no room."""
        if self.used + size > self.limit:
            raise Refused("cannot_store", "too many bodies are being read")
        self.used += size


class RequestBody:
    """The body of one request, read at most once.

    `announced` is the Content-Length, None without one. `complete` says that nothing is left on
    the wire, so the connection may serve another request.
    """

    def __init__(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> None:
        length = headers.get("content-length")
        chunked = "transfer-encoding" in headers
        digits = length is not None and length.isascii() and length.isdigit()
        self.malformed = length is not None and (chunked or not digits)
        self.announced = int(length[:16]) if length is not None and digits else None
        bodiless = self.announced is None and not chunked and scope["http_version"] < "2"
        self.complete = not self.malformed and (bodiless or self.announced == 0)
        self.held = 0
        self._awaits_permission = headers.get("expect", "").lower() == "100-continue"
        self._receive = receive

    async def read(self, coding: str, limit: int, budget: Budget, seconds: float) -> bytes:
        """The unpacked body. Counts what it holds in `budget` and `held`; the caller gives it back.

        Raises Refused (also where it takes longer than `seconds`) or Disconnected.
        """
        first = None
        if not self.complete:
            self._awaits_permission = False
            first = at_once(self._receive)
        if first is not None and coding == "identity" and first["type"] == "http.request":
            self.complete = not first.get("more_body", False)
            if self.complete:
                data: bytes = first.get("body", b"")
                if len(data) > limit:
                    raise Refused("body_too_large")
                budget.take(len(data))
                self.held = len(data)
                return data
        try:
            async with asyncio.timeout(seconds):
                return await self._read_on(first, Unpacker(coding, limit), limit, budget)
        except TimeoutError:
            raise Refused("body_timeout") from None

    async def _read_on(
        self, first: Message | None, unpacker: Unpacker, limit: int, budget: Budget
    ) -> bytes:
        wire = 0
        while not self.complete or first is not None:
            message = await self._receive() if first is None else first
            first = None
            if message["type"] != "http.request":
                raise Disconnected
            self.complete = not message.get("more_body", False)
            data = message.get("body", b"")
            wire += len(data)
            if wire > limit:
                raise Refused("body_too_large")
            unpacker.feed(data)
            budget.take(unpacker.size - self.held)
            self.held = unpacker.size
        return unpacker.finish()

    def take_what_is_here(self) -> None:
        """Forget what has arrived of the body: one that is here as a whole leaves the connection
        fit for another request.
        """
        if self._awaits_permission:
            return
        message = at_once(self._receive)
        if message is not None and message["type"] == "http.request":
            self.complete = not message.get("more_body", False)

    async def discard(self, *, seconds: float, limit: int) -> None:
        """Read on and forget, within bounds. A sender that is still sending when its connection
        closes sees a reset instead of our answer.
        """
        if self._awaits_permission:
            return
        try:
            async with asyncio.timeout(seconds):
                while not self.complete and limit > 0:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        return
                    self.complete = not message.get("more_body", False)
                    limit -= len(message.get("body", b""))
        except TimeoutError:
            return


def check_address_token(endpoint: Endpoint, token: bytes | None) -> None:
    """Raises Refused for a token that is wrong, missing or not expected."""
    if token is None:
        if endpoint.token_required:
            raise Refused("signature_invalid", "the address lacks the token", "token")
        return
    if endpoint.token_hash is None:
        reason = "the address has a token, the connection has none"
        raise Refused("signature_invalid", reason, "token")
    if not hmac.compare_digest(hashlib.sha256(token).digest(), endpoint.token_hash):
        raise Refused("signature_invalid", "the token in the address is wrong", "token")


class Judgement(NamedTuple):
    """What a delivery turned out to be: with a `reply` it was a handshake and is not stored."""

    verdict: Verdict
    delivery_id: str | None = None
    reply: Reply | None = None
    body_hash: str = ""


def judge(endpoint: Endpoint, delivery: Delivery) -> Judgement:
    """Is this POST genuine, and is it a handshake? CPU only. Raises Refused.

    A connection that takes unsigned deliveries still asks `verify`, for the delivery id alone.
    """
    verdict: Verdict = "unsigned" if endpoint.unsigned else "genuine"
    receiver = endpoint.receiver
    if receiver.handshake_before_verify and (reply := _handshake(endpoint, delivery)):
        return Judgement(verdict, reply=reply)
    delivery_id = None
    try:
        delivery_id = receiver.verify(delivery)
    except SignatureError as error:
        if not endpoint.unsigned:
            told = error.code in TOLD_CODES
            raise Refused(error.code if told else "signature_invalid", str(error)) from None
    except Exception as error:
        log.warning("%s: verify failed with %s", endpoint.connection, place_of(error))
        if not endpoint.unsigned:
            raise Refused("signature_invalid", "the connector could not judge it") from None
    if not receiver.handshake_before_verify and (reply := _handshake(endpoint, delivery)):
        return Judgement(verdict, reply=reply)
    digest = hashlib.sha256(delivery.body).hexdigest()
    return Judgement(verdict, storable_id(delivery_id), body_hash=digest)


def probe(endpoint: Endpoint, delivery: Delivery) -> Reply:
    """The reply to a GET, HEAD or OPTIONS. Raises Refused where the vendor does no such thing."""
    try:
        reply = endpoint.receiver.handshake(delivery)
    except Exception as error:
        log.warning("%s: handshake failed with %s", endpoint.connection, place_of(error))
        raise Refused("handshake_rejected") from None
    if reply is None:
        raise Refused("method_not_allowed")
    return reply


def _handshake(endpoint: Endpoint, delivery: Delivery) -> Reply | None:
    """A POST that trips the connector's handshake is a delivery: it must not be lost to a bug."""
    try:
        return endpoint.receiver.handshake(delivery)
    except Exception as error:
        log.warning("%s: handshake failed with %s", endpoint.connection, place_of(error))
        return None


def acknowledgement(endpoint: Endpoint, delivery: Delivery) -> Reply | None:
    """The vendor's own success answer, None for ours. The row is durable: this cannot fail."""
    try:
        return endpoint.receiver.acknowledge(delivery)
    except Exception as error:
        log.warning("%s: acknowledge failed with %s", endpoint.connection, place_of(error))
        return None


def incoming_of(endpoint: Endpoint, delivery: Delivery, judged: Judgement, url: str) -> Incoming:
    """The delivery as the inbox takes it; `url` is the redacted one."""
    return Incoming(
        connection=endpoint.connection,
        delivery_id=judged.delivery_id,
        received_at=delivery.received_at,
        method=delivery.method,
        url=url,
        headers=kept_headers(delivery.headers, endpoint.receiver.stored_headers),
        body=delivery.body,
        body_hash=judged.body_hash,
        verdict=judged.verdict,
        capture=endpoint.capture,
    )


def place_of(error: Exception) -> str:
    """The kind of an error and the line it came from. Its text may quote the body: left out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where
