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
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.paths import compile_condition, compile_path
from connectors.sdk.public_keys import PublicKeys
from connectors.sdk.records import Json
from connectors.sdk.scheme import Scheme, Terms
from connectors.sdk.schemes import SCHEMES
from connectors.sdk.senders import new_id, sign_address, with_default

PLACE = "the delivery"
LONGEST = 1000
"""Letters of a challenge that is sent back."""


class Receiving:
    """The webhooks of one connection."""

    def __init__(
        self,
        words: WebhookWords,
        config: WebhookConfig,
        shapes: Mapping[str, Shape],
        keys: PublicKeys | None = None,
    ) -> None:
        self.words = words
        self.keys = keys
        self.scheme: Scheme | None = SCHEMES.get(words.scheme)
        self._config = config
        self._shapes = shapes
        self._terms: Terms = words.terms(config, keys, words.user)

    @property
    def headers(self) -> Collection[str]:
        """Headers it reads that may be stored: none that is a secret itself."""
        words = self.words
        secret = self.scheme is None or self.scheme.vouches
        signed = None if secret else words.header
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
        if words.delivery is None:
            return self._usual_id(delivery)
        return self._inside(delivery, words.delivery)

    def _usual_id(self, delivery: Delivery) -> str | None:
        """As the scheme names a delivery, if it does."""
        if self.scheme is None or self.scheme.identify:
            return self.scheme.identify(delivery) if self.scheme and self.scheme.identify else None
        place = self.scheme.delivery or ""
        if place.startswith("header:"):
            return delivery.headers.get(place.removeprefix("header:")) or None
        return self._inside(delivery, place) if place else None

    def _inside(self, delivery: Delivery, path: str) -> str | None:
        try:
            found = compile_path(path).get(decode_json(delivery.body, PLACE))
        except PayloadError:
            return None
        usable = isinstance(found, str | int) and not isinstance(found, bool) and found != ""
        return str(found) if usable else None

    def _prove(self, delivery: Delivery) -> None:
        if self.scheme is not None:
            self.scheme.check(delivery, self._terms)
        elif self._config.token is None:  # otherwise the intake has compared the address
            raise SignatureError("Nothing in the request proves where it comes from.")

    def sign(self, delivery: Delivery, id: str) -> Delivery:
        """As the vendor would send it."""
        if self.words.delivery_header:
            delivery = with_default(delivery, self.words.delivery_header, id or new_id())
        if self.scheme is None:
            return sign_address(delivery, self._config.token)
        return self.scheme.signed(delivery, self._terms, id)

    def acknowledge(self) -> Reply | None:
        """As the vendor wants its deliveries answered."""
        return self.scheme.reply if self.scheme else None

    def handshake(self, delivery: Delivery) -> Reply | None:
        """What the vendor of the scheme wants, a text to send back, or a test of the address."""
        words = self.words
        if self.scheme and self.scheme.handshake:
            reply = self.scheme.handshake(delivery)
            if reply or self.scheme.unproved:  # what nobody proved gets no other answer
                return reply
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
        read = self.scheme.read if self.scheme else None
        body = read(delivery) if read else decode_json(delivery.body, PLACE)
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
