"""What a vendor sends: proved by the scheme of the description, read by its table of events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from connectors.rest.hooks import EventWords, WebhookWords
from connectors.rest.shapes import Shape
from connectors.sdk import (
    Delivery,
    Fetch,
    Parsed,
    PayloadError,
    PullHint,
    Reply,
    SignatureError,
    WebhookConfig,
)
from connectors.sdk.http import decode_json
from connectors.sdk.paths import compile_condition, compile_path
from connectors.sdk.records import Json
from connectors.sdk.signatures import (
    GITHUB,
    SLACK,
    check_basic,
    check_token,
    header_of,
)
from connectors.sdk.vendor_signatures import check_standard_webhooks, check_stripe

PLACE = "the delivery"
LONGEST = 1000
"""Letters of a challenge that is sent back."""


class Receiving:
    """The webhooks of one connection."""

    def __init__(
        self, words: WebhookWords, config: WebhookConfig, shapes: Mapping[str, Shape]
    ) -> None:
        self.words = words
        self._config = config
        self._shapes = shapes

    @property
    def headers(self) -> Collection[str]:
        """Headers it reads that may be stored: none that is a secret itself."""
        words = self.words
        signed = words.header if words.scheme not in ("token", "basic", "none") else None
        named = (
            signed,
            words.timestamp_header,
            words.id_header,
            words.delivery_header,
            words.event_header,
        )
        return frozenset(name.lower() for name in named if name)

    def verify(self, delivery: Delivery) -> str | None:
        """The delivery's name. Raises SignatureError."""
        words, config = self.words, self._config
        if config.secret or not config.unsigned:
            self._prove(delivery)
        if words.delivery_header:
            return delivery.headers.get(words.delivery_header.lower()) or None
        if words.scheme == "standard-webhooks":
            return delivery.headers.get("webhook-id") or None
        if words.delivery is None:
            return None
        try:
            found = compile_path(words.delivery).get(decode_json(delivery.body, PLACE))
        except PayloadError:
            return None
        return str(found) if isinstance(found, str | int) and found != "" else None

    def _prove(self, delivery: Delivery) -> None:
        words, secrets = self.words, self._config.secret
        if words.scheme == "standard-webhooks":
            check_standard_webhooks(delivery, secrets, tolerance=words.tolerance)
        elif words.scheme == "stripe":
            header = words.header or "stripe-signature"
            check_stripe(delivery, secrets, header=header, tolerance=words.tolerance)
        elif words.scheme == "github":
            GITHUB.check(delivery, secrets)
        elif words.scheme == "slack":
            SLACK.check(delivery, secrets)
        elif words.scheme == "hmac":
            words.hmac.check(delivery, secrets)
        elif words.scheme == "token":
            given = header_of(delivery, words.header or "")
            if not given.startswith(words.prefix):
                raise SignatureError(f"The token lacks its prefix '{words.prefix}'.")
            check_token(given.removeprefix(words.prefix), secrets)
        elif words.scheme == "basic":
            check_basic(header_of(delivery, "authorization"), words.user, secrets)
        elif self._config.token is None:  # otherwise the intake has compared the address
            raise SignatureError("Nothing in the request proves where it comes from.")

    def handshake(self, delivery: Delivery) -> Reply | None:
        """A text that the vendor wants back, or a test of the address."""
        words = self.words
        if delivery.method.upper() != "POST" or not (words.challenge or words.pong):
            return None
        try:
            body = decode_json(delivery.body, PLACE)
        except PayloadError:
            return None
        if words.challenge:
            text = compile_path(words.challenge).get(body)
            if isinstance(text, str) and 0 < len(text) <= LONGEST:
                return Reply(200, text.encode(), {"content-type": "text/plain; charset=utf-8"})
        if words.pong and compile_condition(words.pong).holds(body):
            return Reply(200, b'{"status":"pong"}', {"content-type": "application/json"})
        return None

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        """What it says. Raises PayloadError, also for an event that no entry names."""
        body = decode_json(delivery.body, PLACE)
        items: Json = [body]
        if self.words.each:
            items = compile_path(self.words.each).get(body)
            if not isinstance(items, list):
                raise PayloadError(f"There is no list at `{self.words.each}` of {PLACE}.", PLACE)
        found: list[Parsed] = []
        for item in items:
            words = self._words_of(delivery, body, item)
            if not words.ignore:
                found.append(self._parsed(words, item))
        return found

    def _words_of(self, delivery: Delivery, body: Json, item: Json) -> EventWords:
        kind: Json = "*"
        if self.words.event_header:
            kind = delivery.headers.get(self.words.event_header.lower())
        elif self.words.event:
            path = compile_path(self.words.event)
            kind = path.get(item)
            kind = path.get(body) if kind is None else kind
        if not isinstance(kind, str) or not kind:
            raise PayloadError(f"{PLACE.capitalize()} does not say what happened.", PLACE)
        events = self.words.events
        if kind in events:
            return events[kind]
        fitting = [name for name in events if name.endswith("*") and kind.startswith(name[:-1])]
        if not fitting:
            raise PayloadError(
                f"The description knows no event '{kind[:60]}'. Name it under webhook.events, "
                "with `ignore` if it is of no interest.",
                PLACE,
            )
        return events[max(fitting, key=len)]

    def _parsed(self, words: EventWords, item: Json) -> Parsed:
        if words.pull:
            return PullHint(words.object)
        shape = self._shapes[words.object]
        row = compile_path(words.record).get(item) if words.record else None
        if isinstance(row, dict):
            return shape.record(row, deleted=words.deleted, part=words.deleted)
        found = compile_path(words.id).get(item) if words.id else None
        if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
            raise PayloadError(
                f"There is no {words.object} at `{words.record or words.id}` of {PLACE}.", PLACE
            )
        return shape.gone(str(found)) if words.deleted else Fetch(words.object, [str(found)])
