"""The webhook intake as a bare ASGI application: route, cap, verify, store raw, answer.

A 2xx to a delivery is sent after the commit that holds it and never otherwise. No framework: a
route of one costs several times the CPU, and intake is where load arrives in bursts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from connectors.sdk import Delivery, Receiver, Reply
from webhooks import limits
from webhooks.answers import (
    Answer,
    Refused,
    accepted,
    duplicate,
    from_reply,
    id_of,
    problems,
)
from webhooks.gate import Gate, TooMany
from webhooks.inbox import Connections, Endpoint, Inbox, Incoming, Stored
from webhooks.noticed import Notice, Notices, Outcome, part_of, reason_of, shown_headers
from webhooks.patience import Patience
from webhooks.receive import (
    Address,
    Budget,
    Disconnected,
    Receive,
    RequestBody,
    Scope,
    Send,
    acknowledgement,
    address_of,
    check_address_token,
    delivery_of,
    headers_of,
    incoming_of,
    judge,
    place_of,
    probe,
)
from webhooks.writer import CannotStore, Writer

log = logging.getLogger("webhooks")

PROBES = ("GET", "HEAD", "OPTIONS")
UNSTORED: Mapping[str, Outcome] = {"duplicate": "duplicate", "handshake": "handshake"}
"""Successful outcomes that leave no row."""
LINGER_SECONDS = 5.0
LINGER_BYTES = 16 * 1024 * 1024
"""How much of a refused body is read on, so that its sender gets to see the answer."""


class WebhookApp:
    """Answers everything under `/webhooks/`.

    Call `start()` before the first request and `stop()` after the last, or let the server do it by
    ASGI lifespan. `public_url` is how senders reach us, without `/webhooks`. `observe` is called
    with (connection, outcome) per answer, for metrics; the connection is empty where unknown.
    `notices` is told of what left no row: refusals, duplicates and handshakes.
    Times are in seconds, sizes in bytes.
    """

    def __init__(
        self,
        connections: Connections,
        inbox: Inbox,
        *,
        public_url: str,
        now: Callable[[], datetime],
        max_body: int = limits.MAX_BODY,
        max_reading: int = limits.MAX_READING,
        body_seconds: float = limits.BODY_SECONDS,
        commit_seconds: float = limits.COMMIT_SECONDS,
        max_batch: int = 500,
        max_waiting: int = 10_000,
        retry_after: int = 10,
        writer: Writer | None = None,
        gate: Gate | None = None,
        observe: Callable[[str, str], None] | None = None,
        notices: Notices | None = None,
    ) -> None:
        self._connections = connections
        self._public_url = public_url.rstrip("/")
        self._now = now
        self._max_body = max_body
        self._reading = Budget(max_reading)
        self._body_seconds = body_seconds
        self._patience = Patience(commit_seconds)
        self._writer = writer or Writer(inbox, max_batch=max_batch, max_waiting=max_waiting)
        self._gate = gate or Gate()
        self._problems = problems(retry_after)
        self._observe = observe
        self._notices = notices

    def start(self) -> None:
        """Start the writer. Harmless when it runs already."""
        self._writer.start()

    def stop(self, timeout: float | None = 30.0) -> bool:
        """Store what is waiting and stop; False if the inbox took longer than `timeout`."""
        return self._writer.stop(timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "lifespan.startup":
            self.start()
            await send({"type": "lifespan.startup.complete"})
        if message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(self.stop)
            await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        address = address_of(scope)
        if (address.shown, address.shown_query) != (address.path, address.query):
            # A server's access log prints the scope when the answer starts; it must not learn
            # the token.
            scope["path"], scope["raw_path"] = address.shown, address.shown.encode()
            scope["query_string"] = address.shown_query.encode("latin-1")
        endpoint = self._connections.get(address.connection) if address.connection else None
        if endpoint is not None and not isinstance(endpoint.receiver, Receiver):
            endpoint = None
        body = RequestBody(scope, headers, receive)
        why = None
        try:
            if endpoint is None:
                raise Refused("connection_unknown")
            answer = await self._take(endpoint, scope["method"], address, headers, body)
        except Refused as refused:
            why = refused
            answer = self._problems[refused.code]
            log.info("%s %s: %s %r", scope["method"], address.shown, refused.code, refused.reason)
        except Disconnected:
            return
        finally:
            self._reading.used -= body.held
        if self._observe is not None:
            self._observe(endpoint.connection if endpoint else "", answer.outcome)
        if self._notices is not None and (why is not None or answer.outcome in UNSTORED):
            self._notice(self._notices, endpoint, scope, address, headers, body, answer, why)
        await _send(send, answer, scope["method"], body)

    def _notice(
        self,
        notices: Notices,
        endpoint: Endpoint | None,
        scope: Scope,
        address: Address,
        headers: dict[str, str],
        body: RequestBody,
        answer: Answer,
        why: Refused | None,
    ) -> None:
        """Tell of an answer that left no row; a flood of them costs a count each."""
        outcome = "refused" if why is not None else UNSTORED[answer.outcome]
        name = endpoint.connection if endpoint else ""
        if not notices.wanted(name, outcome, answer.outcome):
            return
        equal = reason_of(id_of(answer)) if outcome == "duplicate" else ""
        client = scope.get("client")
        notices.note(
            Notice(
                connection=name,
                at=self._now(),
                outcome=outcome,
                code=answer.outcome,
                part=part_of(answer.outcome, why.part) if why else "",
                reason=reason_of(why.reason) if why else equal,
                method=scope["method"][:20],
                path=reason_of(address.shown)[:200],
                size=body.held or body.announced,
                remote=client[0] if client else None,
                headers=shown_headers(headers),
            )
        )

    async def _take(
        self,
        endpoint: Endpoint,
        method: str,
        address: Address,
        headers: dict[str, str],
        body: RequestBody,
    ) -> Answer:
        """Everything after the route, cheapest refusal first. Raises Refused or Disconnected."""
        received_at = self._now()
        if endpoint.out:
            raise Refused("connection_unavailable", endpoint.out)
        if method != "POST" and method not in PROBES:
            raise Refused("method_not_allowed")
        if body.malformed:
            raise Refused("request_malformed")
        limit = self._max_body if endpoint.max_body is None else endpoint.max_body
        if method == "POST" and body.announced is not None and body.announced > limit:
            raise Refused("body_too_large")
        check_address_token(endpoint, address.token)
        url = address.full(self._public_url)
        if method != "POST":
            request = delivery_of(method, url, address.query, headers, b"", received_at)
            return await _shake_hands(endpoint, probe(endpoint, request))
        coding = limits.coding_of(headers.get("content-encoding"))
        full = self._writer.refusal(body.announced or 0)
        if full is not None:
            raise Refused("cannot_store", full)
        content = await body.read(coding, limit, self._reading, self._body_seconds)
        delivery = delivery_of(method, url, address.query, headers, content, received_at)
        return await self._admit(endpoint, delivery, address)

    async def _admit(self, endpoint: Endpoint, delivery: Delivery, address: Address) -> Answer:
        """Judge a complete POST, store it, answer, when it is the turn of its connection. Raises
        Refused.
        """
        await self._enter(endpoint.connection)
        try:
            large = len(delivery.body) >= limits.INLINE_BODY
            judged = (
                await asyncio.to_thread(judge, endpoint, delivery)
                if large
                else judge(endpoint, delivery)
            )
            if judged.reply is not None:
                return await _shake_hands(endpoint, judged.reply)
            url = address.redacted(self._public_url)
            stored = await self._store(incoming_of(endpoint, delivery, judged, url))
            reply = (
                await asyncio.to_thread(acknowledgement, endpoint, delivery)
                if large
                else acknowledgement(endpoint, delivery)
            )
        finally:
            self._gate.leave(endpoint.connection)
        if reply is not None:
            try:
                return from_reply(reply, "duplicate" if stored.duplicate else "accepted")
            except ValueError as error:
                log.warning("%s: acknowledge gave no HTTP: %s", endpoint.connection, error)
        return duplicate(stored.id) if stored.duplicate else accepted(stored.id)

    async def _enter(self, connection: str) -> None:
        """Wait for the turn of a connection. Raises Refused."""
        try:
            turn = self._gate.enter(connection)
        except TooMany:
            reason = "Too much of this connection is waiting already."
            raise Refused("cannot_store", reason) from None
        if turn is None:
            return
        self._patience.watch(turn)
        try:
            await turn
        except BaseException as error:
            self._gate.withdraw(connection, turn)
            if isinstance(error, TimeoutError):
                reason = "The turn of this connection did not come in time."
                raise Refused("cannot_store", reason) from None
            raise

    async def _store(self, incoming: Incoming) -> Stored:
        """The row of a delivery, once it is durable. Raises Refused."""
        try:
            waiting = self._writer.submit(incoming)
            self._patience.watch(waiting)
            stored = await waiting
        except CannotStore as full:
            raise Refused("cannot_store", str(full)) from None
        except TimeoutError:
            raise Refused("cannot_store", "the commit takes too long") from None
        if stored is None:
            raise Refused("cannot_store", "the inbox failed")
        return stored


async def _shake_hands(endpoint: Endpoint, reply: Reply) -> Answer:
    """Send the vendor's reply, once a secret that came with the handshake is stored."""
    try:
        answer = from_reply(reply, "handshake")
    except ValueError as error:
        raise Refused("handshake_rejected", str(error)) from None
    if reply.secret is not None:
        if endpoint.on_secret is None:
            reason = "a handshake offered a secret; none is awaited, or webhook.token is not set"
            raise Refused("signature_invalid", reason)
        try:
            await asyncio.to_thread(endpoint.on_secret, reply.secret)
        except PermissionError as error:
            raise Refused("signature_invalid", str(error)) from None
        except Exception as error:
            raise Refused("cannot_store", place_of(error)) from None
    return answer


async def _send(send: Send, answer: Answer, method: str, body: RequestBody) -> None:
    """Answer; where part of the body is still on the wire, let it arrive and close."""
    headers = answer.headers
    content = b"" if method == "HEAD" else answer.body
    if not body.complete and answer.outcome != "body_timeout":
        body.take_what_is_here()
    if body.complete:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return
    headers = (*headers, (b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    if answer.outcome != "body_timeout":
        await body.discard(seconds=LINGER_SECONDS, limit=LINGER_BYTES)
    await send({"type": "http.response.body", "body": b""})
